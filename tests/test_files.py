"""Results appear complete or not at all, and only what was written is read."""

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from practise.errors import FileError
from practise.files import (
    atomic,
    read_circumstances,
    read_result,
    sha256,
    write_bytes,
    write_csv,
    write_result,
    write_text,
)


def test_a_result_is_written_byte_for_byte_in_one_shape(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "score.json"
    write_result(path, "score", {"b": [1, 0.1], "a": None, "ü": True}, {"version": "0.1.0"})
    assert path.read_bytes().decode() == (
        '{\n  "circumstances": {\n    "version": "0.1.0"\n  },\n  "kind": "score",\n  "result": {\n'
        '    "a": null,\n    "b": [\n      1,\n      0.1\n    ],\n    "ü": true\n  }\n}\n'
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    write_result(path, "score", {"blocks": [{"name": "1.1", "score": 0.25}]}, {"seed": 3})
    assert read_result(path, "score") == {"blocks": [{"name": "1.1", "score": 0.25}]}
    assert read_circumstances(path, "score") == {"seed": 3}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "no such file, should be a result of kind 'score'"),
        ("", "is damaged (not JSON), should be a result of kind 'score'"),
        ('{"kind": "score", "res', "is damaged (not JSON), should be a result of kind 'score'"),
        ("[1]", "is not a result of this project, should be of kind 'score'"),
        ('{"kind": "score"}', "is not a result of this project, should be of kind 'score'"),
        ('{"kind": "select", "result": {}}', "is of kind 'select', should be of kind 'score'"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path: Path, content: str | None, sentence: str) -> None:
    path = tmp_path / "score.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(FileError) as error:
        read_result(path, "score")
    assert str(error.value) == f"{path}: {sentence}"


def test_bytes_that_are_no_text_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    path.write_bytes(b"\xff\x00\x81")
    with pytest.raises(FileError, match="is damaged"):
        read_result(path, "score")


def test_a_directory_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(FileError) as error:
        read_result(tmp_path, "score")
    assert str(error.value) == f"{tmp_path}: cannot be read: Is a directory"


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "nan"), (float("-inf"), "-inf")])
def test_nan_is_refused_with_its_place_and_the_old_result_stays(
    tmp_path: Path, value: float, shown: str
) -> None:
    path = tmp_path / "score.json"
    write_result(path, "score", {"a": 1}, {})
    before = path.read_bytes()
    with pytest.raises(FileError) as error:
        write_result(path, "score", {"blocks": [{"score": 1.0}, {"score": value}]}, {})
    assert str(error.value) == f"{path}: result.blocks[1].score is {shown}, should be a finite number"
    assert path.read_bytes() == before


def test_a_table_is_plain_csv(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    write_csv(path, ["step", "loss"], [(0, 0.1), (1, None), (2, "a,b")])
    assert path.read_bytes() == b'step,loss\n0,0.1\n1,\n2,"a,b"\n'


def test_sha256_is_that_of_the_bytes(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
    with pytest.raises(FileError, match="cannot be read: No such file or directory"):
        sha256(tmp_path / "b")


def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic(path) as temporary:
        temporary.write_text("half")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["weights"]


def test_a_writer_that_writes_nothing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    with pytest.raises(FileError) as error, atomic(path):
        pass
    assert str(error.value) == f"{path}: cannot be written: No such file or directory"


@pytest.mark.parametrize("folder", ["file", "file/deeper"])
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / folder / "out.json"
    with pytest.raises(FileError) as error:
        write_text(path, "text")
    assert str(error.value) == f"{path}: cannot be written: a file is where its directory should be"


def test_errors_about_other_files_pass_through(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "out"):
        (tmp_path / "input").read_text()


def test_the_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "ours", "")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_into_a_cache_is_replaced_and_the_cache_untouched(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("cached")
    for link in ("symbolic", "hard"):
        path = tmp_path / link
        path.symlink_to("cache") if link == "symbolic" else path.hardlink_to(tmp_path / "cache")
        write_text(path, "new")
        assert path.read_text() == "new"
        assert (tmp_path / "cache").read_text() == "cached"


WRITER = """
import os, sys, time
from practise.files import atomic, write_text
with atomic(sys.argv[1]) as temporary:
    with open(temporary, "w") as file:
        file.write("half")
        file.flush()
        print("writing", flush=True)
        time.sleep(60)
"""


def test_a_writer_killed_half_way_leaves_the_old_file_and_the_next_one_sweeps_up(tmp_path: Path) -> None:
    path = tmp_path / "student.json"
    write_text(path, "old")
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        write_text(path, "beside")  # another writer leaves a living one's temporary alone
        left = f".student.json.{writer.pid}.tmp"
        assert sorted(os.listdir(tmp_path)) == [left, "student.json"]
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert path.read_text() == "beside"
    assert (tmp_path / left).read_text() == "half"
    write_text(tmp_path / "other.json", "other")
    assert (tmp_path / left).exists()
    write_text(path, "new")
    assert path.read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["other.json", "student.json"]
