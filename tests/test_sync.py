"""What one engine may take over from the other."""

import os
import time
from pathlib import Path

import pytest
from trees import run_well

from practise.engines.pipeline import Job, Pipeline
from practise.engines.sync import is_as_noted, targets_of, vouched_outputs


def job(stage: str, name: str = "") -> Job:
    return Job(stage, "@".join(filter(None, [stage, name])), "", (), ())


def test_commits_name_the_whole_pipeline_when_all_that_changed_ran() -> None:
    jobs = [job("score", "a"), job("score", "b"), job("tables")]
    assert targets_of(Pipeline("params.yaml"), jobs, jobs) == ["dvc.yaml"]


def test_commits_name_a_stage_only_when_all_its_changed_jobs_ran() -> None:
    ran = [job("score", "a"), job("score", "b"), job("select", "a")]
    changed = [*ran, job("select", "b"), job("tables")]
    assert targets_of(Pipeline("params.yaml"), ran, changed) == ["dvc.yaml:score", "dvc.yaml:select@a"]


def test_snakemake_vouches_for_what_it_made_and_nobody_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Snakefile").write_text(
        "rule all:\n    output: 'a', 'b', 'c', directory('e'), directory('f')\n    log: 'l'\n"
        "    shell: 'touch a b c; mkdir e f; touch e/x f/x'\n"
    )
    run_well(tmp_path, "snakemake", "--cores", "1", "all")
    os.utime("b", (1, 1))
    Path("c").unlink()
    Path("c").write_text("by hand")
    assert all(is_as_noted(output) for output in "ef")
    time.sleep(0.01)
    Path("f", "x").write_text("by hand")
    assert [output for output in "abcdef" if is_as_noted(output)] == ["a", "e"]
    assert vouched_outputs(run_well(tmp_path, "snakemake", "--summary", "all")) == {"a", "e"}
