"""A tiny grid through both engines, with the real stages: run, run again, agree, change, kill, go on."""

import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import yaml
from trees import commit, copy_project, run_well

from practise.engines.pipeline import Pipeline
from practise.engines.processes import environment, tool
from practise.files import read_result
from practise.settings.grid import Paths, cells, rank_trials
from practise.settings.reading import load_params

pytestmark = pytest.mark.slow

MEASURED = (
    *("latency", "select/", "measure/", "rank/", "runs/", "README", ".snakemake_timestamp"),
    *(f"tables/{name}." for name in ("schemes", "fewshot", "criteria", "oracle", "blocks")),
    *(f"figures/{name}." for name in ("tradeoff", "criteria", "macs_vs_latency")),
)
"""Parts of the paths of files that show measured times, or when they were made."""

TARGET = 0.03
"""A share of the MACs that any one block has."""

KEPT = ["blocks.3.2", "blocks.4.1", "blocks.4.2", "blocks.5.2", "blocks.5.3"]
"""Blocks that are not dropped, so that the criteria are judged by few recoveries."""


class Run(NamedTuple):
    """A tree in which an engine has run, what it said, and the files that it made."""

    tree: Path
    said: str
    made: dict[str, str]


def make_tree(destination: Path) -> Path:
    """Copy the project with a grid of two cells that take seconds.

    Targets are of the MACs, which are counted, so that what is pruned does not depend on the clock: a block
    alone meets this one. One method prunes filters.
    """
    tree = copy_project(destination)
    params = yaml.safe_load((tree / "params.yaml").read_text())
    params["device"].update(name="cpu", threads=1)
    params["grid"].update(seeds=[0], num_images=[8], methods=["fskd", "practise"], targets=[TARGET])
    network = params["networks"]["efficientnet_lite0"]
    network.update(image_size=64, keep_blocks=KEPT)
    params["latency"].update(rounds=12, precision=None, warmup=2, thinner=None)
    params["select"].update(search="progressive", match="macs", overshoot=1.0)
    params["recover"].update(steps=3, batch_size=8, views=2)
    params["rank"].update(num_images=[8], seeds=[0], criteria=["first_blocks", "recoverability"])
    params["rank"].update(targets=[TARGET], sets=3, sets_per_target=1, most_images=40)
    params["synthesize"].update(num_images=8, steps=2, batch_size=4)
    params["sources"].update(images=["synthesized"], num_images=[8], seeds=[0], methods=["practise"])
    (tree / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    commit(tree, "A tiny grid", "params.yaml")
    return tree


def files_of(tree: Path) -> dict[str, str]:
    """Return the hash of every result that is no measured time, by its path."""
    results = tree / "results"
    paths = {str(path.relative_to(results)): path for path in results.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(paths.items())
        if not any(part in name for part in MEASURED)
    }


@pytest.fixture(scope="module")
def by_snakemake(tmp_path_factory: pytest.TempPathFactory) -> Run:
    tree = make_tree(tmp_path_factory.mktemp("snakemake"))
    said = run_well(tree, "practise", "demo")
    return Run(tree, said, files_of(tree))


@pytest.fixture(scope="module")
def by_dvc(tmp_path_factory: pytest.TempPathFactory) -> Run:
    tree = make_tree(tmp_path_factory.mktemp("dvc"))
    run_well(tree, "dvc", "repro")
    said = run_well(tree, "practise", "demo")
    return Run(tree, said, files_of(tree))


def stages_run(said: str) -> set[str]:
    """Return the stages that DVC ran, by what it said."""
    names = [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage '")]
    return {name.partition("@")[0] for name in names}


def test_a_dry_run_promises_every_job_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = make_tree(tmp_path)
    monkeypatch.chdir(tree)
    said = run_well(tree, "snakemake", "--dry-run", "all")
    assert f"total {len(Pipeline('params.yaml').jobs) + 1}" in " ".join(said.split())
    assert not (tree / "results" / "default").exists()


def test_snakemake_runs_nothing_twice(by_snakemake: Run) -> None:
    assert "Nothing to be done" in run_well(by_snakemake.tree, "snakemake", "--cores", "2", "all")


def test_dvc_runs_nothing_twice(by_dvc: Run) -> None:
    assert not stages_run(run_well(by_dvc.tree, "dvc", "repro"))


@pytest.mark.parametrize("run", ["by_dvc", "by_snakemake"])
def test_the_demo_shows_the_table_and_names_the_picture(run: str, request: pytest.FixtureRequest) -> None:
    tree, said, _ = request.getfixturevalue(run)
    assert (tree / "results/default/tables/schemes.md").read_text() in said
    assert "results/default/figures/tradeoff.png" in said


def test_the_demo_runs_everything_once(
    by_dvc: Run, by_snakemake: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(by_snakemake.tree)
    jobs = len(Pipeline("params.yaml").jobs)
    assert f"{jobs} of {jobs} jobs ran" in by_snakemake.said
    assert "Everything is up to date" in by_dvc.said


def test_where_any_block_is_enough_the_search_takes_the_most_recoverable(by_dvc: Run) -> None:
    params = load_params(by_dvc.tree / "params.yaml")
    paths, (cell,) = Paths.of(params), [cell for cell in cells(params) if cell.method == "practise"]
    scored = read_result(by_dvc.tree / paths.score(cell), "score")["blocks"]
    measured = read_result(by_dvc.tree / paths.latency(cell.network), "latency")["blocks"]
    chosen = read_result(by_dvc.tree / paths.select(cell), "select")
    assert all(saved["macs_reduction"] >= TARGET for saved in measured.values())
    assert chosen["recipe"]["search"] == "progressive"
    assert chosen["dropped_blocks"] == [min(scored, key=lambda block: block["score"])["name"]]


def test_filters_are_pruned_for_the_macs_of_the_target(by_dvc: Run) -> None:
    params = load_params(by_dvc.tree / "params.yaml")
    paths, (cell,) = Paths.of(params), [cell for cell in cells(params) if cell.method == "fskd"]
    chosen = read_result(by_dvc.tree / paths.select(cell), "select")
    assert (chosen["dropped_blocks"], chosen["filters_removed"] > 0) == ([], True)
    accuracy, original = (
        read_result(by_dvc.tree / path, "accuracy")
        for path in (paths.accuracy(cell), paths.original(cell.network, cell.images))
    )
    assert 1 - accuracy["gmacs"] / original["gmacs"] == pytest.approx(TARGET, abs=0.011)


def test_the_oracle_asks_for_every_block_that_may_go(by_dvc: Run) -> None:
    params = load_params(by_dvc.tree / "params.yaml")
    (trial,), paths = rank_trials(params), Paths.of(params)
    judged = read_result(by_dvc.tree / paths.rank(trial), "rank")
    card = read_result(by_dvc.tree / paths.teacher_card(trial.network), "teacher")
    assert [block["name"] for block in judged["blocks"]] == card["blocks"]
    assert len(card["blocks"]) == 4


def test_both_engines_make_the_same_bytes(by_snakemake: Run, by_dvc: Run) -> None:
    assert set(by_snakemake.made) == set(by_dvc.made)
    assert [name for name, made in by_dvc.made.items() if by_snakemake.made[name] != made] == []


def test_the_demo_takes_over_what_snakemake_ran(by_snakemake: Run) -> None:
    assert "Everything is up to date" in run_well(by_snakemake.tree, "practise", "demo")
    assert files_of(by_snakemake.tree) == by_snakemake.made
    assert "Nothing to be done" in run_well(by_snakemake.tree, "snakemake", "--dry-run", "all")


def test_after_sync_dvc_finds_nothing_changed(by_snakemake: Run) -> None:
    run_well(by_snakemake.tree, "practise", "sync")
    assert "up to date" in run_well(by_snakemake.tree, "dvc", "status")
    assert not stages_run(run_well(by_snakemake.tree, "dvc", "repro"))
    assert files_of(by_snakemake.tree) == by_snakemake.made


def test_after_dvc_snakemake_finds_nothing_to_do(by_dvc: Run) -> None:
    assert "Nothing to be done" in run_well(by_dvc.tree, "snakemake", "--dry-run", "all")


def test_sync_brings_back_a_result_that_was_changed_by_hand(by_snakemake: Run) -> None:
    tree = by_snakemake.tree
    run_well(tree, "practise", "sync")
    for result in ("images/elpv.json", "tables/metrics.json"):
        with open(tree / "results" / "default" / result, "a") as file:
            file.write(" ")
    run_well(tree, "practise", "sync")
    assert files_of(tree) == by_snakemake.made
    assert "Nothing to be done" in run_well(tree, "snakemake", "--dry-run", "all")


def test_the_report_is_one_page_with_the_figures(by_snakemake: Run) -> None:
    report = by_snakemake.tree / "report.html"
    run_well(by_snakemake.tree, "snakemake", "--report", str(report), "all")
    text = report.read_text()
    assert "tradeoff.svg" in text
    assert "schemes.html" in text


@pytest.mark.parametrize("command", [("dvc", "repro"), ("snakemake", "--cores", "2", "all")])
def test_a_kill_during_recovery_changes_no_byte(by_dvc: Run, command: tuple[str, ...]) -> None:
    tree, before = by_dvc.tree, files_of(by_dvc.tree)
    run_well(tree, "practise", "sync")
    for stage in ("recover", "evaluate", "tables", "figures"):
        forget(tree, stage)
    engine = subprocess.Popen(
        [tool(command[0]), *command[1:]],
        cwd=tree,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    wait_for_stage(engine, "recover")
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()
    run_well(tree, *command)
    assert files_of(tree) == before


def forget(tree: Path, stage: str) -> None:
    """Remove a stage's results, and from DVC's cache too, which would bring them back without running it."""
    for path in (tree / "results" / "default" / stage).rglob("*.*"):
        if path.is_file():
            md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            (tree / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink(missing_ok=True)
            path.unlink()


def wait_for_stage(engine: subprocess.Popen[bytes], stage: str) -> None:
    """Wait until an engine has started a command of a stage."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert engine.poll() is None, f"the engine ended before {stage} started"
        for child in psutil.Process(engine.pid).children(recursive=True):
            try:
                if stage in child.cmdline()[1:4]:
                    time.sleep(0.5)
                    return
            except psutil.Error:
                continue
        time.sleep(0.05)
    raise AssertionError(f"{stage} did not start")


def test_a_new_recovery_parameter_runs_only_what_depends_on_it(by_dvc: Run) -> None:
    tree = by_dvc.tree
    run_well(tree, "dvc", "repro")
    commit(tree, "The baseline", "dvc.lock")
    much = "recover.lr.mimic=0.003"  # one more step need not change what a single image is taken for
    said = run_well(tree, "dvc", "exp", "run", "--set-param", much)
    assert stages_run(said) == {"recover", "evaluate", "rank", "sources", "tables", "figures"}
    changed = json.loads(run_well(tree, "dvc", "metrics", "diff", "--json"))
    assert "results/default/tables/metrics.json" in changed
    assert "results/default/tables/latency_metrics.json" not in changed  # the same layers share one time
    plots = json.loads(run_well(tree, "dvc", "plots", "diff", "--json", "--split").partition("\n")[0] or "{}")
    assert plots
    pending = run_well(tree, "snakemake", "--dry-run", "all")
    assert "recover" in pending or "Nothing to be done" in pending
    run_well(tree, "practise", "sync")
    assert "Nothing to be done" in run_well(tree, "snakemake", "--dry-run", "all")
