"""The nearest guess, and the sentence around it."""

import doctest

import pytest

from practise import errors, progress
from practise.commands import app
from practise.errors import nearest, unknown


@pytest.mark.parametrize(
    ("word", "known", "close"),
    [
        ("resnet43", ["resnet34", "mobilenet_v2"], "resnet34"),
        ("PRACTISE", ["bp_blocks", "practise"], "practise"),
        ("gpu", ["auto", "cpu", "cuda"], "cuda"),
        ("zebra", ["bp_blocks", "practise"], None),
        ("anything", [], None),
        (34, ["resnet34"], None),
    ],
)
def test_nearest_is_what_the_user_meant(word: object, known: list[str], close: str | None) -> None:
    assert nearest(word, known) == close


def test_a_long_list_of_known_names_is_cut() -> None:
    assert unknown("network", "x", range(20), limit=3) == "unknown network 'x' (known: 0, 1, 2, …)"


def test_nothing_known_says_so() -> None:
    assert unknown("network", "x", []) == "unknown network 'x' (known: none)"


@pytest.mark.parametrize("module", [app, errors, progress])
def test_examples_in_docstrings_are_true(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0
