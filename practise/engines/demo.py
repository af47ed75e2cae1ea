"""`practise demo`: run the whole pipeline on all cores, then say what came out and where to look."""

import subprocess
import time
from pathlib import Path

from practise.engines.parallel import make_side_by_side
from practise.engines.pipeline import Pipeline
from practise.engines.repro import refresh_hardware
from practise.engines.studies import check_seen
from practise.engines.sync import make_agree
from practise.progress import describe_seconds
from practise.settings.grid import Paths

CACHED_RUNS = Path(".dvc", "cache", "runs")
"""Where DVC looks for results of jobs that it ran before."""


def demo(*, params_file: Path = Path("params.yaml")) -> int:
    """Run what is not up to date, whichever engine made the rest, and show the main table.

    Where DVC has run nothing yet, Snakemake runs everything, jobs side by side, and DVC takes it over.

    Args:
        params_file: The params file.

    Raises:
        EngineError: A stage failed, or another DVC is at work here.
    """
    pipeline = Pipeline(params_file)
    paths = Paths.of(pipeline.params)
    log_file = Path("logs", pipeline.params.study.name, "demo.log")
    start = time.monotonic()
    record = pipeline.file.with_suffix(".lock")
    check_seen(pipeline)
    is_new = not record.exists() and not CACHED_RUNS.exists()
    num_run = (make_side_by_side if is_new else refresh_hardware)(pipeline, log_file)
    num_run += make_agree(pipeline, log_file, is_new)
    took = describe_seconds(time.monotonic() - start)
    print(
        f"\n{num_run} of {len(pipeline.jobs)} jobs ran, {took}"
        if num_run
        else f"\nEverything is up to date ({took})."
    )
    print(f"\n{(paths.tables / 'schemes.md').read_text(encoding='utf-8')}")
    print(f"The picture to open: {paths.figures / 'tradeoff.png'}")
    print(f"All tables and figures: {paths.tables}/, {paths.figures}/")
    if not is_committed(record):
        print(f"To compare later runs with this one: git add {record} && git commit -m 'My baseline'")
    return 0


def is_committed(file: Path) -> bool:
    """Whether git knows a file; also where there is no git to ask."""
    listed = subprocess.run(["git", "ls-files", str(file)], capture_output=True, text=True)
    return listed.returncode != 0 or bool(listed.stdout)
