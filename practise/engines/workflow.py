"""What the Snakefile asks of Python: the params file checked, the lists from `dvc.yaml`, this machine.

A mistake in the params file is told as everywhere else, one sentence each and exit code 2, before any rule is
read.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from practise.engines.locks import clear_stale_snakemake_locks
from practise.engines.pipeline import Pipeline
from practise.errors import PractiseError
from practise.machine.hardware import glance, has_gpu
from practise.settings.presets.select import measures_time

DEFAULT_PARAMS = "params.yaml"


class Plan(Pipeline):
    """The pipeline of one Snakemake run.

    Args:
        params_file: The params file.
        is_main: Whether this is the process that a person started, not one job of it on a cluster.
    """

    def __init__(self, params_file: str | Path, is_main: bool = True) -> None:
        super().__init__(params_file)
        self.is_main = is_main

    @classmethod
    def of(cls, workflow: Any) -> "Plan":
        """Return the plan of a Snakemake run for its one config file, or leave with exit code 2.

        Args:
            workflow: Snakemake's `workflow`, before its `configfile:` line.
        """
        files = [os.path.relpath(file) for file in workflow.configfiles] or [DEFAULT_PARAMS]
        if len(files) > 1:
            _leave(f"snakemake: {len(files)} config files are named ({', '.join(files)}), should be one")
        try:
            return cls(files[0], is_main=workflow.is_main_process)
        except PractiseError as error:
            _leave(str(error))

    def check_config(self, config: Mapping[str, Any]) -> None:
        """Leave with exit code 2 when Snakemake's config is not what the params file says.

        The commands and DVC read the file: a value from `--config`, or a file merged over another one, would
        reach the rules alone.
        """
        if config == self.values:
            return
        keys = [key for key in {**self.values, **config} if config.get(key) != self.values.get(key)]
        _leave(
            f"snakemake: the config differs from {self.params_file} in {', '.join(keys)}: edit the file in "
            "place of --config, and name another whole file by --configfile FILE --replace-workflow-config"
        )

    def lift_rate_limit(self, workflow: Any) -> None:
        """Take away Snakemake's limit on jobs a second where they run on this machine.

        With it, every job that ends leaves behind a timer that wakes the scheduler each second from then on
        (Snakemake 9.27): after eighty jobs a fifth of a core is busy beside the networks that are timed.

        Args:
            workflow: Snakemake's `workflow`, once it has a scheduler.
        """
        if workflow.local_exec:
            workflow.scheduler.job_rate_limiter = None

    def measures_time(self, method: str, target: str) -> bool:
        """Whether a job of the stage `select` measures time, so that nothing may run beside it."""
        return measures_time(self.params, method, float(target))

    def clear_stale_locks(self) -> None:
        """Forget the lock of a Snakemake run that was killed."""
        if self.is_main:
            clear_stale_snakemake_locks()

    @property
    def machine(self) -> str:
        """This machine as text: when it differs, the stage `hardware` runs again."""
        return json.dumps({**glance(), "gpu": has_gpu()}, sort_keys=True)

    @property
    def gpus_per_job(self) -> int:
        """How many GPUs a stage that computes takes: one, where it computes on a GPU."""
        return _count_gpus(self.params.device.name)

    @property
    def gpus_per_timing(self) -> int:
        """The same of a stage that does nothing but measure time."""
        return _count_gpus(self.params.latency.device or self.params.device.name)


def _count_gpus(device: str) -> int:
    return int(device == "cuda" or (device == "auto" and has_gpu()))


def _leave(sentences: str) -> NoReturn:
    for sentence in sentences.splitlines():
        print(f"practise: {sentence}", file=sys.stderr)
    sys.exit(2)
