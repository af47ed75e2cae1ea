"""The progress of the whole pipeline, read off what DVC says."""

from pathlib import Path

from practise.engines.pipeline import Pipeline
from practise.engines.repro import Watch

DVC_SAYS = """\
Stage 'hardware' didn't change, skipping
Running stage 'images@elpv':
> practise images
100 % (3/3), 0 s left
Updating lock file 'dvc.lock'
Stage 'teacher@efficientnet_lite0' is cached - skipping run, checking out outputs
Running stage 'sample@elpv-50-0':
> practise sample
practise: results/default/images/elpv.json: is damaged
ERROR: failed to reproduce 'sample@elpv-50-0': failed to run: practise sample, exited with 2
"""


def test_the_progress_follows_what_dvc_says() -> None:
    watch = Watch(Pipeline("params.yaml"))
    seen = [(watch.num_done, watch.job) for line in DVC_SAYS.splitlines(keepends=True) if watch.read(line)]
    assert seen == [(1, "images@elpv"), (3, "sample@elpv-50-0")]
    assert watch.num_run == 2
    assert watch.total == len(Pipeline("params.yaml").jobs)


def test_a_failed_stage_is_told_in_its_own_words() -> None:
    watch = Watch(Pipeline("params.yaml"))
    for line in DVC_SAYS.splitlines(keepends=True):
        watch.read(line)
    assert watch.describe_failure(Path("logs/demo.log")).splitlines() == [
        "the stage sample@elpv-50-0 failed; the whole output is in logs/demo.log",
        "results/default/images/elpv.json: is damaged",
    ]


def test_the_time_left_shrinks_with_every_job() -> None:
    pipeline = Pipeline("params.yaml")
    watch = Watch(pipeline)
    guesses = []
    for each in pipeline.jobs:
        watch.read(f"Stage '{each.name}' didn't change, skipping\n")
        guesses.append(watch.seconds_left)
    assert guesses == sorted(guesses, reverse=True)
    assert guesses[-1] == 0
