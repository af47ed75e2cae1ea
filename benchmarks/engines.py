"""What do DVC and Snakemake add to each job, and how does that grow with the grid?

    python -m benchmarks.engines

Both engines run the project's own pipeline, over more and more seeds, in a folder of its own. There
`practise` is a script that computes nothing and writes each output at once, so that what is left is what
the engines take. DVC has a full record when its jobs are timed, as in a study that goes on.
"""

import contextlib
import os
import resource
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import psutil
import yaml

from benchmarks.case import SHARED, Asked, Case, ask, main
from benchmarks.report import machine_line, publish
from practise.engines import EngineError
from practise.engines.pipeline import Pipeline
from practise.engines.processes import environment, tool
from practise.files import write_text
from practise.settings.grid import cells

SIZES, ALL_SIZES = (100, 300, 1000), (100, 300, 1000, 5000)
"""Jobs of the grids that are looked at, in the quick form and in the full one."""
SECONDS = 60.0
"""How long DVC runs jobs, at most; what it has run by then tells what each takes."""
EMPTY = """#!/bin/sh
# practise, computing nothing: a path that is not there yet is an output
case $1 in
{unnamed}
esac
for path; do
  [ -e "$path" ] && continue
  case $path in
    results/*.*) mkdir -p "${{path%/*}}"; echo '{{}}' > "$path" ;;
    results/*) mkdir -p "$path" ;;
  esac
done
"""


def run() -> None:
    """Let both engines run grids of empty jobs."""
    asked = ask(__doc__.partition("\n")[0])
    case = Case(SHARED, asked, {})
    raw = [measure(asked, size) for size in (ALL_SIZES if asked.full else SIZES)]
    frame = pd.DataFrame(raw)
    rows = [
        {
            "Jobs": str(one["jobs"]),
            "Snakemake plans": f"{one['snakemake_plan']:.1f} s",
            "runs": f"{one['snakemake_run']:.0f} s",
            "a job": f"{1e3 * one['snakemake_run'] / one['jobs']:.0f} ms",
            "finds nothing to do": f"{one['snakemake_nothing']:.1f} s",
            "DVC records": f"{one['dvc_record']:.0f} s",
            "runs a job": f"{1e3 * one['dvc_job']:.0f} ms",
            "finds that nothing is to do": f"{one['dvc_nothing']:.1f} s",
        }
        for one in raw
    ]
    notes = [
        "Seconds of computing for empty jobs, n = 1 each. DVC's job is the mean over those that it ran "
        f"in {SECONDS:.0f} s with a full record.",
        machine_line(case.hardware, case.params.device.threads),
    ]

    def draw(axes: plt.Axes) -> None:
        for name, seconds in {
            "Snakemake, a job": frame["snakemake_run"] / frame["jobs"],
            "DVC, a job": frame["dvc_job"],
            "Snakemake, nothing to do": frame["snakemake_nothing"] / frame["jobs"],
            "DVC, nothing to do": frame["dvc_nothing"] / frame["jobs"],
        }.items():
            dashed = "--" if "nothing" in name else "-"
            axes.plot(frame["jobs"], 1e3 * seconds, "o" + dashed, label=name)
        axes.set(xscale="log", yscale="log", xlabel="jobs in the grid", ylabel="ms for each job")
        axes.legend()

    publish(case, "engines", "What the engines add to each job", frame, rows, notes, draw)


def measure(asked: Asked, size: int) -> dict[str, Any]:
    """What both engines take for a grid of about so many jobs, in seconds of computing."""
    with TemporaryDirectory(prefix="practise-engines-") as folder:
        place = Path(folder)
        jobs = lay_out(asked, size, place)
        snakemake = [tool("snakemake"), "--quiet", "host", "progress", "rules", "--cores", "all"]
        dvc = tool("dvc")
        found: dict[str, Any] = {"jobs": jobs}
        found["snakemake_plan"] = seconds_of([*snakemake, "--dry-run"], place)
        found["snakemake_run"] = seconds_of(snakemake, place)
        found["snakemake_nothing"] = seconds_of(snakemake, place)
        seconds_of([dvc, "init", "--quiet", "--no-scm"], place)
        found["dvc_record"] = seconds_of([dvc, "commit", "--quiet", "--force"], place)
        found["dvc_nothing"] = seconds_of([dvc, "repro", "--quiet"], place)
        found["dvc_job"] = seconds_a_job([dvc, "repro", "--force"], place)
        return found


def lay_out(asked: Asked, size: int, place: Path) -> int:
    """Put the project's pipeline into a folder, over as many seeds as make a grid so large; its jobs."""
    values = asked.values()
    for folder in ("practise", "workflow"):
        shutil.copytree(folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("dvc.yaml", "environment.yml"):
        shutil.copy(file, place)
    values["study"] = {"name": "empty", "root": ".", "file": "params.yaml"}
    seeds = 1
    with contextlib.chdir(place):
        while True:
            values["grid"]["seeds"] = list(range(seeds))
            for comparison in ("rank", "sources"):
                values[comparison]["seeds"] = values["grid"]["seeds"][:1]
            write_text(Path("params.yaml"), yaml.safe_dump(values, sort_keys=False))
            pipeline = Pipeline("params.yaml")
            a_seed = 4 * len(cells(pipeline.params)) // seeds
            if len(pipeline.jobs) + a_seed > size:
                break
            seeds += max(1, (size - len(pipeline.jobs)) // (a_seed + 1))
        unnamed = {job.stage: " ".join(set(job.outs) - set(job.command.split())) for job in pipeline.jobs}
    script = place / "bin" / "practise"
    cases = "\n".join(f'{stage}) set -- "$@" {outs} ;;' for stage, outs in unnamed.items() if outs)
    write_text(script, EMPTY.format(unnamed=cases))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return len(pipeline.jobs)


def seconds_of(command: Sequence[str], place: Path) -> float:
    """What a command, and what it starts, computes in a folder where `practise` computes nothing.

    Raises:
        EngineError: it failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=place, env=surroundings(place), capture_output=True, text=True)
    if done.returncode:
        raise EngineError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def seconds_a_job(command: Sequence[str], place: Path) -> float:
    """What each job takes, of those that run within `SECONDS` after the first started; then it is stopped."""
    first, used = 0.0, []
    with subprocess.Popen(
        command, cwd=place, env=surroundings(place), stdout=subprocess.PIPE, stderr=sys.stderr, text=True
    ) as running:
        assert running.stdout is not None
        engine = psutil.Process(running.pid)
        for line in running.stdout:
            if line.startswith("Running stage"):
                first = first or time.monotonic()
                used.append(sum(engine.cpu_times()[:4]))  # of itself and of what it started
                if time.monotonic() - first > SECONDS:
                    running.terminate()
                    break
    return (used[-1] - used[0]) / (len(used) - 1)


def surroundings(place: Path) -> dict[str, str]:
    """The environment of the engines: the project's code, and the script in the place of `practise`."""
    return {
        **environment(),
        "PATH": f"{place / 'bin'}{os.pathsep}{environment()['PATH']}",
        "PYTHONPATH": str(place),
    }


if __name__ == "__main__":
    main(run)
