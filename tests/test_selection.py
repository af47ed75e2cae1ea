"""The choice of blocks: each search against brute force, and the sentences."""

import copy
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_latency import count_weights, write_inputs
from test_latency import run_stage as measure_blocks

from practise.errors import ParamsError, SelectionError
from practise.files import read_result, write_result
from practise.images.preprocessing import Preprocessing
from practise.latency.measuring import Latency
from practise.networks.cifar import CifarResNet
from practise.networks.size import count_gmacs
from practise.networks.teacher import Teacher, save_teacher
from practise.pruning.measured import CONFIRMATIONS
from practise.pruning.params import Search, SelectionRecipe
from practise.pruning.plan import Pruning
from practise.pruning.selection import (
    Goal,
    search_blocks,
    select_knapsack,
    select_lowest,
    select_progressively,
    set_goal,
    sum_that_saves,
)
from practise.pruning.shares import MOST_MEASURED, choose_share, search_share
from practise.settings.presets.select import selection_recipe
from practise.settings.problems import check_values
from practise.stages import select, timing

BLOCKS = ["a", "b", "c", "d", "e"]
VALUES = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())


def subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [some for size in range(len(names) + 1) for some in itertools.combinations(names, size)]


@st.composite
def goals(draw: st.DrawFn) -> Goal:
    """Reductions in thousandths, some of blocks that save nothing, and a target that no sum meets exactly."""
    thousandths = [draw(st.integers(1, 100)), *(draw(st.integers(-10, 100)) for _ in BLOCKS[1:])]
    reach = sum(saved for saved in thousandths if saved > 0)
    reductions = {name: saved / 1000 for name, saved in zip(BLOCKS, thousandths, strict=True)}
    if draw(st.booleans()):
        return set_goal(reductions, (draw(st.integers(0, reach - 1)) + 0.5) / 1000, 0.0)
    return set_goal(reductions, draw(st.integers(1, sum(saved > 0 for saved in thousandths))), 0.0)


@st.composite
def costs(draw: st.DrawFn) -> dict[str, float]:
    """Scores of any magnitude, no two sums of which are nearly equal without being equal."""
    unit = 10.0 ** draw(st.integers(-9, 3))
    return {name: draw(st.integers(1, 100)) * unit for name in BLOCKS}


def test_a_sum_that_is_all_but_what_was_measured_is_taken_as_it_is() -> None:
    for last_digits in range(-4, 5):
        together = 0.99 * (1 + last_digits * 2.0**-53)
        assert sum_that_saves(0.3, every=0.99, together=together) == pytest.approx(0.3)


@given(
    scores=st.lists(st.floats(0, 10), min_size=6, max_size=6),
    reductions=st.lists(st.floats(0.001, 0.5), min_size=6, max_size=6),
    count=st.integers(1, 6),
)
def test_by_count_the_authors_drop_so_many_blocks_of_lowest_score_per_latency(scores, reductions, count):
    ratios = np.array(scores) / np.array(reductions)
    assume(len(set(ratios)) == 6)
    expected = {"abcdef"[place] for place in np.argsort(ratios)[:count]}
    scored = {
        "per_latency": True,
        "blocks": [{"name": block, "score": score} for block, score in zip("abcdef", scores, strict=True)],
    }
    measured = {
        "blocks": {block: {"reduction": saved} for block, saved in zip("abcdef", reductions, strict=True)},
        "without_all": {"reduction": sum(reductions)},
    }
    official = SelectionRecipe.official()
    chosen = select.choose_blocks(scored, measured, count, official, refuse, refuse)
    assert set(chosen["dropped_blocks"]) == expected


def refuse(blocks: Sequence[str]) -> Any:
    """Stands for what should be asked neither for a score nor for a measurement."""
    raise AssertionError(f"{blocks} were asked for")


@given(
    scores=st.lists(st.floats(0.01, 1), min_size=4, max_size=4, unique=True),
    reductions=st.lists(st.floats(0.01, 0.2), min_size=4, max_size=4),
    share=st.floats(0.1, 0.99),
)
def test_takes_the_lowest_ratios_until_the_target_is_met(scores, reductions, share):
    target = share * sum(reductions)
    saved = dict(zip("abcd", reductions, strict=True))
    goal = set_goal(saved, target, 0.0)
    chosen = select_lowest(dict(zip("abcd", scores, strict=True)), goal, per_latency=True)
    ratios = {block: score / saved[block] for block, score in zip("abcd", scores, strict=True)}
    assert sum(saved[block] for block in chosen) >= target - 1e-12
    assert max(ratios[block] for block in chosen) <= min(
        (ratios[block] for block in "abcd" if block not in chosen), default=float("inf")
    )
    highest = max(chosen, key=ratios.__getitem__)
    assert sum(saved[block] for block in chosen if block != highest) < target


def test_an_order_is_followed_whatever_the_reductions():
    saved = {"a": 0.01, "b": 0.1, "c": 0.1, "d": 0.5}
    scores = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 3.0}
    assert select_lowest(scores, set_goal(saved, 0.15, 0.0), per_latency=False) == ["a", "b", "c"]


@given(goal=goals(), scores=costs())
def test_the_knapsack_is_the_cheapest_of_all_sets_that_meet_the_goal(goal, scores):
    chosen = select_knapsack(scores, goal)
    assert goal.met_by(chosen)
    cost = {some: math.fsum(scores[name] for name in some) for some in subsets(list(goal.worth))}
    assert cost[tuple(chosen)] == pytest.approx(min(cost[some] for some in cost if goal.met_by(some)))


@given(goal=goals(), scores=costs())
def test_blocks_come_in_network_order(goal, scores):
    for chosen in (
        select_lowest(scores, goal, per_latency=True),
        select_knapsack(scores, goal),
        select_progressively(lambda blocks: sum(scores[name] for name in blocks), goal),
    ):
        assert chosen == [name for name in BLOCKS if name in chosen]


@given(goal=goals(), seed=st.integers(0, 2**32))
def test_the_progressive_search_is_a_greedy_one_by_hand(goal, seed):
    """R of every set is made up: dropping two blocks may cost more or less than the sum."""
    rng = np.random.default_rng(seed)
    joint = {some: len(some) * rng.uniform(0.5, 1.5) for some in subsets(BLOCKS)}
    asked: list[tuple[str, ...]] = []

    def distance(blocks: Sequence[str]) -> float:
        asked.append(tuple(blocks))
        return joint[tuple(blocks)]

    chosen = select_progressively(distance, goal)
    assert goal.met_by(chosen)
    assert tuple(chosen) == greedy(joint, goal)
    assert len(set(asked)) == len(asked)


def greedy(joint: Mapping[tuple[str, ...], float], goal: Goal) -> tuple[str, ...]:
    """Grow the set by the block that adds least R per latency; where it would be the last, of least R."""
    at: tuple[str, ...] = ()
    reached = 0.0
    while not goal.met_by(at):
        grown = [
            some for some in joint if len(some) == len(at) + 1 and set(at) < set(some) <= set(goal.worth)
        ]
        gains = {some: reached - joint[some] for some in grown}
        saved = {some: goal.reductions[(set(some) - set(at)).pop()] for some in grown}
        better = [some for some in grown if gains[some] >= 0]  # without the block, R is no higher
        if better:
            following = max(better, key=lambda some: gains[some] * saved[some])
        else:
            following = max(grown, key=lambda some: gains[some] / saved[some])
        if goal.met_by(following):
            following = min((some for some in grown if goal.met_by(some)), key=joint.__getitem__)
        at, reached = following, joint[following]
    return at


def test_the_progressive_search_sees_that_neighbours_lean_on_each_other():
    saved = {"a": 0.1, "b": 0.1, "c": 0.1}
    alone = {"a": 1.0, "b": 1.1, "c": 2.0}
    goal = set_goal(saved, 2, 0.0)
    assert select_lowest(alone, goal, per_latency=True) == select_knapsack(alone, goal) == ["a", "b"]

    def distance(blocks: Sequence[str]) -> float:
        return sum(alone[name] for name in blocks) + (9.0 if {"a", "b"} <= set(blocks) else 0.0)

    assert select_progressively(distance, goal) == ["a", "c"]


def test_of_blocks_that_cost_the_same_the_one_that_saves_most_goes_last_too():
    saved = {"a": 0.05, "b": 0.06, "c": 0.1}
    for search in ("progressive", "lowest"):
        for target, blocks in ((1, ["c"]), (2, ["b", "c"])):
            goal = set_goal(saved, target, 0.0)
            assert search_blocks(search, lambda names: float(len(names)), goal, per_latency=True) == blocks


@given(scores=costs(), goal=goals(), per_latency=st.booleans(), search=st.sampled_from(get_args(Search)))
def test_each_search_does_as_it_is_called_and_only_where_scores_are_weighed(
    scores, goal, per_latency, search
):
    asked: list[Sequence[str]] = []

    def of_set(blocks: Sequence[str]) -> float:
        asked.append(list(blocks))
        return sum(scores[name] for name in blocks)

    chosen = search_blocks(search, of_set, goal, per_latency=per_latency)
    useful = {name: scores[name] for name in goal.worth}
    if search == "progressive" and per_latency:
        assert chosen == select_progressively(lambda blocks: sum(scores[name] for name in blocks), goal)
        return
    assert asked == [[name] for name in goal.worth]
    if search == "knapsack" and per_latency:
        assert chosen == select_knapsack(useful, goal)
    else:
        assert chosen == select_lowest(useful, goal, per_latency=per_latency)


def test_an_order_is_followed_whatever_blocks_save():
    saved = {"a": 0.01, "b": 0.2, "c": 0.3}
    order = {"a": 0.0, "b": 1.0, "c": 2.0}
    for search in get_args(Search):
        goal = set_goal(saved, 2, 0.0)
        chosen = search_blocks(search, lambda names: sum(map(order.get, names)), goal, per_latency=False)
        assert chosen == ["a", "b"]


def test_blocks_that_cost_less_than_nothing_by_rounding_are_a_knapsack_too():
    scores, goal = {"a": -1e-8, "b": -2e-8, "c": 0.5}, set_goal({"a": 0.1, "b": 0.1, "c": 0.1}, 2, 0.0)
    assert select_knapsack(scores, goal) == ["a", "b"]


SEARCHES: list[Callable[[Mapping[str, float], Goal], list[str]]] = [
    lambda scores, goal: select_lowest(scores, goal, per_latency=True),
    select_knapsack,
    lambda scores, goal: select_progressively(lambda blocks: sum(scores[name] for name in blocks), goal),
]


@pytest.mark.parametrize("search", SEARCHES, ids=["lowest", "knapsack", "progressive"])
def test_every_search_heeds_the_tolerance_and_drops_only_what_saves_time(search):
    scores, saved = {"a": 1.0, "b": 2.0}, {"a": 0.195, "b": 0.1}
    assert search(scores, set_goal(saved, 0.2, 0.01)) == ["a"]
    assert search(scores, set_goal(saved, 0.2, 0.0)) == ["a", "b"]
    assert search({"a": 0.0, "b": 1.0}, set_goal({"a": -0.001, "b": 0.1}, 0.1, 0.0)) == ["b"]


@given(reduction=st.floats(0.01, 0.5), every=st.floats(0.5, 0.9), more=st.floats(-0.1, 0.3))
def test_a_set_of_the_sum_that_is_asked_for_saves_what_is_wanted(reduction, every, more):
    together = every + more
    total = sum_that_saves(reduction, every, together)
    assert total + more * (total / every) ** 2 == pytest.approx(reduction)


def test_blocks_that_save_more_together_meet_a_target_sooner():
    saved = {"a": 0.1, "b": 0.09, "c": 0.3}
    assert set_goal(saved, 0.2, 0.0).met_by(["a", "b"]) is False
    assert set_goal(saved, 0.2, 0.0, together=0.6).met_by(["a", "b"]) is True
    assert set_goal(saved, 2, 0.0, together=0.6).met_by(["a", "b"]) is True


@pytest.mark.parametrize("tiny", [0.0, 5e-324, 1e-300])
def test_a_knapsack_bears_costs_of_any_size(tiny):
    scores, saved = {"a": 1.0, "b": tiny, "c": 1e300}, {"a": 0.2, "b": 0.2, "c": 0.2}
    assert select_knapsack(scores, set_goal(saved, 0.2, 0.0)) == ["b"]


def test_a_target_from_one_on_is_a_number_of_blocks():
    scores = {"a": 4.0, "b": 1.0, "c": 2.0, "d": 3.0}
    saved = {"a": 0.5, "b": 0.01, "c": 0.1, "d": 0.1}
    goal = set_goal(saved, 2, 0.01)
    assert select_lowest(scores, goal, per_latency=True) == ["a", "c"]
    assert select_lowest(scores, goal, per_latency=False) == ["b", "c"]
    assert select_knapsack(scores, goal) == ["b", "c"]


def test_a_target_out_of_reach_says_how_far_the_blocks_reach():
    with pytest.raises(SelectionError) as error:
        set_goal({"a": 0.1, "b": 0.05, "c": -0.1}, 0.2, 0.01)
    assert str(error.value) == (
        "a latency reduction of 20.0% is out of reach: dropping all 2 blocks that save time gives 15.0% "
        "here; lower grid.targets, or measure at another batch or image size"
    )


def test_how_far_the_blocks_reach_is_what_they_save_at_once():
    with pytest.raises(SelectionError, match=r"dropping all 2 blocks that save time gives 18\.0% here"):
        set_goal({"a": 0.1, "b": 0.05}, 0.2, 0.01, together=0.18)


def test_more_blocks_than_save_time_are_out_of_reach():
    with pytest.raises(SelectionError) as error:
        set_goal({"a": 0.1, "b": 0.05, "c": -0.1}, 3, 0.01)
    assert str(error.value) == (
        "dropping 3 blocks is out of reach: the network has 2 that save time here; lower grid.targets"
    )


TAU = {"a": 0.05, "b": 0.09, "c": 0.06, "d": 0.05}
NARROW = set_goal(TAU, 0.16, tolerance=0.01, overshoot=0.02)
"""b and c alone, or the other three, meet the target; all else misses it or goes too far."""


def test_a_block_that_goes_too_far_is_passed_over():
    scores = {"a": 3.0, "b": 2.0, "c": 1.0, "d": 4.0}
    assert select_lowest(scores, NARROW, per_latency=False) == ["b", "c"]
    scores = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}  # after a and b, no third block would fit
    assert select_lowest(scores, NARROW, per_latency=False) == ["a", "c", "d"]
    assert select_lowest(scores, set_goal(TAU, 0.16, 0.01), per_latency=False) == ["a", "b", "c"]


@given(scores=st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_each_search_stays_below_the_limit_where_that_is_possible(scores):
    cost = dict(zip(TAU, scores, strict=True))
    chosen = [
        select_knapsack(cost, NARROW),
        select_lowest(cost, NARROW, per_latency=True),
        select_progressively(lambda blocks: sum(cost[block] for block in blocks), NARROW),
    ]
    assert all(0.15 <= sum(TAU[block] for block in blocks) <= 0.18 for blocks in chosen)
    best = min(sum(cost[block] for block in blocks) for blocks in (["b", "c"], ["a", "c", "d"]))
    assert sum(cost[block] for block in chosen[0]) == pytest.approx(best)


def test_a_limit_that_no_choice_keeps_is_given_up():
    goal = set_goal({"a": 0.3, "b": 0.3}, 0.2, 0.01, overshoot=0.02)
    assert select_lowest({"a": 2.0, "b": 1.0}, goal, per_latency=True) == ["b"]
    assert select_knapsack({"a": 2.0, "b": 1.0}, goal) == ["b"]
    assert select_progressively(lambda blocks: float("ab".index(blocks[0])), goal) == ["a"]


def with_method(**method: object):
    entry = {"criterion": "recoverability", "loss": "mimic", "preset": "default", **method}
    select = {"search": "knapsack", "tolerance": 0.02, "overshoot": 0.5, "match": "latency"}
    return check_values({**VALUES, "select": select, "methods": {**VALUES["methods"], "mine": entry}})


def test_the_default_search_is_the_files_and_the_authors_take_the_lowest():
    assert selection_recipe(with_method(), "mine") == SelectionRecipe(
        search="knapsack", tolerance=0.02, overshoot=0.5
    )
    assert selection_recipe(with_method(preset="official"), "mine") == SelectionRecipe(
        search="lowest", tolerance=0.02, overshoot=0.5
    )


def test_a_method_replaces_how_it_selects():
    params = with_method(preset="official", select={"search": "progressive"})
    assert selection_recipe(params, "mine") == SelectionRecipe(
        search="progressive", tolerance=0.02, overshoot=0.5
    )
    with pytest.raises(ParamsError):
        with_method(select={"search": "greedy"})


def run_stage(
    folder: Path,
    search: str,
    per_latency: bool = True,
    measured: str = "abc",
    target: float = 0.2,
    match: str = "latency",
) -> dict[str, Any]:
    """Run the stage on the scores 3, 1, 2.5 and the reductions 0.2, 0.1, 0.1 of three blocks."""
    scores = [{"name": name, "score": score} for name, score in zip("abc", (3, 1, 2.5), strict=True)]
    saved = {name: 0.2 if name == "a" else 0.1 for name in measured}
    reductions = {name: {"reduction": one, "macs_reduction": one} for name, one in saved.items()}
    write_result(
        folder / "score.json", "score", {"per_latency": per_latency, "prunes": "blocks", "blocks": scores}, {}
    )
    without_all = {"reduction": 0.4}
    latency = {"blocks": reductions, "without_all": without_all, "alike": [["a"], ["b", "c"]]}
    write_result(folder / "latency.json", "latency", latency, {})
    names = ("score", "latency", "teacher", "sample", "hardware", "out")
    inputs = {name: folder / f"{name}.json" for name in names}
    recipe = {"search": search, "tolerance": 0.0, "overshoot": 1.0, "match": match}
    params = with_method(select=recipe)
    select.run(params, images="elpv", method="mine", seed=0, target_reduction=target, **inputs)
    result = read_result(folder / "out.json", "select")
    assert result["recipe"] == recipe
    return result


class Clock:
    """Stands for what measures sets of blocks; each set saves a part of the sum of 0.2, 0.1 and 0.1."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, part: float = 1.0) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.part = part
        monkeypatch.setattr(select, "measure_sets", lambda *given: self.measure)

    def measure(self, blocks: tuple[str, ...]) -> Latency:
        self.asked.append(blocks)
        saved = self.part * sum({"a": 0.2, "b": 0.1, "c": 0.1}[name] for name in blocks)
        return Latency(8.0, 0.02, saved, 0.003, 60, 0.0, False)


def test_the_stage_searches_as_its_method_says(tmp_path, monkeypatch):
    Clock(monkeypatch)
    assert run_stage(tmp_path, "lowest", target=0.29)["dropped_blocks"] == ["a", "b"]
    assert run_stage(tmp_path, "knapsack")["dropped_blocks"] == ["a"]


def test_a_set_is_measured_before_it_is_recovered_and_the_result_says_what_came_out(tmp_path, monkeypatch):
    clock = Clock(monkeypatch)
    result = run_stage(tmp_path, "knapsack")
    assert clock.asked == [("a",)] * (1 + CONFIRMATIONS)
    told = {key: result[key] for key in ("target_reduction", "wanted_reduction", "is_near")}
    assert told == {"target_reduction": 0.2, "wanted_reduction": 0.2, "is_near": True}
    numbers = {"foretold_reduction": 0.2, "measured_reduction": 0.2, "standard_error": 0.003}
    assert {key: result[key] for key in numbers} == pytest.approx(numbers)
    assert result["tried"] == [{**{key: result[key] for key in numbers}, "dropped_blocks": ["a"]}]


def test_a_set_that_misses_is_chosen_again_and_the_nearest_is_told_as_such(tmp_path, monkeypatch):
    clock = Clock(monkeypatch, part=0.8)
    result = run_stage(tmp_path, "knapsack")
    assert {("a",), ("a", "b")} <= set(clock.asked)
    tried = [one["measured_reduction"] for one in result["tried"]]
    assert tried[:2] == pytest.approx([0.16, 0.24])
    assert tried[2:] == pytest.approx([0.16] * len(tried[2:]))  # two blocks that may have saved what one does
    assert abs(result["measured_reduction"] - 0.2) == pytest.approx(0.04)
    assert not result["is_near"]


@pytest.mark.parametrize(("target", "match"), [(2, "latency"), (0.2, "macs"), (2, "macs")])
def test_for_a_number_of_blocks_and_for_macs_nothing_is_measured(tmp_path, monkeypatch, target, match):
    clock = Clock(monkeypatch)
    result = run_stage(tmp_path, "lowest", target=target, match=match)
    assert clock.asked == result["tried"] == []
    nothing = ("wanted_reduction", "measured_reduction", "standard_error", "is_near")
    assert {result[key] for key in nothing} == {None}
    saved = sum({"a": 0.2, "b": 0.1, "c": 0.1}[name] for name in result["dropped_blocks"])
    assert result["foretold_reduction"] == pytest.approx(saved)


@pytest.mark.parametrize("search", ["lowest", "knapsack", "progressive"])
def test_a_criterion_that_is_an_order_in_itself_is_followed_whatever_the_search(
    tmp_path, monkeypatch, search
):
    Clock(monkeypatch)
    assert run_stage(tmp_path, search, per_latency=False)["dropped_blocks"] == ["b", "c"]


def test_the_same_set_comes_again_from_what_the_machine_has_kept(tmp_path, monkeypatch):
    """With a real network and no clock: deleted, the result comes back without a measurement."""
    monkeypatch.chdir(tmp_path)
    teacher, taken = write_inputs(), []

    def measure(settings: object, networks: Mapping[str, Any], *others: object) -> dict[str, Latency]:
        taken.append(set(networks))
        return count_weights(settings, networks, *others)

    monkeypatch.setattr(timing, "measure_with", measure)
    blocks = teacher.card["blocks"]
    measure_blocks()
    scores = [{"name": name, "score": float(place)} for place, name in enumerate(blocks)]
    scored = {"per_latency": False, "prunes": "blocks", "blocks": scores}
    write_result("score.json", "score", scored, {})
    names = {"score": "score.json", "latency": "latency.json", "teacher": "teacher.safetensors"}
    inputs = {key: Path(name) for key, name in names.items()}
    inputs |= {"sample": Path("none"), "hardware": Path("hardware.json"), "out": Path("out.json")}

    def choose(target: float, **flags: bool) -> bytes:
        taken.clear()
        params = with_method(criterion="first_blocks")
        select.run(params, images="elpv", method="mine", seed=0, target_reduction=target, **inputs, **flags)
        return inputs["out"].read_bytes()

    first = choose(0.2)
    assert taken == [{"original", "pruned"}] * len(taken) != []
    inputs["out"].unlink()
    assert choose(0.2) == first
    assert taken == []
    assert choose(0.2, again=True) == first
    assert taken != []


def test_filters_take_the_share_for_what_so_many_blocks_save(tmp_path):
    inputs = thinner_inputs(tmp_path, MEASURED, {2: 0.246, 3: 0.47})
    params = with_method(criterion="l1_filters")
    for target, (wanted, share, is_near) in {2: (0.246, 0.4, True), 3: (0.47, 0.8, False)}.items():
        select.run(params, images="elpv", method="mine", seed=0, target_reduction=target, **inputs)
        result = read_result(inputs["out"], "select")
        assert (result["wanted_reduction"], result["filters_removed"]) == (wanted, share)
        assert (result["measured_reduction"], result["is_near"]) == (MEASURED[share], is_near)
        assert [one["filters_removed"] for one in result["tried"]] == list(MEASURED)
    with pytest.raises(SelectionError) as error:
        select.run(params, images="elpv", method="mine", seed=0, target_reduction=4, **inputs)
    assert str(error.value) == "what 4 blocks save was not measured; add 4 to latency.thinner"
    params = with_method(criterion="l1_filters", select={"match": "macs"})
    with pytest.raises(SelectionError) as error:
        select.run(params, images="elpv", method="mine", seed=0, target_reduction=2, **inputs)
    assert str(error.value) == (
        "filters are pruned for a share of the MACs, not for 2 blocks; change grid.targets"
    )


def test_a_block_without_a_latency_is_named(tmp_path):
    with pytest.raises(SelectionError) as error:
        run_stage(tmp_path, "lowest", measured="ac")
    assert str(error.value) == "the latency of block 'b' was not measured; measure again"


MEASURED = {0.2: 0.05, 0.4: 0.25, 0.6: 0.24, 0.8: 0.5}
"""The reduction at each share of filters; one was measured lower than the one before."""


@pytest.mark.parametrize(("target", "share"), [(0.05, 0.2), (0.24, 0.6), (0.25, 0.4), (0.49, 0.8)])
def test_the_share_of_filters_is_that_which_came_nearest(target, share):
    assert choose_share(MEASURED, target) == share


@pytest.mark.parametrize(
    ("target", "measured", "message"),
    [
        (0.6, MEASURED, "a reduction of 60.0% is out of reach of filter pruning; nearest is 50.0% at 80.0% "
         "of the filters; change grid.targets and latency.thinner"),
        (0.15, {0.2: 0.21}, "a reduction of 15.0% is out of reach of filter pruning; nearest is 21.0% at "
         "20.0% of the filters; change grid.targets and latency.thinner"),
        (0.2, {}, "no thinner network was measured; add the target 0.2 to latency.thinner"),
    ],
)  # fmt: skip
def test_a_target_that_filters_cannot_meet_says_why(target, measured, message):
    with pytest.raises(SelectionError) as error:
        choose_share(measured, target)
    assert str(error.value) == message


@given(
    target=st.floats(0.05, 0.8),
    power=st.floats(0.7, 3),
    already=st.sets(st.sampled_from([0.1, 0.3, 0.5]), max_size=2),
)
def test_the_search_for_a_share_comes_near_in_a_few_measurements(target, power, already):
    asked = []

    def measure(share: float) -> float:
        asked.append(share)
        return (share / 0.9) ** power

    known = {share: (share / 0.9) ** power for share in already}
    search_share(measure, target, known, 0.01)
    assert min(abs(reduction - target) for reduction in known.values()) <= 0.01
    assert len(asked) == len(set(asked)) <= MOST_MEASURED
    assert not asked or already.isdisjoint(asked)


def test_a_lucky_share_is_measured_again_and_left_where_its_mean_misses() -> None:
    looks: dict[float, list[float]] = {}

    def measure(share: float) -> float:
        seen = looks.setdefault(share, [])
        seen.append(
            share + (0.3 * 0.2 if share == 0.3 and not seen else 0.0) - 0.16
        )  # 0.2 at first, then 0.14
        return sum(seen) / len(seen)

    known: dict[float, float] = {}
    search_share(measure, 0.2, known, 0.01, confirmations=2)
    assert len(looks[0.3]) == 2
    nearest = min(known, key=lambda share: abs(known[share] - 0.2))
    assert abs(known[nearest] - 0.2) <= 0.01
    assert nearest != 0.3
    assert len(looks[nearest]) == 3


def test_a_search_for_what_filters_cannot_reach_ends():
    known: dict[float, float] = {}
    search_share(lambda share: 0.3 * share, 0.5, known, 0.01)
    assert max(known) == 0.9
    assert len(known) <= MOST_MEASURED


def thinner_inputs(
    tmp_path: Path, measured: Mapping[float, float], first_blocks: Mapping[int, float] | None = None
) -> dict[str, Path]:
    network = CifarResNet(20).eval()
    preprocessing = Preprocessing(32, (0.5,) * 3, (0.5,) * 3, "bilinear", 1.0)
    card = {"library": "cifar", "architecture": "resnet20", "blocks": ["layer1.1"]}
    inputs = {name: tmp_path / f"{name}.json" for name in ("score", "latency", "sample", "hardware", "out")}
    inputs["teacher"] = tmp_path / "teacher.safetensors"
    save_teacher(
        Teacher(network, preprocessing, tuple("0123456789"), card),
        inputs["teacher"],
        tmp_path / "teacher.json",
        {},
    )
    write_result(inputs["score"], "score", {"per_latency": False, "prunes": "filters", "blocks": []}, {})
    points = [
        {"share": share, "reduction": reduction, "standard_error": 0.002}
        for share, reduction in measured.items()
    ]
    first = [{"count": count, "reduction": saved} for count, saved in (first_blocks or {}).items()]
    latency = {"blocks": {}, "thinner": points, "first_blocks": first}
    write_result(inputs["latency"], "latency", latency, {})
    return inputs


def test_the_stage_takes_the_share_of_filters_that_was_searched(tmp_path):
    inputs = thinner_inputs(tmp_path, MEASURED)
    params = with_method(criterion="l1_filters")
    for target, share in ((0.05, 0.2), (0.25, 0.4)):
        select.run(params, images="elpv", method="mine", seed=0, target_reduction=target, **inputs)
        result = read_result(inputs["out"], "select")
        assert (result["dropped_blocks"], result["filters_removed"]) == ([], share)


def test_the_share_for_a_number_of_macs_is_searched_where_none_is_known(tmp_path):
    inputs, network = thinner_inputs(tmp_path, {}), CifarResNet(20).eval()
    params = with_method(criterion="l1_filters", select={"match": "macs"})
    select.run(params, images="elpv", method="mine", seed=0, target_reduction=0.2, **inputs)
    share = read_result(inputs["out"], "select")["filters_removed"]
    thinner = Pruning(filters_removed=share).apply_(copy.deepcopy(network), 32)
    assert count_gmacs(thinner, 32) == pytest.approx(0.8 * count_gmacs(network, 32), rel=0.03)


@settings(max_examples=30, deadline=None)
@given(
    worths=st.lists(st.integers(1, 40), min_size=1, max_size=7),
    low=st.integers(1, 90),
    width=st.integers(0, 9),
)
def test_a_goal_is_within_reach_if_some_set_lies_between_its_bounds(worths, low, width):
    worth = {str(place): one / 100 for place, one in enumerate(worths)}
    goal = Goal(low / 100, worth, worth, (low + width) / 100)
    sums = {sum(part) for count in range(len(worths) + 1) for part in itertools.combinations(worths, count)}
    assert goal.within_reach_of(()) == any(low <= total <= low + width for total in sums)


def test_the_reach_of_many_blocks_that_all_save_something_else_is_soon_known():
    worth = {str(place): round(0.015 + 0.0001 * math.sin(place), 12) for place in range(60)}
    assert Goal(0.2549, worth, worth, 0.2551).within_reach_of(())  # seventeen of them
    assert not Goal(0.262, worth, worth, 0.263).within_reach_of(())  # neither seventeen nor eighteen
