"""The oracle: what dropping blocks loses, image by image, and the sets of blocks that it is asked for."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_views import tiny_set
from tiny import tiny_network
from torch import nn

from practise.errors import FileError, NetworkError
from practise.evaluation import oracle as oracle_module
from practise.evaluation.lost import Lost, read_lost, write_lost
from practise.evaluation.oracle import FEWEST, MOST, Oracle, draw_sets, draw_sets_that_meet
from practise.evaluation.recovered import Recovering, recover_by
from practise.networks.batch_norm import adapt_batch_norm_
from practise.networks.blocks import drop_blocks_
from practise.pruning.plan import Pruning
from practise.pruning.selection import Goal, set_goal
from practise.recovery.params import RecoveryRecipe
from practise.scoring.params import RidgeRecipe

RIDGE = RidgeRecipe(ridge=0.1, folds=2, most_images=64, memory_mb=1024, dtype="fp32")
QUICK = RecoveryRecipe().but(steps=2, batch_size=4, views=1, dtype="fp32", batch_norm="frozen")
NO_STEP = QUICK.but(steps=0, start="weights")
DROPPABLE = ["stages.0.1", "stages.0.2", "stages.1.1", "stages.1.2"]
"""Blocks of the tiny network."""
BLOCKS = ["a", "b", "c", "d", "e", "f", "g"]


def way(recipe: RecoveryRecipe = NO_STEP) -> Recovering:
    return Recovering("mimic", recipe, RIDGE)


def evaluation() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Seven images in two batches."""
    views = torch.randn(7, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    labels = torch.tensor([0, 1, 2, 3, 0, 1, 2])
    return [(views[:4], labels[:4]), (views[4:], labels[4:])]


def confident_network() -> nn.Module:
    """The tiny network with logits that differ as a trained one's do."""
    network = tiny_network()
    network.classifier.weight.data *= 20
    return network


def build(recipe: RecoveryRecipe = NO_STEP, network: nn.Module | None = None) -> Oracle:
    network = network or confident_network()
    return Oracle(network, DROPPABLE, tiny_set(6), evaluation, way(recipe))


def lost_by_hand(original: nn.Module, network: nn.Module) -> Lost:
    """The divergence from plain softmaxes in double precision, and the right classes."""
    views, labels = (torch.cat(parts) for parts in zip(*evaluation(), strict=True))
    with torch.no_grad():
        theirs, ours = (net(views).double().numpy() for net in (original, network))
    p, q = (np.exp(x) / np.exp(x).sum(1, keepdims=True) for x in (theirs, ours))
    return Lost((p * np.log(p / q)).sum(1), ours.argmax(1) == labels.numpy())


@pytest.mark.parametrize("blocks", [["stages.0.1"], ["stages.0.1", "stages.0.2", "stages.1.2"]])
def test_what_is_lost_is_the_divergence_of_plain_softmaxes_image_by_image(blocks: list[str]) -> None:
    network = confident_network()
    found = build().lost_without(blocks)
    expected = lost_by_hand(network, drop_blocks_(copy.deepcopy(network), blocks))
    assert found.kl.dtype == np.float32
    assert found.kl == pytest.approx(expected.kl, rel=1e-3, abs=1e-6)
    assert np.array_equal(found.right, expected.right)


def test_the_original_loses_nothing_and_is_left_as_it_was() -> None:
    network = confident_network()
    before = copy.deepcopy(network.state_dict())
    oracle = build(QUICK, network)
    assert oracle.judge.lost_by(oracle.mimicked).kl == pytest.approx(np.zeros(7), abs=1e-6)
    oracle.lost_without(["stages.0.1"])
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not network.training


def test_recoveries_come_out_as_they_do_without_anything_in_common(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, given = confident_network(), []
    recover = oracle_module.recover_by
    monkeypatch.setattr(oracle_module, "recover_by", lambda *args: given.append(args[4]) or recover(*args))
    oracle = build(QUICK, network)
    found = [oracle.lost_without(blocks) for blocks in (["stages.0.1"], ["stages.1.1"], ["stages.0.1"])]
    assert given == [oracle.common] * 3
    assert oracle.common.bank is not None
    student = recover_by(network, tiny_set(6), Pruning(["stages.0.1"]), way(QUICK)).network
    expected = lost_by_hand(network, student.eval())
    for one in (found[0], found[2]):
        assert one.kl == pytest.approx(expected.kl, rel=1e-3, abs=1e-6)
    assert not np.allclose(found[0].kl, found[1].kl)


def test_what_is_lost_is_lost_against_the_network_that_is_mimicked() -> None:
    network, few = confident_network(), tiny_set(6)
    recipe = NO_STEP.but(batch_norm="adapted")
    adapted = adapt_batch_norm_(copy.deepcopy(network), few.centre_views(), recipe.batch_size).eval()
    found = build(recipe, network).lost_without(["stages.0.1"])
    expected = lost_by_hand(adapted, drop_blocks_(copy.deepcopy(adapted), ["stages.0.1"]))
    assert found.kl == pytest.approx(expected.kl, rel=1e-3, abs=1e-6)


def test_logits_that_are_not_finite_are_told() -> None:
    network = confident_network()
    oracle = build(network=network)
    broken = copy.deepcopy(network)
    nn.init.constant_(broken.classifier.bias, float("nan"))
    with pytest.raises(NetworkError) as error:
        oracle.judge.lost_by(broken)
    assert str(error.value) == (
        "TinyNet gives logits that are not finite; its weights are damaged or its recovery diverged "
        "(recover.lr)"
    )


# The sets that are asked for


@given(length=st.integers(1, 12), count=st.integers(0, 12), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_sets_that_are_drawn_differ_have_two_to_six_blocks_in_order_and_come_again(
    length: int, count: int, seed: int
) -> None:
    blocks = [f"block{place}" for place in range(length)]
    drawn = draw_sets(blocks, count, seed)
    assert drawn == draw_sets(blocks, count, seed)
    assert len(set(drawn)) == len(drawn) <= count
    for one in drawn:
        assert FEWEST <= len(one) <= min(MOST, length - 1)
        assert list(one) == [block for block in blocks if block in one]
    if length > 7:
        assert len(drawn) == count


def test_more_sets_than_there_are_end_in_all_of_them() -> None:
    drawn = draw_sets("abcd", 50)
    assert len(drawn) == 6 + 4  # pairs and triples
    assert draw_sets("abcd", 4) == drawn[:4]
    assert draw_sets("ab", 3) == []  # nothing would be left


def test_sizes_and_blocks_are_drawn_alike_and_another_seed_draws_others() -> None:
    blocks = [f"block{place}" for place in range(20)]
    drawn = draw_sets(blocks, 500)
    sizes = np.bincount([len(one) for one in drawn], minlength=MOST + 1)[FEWEST:]
    assert sizes.min() > 50
    assert min(sum(block in one for one in drawn) for block in blocks) > 50
    assert draw_sets(blocks, 5, seed=1) != draw_sets(blocks, 5)


TAU = {"a": 0.05, "b": 0.1, "c": -0.02, "d": 0.07, "e": 0.03, "f": 0.09, "g": 0.06}


@pytest.mark.parametrize("goal", [set_goal(TAU, 3, 0.0), set_goal(TAU, 0.2, 0.0, 0.05)], ids=["3", "20 %"])
def test_sets_that_meet_a_goal_differ_and_meet_it(goal: Goal) -> None:
    drawn = draw_sets_that_meet(goal, 5)
    assert len(set(drawn)) == len(drawn) == 5
    assert drawn == draw_sets_that_meet(goal, 5)
    for one in drawn:
        assert goal.met_by(one)
        assert goal.sum(one) <= goal.limit
        assert "c" not in one
        assert list(one) == sorted(one)
    assert draw_sets_that_meet(goal, 5, seed=1) != drawn


def test_where_one_set_alone_meets_a_goal_it_is_drawn_once() -> None:
    assert draw_sets_that_meet(set_goal(TAU, 6, 0.0), 4) == [("a", "b", "d", "e", "f", "g")]


# On disk


def losses(sets: int = 3, images: int = 4) -> tuple[list[Lost], np.ndarray]:
    generator = np.random.default_rng(0)
    lost = [
        Lost(generator.random(images).astype(np.float32), generator.random(images) > 0.5) for _ in range(sets)
    ]
    return lost, generator.random(images) > 0.5


def test_losses_come_back_as_they_were_and_the_same_bytes_again(tmp_path: Path) -> None:
    lost, original = losses()
    paths = [tmp_path / name for name in ("one.safetensors", "other.safetensors")]
    for path in paths:
        write_lost(path, lost, original)
    found = read_lost(paths[0])
    assert np.array_equal(found.kl, [one.kl for one in lost])
    assert found.kl.dtype == np.float32
    assert np.array_equal(found.right, [one.right for one in lost])
    assert np.array_equal(found.right_original, original)
    assert found.right.dtype == found.right_original.dtype == bool
    assert paths[0].read_bytes() == paths[1].read_bytes()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def be_other(path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"kl": np.zeros((1, 2), np.float32)}, path)


@pytest.mark.parametrize("damage", [cut, empty, be_other])
def test_damaged_losses_are_told_in_one_sentence(damage: Callable[[Path], None], tmp_path: Path) -> None:
    write_lost(path := tmp_path / "lost.safetensors", *losses())
    damage(path)
    with pytest.raises(FileError) as error:
        read_lost(path)
    assert str(error.value) == f"{path}: is damaged, should be losses that a stage wrote"


def test_missing_losses_are_told_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileError) as error:
        read_lost(tmp_path / "no.safetensors")
    assert str(error.value) == (
        f"{tmp_path / 'no.safetensors'}: no such file, should be losses that a stage wrote"
    )
