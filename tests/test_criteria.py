"""The criteria by name: what they look at and how their scores are used."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from test_views import tiny_set
from tiny import linear_block_network, tiny_network, tiny_transformer
from torch import Tensor, nn

from practise.errors import NetworkError
from practise.networks.blocks import drop_blocks_, find_blocks
from practise.pruning.selection import select_lowest, set_goal
from practise.scoring import passing
from practise.scoring.criteria import SCORES, Look, OfSet, Question
from practise.scoring.params import RidgeRecipe, SgdRecipe
from practise.scoring.passing import block_influence, concept_masks, has_channels_last, masks_differ, turned
from practise.scoring.recoverability import ClosedForm, build_scorer
from practise.scoring.registry import CRITERIA
from practise.settings.params import json_schema

RECIPE = RidgeRecipe(ridge=0.1, folds=2, most_images=64, memory_mb=1024, dtype="fp32")
ADDITIVE = ("random", "first_blocks", "latency", "block_influence", "concept_masks", "given")


def question(network: nn.Module | None = None) -> Question:
    network = network or tiny_network()
    blocks = find_blocks(network, 32)
    return Question(blocks, 3, Look(network, blocks, tiny_set(6), RECIPE, RECIPE), given=blocks)


def alone(of_set: OfSet, blocks: Sequence[str]) -> dict[str, float]:
    """What each block costs alone."""
    return {block: of_set([block]) for block in blocks}


def score(name: str, asked: Question) -> dict[str, float]:
    return alone(SCORES[name](asked), asked.given if name == "given" else asked.blocks)


def test_first_blocks_go_in_network_order_whatever_they_save():
    scores = score("first_blocks", question())
    assert sorted(scores, key=scores.__getitem__) == question().blocks
    assert not CRITERIA["first_blocks"].per_latency


@pytest.mark.parametrize("sgd", [False, True], ids=["default", "official"])
def test_recoverability_of_a_set_is_that_of_the_methods_recipe(sgd):
    asked = question()
    recipe = SgdRecipe(steps=1, batch_size=4) if sgd else RECIPE
    asked = replace(asked, look=replace(asked.seen, recipe=recipe))
    judge = build_scorer(asked.seen.network, asked.blocks, asked.seen.few, recipe)
    of_set = SCORES["recoverability"](asked)
    for blocks in (["stages.1.1"], ["stages.0.1", "stages.1.1"]):
        assert of_set(blocks) == pytest.approx(judge.recoverability(blocks), rel=1e-6)
    assert CRITERIA["recoverability"].per_latency


def test_both_recoverabilities_fit_adaptors_once(monkeypatch):
    asked, fitted = question(), []
    find = ClosedForm.missed_on
    monkeypatch.setattr(ClosedForm, "missed_on", lambda *args: fitted.append(args[2]) or find(*args))
    features, combined = (SCORES[name](asked) for name in ("recoverability", "combined_recoverability"))
    blocks = ["stages.0.1", "stages.1.1"]
    assert features(blocks) != combined(blocks)
    assert fitted == [tuple(blocks)] * RECIPE.folds


def test_where_adaptors_are_trained_the_stream_is_still_looked_at_in_closed_form():
    asked = question()
    theirs = replace(asked, look=replace(asked.seen, recipe=SgdRecipe(steps=1, batch_size=4)))
    assert score("combined_recoverability", theirs) == score("combined_recoverability", asked)


def test_every_criterion_that_a_params_file_may_name_is_there():
    named = json_schema()["$defs"]["MethodParams"]["properties"]["criterion"]["enum"]
    ranking = [name for name in CRITERIA if CRITERIA[name].prunes == "blocks"]
    assert list(CRITERIA) == named
    assert list(SCORES) == ranking
    compared = json_schema()["$defs"]["RankParams"]["properties"]["criteria"]["items"]["enum"]
    assert compared == [name for name in ranking if name != "given"]


@pytest.mark.parametrize("name", SCORES)
def test_a_criterion_says_the_same_of_a_set_each_time_and_leaves_the_network_as_it_was(name):
    asked = question()
    before = copy.deepcopy(asked.seen.network.state_dict())
    sets = [[block] for block in asked.blocks] + [asked.blocks[1:4], asked.blocks[1:]]
    first, again = ([of_set(blocks) for blocks in sets] for of_set in (SCORES[name](asked) for _ in "ab"))
    assert first == again == [SCORES[name](question())(blocks) for blocks in sets]
    assert all(torch.equal(before[key], value) for key, value in asked.seen.network.state_dict().items())
    hooked = [m for m in asked.seen.network.modules() if m._forward_hooks or m._forward_pre_hooks]
    assert not hooked


@pytest.mark.parametrize("name", SCORES)
def test_a_set_costs_the_sum_of_its_blocks_where_a_criterion_looks_at_them_one_by_one(name):
    asked = question()
    of_set, blocks = SCORES[name](asked), asked.blocks[:3]
    together, summed = of_set(blocks), sum(of_set([block]) for block in blocks)
    assert (together == pytest.approx(summed, rel=1e-12)) == (name in ADDITIVE)


def test_random_scores_are_places_that_the_seed_draws():
    orders = set()
    for seed in range(8):
        asked = replace(question(), seed=seed, look=None)
        scores = score("random", asked)
        assert sorted(scores.values()) == list(range(len(asked.blocks)))
        orders.add(tuple(scores.values()))
    assert len(orders) > 4
    assert not CRITERIA["random"].per_latency


def test_given_blocks_go_in_their_own_order_and_others_stay():
    asked = replace(question(), given=["stages.1.1", "stages.0.1", "stages.1.2"])
    scores = score("given", asked)
    tau = dict.fromkeys(asked.blocks, 0.1)
    for count in (1, 2, 3):
        goal = set_goal({name: tau[name] for name in scores}, count, 0.0)
        chosen = select_lowest(scores, goal, per_latency=CRITERIA["given"].per_latency)
        assert set(chosen) == set(asked.given[:count])


def test_a_given_block_that_cannot_be_dropped_is_named():
    with pytest.raises(NetworkError, match=r"unknown block 'stages\.0\.9' \(known: stages\.0\.0, "):
        SCORES["given"](replace(question(), given=["stages.0.9"]))


def test_latency_alone_costs_the_same_everywhere():
    assert set(score("latency", question()).values()) == {1.0}
    assert CRITERIA["latency"].per_latency


@pytest.mark.parametrize("name", ["feature_change", "output_divergence"])
def test_what_a_drop_changes_is_numpys_distance(name):
    asked = question()
    network, views = asked.seen.network, asked.seen.few.centre_views()
    of_set = SCORES[name](asked)
    for blocks in (["stages.0.1"], ["stages.1.2"], ["stages.0.1", "stages.0.2", "stages.1.1"]):
        without = drop_blocks_(copy.deepcopy(network), blocks)
        with torch.no_grad():
            if name == "feature_change":
                ours, theirs = (net.run_stages(net.stem(views)).numpy() for net in (without, network))
                expected = np.mean((ours - theirs) ** 2)
            else:
                ours, theirs = (net(views).double().softmax(1).numpy() for net in (without, network))
                expected = np.mean(np.sum(theirs * np.log(theirs / ours), axis=1))
        assert of_set(blocks) == pytest.approx(expected, rel=0.02)  # of tiny differences of fp32 numbers


def test_filters_are_not_chosen_by_scores_of_blocks():
    assert [name for name in CRITERIA if name not in SCORES] == ["l1_filters"]


# What a block does to what passes through it


def through(network: nn.Module, name: str, views: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """What enters and what leaves a block."""
    seen: list[np.ndarray] = []
    block = network.get_submodule(name)
    before = block.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone().numpy()))
    after = block.register_forward_hook(lambda _, args, out: seen.append(out.clone().numpy()))
    with torch.no_grad():
        network(views)
    before.remove()
    after.remove()
    return seen[0], seen[1]


def numpys_influence(before: np.ndarray, after: np.ndarray, channels: int) -> float:
    """1 - cosine at each pixel; a pixel that stays at 0 is not turned, one that goes to or from 0 by half."""
    one, other = (np.moveaxis(x, channels, -1).astype(float) for x in (before, after))
    dots, lengths = (one * other).sum(-1), np.sqrt((one**2).sum(-1) * (other**2).sum(-1))
    turned = 1 - np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
    return float(np.where(np.all(one == other, axis=-1), 0, turned).mean())


def test_block_influence_is_numpys_cosine_at_each_pixel():
    asked = question()
    network, views = asked.seen.network, asked.seen.few.centre_views()
    found = score("block_influence", asked)
    for block in asked.blocks:
        before, after = through(network, block, views)
        assert found[block] == pytest.approx(numpys_influence(before, after, 1), rel=1e-4)
    assert CRITERIA["block_influence"].per_latency


@pytest.mark.parametrize(
    ("make", "channels"),
    [
        (tiny_transformer, 2),
        (
            lambda: timm.create_model(
                "swin_tiny_patch4_window7_224", img_size=32, window_size=2, depths=(2, 1), num_heads=(1, 2),
                embed_dim=16, num_classes=4,
            ).eval(),
            3,
        ),
        (lambda: timm.create_model("convnext_atto", depths=(2, 1, 1, 1), dims=(8, 8, 8, 8)).eval(), 1),
    ],
    ids=["tokens", "maps with channels last", "maps with a norm of their own"],
)  # fmt: skip
def test_what_passes_is_looked_at_channel_by_channel_wherever_they_are(
    make: Callable[[], nn.Module], channels: int
):
    network = make()
    asked = question(network)
    found = score("block_influence", asked)
    assert found
    for block in asked.blocks[:2]:
        before, after = through(network, block, asked.seen.few.centre_views())
        assert found[block] == pytest.approx(numpys_influence(before, after, channels), rel=1e-3)


def test_channels_are_last_where_the_first_layer_wants_them_there():
    assert has_channels_last(nn.Sequential(nn.Identity(), nn.LayerNorm(4), nn.Conv2d(4, 4, 1)))
    assert has_channels_last(nn.Sequential(nn.Linear(4, 4)))
    assert not has_channels_last(nn.Sequential(nn.Conv2d(4, 4, 1), nn.LayerNorm(4)))
    assert not has_channels_last(nn.Sequential(timm.layers.LayerNorm2d(4)))


def test_a_block_that_stretches_turns_nothing_and_one_that_mirrors_turns_all():
    x = torch.randn(2, 5, 3)
    assert turned(x, 3 * x) == pytest.approx(0, abs=1e-6)
    assert turned(x, -x) == pytest.approx(2, abs=1e-6)
    x[0, 2] = 0
    assert turned(x, x) == 0


def test_concept_masks_of_a_map_by_hand():
    before = torch.tensor([[9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 4]]).T[None]
    # Of ten pixels, place int(0.2 * 9) = 1 counts: the two largest; and where that is 0, all that are not 0.
    after = torch.tensor([[9.0, 0, 8, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 4]]).T[None]
    assert masks_differ(before, before) == 0
    assert masks_differ(before, after) == pytest.approx(2 / 10)  # pixels 1 and 2 change places in channel 0
    moved = torch.tensor([[9.0, 8, 7, 6, 5, 4, 3, 2, 1, 0], [4, 0, 0, 0, 0, 0, 0, 0, 0, 0]]).T[None]
    assert masks_differ(before, moved) == pytest.approx(2 / 10)
    both = torch.cat([after, moved])
    assert masks_differ(before.expand(2, -1, -1), both) == pytest.approx(2 / 10)  # the mean over the images
    below = torch.tensor([[-1.0, -2, -3, -4, -5, -6, -7, -8, -9, -10]] * 2).T[None]
    assert masks_differ(before, below) == pytest.approx(2 / 10 + 1 / 10)  # channel 1: pixels 0, 1 and 9


def masks_by_hand(x: np.ndarray) -> np.ndarray:
    """Where each channel of a map is not below its value of that rank."""
    flat = x.reshape(*x.shape[:2], -1)
    least = np.sort(flat, axis=2)[:, :, ::-1][:, :, int(0.2 * (flat.shape[2] - 1))][:, :, None]
    return np.where(least == 0, flat != 0, flat >= least)


def test_concept_masks_of_a_network_are_numpys():
    asked = question()
    found = score("concept_masks", asked)
    for block in asked.blocks:
        before, after = map(masks_by_hand, through(asked.seen.network, block, asked.seen.few.centre_views()))
        assert found[block] == pytest.approx((before != after).mean((0, 2)).sum(), rel=1e-6)


@pytest.mark.parametrize("find", [block_influence, concept_masks])
def test_parts_of_the_images_are_looked_at_as_all_together(find, monkeypatch):
    network, blocks = tiny_network(in_place=True), ["stages.0.1", "stages.1.2"]
    views = tiny_set(6).centre_views()
    whole = find(network, blocks, views)
    monkeypatch.setattr(passing, "BATCH", 4)
    assert find(network, blocks, views) == pytest.approx(whole, rel=1e-5)
    assert list(whole) == blocks


def test_a_block_that_is_the_identity_costs_nothing_by_what_passes():
    network = linear_block_network()
    nn.init.zeros_(network.stages[0][1].conv.weight)
    asked = question(network)
    for name in ("block_influence", "concept_masks"):
        assert score(name, asked)["stages.0.1"] == pytest.approx(0, abs=1e-6)
