"""DVC sees a study from when it is wanted until it is hidden, by a copy of the one pipeline."""

import shutil
import subprocess
from pathlib import Path

import pytest
from trees import ROOT

from practise.engines import EngineError
from practise.engines.pipeline import Pipeline
from practise.engines.studies import check_seen, study
from practise.errors import ParamsError

STUDIES = sorted(path.parent.name for path in ROOT.glob("studies/*/params.yaml"))


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the copy for the study `paper` goes in a project of studies alone, which is the directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    for name in STUDIES:
        (tmp_path / "studies" / name).mkdir(parents=True)
        shutil.copy(ROOT / "studies" / name / "params.yaml", tmp_path / "studies" / name)
    return tmp_path / "studies" / "paper" / "dvc.yaml"


def test_no_study_is_seen_until_it_is_wanted() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "studies/*/dvc.yaml"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert listed.stdout == ""


def test_a_study_that_is_wanted_gets_a_copy_of_the_pipeline_and_loses_it_when_it_is_hidden(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EngineError, match="studies/paper/dvc.yaml: no such file; make it with `practise st"):
        check_seen(Pipeline("studies/paper/params.yaml"))
    study("paper")
    assert capsys.readouterr().out == "DVC sees the study paper: dvc repro studies/paper/dvc.yaml\n"
    assert copy.read_bytes() == Path("dvc.yaml").read_bytes()
    check_seen(Pipeline("studies/paper/params.yaml"))
    study("paper", hide=True)
    assert not copy.exists()
    study("paper", hide=True)


def test_all_studies_are_listed_with_how_to_see_them(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study("paper")
    capsys.readouterr()
    study()
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        [name, "seen by DVC" if name == "paper" else f"practise study {name}"] for name in STUDIES
    ]


def test_an_unknown_study_is_guessed(copy: Path) -> None:
    with pytest.raises(EngineError, match=r"unknown study 'papre' \(known: .*\)\. Did you mean 'paper'\?"):
        study("papre")


def test_a_copy_of_an_older_pipeline_is_made_anew(copy: Path) -> None:
    study("paper")
    with open("dvc.yaml", "a") as pipeline:
        pipeline.write("# changed since\n")
    with pytest.raises(EngineError, match="`practise study paper` makes it a copy again"):
        check_seen(Pipeline("studies/paper/params.yaml"))
    study("paper")
    assert copy.read_bytes() == Path("dvc.yaml").read_bytes()


@pytest.mark.parametrize("hide", [False, True])
def test_a_pipeline_of_ones_own_stays_where_it_is(copy: Path, hide: bool) -> None:
    copy.write_text("stages: {}\n")
    with pytest.raises(
        EngineError, match="studies/paper/dvc.yaml: is no copy of the project's dvc.yaml; move it away first"
    ):
        study("paper", hide=hide)
    assert copy.read_text() == "stages: {}\n"


def test_an_older_copy_is_told_of_and_can_be_hidden(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study("paper")
    with open("dvc.yaml", "a") as pipeline:
        pipeline.write("# changed since\n")
    study()
    assert "seen by DVC, but dvc.yaml has changed since: practise study paper" in capsys.readouterr().out
    study("paper", hide=True)
    assert not copy.exists()


def test_hiding_needs_a_name(copy: Path) -> None:
    with pytest.raises(EngineError, match=r"study: --hide: of which study \(known: .*paper.*\)\?"):
        study(hide=True)


def test_a_study_that_is_wrong_gets_no_copy(copy: Path) -> None:
    params = copy.with_name("params.yaml")
    params.write_text(params.read_text().replace("name: paper", "name: a/b"))
    with pytest.raises(ParamsError, match="study.name: 'a/b' should hold only letters"):
        study("paper")
    assert not copy.exists()
