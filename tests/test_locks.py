"""After a kill: what is stale goes, what is alive stays."""

import json
import multiprocessing
import multiprocessing.synchronize
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from practise.engines import EngineError
from practise.engines.locks import clear_stale_snakemake_locks, mend_dvc


def hold_lock(folder: Path, ready: multiprocessing.synchronize.Event) -> None:
    clear_stale_snakemake_locks(folder)
    (folder / "locks").mkdir(exist_ok=True)
    (folder / "locks" / "0.output.lock").write_text("results/a\n")
    ready.set()
    time.sleep(60)


@pytest.fixture
def other_run(tmp_path: Path) -> Iterator[multiprocessing.Process]:
    """Another Snakemake run, alive, that has locked the folder."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold_lock, args=(tmp_path / ".snakemake", ready))
    (tmp_path / ".snakemake").mkdir()
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_the_lock_of_a_live_snakemake_is_kept(tmp_path: Path, other_run: multiprocessing.Process) -> None:
    assert not clear_stale_snakemake_locks(tmp_path / ".snakemake")
    assert list((tmp_path / ".snakemake" / "locks").iterdir())


def test_the_lock_of_a_killed_snakemake_is_cleared(
    tmp_path: Path, other_run: multiprocessing.Process
) -> None:
    other_run.kill()
    other_run.join()
    assert clear_stale_snakemake_locks(tmp_path / ".snakemake")
    assert not (tmp_path / ".snakemake" / "locks").exists()


def test_the_lock_of_another_host_is_left_to_snakemake(
    tmp_path: Path, other_run: multiprocessing.Process
) -> None:
    other_run.kill()
    other_run.join()
    (tmp_path / ".snakemake" / "practise.lock").write_text("another-host")
    assert not clear_stale_snakemake_locks(tmp_path / ".snakemake")


def write_notes(folder: Path, pid: int) -> Path:
    folder.mkdir(exist_ok=True)
    notes = folder / "rwlock"
    notes.write_text(json.dumps({"write": {"results/a": {"pid": pid, "cmd": "dvc repro"}}, "read": {}}))
    return notes


def test_notes_of_a_process_that_is_no_dvc_are_removed(tmp_path: Path) -> None:
    notes = write_notes(tmp_path / "tmp", os.getpid())  # alive, but pytest: the number was given away again
    assert mend_dvc(tmp_path / "dvc.yaml", tmp_path / "tmp") == [
        f"{notes}: held locks of a killed DVC; removed"
    ]
    assert not notes.exists()


def test_notes_of_a_live_dvc_are_respected(tmp_path: Path) -> None:
    (tmp_path / "dvc").write_text("import time; time.sleep(60)")
    process = subprocess.Popen([sys.executable, str(tmp_path / "dvc"), "repro"])
    try:
        notes = write_notes(tmp_path / "tmp", process.pid)
        with pytest.raises(
            EngineError, match=f"another DVC is at work here .process {process.pid}: dvc repro"
        ):
            mend_dvc(tmp_path / "dvc.yaml", tmp_path / "tmp")
        assert notes.exists()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("rest", ["", '{"write": {"results/a": {"pid'])
def test_notes_that_were_cut_short_are_removed(tmp_path: Path, rest: str) -> None:
    notes = write_notes(tmp_path / "tmp", 1)
    notes.write_text(rest)
    assert mend_dvc(tmp_path / "dvc.yaml", tmp_path / "tmp")
    assert not notes.exists()


@pytest.mark.parametrize(
    "text",
    [
        "schema: '2.0'\nstages:\n  hardware:\n    cmd: practise hardware\n    out",
        "schema: '2.0'\nstages:\n  a:\n",
    ],
)
def test_a_lock_file_that_was_cut_short_is_removed(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.lock").write_text(text)
    (sentence,) = mend_dvc(tmp_path / "dvc.yaml", tmp_path / "tmp")
    assert sentence.startswith(f"{tmp_path / 'dvc.lock'}: was cut short when DVC was killed; removed")
    assert not (tmp_path / "dvc.lock").exists()


def test_a_whole_lock_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "dvc.lock").write_text("schema: '2.0'\nstages:\n  hardware:\n    cmd: practise hardware\n")
    assert mend_dvc(tmp_path / "dvc.yaml", tmp_path / "tmp") == []
    assert (tmp_path / "dvc.lock").exists()
