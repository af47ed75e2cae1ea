"""Recoverability against what must be true of it, and against regressions and adaptors made by hand."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_views import PREPROCESSING, pictures, tiny_set
from tiny import LinearTokens, TinyNet, TokenNet, linear_block_network, tiny_network, tiny_transformer
from torch import Tensor, nn

from practise.errors import NetworkError, RecoveryError
from practise.images.views import centre_views
from practise.networks.blocks import drop_blocks_, find_blocks
from practise.scoring.params import RidgeRecipe, SgdRecipe
from practise.scoring.passing import block_influence
from practise.scoring.pixels import channels_second
from practise.scoring.recoverability import ClosedForm, build_scorer, share_missed, solve_ridge
from practise.scoring.seats import Seats

RIDGE = RidgeRecipe(ridge=1e-6, folds=2, most_images=64, memory_mb=1024, dtype="fp32")
INFINITE_PULL = RIDGE.but(ridge=1e12)


def scorer(network: nn.Module, recipe: RidgeRecipe = RIDGE, count: int = 8) -> ClosedForm:
    blocks = find_blocks(network, 32)
    return ClosedForm(network, blocks, tiny_set(count), recipe)


def scores(
    network: nn.Module, blocks: Sequence[str], recipe: RidgeRecipe | SgdRecipe = RIDGE
) -> dict[str, float]:
    judge = build_scorer(network, blocks, tiny_set(8), recipe)
    return {block: judge.recoverability([block]) for block in blocks}


def features(network: TinyNet, views: Tensor) -> Tensor:
    with torch.no_grad():
        return network.run_stages(network.stem(views))


def plain_distance(network: TinyNet, dropped: Sequence[str]) -> float:
    """Mean squared error without any adaptor."""
    views = centre_views(pictures(8), PREPROCESSING)
    student = drop_blocks_(copy.deepcopy(network), dropped)
    return (features(student, views) - features(network, views)).square().mean().item()


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 30), channels=st.integers(1, 6), ridge=st.floats(1e-6, 10), seed=st.integers(0, 99)
)
def test_the_regression_is_numpys_least_squares(rows, channels, ridge, seed):
    seen, wanted = np.random.default_rng(seed).normal(size=(2, rows, channels))
    found = solve_ridge(torch.tensor(seen), torch.tensor(wanted), ridge)
    assert np.allclose(found, least_squares(seen, wanted, ridge), atol=1e-6)


def least_squares(seen: np.ndarray, wanted: np.ndarray, ridge: float) -> np.ndarray:
    """The pull towards the identity as rows of its own, below the pixels."""
    channels = seen.shape[1]
    identity = np.sqrt(ridge * (seen**2).sum() / channels) * np.eye(channels)
    return np.linalg.lstsq(np.vstack([seen, identity]), np.vstack([wanted, identity]), rcond=None)[0].T


def test_where_nothing_comes_in_the_regression_gives_the_identity():
    nothing = torch.zeros(5, 3, dtype=torch.float64)
    assert torch.equal(solve_ridge(nothing, nothing, 0.1), torch.eye(3, dtype=torch.float64))


CASES = [
    (["stages.0.1"], ["stages.0.2.conv1", "stages.1.0.conv1", "stages.1.0.shortcut.0"]),
    (["stages.0.1", "stages.0.2"], ["stages.1.0.conv1", "stages.1.0.shortcut.0"]),
    (
        ["stages.0.0", "stages.1.1"],
        [f"stages.{name}" for name in ("0.1.conv1", "0.2.conv1", "1.0.conv1", "1.0.shortcut.0", "1.2.conv1")],
    ),
    (["stages.1.2"], []),
]
"""Blocks to drop, and the convolutions of the tiny network that read the stream behind them."""


@pytest.mark.parametrize(("dropped", "readers"), CASES)
def test_recoverability_is_the_distance_with_adaptors_made_by_hand_from_the_other_folds(dropped, readers):
    network = tiny_network()
    judge = scorer(network, RIDGE.but(ridge=0.05, folds=3))
    views, total = judge.reference.views, 0.0
    for fold in np.array_split(np.arange(8), 3):
        others = np.setdiff1d(np.arange(8), fold)
        student = adapted_by_hand(network, dropped, readers, views[others], 0.05)
        total += (features(student, views[fold]) - features(network, views[fold])).square().sum().item()
    expected = total / features(network, views).numel()
    assert judge.recoverability(dropped) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("dropped", "readers"), CASES)
def test_what_is_missed_of_the_stream_is_numpys_residual_at_each_reader(dropped, readers):
    network, ridge = tiny_network(), 0.05
    judge = scorer(network, RIDGE.but(ridge=ridge, folds=3))
    views = judge.reference.views
    stream = squared = 0.0
    for fold in np.array_split(np.arange(8), 3):
        others = np.setdiff1d(np.arange(8), fold)
        student = drop_blocks_(copy.deepcopy(network), dropped)
        shares = []
        for reader in readers:
            seen, wanted = (pixels_entering(net, reader, views[others]) for net in (student, network))
            matrix = least_squares(seen, wanted, ridge)
            unseen, truth = (pixels_entering(net, reader, views[fold]) for net in (student, network))
            shares.append(np.sum((unseen @ matrix.T - truth) ** 2) / np.sum(truth**2))
            put_before_(student, reader, matrix)
        ours, theirs = (features(net, views[fold]).double().numpy() for net in (student, network))
        shares.append(np.sum((ours - theirs) ** 2) / np.sum(theirs**2))  # the classifier reads the features
        stream += np.mean(shares) * len(fold) / 8
        squared += np.mean((ours - theirs) ** 2) * len(fold) / 8
    missed = judge.missed_without(tuple(dropped))
    assert missed.stream == pytest.approx(stream, rel=1e-4)
    assert missed.features == pytest.approx(squared, rel=1e-4)
    influence = sum(block_influence(network, dropped, views).values())
    assert judge.combined(dropped) == pytest.approx(np.cbrt(stream * squared * influence), rel=1e-4)


def test_looking_at_the_stream_changes_no_recoverability():
    network, held_out = tiny_network(), torch.tensor([0, 1])
    judge = scorer(network)
    for dropped in (["stages.0.1"], ["stages.0.2", "stages.1.1"]):
        (plain, told) = (
            features_without(judge, dropped, held_out, look)
            for look in (None, lambda rows, wanted, adaptor: None)
        )
        assert torch.equal(plain, told)


def test_a_stream_that_is_missed_by_half_its_length_misses_a_quarter_of_its_power():
    truth = torch.randn(5, 3, dtype=torch.float64)
    assert share_missed(truth, truth) == 0
    assert share_missed(truth / 2, truth) == pytest.approx(0.25)
    assert share_missed(torch.zeros(5, 3), torch.zeros(5, 3)) == 0


def test_the_stream_does_not_grow_with_its_units_while_recoverability_does():
    network, larger = linear_head(1.0), linear_head(10.0)
    blocks = ["stages.0.1"]
    one, ten = (scorer(net, RIDGE.but(ridge=0.05)).missed_without(tuple(blocks)) for net in (network, larger))
    assert ten.features == pytest.approx(100 * one.features, rel=1e-3)
    assert ten.stream == pytest.approx(one.stream, rel=1e-3)


def linear_head(scale: float) -> TinyNet:
    """The tiny network with features so many times as large, all else alike."""
    network = tiny_network((8,), (3,), linear=True)
    last = network.stages[0][2]
    wide = nn.Conv2d(8, 8, 1, bias=False)
    wide.weight.data = scale * torch.eye(8)[:, :, None, None]
    network.stages[0] = nn.Sequential(*network.stages[0][:2], nn.Sequential(last, wide))
    return network


@pytest.mark.parametrize(("dropped", "readers"), CASES)
def test_absorbed_adaptors_are_those_made_by_hand_from_all_images(dropped, readers):
    network = tiny_network()
    judge = scorer(network, RIDGE.but(ridge=0.05))
    absorbed = judge.absorb(dropped)
    expected = adapted_by_hand(network, dropped, readers, judge.reference.views, 0.05)
    views = centre_views(pictures(8), PREPROCESSING)
    assert torch.allclose(features(absorbed, views), features(expected, views), atol=1e-5)
    assert set(absorbed.state_dict()) == set(drop_blocks_(network, dropped).state_dict())


def adapted_by_hand(
    network: TinyNet, dropped: Sequence[str], readers: Sequence[str], views: Tensor, ridge: float
) -> TinyNet:
    """The network without the blocks, with a real 1×1 convolution before each reader, one after the other."""
    student = drop_blocks_(copy.deepcopy(network), dropped)
    for reader in readers:
        seen, wanted = (pixels_entering(net, reader, views) for net in (student, network))
        put_before_(student, reader, least_squares(seen, wanted, ridge))
    return student


def put_before_(student: nn.Module, reader: str, matrix: np.ndarray) -> None:
    """Put a real 1×1 convolution before a reader."""
    beside = nn.Conv2d(len(matrix), len(matrix), 1, bias=False)
    beside.weight.data = torch.tensor(matrix, dtype=torch.float32)[:, :, None, None]
    student.set_submodule(reader, nn.Sequential(beside, student.get_submodule(reader)))


def pixels_entering(network: nn.Module, reader: str, views: Tensor) -> np.ndarray:
    """Channel vectors at every pixel that enters a convolution."""
    entered = []
    hook = network.get_submodule(reader).register_forward_pre_hook(lambda _, args: entered.append(args[0]))
    with torch.no_grad():
        network(views)
    hook.remove()
    return entered[0].permute(0, 2, 3, 1).flatten(0, 2).double().numpy()


@pytest.mark.parametrize("dropped", [["stages.0.2"], ["stages.0.1", "stages.0.2"]])
def test_blocks_that_are_linear_maps_are_fully_recoverable_at_the_next_reader(dropped):
    network = linear_block_network()
    assert scorer(network).recoverability(dropped) < 1e-8 * plain_distance(network, dropped)


@pytest.mark.parametrize("dropped", [["blocks.2"], ["blocks.0", "blocks.2"]])
def test_linear_blocks_on_tokens_are_fully_recoverable_at_the_next_reader(dropped):
    network = TokenNet().eval()
    adapted, plain = (scorer(network, recipe).recoverability(dropped) for recipe in (RIDGE, INFINITE_PULL))
    assert adapted < 1e-6 * plain


def test_a_regression_without_pull_finds_the_matrix_between_normalised_tokens():
    generator = torch.Generator().manual_seed(0)
    tokens = nn.functional.layer_norm(torch.randn(200, 6, generator=generator), (6,)).double()
    tokens = tokens * torch.rand(6, generator=generator) + torch.rand(6, generator=generator)
    matrix = torch.randn(6, 6, generator=generator, dtype=torch.float64)
    assert torch.allclose(solve_ridge(tokens, tokens @ matrix.T, 0.0), matrix, atol=1e-6)


def test_a_transformers_block_without_weights_costs_nothing_and_others_cost_less_with_adaptors():
    network = tiny_transformer()
    for weight in network.blocks[1].parameters():
        nn.init.zeros_(weight)
    assert scorer(network).recoverability(["blocks.1"]) == pytest.approx(0, abs=1e-9)
    plain, adapted = (
        scorer(network, RIDGE.but(ridge=ridge), count=24).recoverability(["blocks.0"])
        for ridge in (1e12, 0.01)
    )
    assert adapted < 0.9 * plain


def test_windows_of_one_image_stay_together():
    windows = torch.arange(2 * 4 * 9 * 3).reshape(2 * 4, 9, 3)  # two images of four windows of nine tokens
    maps = channels_second(windows, nn.Linear(3, 1), num_images=2)
    assert maps.shape == (2, 3, 36)
    assert torch.equal(maps[1, :, 10], windows[5, 1])


@pytest.mark.parametrize("recipe", [RIDGE, SgdRecipe(steps=2, batch_size=8)], ids=["default", "official"])
def test_where_no_layer_can_absorb_an_adaptor_blocks_are_dropped_as_they_are_and_that_is_told(recipe, capsys):
    network = timm.create_model("nf_resnet26").eval()  # its convolutions standardise their weights
    found = scores(network, ["stages.3.1"], recipe)["stages.3.1"]
    assert "no layer can absorb an adaptor for stages.3.1: dropped without one\n" in capsys.readouterr().err
    views = centre_views(pictures(8), PREPROCESSING)
    with torch.no_grad():
        whole = network.forward_features(views)
        errors = drop_blocks_(network, ["stages.3.1"]).forward_features(views) - whole
    assert found == pytest.approx(errors.square().mean().item(), rel=1e-4)


def test_an_infinite_pull_is_no_adaptor_at_all():
    network = tiny_network()
    found = scorer(network, INFINITE_PULL).recoverability(["stages.0.1"])
    assert found == pytest.approx(plain_distance(network, ["stages.0.1"]), rel=1e-4)


def test_an_image_does_not_shape_the_adaptors_that_judge_it():
    network, images = tiny_network(), pictures(8)
    changed = [*images[:7], images[7].rotate(180)]
    judges = [
        ClosedForm(network, ["stages.0.1"], replace(tiny_set(8), images=few), RIDGE)
        for few in (images, changed)
    ]
    views = [judge.reference.views for judge in judges]
    (place,) = [index for index in range(8) if not torch.equal(views[0][index], views[1][index])]
    (held_out,) = [fold for fold in judges[0].folds if place in fold]
    before, after = (features_without(judge, ["stages.0.1"], judge.others(held_out)) for judge in judges)
    same = [index for index in range(8) if index != place]
    assert torch.allclose(before[same], after[same], atol=1e-6)
    assert not torch.allclose(before[place], after[place], atol=1e-2)


def features_without(
    judge: ClosedForm, dropped: Sequence[str], fitted_on: Tensor, look: Any = None
) -> Tensor:
    """All images' features without the blocks, with adaptors that were fitted on some."""
    student = drop_blocks_(copy.deepcopy(judge.network), dropped)
    with judge.fitting(student, dropped, fitted_on, judge=look):
        return judge.reference.run(student)


@given(count=st.integers(1, 9), folds=st.integers(2, 5))
@settings(max_examples=10, deadline=None)
def test_every_image_is_held_out_once_and_never_fitted_on_meanwhile(count, folds):
    judge = scorer(tiny_network((4,), (2,)), RIDGE.but(folds=folds), count)
    held_out = [set(fold.tolist()) for fold in judge.folds]
    assert sorted(index for fold in held_out for index in fold) == list(range(count))
    for fold, indices in zip(judge.folds, held_out, strict=True):
        others = set(judge.others(fold).tolist())
        assert others == (set(range(count)) - indices if count > 1 else {0})


def test_of_many_images_only_so_many_are_looked_at():
    every = centre_views(pictures(8), PREPROCESSING)
    seen = scorer(tiny_network(), RIDGE.but(most_images=5)).reference.views
    drawn = [index for view in seen for index in range(8) if torch.equal(view, every[index])]
    assert len(set(drawn)) == len(drawn) == 5


def test_a_score_is_the_recoverability_of_the_set_of_one_block():
    network = tiny_network()
    judge = scorer(network)
    blocks = find_blocks(network, 32)
    assert scores(network, blocks) == {block: judge.recoverability([block]) for block in blocks}


def test_scores_repeat():
    network, blocks = tiny_network(), ["stages.0.1", "stages.1.1"]
    assert scores(network, blocks) == scores(network, blocks)


def test_a_set_is_fitted_once_whatever_is_asked_of_it(monkeypatch):
    judge, passes = scorer(tiny_network()), []
    run = judge.reference.run
    monkeypatch.setattr(judge.reference, "run", lambda *args: passes.append(1) or run(*args))
    for _ in range(2):
        judge.recoverability(["stages.0.1", "stages.1.1"])
        judge.combined(["stages.0.1", "stages.1.1"])
    assert len(passes) == RIDGE.folds


def test_scoring_leaves_the_network_as_it_was():
    network = tiny_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    scores(network, ["stages.0.1"])
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


@pytest.mark.parametrize("dropped", [["stages.0.1"], ["stages.0.1", "stages.0.2"]])
def test_training_starts_without_adaptors_and_lowers_the_distance(dropped):
    network = tiny_network()
    untrained, trained = (
        build_scorer(network, find_blocks(network, 32), tiny_set(8), recipe)
        for recipe in (
            SgdRecipe(steps=1, batch_size=8).but(lr=0.0),
            SgdRecipe(steps=30, lr=2.0, batch_size=8),
        )
    )
    plain = plain_distance(network, dropped)
    assert untrained.recoverability(dropped) == pytest.approx(plain, rel=1e-4)
    assert trained.recoverability(dropped) < 0.9 * plain


def test_adaptors_that_diverge_are_told_in_one_sentence():
    with pytest.raises(RecoveryError) as error:
        scores(tiny_network(), ["stages.0.1"], SgdRecipe(steps=20, lr=1e9, batch_size=8))
    assert str(error.value) == "the adaptors diverged: the features are not finite; lower the learning rate"


class Late(TinyNet):
    """Behind the features, a residual layer works on several images, unlike on one."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.late = LinearTokens(12)

    def classify(self, x: Tensor) -> Tensor:
        pooled = self.pool(x).flatten(1)
        return self.classifier(self.late(pooled) if len(x) > 1 else pooled)


def test_a_block_that_the_features_do_not_see_is_not_taken_for_free():
    scored = scorer(tiny_network(kind=Late))
    scored.seats["late"] = Seats((), ())
    with pytest.raises(NetworkError) as error:
        scored.recoverability(["late"])
    assert str(error.value) == (
        "the features of Late ('stages.1') do not depend on late, but its logits do; keep what goes round "
        "the features (keep_blocks)"
    )


def test_a_block_that_does_nothing_at_all_is_free():
    network = tiny_network()
    network.stages[1][1].forward = lambda x: x
    network.stages[1][2].forward = lambda x: x
    scored = scorer(network, RIDGE.but(ridge=1e12))
    scored.seats |= {"stages.1.1": Seats((), ()), "stages.1.2": Seats((), ())}
    assert scored.recoverability(["stages.1.1"]) == 0


def test_what_is_handed_over_gives_what_was_judged_or_is_refused():
    network = tiny_network()
    scored = scorer(network)
    fitted = scored.absorb(["stages.0.1"])
    scored.check_absorbed(fitted, scored.reference.run(fitted))
    with pytest.raises(NetworkError, match="TinyNet gives other features after it was fitted than meanwhile"):
        scored.check_absorbed(network, scored.reference.run(fitted))


def test_layers_that_share_a_weight_are_left_as_they_are():
    network = tiny_network()
    first, second = network.stages[0][1].conv1, network.stages[0][2].conv1
    second.weight = first.weight
    fitted = scorer(network).absorb(["stages.0.0"])
    assert torch.equal(fitted.stages[0][1].conv1.weight, first.weight)
    assert fitted.stages[0][2].conv1.weight is fitted.stages[0][1].conv1.weight


def test_logits_are_mimicked_where_no_features_hold_all_and_that_is_told(capsys):
    class TwoStreams(TinyNet):
        def forward(self, x: Tensor) -> Tensor:
            first = self.stages[0](self.stem(x))
            return self.classify(self.stages[1](first)) + self.pool(first).flatten(1)[:, :4]

    network = tiny_network(kind=TwoStreams)
    scored = scorer(network)
    assert "no features hold all that logits follow from: logits are mimicked" in capsys.readouterr().err
    assert torch.equal(scored.reference.features, scored.logits)
    assert min(scored.recoverability([block]) for block in find_blocks(network, 32)) > 0


def test_residual_layers_behind_the_pooling_are_scored_too():
    class Behind(TinyNet):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)
            self.late = nn.ModuleList([LinearTokens(12), LinearTokens(12)])

        def classify(self, x: Tensor) -> Tensor:
            x = self.pool(x).flatten(1)
            for layer in self.late:
                x = layer(x)
            return self.classifier(x)

    network = tiny_network(kind=Behind)
    scored = scorer(network)
    late = ["late.0", "late.1"]
    assert find_blocks(network, 32)[-2:] == late
    assert all(scored.recoverability([block]) > 0 and scored.combined([block]) > 0 for block in late)
