"""The choice of blocks: a pure function, against brute force and by its sentences."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from practise.errors import SelectionError
from practise.selection import select_blocks

BLOCKS = ["a", "b", "c", "d"]


@given(
    scores=st.lists(st.floats(0.01, 1), min_size=4, max_size=4, unique=True),
    reductions=st.lists(st.floats(0.01, 0.2), min_size=4, max_size=4),
    share=st.floats(0.1, 0.99),
)
def test_takes_the_lowest_ratios_until_the_target_is_met(scores, reductions, share):
    target = share * sum(reductions)
    saved = dict(zip(BLOCKS, reductions, strict=True))
    chosen = select_blocks(dict(zip(BLOCKS, scores, strict=True)), saved, target, per_latency=True)
    ratios = {block: score / saved[block] for block, score in zip(BLOCKS, scores, strict=True)}
    assert sum(saved[block] for block in chosen) >= target - 1e-12
    assert max(ratios[block] for block in chosen) <= min(
        (ratios[block] for block in BLOCKS if block not in chosen), default=float("inf")
    )
    highest = max(chosen, key=ratios.__getitem__)
    assert sum(saved[block] for block in chosen if block != highest) < target


def test_an_order_is_followed_whatever_the_reductions():
    saved = dict(zip(BLOCKS, (0.01, 0.1, 0.1, 0.5), strict=True))
    scores = dict(zip(BLOCKS, itertools.count(), strict=False))
    assert select_blocks(scores, saved, 0.15, per_latency=False) == ["a", "b", "c"]


def test_the_tolerance_lets_a_choice_stay_just_below_the_target():
    scores, saved = {"a": 1.0, "b": 2.0}, {"a": 0.195, "b": 0.1}
    assert select_blocks(scores, saved, 0.2, per_latency=True, tolerance=0.01) == ["a"]
    assert select_blocks(scores, saved, 0.2, per_latency=True) == ["a", "b"]


def test_blocks_come_in_network_order():
    scores, saved = {"a": 2.0, "b": 1.0}, {"a": 0.1, "b": 0.1}
    assert select_blocks(scores, saved, 0.2, per_latency=True) == ["a", "b"]


def test_a_block_that_saves_nothing_is_never_dropped():
    scores, saved = {"a": 0.0, "b": 1.0}, {"a": -0.001, "b": 0.1}
    assert select_blocks(scores, saved, 0.1, per_latency=True) == ["b"]


def test_a_target_out_of_reach_says_how_far_the_blocks_reach():
    with pytest.raises(SelectionError) as error:
        select_blocks({"a": 1.0, "b": 2.0}, {"a": 0.1, "b": 0.05}, 0.2, per_latency=True)
    assert str(error.value) == (
        "a latency reduction of 20.0% is out of reach: dropping all 2 blocks that save time gives 15.0% "
        "here; lower grid.targets, or measure at another batch or image size"
    )


def test_a_block_without_a_latency_is_named():
    with pytest.raises(SelectionError, match="the latency of block 'b' was not measured; measure again"):
        select_blocks({"a": 1.0, "b": 2.0}, {"a": 0.1}, 0.1, per_latency=True)


def test_a_target_from_one_on_is_a_number_of_blocks():
    scores = {"a": 4.0, "b": 1.0, "c": 2.0, "d": 3.0}
    saved = {"a": 0.5, "b": 0.01, "c": 0.1, "d": 0.1}
    assert select_blocks(scores, saved, 2, per_latency=True) == ["a", "c"]
    assert select_blocks(scores, saved, 2, per_latency=False) == ["b", "c"]
    with pytest.raises(SelectionError) as error:
        select_blocks(scores, saved, 5, per_latency=True)
    assert str(error.value) == (
        "dropping 5 blocks is out of reach: the network has 4 that save time here; lower grid.targets"
    )
