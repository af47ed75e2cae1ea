"""A recovery that may take some minutes."""

import pytest
import torch
from test_views import tiny_set
from tiny import tiny_network

from practise.pruning.plan import Pruning
from practise.recovery import budget
from practise.recovery.budget import seconds_of_step, within_minutes
from practise.recovery.params import RecoveryRecipe
from practise.recovery.recover import recover
from practise.resume import Resume
from practise.scoring.params import RidgeRecipe

RECIPE = RecoveryRecipe(steps=5, batch_size=4, dtype="fp32", start="weights", guard=False, minutes=0.5)
RIDGE = RidgeRecipe(folds=2, most_images=64, dtype="fp32")


@pytest.mark.parametrize(("seconds", "steps"), [(1.0, 30), (4.0, 7), (100.0, 1)])
def test_as_many_steps_are_taken_as_fit_and_at_least_one(seconds, steps, monkeypatch):
    monkeypatch.setattr(budget, "seconds_of_step", lambda *given: seconds)
    recovered = recover(tiny_network(), Pruning(["stages.0.1"]), tiny_set(8), "mimic", RECIPE, RIDGE)
    assert len(recovered.history) == steps


def test_without_minutes_the_steps_are_those_that_are_asked_for(monkeypatch):
    monkeypatch.setattr(budget, "seconds_of_step", None)
    recipe = RECIPE.but(minutes=None)
    assert within_minutes(tiny_network(), tiny_set(8), "mimic", recipe) == recipe


def test_a_killed_run_goes_on_with_the_steps_that_it_had_begun_with(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "seconds_of_step", lambda *given: 1.0)
    monkeypatch.setattr("practise.resume.SECONDS_BETWEEN_SAVES", -1.0)
    network, few, pruning = tiny_network(), tiny_set(8), Pruning(["stages.0.1"])
    whole = recover(network, pruning, few, "mimic", RECIPE.but(minutes=0.05), RIDGE)
    resume = Resume(tmp_path / "student", "key")
    recover(network, pruning, few, "mimic", RECIPE.but(minutes=0.05), RIDGE, resume)  # its state stays
    monkeypatch.setattr(budget, "seconds_of_step", lambda *given: 0.01)
    again = recover(network, pruning, few, "mimic", RECIPE.but(minutes=0.05), RIDGE, resume)
    assert len(whole.history) == len(again.history) == 3
    states = (one.network.state_dict().values() for one in (whole, again))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*states, strict=True))


def test_a_step_takes_time_and_the_network_stays_as_it_is():
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert seconds_of_step(network, tiny_set(8), "mimic", RECIPE) > 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
