"""The start that fits the network: candidates judged on images that they were not fitted on."""

import copy
from dataclasses import replace

import pytest
import torch
from test_views import PREPROCESSING, pictures, tiny_set
from tiny import linear_block_network, tiny_network, tiny_transformer
from torch import nn

from practise.images.views import centre_views
from practise.networks.blocks import drop_blocks_
from practise.pruning.plan import Pruning
from practise.recovery.fitting import (
    AS_IT_IS,
    CAUTIOUS,
    FIRST,
    MOST_TRIED,
    PULLS,
    STRONGEST,
    fit_best,
    fit_cautiously,
    mean,
)
from practise.recovery.params import RecoveryRecipe
from practise.recovery.referee import ERRORS, Referee
from practise.recovery.start import start_recovery
from practise.scoring.divergence import divergence
from practise.scoring.params import RidgeRecipe
from practise.scoring.recoverability import ClosedForm, Fit

RIDGE = RidgeRecipe(ridge=0.3, folds=2, most_images=64, memory_mb=1024, dtype="fp32")
DROPPED = ["stages.0.2"]


def closed_form(network: nn.Module, dropped: list[str] = DROPPED, **settings: object) -> ClosedForm:
    return ClosedForm(network, dropped, tiny_set(8), RIDGE.but(**settings))


def test_what_a_fit_loses_is_the_divergence_on_the_images_of_the_other_folds():
    network = tiny_network()
    closed, views = closed_form(network), centre_views(pictures(8), PREPROCESSING)
    views = closed.reference.views
    for fit in (AS_IT_IS, Fit(1.0), Fit(0.1, matched=True)):
        lost = closed.lost_by(fit, DROPPED)
        for held_out in closed.folds:
            student = drop_blocks_(copy.deepcopy(network), DROPPED)
            with closed.fitting(student, DROPPED, closed.others(held_out), fit), torch.no_grad():
                student(views)
            with torch.no_grad():
                told = divergence(network(views), student(views))[held_out]
            assert torch.allclose(lost[held_out], told, atol=1e-6)


def test_divergence_is_torchs():
    ours, theirs = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    wanted = nn.functional.kl_div(
        ours.log_softmax(1), theirs.log_softmax(1), log_target=True, reduction="none"
    ).sum(1)
    assert torch.allclose(divergence(theirs, ours), wanted)


def test_nothing_is_fitted_where_nothing_is_dropped_that_matters():
    network = tiny_network()
    for parameter in network.stages[0][2].parameters():
        nn.init.zeros_(parameter)  # the block adds nothing, so that nothing is lost
    fitted = fit_best(closed_form(network), DROPPED)
    assert fitted.fit == AS_IT_IS
    plain = drop_blocks_(copy.deepcopy(network), DROPPED).state_dict()
    assert all(torch.equal(value, plain[name]) for name, value in fitted.network.state_dict().items())


def test_a_linear_block_is_fitted_with_the_weakest_pull():
    fitted = fit_best(closed_form(linear_block_network()), DROPPED)
    assert fitted.fit.pull == min(PULLS)
    assert [fit.pull for fit in fitted.lost] == [None, *PULLS[1:], min(PULLS)]
    assert mean(fitted.lost[fitted.fit]) < 0.01 * mean(fitted.lost[AS_IT_IS])


@pytest.mark.parametrize(
    ("best", "tried"),
    [
        (AS_IT_IS, [Fit(FIRST), Fit(STRONGEST), Fit(None, True)]),
        (Fit(STRONGEST), [Fit(FIRST), Fit(STRONGEST), Fit(STRONGEST, True)]),
        (Fit(FIRST), [Fit(FIRST), Fit(1.0), Fit(STRONGEST), Fit(FIRST, True)]),
        (Fit(0.01), [Fit(FIRST), Fit(1.0), Fit(0.1), Fit(0.01), Fit(0.01, True)]),
        (Fit(None, True), [Fit(FIRST), Fit(STRONGEST), Fit(None, True)]),
        (Fit(1.0, True), [Fit(FIRST), Fit(1.0), Fit(0.1), Fit(1.0, True), Fit(0.1, True)]),
    ],
)
def test_pulls_are_tried_from_the_middle_as_long_as_that_helps_and_the_best_matched(best, tried, monkeypatch):
    closed, ranked = closed_form(tiny_network()), (None, *PULLS)

    def lost_by(fit: Fit, dropped: list[str]) -> torch.Tensor:
        apart = abs(ranked.index(fit.pull) - ranked.index(best.pull))
        return torch.tensor([apart + 0.5 * (fit.matched != best.matched)])

    monkeypatch.setattr(closed, "lost_by", lost_by)
    fitted = fit_best(closed, DROPPED)
    assert fitted.fit == best
    assert list(fitted.lost) == [AS_IT_IS, *tried]
    as_it_is = {"pull": None, "matched": False, "kl": mean(fitted.lost[AS_IT_IS])}
    assert fitted.describe()["tried"][0] == as_it_is
    assert (fitted.describe()["pull"], fitted.describe()["matched"]) == (best.pull, best.matched)


def test_what_helps_only_once_matched_is_found_after_matching(monkeypatch):
    closed = closed_form(tiny_network())

    def lost_by(fit: Fit, dropped: list[str]) -> torch.Tensor:
        if not fit.matched:
            return torch.tensor([9.0 if fit.pull == FIRST else 10.0])
        return torch.tensor([8.0 - PULLS.index(fit.pull)])

    monkeypatch.setattr(closed, "lost_by", lost_by)
    fitted = fit_best(closed, DROPPED)
    assert fitted.fit == Fit(min(PULLS), matched=True)
    assert list(fitted.lost)[-1] == fitted.fit
    assert len(fitted.lost) <= MOST_TRIED


def test_a_transformer_has_no_batch_norm_to_match():
    network = tiny_transformer()
    closed = ClosedForm(network, ["blocks.1"], tiny_set(8), RIDGE)
    fitted = fit_best(closed, ["blocks.1"])
    assert not any(fit.matched for fit in fitted.lost)
    assert AS_IT_IS in fitted.lost


def test_foreign_images_are_fitted_to_cautiously_and_nothing_is_tried_on_them():
    network = tiny_network()
    few = replace(tiny_set(8), kind="foreign")
    start = start_recovery(network, Pruning(DROPPED), few, RecoveryRecipe(dtype="fp32"), RIDGE)
    assert start.chosen == {"pull": CAUTIOUS.pull, "matched": False, "tried": []}
    wanted = closed_form(network).absorb(DROPPED, CAUTIOUS).state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in start.student.state_dict().items())


@pytest.mark.parametrize("network", [linear_block_network(), tiny_network()])
def test_another_fit_to_foreign_images_is_taken_only_where_a_referee_clearly_prefers_it(network):
    closed, referee = closed_form(network), Referee(network, tiny_set(8))
    fitted = fit_cautiously(closed, DROPPED, referee)
    lost = {fit: referee.lost_by(closed.absorb(DROPPED, fit)) for fit in fitted.lost}
    best, usual = (
        min(fits, key=lambda fit: lost[fit].mean().item())
        for fits in ([fit for fit in lost if fit != CAUTIOUS], [CAUTIOUS, AS_IT_IS])
    )
    assert fitted.fit == (best if referee.prefers(lost[best], lost[usual]) else usual)
    assert torch.equal(fitted.lost[fitted.fit], referee.lost_by(fitted.network))


@pytest.mark.parametrize("kind", ["own", "foreign", "made"])
def test_a_difference_is_clear_beyond_its_standard_error_or_twice_that_on_other_images(kind):
    referee = Referee(tiny_network(), replace(tiny_set(4), kind=kind))
    lost = torch.tensor([1.0, 2.0, 3.0, 4.0])
    saved = torch.tensor([0.3, 0.1, 0.2, 0.2])
    error = ERRORS[kind] * (saved.std() / 2).item()
    assert referee.prefers(lost - saved + saved.mean() - 1.01 * error, lost)
    assert not referee.prefers(lost - saved + saved.mean() - 0.99 * error, lost)
    assert not referee.prefers(lost[:1] - 1, lost[:1])  # one image has no error


def test_adapted_statistics_are_those_of_the_networks_own_images_alone():
    network = tiny_network()
    for kind in ("own", "foreign", "made"):
        few = replace(tiny_set(8), kind=kind)
        recipe = RecoveryRecipe(dtype="fp32", start="weights", batch_norm="adapted")
        start = start_recovery(network, Pruning(DROPPED), few, recipe, RIDGE)
        assert (start.teacher is network) == (kind != "own")
