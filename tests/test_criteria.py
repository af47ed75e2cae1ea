"""The criteria by name: what they look at and how their scores are used."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_views import tiny_set
from tiny import tiny_network

from practise.errors import NetworkError
from practise.networks.blocks import drop_blocks_, find_blocks
from practise.pruning.selection import select_lowest, set_goal
from practise.scoring.criteria import SCORES, Look, Question
from practise.scoring.params import RidgeRecipe
from practise.scoring.recoverability import build_scorer
from practise.scoring.registry import CRITERIA
from practise.settings.params import json_schema

RECIPE = RidgeRecipe(ridge=0.1, folds=2, most_images=64, memory_mb=1024, dtype="fp32")


def question(done: dict[str, float] | None = None) -> Question:
    network = tiny_network()
    blocks = find_blocks(network, 32)
    return Question(blocks, 3, Look(network, tiny_set(6), RECIPE, done or {}), given=blocks)


def test_first_blocks_go_in_network_order_whatever_they_save():
    scores = dict(SCORES["first_blocks"](question()))
    assert sorted(scores, key=scores.__getitem__) == question().blocks
    assert not CRITERIA["first_blocks"].per_latency


def test_recoverability_is_weighed_against_latency_and_goes_on_from_what_is_done():
    asked = question({"stages.0.0": 5.0})
    scores = dict(SCORES["recoverability"](asked))
    judge = build_scorer(asked.seen.network, asked.blocks, asked.seen.few, RECIPE)
    assert list(scores) == asked.blocks
    assert scores["stages.0.0"] == 5.0
    assert scores["stages.1.1"] == judge.recoverability(["stages.1.1"])
    assert CRITERIA["recoverability"].per_latency


def test_every_criterion_that_a_params_file_may_name_is_there():
    named = json_schema()["$defs"]["MethodParams"]["properties"]["criterion"]["enum"]
    assert list(SCORES) == list(CRITERIA) == named


@pytest.mark.parametrize("name", [name for name in CRITERIA if CRITERIA[name].prunes == "blocks"])
def test_a_criterion_scores_every_block_once_in_order_and_alike_each_time(name):
    first, again = (list(SCORES[name](question())) for _ in range(2))
    assert [block for block, _ in first] == question().blocks
    assert first == again


def test_random_scores_are_places_that_the_seed_draws():
    orders = set()
    for seed in range(8):
        asked = replace(question(), seed=seed, look=None)
        scores = dict(SCORES["random"](asked))
        assert sorted(scores.values()) == list(range(len(asked.blocks)))
        orders.add(tuple(scores.values()))
    assert len(orders) > 4
    assert not CRITERIA["random"].per_latency


def test_given_blocks_go_in_their_own_order_and_others_stay():
    asked = replace(question(), given=["stages.1.1", "stages.0.1", "stages.1.2"])
    scores = dict(SCORES["given"](asked))
    assert set(scores) == set(asked.given)
    tau = dict.fromkeys(asked.blocks, 0.1)
    for count in (1, 2, 3):
        goal = set_goal({name: tau[name] for name in scores}, count, 0.0)
        chosen = select_lowest(scores, goal, per_latency=CRITERIA["given"].per_latency)
        assert set(chosen) == set(asked.given[:count])


def test_a_given_block_that_cannot_be_dropped_is_named():
    with pytest.raises(NetworkError, match=r"unknown block 'stages\.0\.9' \(known: stages\.0\.0, "):
        list(SCORES["given"](replace(question(), given=["stages.0.9"])))


def test_latency_alone_costs_the_same_everywhere():
    assert set(dict(SCORES["latency"](question())).values()) == {1.0}
    assert CRITERIA["latency"].per_latency


@pytest.mark.parametrize("name", ["feature_change", "output_divergence"])
def test_what_a_drop_changes_is_numpys_distance(name):
    asked = question()
    network, views = asked.seen.network, asked.seen.few.centre_views()
    for block, score in SCORES[name](asked):
        without = drop_blocks_(copy.deepcopy(network), [block])
        with torch.no_grad():
            if name == "feature_change":
                ours, theirs = (net.run_stages(net.stem(views)).numpy() for net in (without, network))
                expected = np.mean((ours - theirs) ** 2)
            else:
                ours, theirs = (net(views).double().softmax(1).numpy() for net in (without, network))
                expected = np.mean(np.sum(theirs * np.log(theirs / ours), axis=1))
        assert score == pytest.approx(expected, rel=0.02)  # of tiny differences of fp32 numbers


def test_filters_are_not_chosen_by_scores_of_blocks():
    assert list(SCORES["l1_filters"](question())) == []
