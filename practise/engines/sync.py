"""`practise sync`: make DVC and Snakemake agree about the results, whichever ran last.

Each engine remembers only what it ran itself. DVC compares contents with `dvc.lock`; Snakemake compares
times, checksums and params with its notes in `.snakemake/metadata`. Taking one engine's files for granted in
the other would record stale files as fresh, so results are taken over only where an engine vouches for them:

1. A job that DVC finds changed is recorded by `dvc commit` if Snakemake ran it: it plans no update of the
   outputs, has a note of each, and the outputs were not written since.
2. Whatever else DVC finds changed is run by `dvc repro`, or comes from its cache.
3. Then DVC vouches for every file, and `snakemake --touch` writes its notes to match.
"""

import base64
import csv
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from practise.engines import EngineError
from practise.engines.locks import mend_dvc
from practise.engines.pipeline import Job, Pipeline
from practise.engines.processes import output_of
from practise.engines.repro import refresh_hardware, reproduce
from practise.engines.studies import check_seen

NOTES = Path(".snakemake", "metadata")
MAX_NAME = 255
"""The longest file name of Linux file systems; Snakemake folds a longer one into folders."""


def sync(*, params_file: Path = Path("params.yaml")) -> int:
    """Make DVC and Snakemake agree about the results, whichever ran last.

    Args:
        params_file: The params file.

    Raises:
        EngineError: An engine failed, or another DVC is at work here.
    """
    pipeline = Pipeline(params_file)
    log_file = Path("logs", pipeline.params.study.name, "sync.log")
    refresh_hardware(pipeline, log_file)
    make_agree(pipeline, log_file)
    say(f"both engines agree: {_count(pipeline.jobs)} up to date")
    return 0


def make_agree(pipeline: Pipeline, log_file: Path, is_new: bool = False) -> int:
    """Record in DVC what Snakemake ran, run what neither did, and write Snakemake's notes of it.

    Args:
        pipeline: The pipeline.
        log_file: Where everything that DVC and the stages print goes.
        is_new: Whether Snakemake has just run everything and DVC knows of no job yet, so that neither need be
            asked.

    Returns:
        How many jobs ran.

    Raises:
        EngineError: An engine failed, or another DVC is at work here.
    """
    check_seen(pipeline)
    for sentence in mend_dvc(pipeline.file):
        say(sentence)
    snakemake = ("snakemake", "--configfile", str(pipeline.params_file), "--replace-workflow-config")

    outs = [out for job in pipeline.jobs for out in job.outs]
    if is_new:
        changed, vouched = pipeline.jobs, set(filter(is_as_noted, outs))
    else:
        say("asking DVC what changed")
        changed = changed_jobs(pipeline)
        say(f"asking Snakemake what it ran ({_count(changed)} changed for DVC)")
        vouched = vouched_outputs(output_of(*snakemake, "--summary", "--", "all"))
    ran = [job for job in changed if vouched.issuperset(job.outs)]
    num_stale, num_run = len(changed) - len(ran), 0
    if ran:
        say(f"recording {_count(ran)} that ran outside DVC")
        output_of("dvc", "commit", "--force", "--quiet", "--no-relink", *targets_of(pipeline, ran, changed))
    if is_new and not num_stale:
        return 0
    if num_stale:
        say(f"running {num_stale} that changed")
        num_run = reproduce(pipeline, log_file)
    if changed and (left := changed_jobs(pipeline)):
        raise EngineError(
            f"{pipeline.file}: {_count(left)} still differ ({left[0].name}, …); did a file change meanwhile?"
        )
    if changed or not vouched.issuperset(outs):
        say("writing Snakemake's notes")  # DVC may also have put files of the same content anew
        output_of(*snakemake, "--touch", "--forceall", "--cores", "1", "--quiet", "all", "--", "all")
    return num_run


def changed_jobs(pipeline: Pipeline) -> list[Job]:
    """Return the jobs whose command, inputs or outputs differ from what DVC recorded."""
    status = json.loads(output_of("dvc", "status", "--json", str(pipeline.file)))
    names = {address.rpartition(":")[2] for address in status}
    return [job for job in pipeline.jobs if job.name in names]


def vouched_outputs(summary: str, notes: Path = NOTES) -> set[str]:
    """Return the outputs that Snakemake made itself and holds up to date.

    Args:
        summary: What `snakemake --summary` prints.
        notes: The folder of its notes.
    """
    table = summary[summary.index("output_file\t") :].splitlines()
    rows = csv.DictReader(table, delimiter="\t")
    return {
        row["output_file"]
        for row in rows
        if row["plan"] == "no update" and is_as_noted(row["output_file"], notes)
    }


def is_as_noted(output: str, notes: Path = NOTES) -> bool:
    """Whether Snakemake noted the end of the job that wrote an output, and nothing wrote it since."""
    encoded = base64.urlsafe_b64encode(output.encode()).decode()
    parts = [encoded[start : start + MAX_NAME - 1] for start in range(0, len(encoded), MAX_NAME - 1)]
    note = notes.joinpath(*(f"@{part}" for part in parts[:-1]), parts[-1])
    try:
        ended: Any = json.loads(note.read_text())["endtime"]
        return abs(written_at(Path(output)) - ended) < 1e-3
    except (OSError, ValueError, KeyError, TypeError):
        return False


def written_at(output: Path) -> float:
    """When an output was written, in seconds; a folder: the last file in it, Snakemake's stamp included."""
    files = [path for path in output.rglob("*") if path.is_file()] if output.is_dir() else [output]
    return max(file.stat().st_mtime for file in files)


def targets_of(pipeline: Pipeline, ran: list[Job], changed: list[Job]) -> list[str]:
    """Return what to name to `dvc commit`, as few as possible, because each makes it write dvc.lock once.

    The whole pipeline when all changed jobs ran, a stage where all its changed jobs ran, else single jobs.
    """
    if len(ran) == len(changed):
        return [str(pipeline.file)]
    by_stage: dict[str, list[str]] = defaultdict(list)
    for job in ran:
        by_stage[job.stage].append(job.name)
    mixed = {job.stage for job in changed if job not in ran}
    chosen = [name for stage, jobs in by_stage.items() for name in (jobs if stage in mixed else [stage])]
    return [f"{pipeline.file}:{name}" for name in chosen]


def say(sentence: str) -> None:
    """Tell how far the command is."""
    print(f"sync: {sentence}", file=sys.stderr, flush=True)


def _count(jobs: list[Job]) -> str:
    return f"{len(jobs)} job" + ("" if len(jobs) == 1 else "s")
