"""Stages forked from a process that has torch loaded: the same results, output, exit codes and end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from practise.commands import entry
from practise.commands.entry import BATCH, SWITCH, find_address, run_forked

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing is forked")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project, and a folder for sockets of its own, whose servers are ended."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    sockets = tmp_path_factory.mktemp("s")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(sockets))
        patch.setattr("tempfile.tempdir", None)
        patch.delenv(SWITCH, raising=False)
        for name in BATCH:
            patch.delenv(name, raising=False)
        patch.chdir(folder)
        yield folder
    for process in servers(sockets):
        process.kill()


def servers(sockets: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "practise.commands.forkserver" in words and any(str(sockets) in word for word in words):
            found.append(process)
    return found


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture(scope="module")
def server(folder: Path) -> psutil.Process:
    """The server that the first stage leaves behind, once it takes orders."""
    assert run_forked(["hardware", "--params-file", "params.yaml", "--out", "none.json"]) is None
    address = find_address(entry.threads_of([]) or 0, timed=False)
    wait_until(address.exists)
    (one,) = servers(address.parent)
    return one


def started(*words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "practise.commands.entry", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_forked_stage_makes_the_same_as_one_of_its_own(
    folder: Path, server: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_forked(["hardware", "--params-file", "params.yaml", "--out", "forked.json"]) == 0
    monkeypatch.setenv(SWITCH, "off")
    words = ("hardware", "--params-file", "params.yaml", "--out", "alone.json")
    assert started(*words).wait() == 0
    assert Path("forked.json").read_bytes() == Path("alone.json").read_bytes()


def test_what_a_forked_stage_says_and_how_it_ends_comes_back(folder: Path, server: psutil.Process) -> None:
    process = started("hardware", "--params-file", "params.yaml", "--outt", "x.json")
    said = process.communicate()[1].decode()
    assert process.returncode == 2
    assert "unknown flag '--outt'" in said
    assert len(said.splitlines()) == 2


@pytest.fixture
def stuck(folder: Path, server: psutil.Process) -> "Iterator[subprocess.Popen[bytes]]":
    """A stage that waits for somebody to write into a pipe."""
    values = yaml.safe_load((folder / "params.yaml").read_text())
    for name in ("train", "evaluation"):
        (folder / name / "a").mkdir(parents=True, exist_ok=True)
    pipe = folder / "classes.txt"
    if not pipe.exists():
        os.mkfifo(pipe)
    values["images"]["mine"] = {"source": "folder", "train": "train", "evaluation": "evaluation"}
    values["images"]["mine"]["class_list"] = str(pipe)
    (folder / "stuck.yaml").write_text(yaml.safe_dump(values))
    wait_until(lambda: not server.children())
    process = started("images", "--params-file", "stuck.yaml", "--images", "mine", "--out", "stuck.json")
    wait_until(server.children)
    time.sleep(0.5)
    yield process
    process.kill()


def test_an_interruption_is_passed_on(stuck: "subprocess.Popen[bytes]", server: psutil.Process) -> None:
    stuck.send_signal(signal.SIGINT)
    said = stuck.communicate(timeout=30)[1].decode()
    assert stuck.returncode == 130
    assert "interrupted" in said


def test_a_stage_ends_with_the_process_that_asked_for_it(
    stuck: "subprocess.Popen[bytes]", server: psutil.Process
) -> None:
    stuck.kill()
    wait_until(lambda: not server.children())


def test_a_stage_that_was_killed_says_so(stuck: "subprocess.Popen[bytes]", server: psutil.Process) -> None:
    (job,) = server.children()
    job.kill()
    said = stuck.communicate(timeout=30)[1].decode()
    assert stuck.returncode == 1
    assert "images: was killed" in said


def test_a_server_ends_when_there_is_nothing_to_do(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from practise.commands import forkserver\n"
    code += "forkserver.IDLE = 0.2\nforkserver.serve(Path(sys.argv[1]), 1, False)"
    address = tmp_path / "s"
    assert subprocess.run([sys.executable, "-c", code, str(address)], timeout=120).returncode == 0
    assert not address.exists()


@pytest.mark.parametrize("name", [SWITCH, *BATCH])
def test_nothing_is_forked_in_jobs_of_batch_systems_or_where_it_is_off(
    name: str, folder: Path, server: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "off")
    assert run_forked(["hardware", "--params-file", "params.yaml", "--out", "off.json"]) is None
    assert not Path("off.json").exists()


def test_a_folder_that_others_can_enter_is_not_trusted(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / f"practise-{os.getuid()}").mkdir(mode=0o755)
    with pytest.raises(PermissionError):
        find_address(1, timed=False)
    assert run_forked(["hardware", "--params-file", "params.yaml", "--out", "x.json"]) is None
    assert not servers(tmp_path)


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["check"], ["score", "--help"], ["score", "--params-file", "missing.yaml"]]
)
def test_what_is_no_stage_or_cannot_run_is_not_forked(words: list[str], folder: Path) -> None:
    assert run_forked(words) is None


def test_another_setting_of_the_libraries_has_another_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = {find_address(1, timed=False), find_address(2, timed=False), find_address(1, timed=True)}
    monkeypatch.setenv("OMP_PROC_BIND", "true")
    addresses.add(find_address(1, timed=False))
    monkeypatch.setenv("UNRELATED", "true")
    addresses.add(find_address(1, timed=False))
    assert len(addresses) == 4
