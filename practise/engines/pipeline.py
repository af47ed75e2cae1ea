"""The pipeline as `dvc.yaml` describes it: which jobs there are, which code and which params each depends on.

DVC reads the same file itself. Snakemake's rules ask here for the lists of code and params, so that they
stand in one place, and `practise sync` and `practise demo` ask which jobs make which files.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from practise.engines import EngineError
from practise.params import load_params

FILE = "dvc.yaml"
PLACEHOLDER = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class Job:
    """One run of a stage.

    Attributes:
        stage: The stage, such as `score`.
        name: DVC's name of the job, such as `score@efficientnet_lite0-elpv-practise-50-0`.
        command: What runs, in one line.
        deps: The files and directories that it reads, code among them.
        outs: The files that it writes.
        items: Its place in the grid, such as `{"network": "resnet34", "seed": 0}`.
    """

    stage: str
    name: str
    command: str
    deps: tuple[str, ...]
    outs: tuple[str, ...]
    items: Mapping[str, object] = field(default_factory=dict, compare=False)


class Pipeline:
    """A params file with the `dvc.yaml` beside it.

    Args:
        params_file: The params file, relative to the project's root, which is the working directory.

    Raises:
        ParamsError: The params file is wrong.
        EngineError: It names another file as itself, or no `dvc.yaml` lies beside it.
    """

    def __init__(self, params_file: str | Path) -> None:
        self.params_file = Path(params_file)
        self.params = load_params(self.params_file)
        self.file = self.params_file.with_name(FILE)
        self.values: dict[str, Any] = yaml.safe_load(self.params_file.read_text(encoding="utf-8"))
        profile = self.params.profile
        if Path(profile.file).resolve() != self.params_file.resolve():
            raise EngineError(
                f"{self.params_file}: profile.file is '{profile.file}', should be '{self.params_file}'"
            )
        if (self.params_file.parent / profile.root).resolve() != Path.cwd():
            raise EngineError(
                f"{self.params_file}: profile.root is '{profile.root}', should be the way from there to "
                f"{Path.cwd()}, the project's root, where the command runs"
            )
        if not self.file.is_file():
            raise EngineError(
                f"{self.file}: no such file, should be a copy of the dvc.yaml in the project's root"
            )

    @cached_property
    def stages(self) -> dict[str, dict[str, Any]]:
        """The stages as they stand in `dvc.yaml`, in the order of the pipeline."""
        stages: dict[str, dict[str, Any]] = yaml.safe_load(self.file.read_text(encoding="utf-8"))["stages"]
        return stages

    @cached_property
    def jobs(self) -> list[Job]:
        """All jobs of the grid."""
        return [job for stage in self.stages for job in self._jobs_of(stage)]

    def code(self, stage: str) -> list[str]:
        """Return the modules and data files of ours that shape a stage's result, as `dvc.yaml` lists them.

        A folder that it lists stands for all modules in it.
        """
        listed = [Path(path) for path in self.stages[stage]["deps"] if path.startswith("practise/")]
        modules = [sorted(path.glob("*.py")) if path.is_dir() else [path] for path in listed]
        return [str(module) for module in itertools.chain.from_iterable(modules)]

    def section(self, stage: str, items: Mapping[str, object]) -> str:
        """Return the params that a job depends on, always the same text for the same values.

        Args:
            stage: The stage.
            items: Its place in the grid, such as `{"network": "resnet34", "seed": 0}`.
        """
        keys = [
            key for entry in self.stages[stage].get("params", []) for keys in entry.values() for key in keys
        ]
        filled = [_fill(key, {**self.values, "item": items}) for key in keys]
        return json.dumps({key: _look_up(self.values, key) for key in filled}, sort_keys=True)

    def _jobs_of(self, stage: str) -> Iterator[Job]:
        spec = self.stages[stage]
        matrix = {name: _look_up(self.values, text[2:-1]) for name, text in spec.get("matrix", {}).items()}
        for values in itertools.product(*matrix.values()):
            items = dict(zip(matrix, values, strict=True))
            scope = {**self.values, "item": items}
            outs = [*spec.get("outs", []), *spec.get("metrics", [])]
            yield Job(
                stage,
                "@".join([stage, *(["-".join(map(str, values))] if matrix else [])]),
                " ".join(_fill(spec["cmd"], scope).split()),
                tuple(_fill(path, scope) for path in spec["deps"]),
                tuple(_fill(path, scope) for path in outs),
                items,
            )


def _fill(text: str, scope: Mapping[str, Any]) -> str:
    """Put values in the place of `${dotted.keys}`."""
    return PLACEHOLDER.sub(lambda match: str(_look_up(scope, match[1])), text)


def _look_up(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found[part]
    return found
