"""The progress of the whole pipeline, read off what DVC and Snakemake say."""

from pathlib import Path

from practise.engines import parallel
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


SNAKEMAKE_SAYS = """\
Building DAG of jobs...
Job stats:
job          count
---------  -------
all              1
latency          1
recover          3
total            5

[Thu Nov 26 10:13:34 2026]
rule recover:
    output: results/x/student.safetensors
    jobid: 2

[Thu Nov 26 10:13:34 2026]
rule recover:
    jobid: 3

[Thu Nov 26 10:13:36 2026]
Finished jobid: 2 (Rule: recover)
1 of 5 steps (20%) done
rule latency:
    jobid: 5

practise: results/default/images/elpv.json: is damaged
"""


def test_the_progress_follows_what_snakemake_says() -> None:
    watch = parallel.Watch(total=9, cores=2)
    seen = [
        (watch.num_done, watch.job) for line in SNAKEMAKE_SAYS.splitlines(keepends=True) if watch.read(line)
    ]
    assert seen == [(5, "recover"), (5, "recover"), (6, "recover, latency")]
    assert watch.num_run == 3
    assert watch.left == {"latency": 0, "recover": 1}
    assert watch.sentences == ["results/default/images/elpv.json: is damaged"]


def test_what_measures_time_is_counted_alone_and_the_rest_by_cores() -> None:
    one, two = (parallel.Watch(total=9, cores=cores) for cores in (1, 2))
    for watch in (one, two):
        for line in ("latency 1\n", "recover 4\n"):
            watch.read(line)
    alone, shared = parallel.STAGES["latency"].seconds, 4 * parallel.STAGES["recover"].seconds
    assert abs(one.seconds_left - (alone + shared)) < 1e-6
    assert abs(two.seconds_left - (alone + shared / 2)) < 1e-6
