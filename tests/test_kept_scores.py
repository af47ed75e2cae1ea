"""Scores that are kept: asked for once, whoever asks; another question has other ones."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from practise.scoring import kept
from practise.scoring.kept import KeptScores


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Criterion:
    """Counts how often it is built and asked."""

    def __init__(self) -> None:
        self.built = 0
        self.asked: list[tuple[str, ...]] = []

    def build(self) -> Any:
        self.built += 1

        def of_set(blocks: Sequence[str]) -> float:
            self.asked.append(tuple(blocks))
            return len(blocks) / 3

        return of_set


def test_a_score_is_found_once_for_all_who_ask() -> None:
    first, second = Criterion(), Criterion()
    scores = KeptScores(lambda: ["a"], first.build)
    assert [scores(["x"]), scores(["x", "y"]), scores(["x"])] == [1 / 3, 2 / 3, 1 / 3]
    assert (first.built, first.asked) == (1, [("x",), ("x", "y")])
    scores.save()
    others = KeptScores(lambda: ["a"], second.build)
    assert others(["x", "y"]) == 2 / 3
    assert second.built == 0
    assert others(["z"]) == 1 / 3
    assert (second.built, second.asked) == (1, [("z",)])


def test_another_question_has_scores_of_its_own() -> None:
    one, other = Criterion(), Criterion()
    scores = KeptScores(lambda: ["a", 1], one.build)
    scores(["x"])
    scores.save()
    KeptScores(lambda: ["a", 2], other.build)(["x"])
    assert other.asked == [("x",)]


def test_two_who_keep_at_the_same_time_lose_nothing() -> None:
    one, other = (KeptScores(lambda: ["a"], Criterion().build) for _ in range(2))
    one(["x"])
    other(["y"])
    one.save()
    other.save()
    assert set(json.loads(one.path.read_text())) == {"x", "y"}


def test_what_is_damaged_is_found_again() -> None:
    criterion = Criterion()
    scores = KeptScores(lambda: ["a"], criterion.build)
    scores(["x"])
    scores.save()
    scores.path.write_text(scores.path.read_text()[:-4])
    assert KeptScores(lambda: ["a"], criterion.build)(["x"]) == 1 / 3
    assert criterion.asked == [("x",), ("x",)]


def test_nothing_is_opened_or_written_where_nothing_is_asked(folder: Path) -> None:
    KeptScores(lambda: pytest.fail("opened"), Criterion().build).save()
    assert not list(folder.iterdir())


def test_a_run_that_is_killed_has_kept_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "SECONDS_BETWEEN_SAVES", -1.0)
    criterion = Criterion()
    KeptScores(lambda: ["a"], criterion.build)(["x"])  # and never saved
    KeptScores(lambda: ["a"], criterion.build)(["x"])
    assert criterion.asked == [("x",)]
