"""The oracle: what dropping blocks is worth, and the order in which a criterion drops them."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from practise.errors import SelectionError
from practise.evaluation.oracle import Choice, ask_oracle, follow

BLOCKS = ["a", "b", "c", "d", "e"]
CRITERION = st.booleans()
SCORES = st.lists(st.integers(1, 60), min_size=5, max_size=5, unique=True)
SIGNED = st.lists(st.integers(-60, 60), min_size=5, max_size=5, unique=True)
THOUSANDTHS = st.lists(st.integers(-20, 100), min_size=5, max_size=5)


def named(values: list[int], unit: float = 1.0) -> dict[str, float]:
    return {name: value * unit for name, value in zip(BLOCKS, values, strict=True)}


class Asked:
    """An accuracy that follows from the blocks, and which sets were asked for."""

    def __init__(self) -> None:
        self.sets: list[tuple[str, ...]] = []

    def __call__(self, dropped: tuple[str, ...]) -> float:
        self.sets.append(dropped)
        return 90.0 - 7 * len(dropped) - "abcde".index(dropped[-1])


def test_the_oracle_asks_for_each_block_alone_and_once() -> None:
    asked = Asked()
    losses = ask_oracle(BLOCKS, 85.0, asked)
    assert asked.sets == [("a",), ("b",), ("c",), ("d",), ("e",)]
    assert list(losses.items()) == [("a", 2.0), ("b", 3.0), ("c", 4.0), ("d", 5.0), ("e", 6.0)]


def test_a_block_without_which_the_network_is_better_loses_less_than_nothing() -> None:
    assert ask_oracle(["a", "b"], 60.0, lambda dropped: {"a": 62.5, "b": 60.0}[dropped[0]]) == {
        "a": -2.5,
        "b": 0.0,
    }


@given(scores=SCORES, thousandths=THOUSANDTHS, per_latency=CRITERION)
def test_so_many_blocks_are_the_set_of_least_total(
    scores: list[int], thousandths: list[int], per_latency: bool
) -> None:
    useful = [name for name, saved in named(thousandths).items() if saved > 0]
    cost = {
        name: Fraction(score, saved if per_latency else 1)
        for name, score, saved in zip(BLOCKS, scores, thousandths, strict=True)
        if name in useful
    }
    assume(useful and len(set(cost.values())) == len(cost))
    asked, counts = Asked(), range(1, len(useful) + 1)
    taus = named(thousandths, 0.001)
    ranking = follow("mine", named(scores), per_latency, taus, counts, asked)
    assert sorted(ranking.order) == sorted(useful)
    for count, choice in zip(counts, ranking.choices, strict=True):
        best = min(itertools.combinations(useful, count), key=lambda some: sum(cost[name] for name in some))
        assert choice.dropped_blocks == best
        assert set(ranking.order[:count]) == set(best)
        assert choice.latency_reduction == pytest.approx(sum(taus[name] for name in best))
        assert choice.top1 == Asked()(best)
    assert asked.sets == [choice.dropped_blocks for choice in ranking.choices]
    assert (ranking.criterion, ranking.per_latency, ranking.scores) == ("mine", per_latency, named(scores))


@given(losses=SIGNED, thousandths=st.lists(st.integers(1, 100), min_size=5, max_size=5))
def test_what_gains_goes_before_what_loses_and_first_what_gains_much_and_saves_much(
    losses: list[int], thousandths: list[int]
) -> None:
    order = follow("oracle", named(losses), True, named(thousandths, 0.001), [], Asked()).order
    worth = dict(zip(BLOCKS, zip(losses, thousandths, strict=True), strict=True))
    assert sorted(order) == BLOCKS
    for first, second in itertools.combinations(order, 2):
        (loss, saved), (other_loss, other_saved) = worth[first], worth[second]
        if loss <= 0 and other_loss <= 0:
            assert -loss * saved >= -other_loss * other_saved
        elif loss > 0 and other_loss > 0:
            assert loss * other_saved <= other_loss * saved
        else:
            assert loss <= 0 < other_loss


def test_among_equals_the_first_in_the_network_goes_first() -> None:
    ranking = follow("mine", dict.fromkeys(BLOCKS, 1.0), True, dict.fromkeys(BLOCKS, 0.1), [2], Asked())
    assert ranking.order == BLOCKS
    assert ranking.choices == [Choice(2, ("a", "b"), pytest.approx(0.2), 75.0)]


def test_so_many_blocks_that_save_time_are_not_there() -> None:
    taus = {"a": 0.1, "b": 0.0, "c": 0.1, "d": -0.01, "e": 0.2}
    asked = Asked()
    with pytest.raises(SelectionError) as error:
        follow("mine", named([1, 2, 3, 4, 5]), False, taus, [3, 4], asked)
    assert str(error.value) == "dropping 4 blocks is out of reach: 3 save time here; lower rank.counts"
    assert asked.sets == []


def test_what_is_told_is_plain() -> None:
    ranking = follow("mine", {"b": 2.0, "c": 1.0}, False, {"b": 0.25, "c": 0.5}, [1], Asked())
    assert ranking.describe() == {
        "criterion": "mine",
        "per_latency": False,
        "scores": {"b": 2.0, "c": 1.0},
        "order": ["c", "b"],
        "choices": [{"count": 1, "dropped_blocks": ("c",), "latency_reduction": 0.5, "top1": 81.0}],
    }
