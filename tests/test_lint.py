"""What `make lint` adds to format and types: rooms in layers, no circle, the code that each stage lists."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from trees import ROOT, copy_project, run

sys.path.insert(0, str(ROOT / "tools"))

from check_code import find_mistakes

from practise.engines.pipeline import Pipeline


def listed(**changed: list[str]) -> dict[str, list[str]]:
    """What dvc.yaml lists for each stage, with the lists of some replaced."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {stage: spec["deps"] for stage, spec in stages.items()} | changed


def test_every_stage_lists_the_code_that_it_imports_and_no_other() -> None:
    assert list(find_mistakes(listed())) == []


def test_a_list_that_is_too_short_is_told() -> None:
    short = [path for path in listed()["score"] if path != "practise/scoring"]
    sentences = list(find_mistakes(listed(score=short)))
    assert sentences[0] == (
        "dvc.yaml: score: deps lack practise/scoring/adaptors.py, which it imports; list it, or its folder"
    )
    assert all("score: deps lack practise/scoring/" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("practise/recovery", "deps list practise/recovery, which it does not import; take it out"),
        (
            "practise/latency/cache.py",
            "deps list practise/latency/cache.py, which it does not import; take it out",
        ),
        ("practise/scoring/seats.py", "deps list practise/scoring/seats.py and its folder; take one out"),
    ],
)
def test_a_list_that_is_too_long_is_told(path: str, sentence: str) -> None:
    assert list(find_mistakes(listed(score=[*listed()["score"], path]))) == [f"dvc.yaml: score: {sentence}"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project."""
    return copy_project(tmp_path_factory.mktemp("project"))


def lint_imports(tree: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.CompletedProcess[str]:
    """Hold the copy's own imports against the contracts."""
    monkeypatch.setenv("PYTHONPATH", str(tree))
    return run(tree, "lint-imports", "--no-cache")


@pytest.mark.parametrize(
    ("file", "planted", "broken"),
    [
        ("images/source.py", "import practise.settings.grid", "rooms stand in layers"),
        ("scoring/pixels.py", "import practise.recovery.training", "rooms stand in layers"),
        ("networks/size.py", "import practise.networks.blocks", "no circle of modules"),
        ("render/tidy.py", "import torch", "need no torch"),
    ],
)
def test_an_import_against_the_plan_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch, file: str, planted: str, broken: str
) -> None:
    module = tree / "practise" / file
    before = module.read_text()
    module.write_text(f"{before}\n{planted}\n")
    try:
        done = lint_imports(tree, monkeypatch)
    finally:
        module.write_text(before)
    assert done.returncode == 1
    assert any(broken in line and "BROKEN" in line for line in done.stdout.splitlines())
    assert lint_imports(tree, monkeypatch).returncode == 0


@pytest.mark.parametrize(
    ("edited", "stages"),
    [
        ("practise/recovery/training.py", {"recover", "rank", "sources"}),
        ("practise/latency/measuring.py", {"latency", "select", "measure"}),
        ("practise/render/figures/tradeoff.py", {"figures"}),
        ("practise/render/tables/schemes.py", {"tables"}),
    ],
)
def test_an_edit_runs_the_stages_again_that_use_the_code(edited: str, stages: set[str]) -> None:
    pipeline = Pipeline("params.yaml")
    assert {stage for stage in pipeline.stages if edited in pipeline.code(stage)} == stages
