"""Recoverability against what must be true of it, and its regressions against numpy."""

import numpy as np
import pytest
import torch
from test_views import PREPROCESSING, pictures
from tiny import TinyNet, tiny_network

from practise.adaptors import multiply_before_
from practise.dataflow import find_seats
from practise.errors import RecoveryError
from practise.recoverability import RidgeRecipe, Scorer, SgdRecipe

RIDGE = RidgeRecipe(ridge=1e-6, folds=2, batch_size=4, dtype="fp32")


def linear_block_network() -> TinyNet:
    """A network of linear bottlenecks whose block `stages.0.1` is itself a linear 1×1 map of its input."""
    network = tiny_network(linear=True)
    block = network.stages[0][1]
    block.forward = lambda x: x + torch.einsum("oi,nihw->nohw", block.conv1.weight[:, :, 1, 1], x)
    return network


def scorer(network: TinyNet, recipe: RidgeRecipe | SgdRecipe = RIDGE, count: int = 8) -> Scorer:
    return Scorer(network, pictures(count), PREPROCESSING, recipe, seed=0)


def test_a_block_that_is_a_linear_map_is_fully_recoverable_at_the_next_reader():
    network = linear_block_network()
    judge = scorer(network)
    student = judge.without("stages.0.1")
    seats = find_seats(network, ["stages.0.2"], 32)["stages.0.2"]
    reader = "stages.0.2.conv1"
    assert seats.before  # the stage has readers
    before = judge.stream_pixels(student, reader, judge.views)
    multiply_before_(student, reader, judge.solve_ridge(student, reader, judge.views))
    block = network.stages[0][1].conv1.weight[:, :, 1, 1].double().detach()
    expected = torch.eye(len(block), dtype=torch.float64) + block
    found = judge.solve_ridge(judge.without("stages.0.1"), reader, judge.views)
    assert torch.allclose(found, expected, atol=1e-3)
    assert before.shape[1] == 8


def test_the_regression_is_numpys_least_squares():
    network = tiny_network()
    judge = scorer(network)
    student, reader = judge.without("stages.0.1"), "stages.0.2.conv1"
    found = judge.solve_ridge(student, reader, judge.views).numpy()
    rows = judge.stream_pixels(student, reader, judge.views).numpy()
    wanted = judge.stream_pixels(network, reader, judge.views).numpy()
    strength = np.sqrt(1e-6 * (rows**2).sum() / rows.shape[1])
    identity = strength * np.eye(rows.shape[1])
    solution = np.linalg.lstsq(np.vstack([rows, identity]), np.vstack([wanted, identity]), rcond=None)[0]
    assert np.allclose(found, solution.T, atol=1e-6)


def test_an_infinite_pull_is_no_adaptor_at_all():
    network = tiny_network()
    judge = scorer(network, RidgeRecipe(1e12, 2, 4, "fp32"))
    plain = judge.distance(judge.without("stages.0.1"), judge.views)
    assert dict(judge.score(["stages.0.1"]))["stages.0.1"] == pytest.approx(plain, rel=1e-4)


def test_adaptors_help_on_images_that_they_were_not_fitted_on():
    network = linear_block_network()
    fitted = dict(scorer(network, RidgeRecipe(1e-4, 2, 4, "fp32"), 16).score(["stages.0.1"]))
    untouched = dict(scorer(network, RidgeRecipe(1e12, 2, 4, "fp32"), 16).score(["stages.0.1"]))
    assert fitted["stages.0.1"] < 0.5 * untouched["stages.0.1"]


def test_training_adaptors_lowers_the_distance():
    network = tiny_network()
    judge = scorer(network, SgdRecipe(steps=30, batch_size=8))
    plain = judge.distance(judge.without("stages.0.1"), judge.views)
    assert dict(judge.score(["stages.0.1"]))["stages.0.1"] < plain


def test_scores_repeat_and_finished_ones_are_kept():
    network, blocks = tiny_network(), ["stages.0.1", "stages.1.1"]
    first, again = (dict(scorer(network).score(blocks)) for _ in range(2))
    assert first == again
    kept = dict(scorer(network).score(blocks, {"stages.0.1": 7.0}))
    assert kept == {"stages.0.1": 7.0, "stages.1.1": first["stages.1.1"]}


def test_scoring_leaves_the_network_as_it_was():
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    dict(scorer(network).score(["stages.0.1"]))
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_adaptors_that_diverge_are_told_in_one_sentence():
    with pytest.raises(RecoveryError) as error:
        dict(scorer(tiny_network(), SgdRecipe(steps=20, lr=1e9, batch_size=8)).score(["stages.0.1"]))
    assert str(error.value) == ("the adaptors diverged: the features are not finite; lower the learning rate")
