"""Progress in a log file."""

import pytest

from practise import progress
from practise.progress import track


def test_a_log_gets_a_line_about_every_tenth_with_the_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    for _ in track(range(20), "recover resnet34"):
        now[0] += 10
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0] == "recover resnet34: 10 % (2/20), 3 min 0 s left"
    assert lines[8] == "recover resnet34: 90 % (18/20), 20 s left"
    assert lines[9] == "recover resnet34: 20 done in 3 min 20 s"


def test_quick_work_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track((number for number in range(5)), "read", total=5)) == [0, 1, 2, 3, 4]
    assert capsys.readouterr().err == "read: 5 done in 0 s\n"


def test_work_of_unknown_length_tells_how_much_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    for _ in track(iter(range(7)), "read"):
        now[0] += 10
    assert capsys.readouterr().err == "read: 3 done\nread: 6 done\n"


def test_nothing_to_do_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([], "read")) == []
    assert capsys.readouterr().err == ""
