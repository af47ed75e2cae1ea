"""`practise demo`: run the whole pipeline by DVC, then say what came out and where to look."""

import subprocess
import time
from pathlib import Path

from practise.engines.pipeline import Pipeline
from practise.engines.repro import refresh_hardware, reproduce
from practise.engines.sync import NOTES, make_agree
from practise.progress import describe_seconds
from practise.settings.grid import Paths


def demo(*, params_file: Path = Path("params.yaml")) -> int:
    """Run what is not up to date, whichever engine made the rest, and show the main table.

    Args:
        params_file: The params file.

    Raises:
        EngineError: A stage failed, or another DVC is at work here.
    """
    pipeline = Pipeline(params_file)
    paths = Paths.of(pipeline.params)
    log_file = Path("logs", pipeline.params.study.name, "demo.log")
    start = time.monotonic()
    refresh_hardware(pipeline, log_file)
    make = make_agree if NOTES.is_dir() else reproduce
    num_run = make(pipeline, log_file)
    took = describe_seconds(time.monotonic() - start)
    print(
        f"\n{num_run} of {len(pipeline.jobs)} jobs ran, {took}"
        if num_run
        else f"\nEverything is up to date ({took})."
    )
    print(f"\n{(paths.tables / 'schemes.md').read_text(encoding='utf-8')}")
    print(f"The picture to open: {paths.figures / 'tradeoff.png'}")
    print(f"All tables and figures: {paths.tables}/, {paths.figures}/")
    record = pipeline.file.with_suffix(".lock")
    if not is_committed(record):
        print(f"To compare later runs with this one: git add {record} && git commit -m 'My baseline'")
    return 0


def is_committed(file: Path) -> bool:
    """Whether git knows a file; also where there is no git to ask."""
    listed = subprocess.run(["git", "ls-files", str(file)], capture_output=True, text=True)
    return listed.returncode != 0 or bool(listed.stdout)
