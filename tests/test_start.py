"""Where a recovery starts: what is dropped, what is moved, and what stays the original's."""

import copy

import pytest
import torch
from test_views import PREPROCESSING, pictures, tiny_set
from tiny import TinyNet, linear_block_network, tiny_network
from torch import nn

from practise.errors import RecoveryError
from practise.images.views import centre_views
from practise.networks.blocks import drop_blocks_
from practise.pruning.plan import Pruning
from practise.recovery.params import RecoveryRecipe
from practise.recovery.recover import Starters
from practise.recovery.registry import STARTS
from practise.recovery.start import BEGIN, start_recovery
from practise.scoring.params import RidgeRecipe
from practise.settings.params import json_schema

RIDGE = RidgeRecipe(ridge=1e-6, folds=2, most_images=64, memory_mb=1024, dtype="fp32")
PLAIN = RecoveryRecipe(batch_size=4, lr=1e-3, weight_decay=0.0, dtype="fp32", start="weights")
LAST_OF_ITS_STAGE = ["stages.0.2"]


def start(network: nn.Module, **settings: object) -> tuple[nn.Module, nn.Module]:
    recipe = PLAIN.but(steps=1, **settings)
    begun = start_recovery(network, Pruning(LAST_OF_ITS_STAGE), tiny_set(8), recipe, RIDGE)
    return begun.student, begun.teacher


def same(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def distance(student: TinyNet, teacher: TinyNet) -> float:
    views = centre_views(pictures(8), PREPROCESSING)
    with torch.no_grad():
        ours, theirs = (network.run_stages(network.stem(views)) for network in (student, teacher))
    return (ours - theirs).square().mean().item()


def test_a_plain_start_is_the_original_without_the_blocks():
    network = tiny_network()
    student, teacher = start(network)
    assert same(teacher, network)
    assert same(student, drop_blocks_(copy.deepcopy(network), LAST_OF_ITS_STAGE))


def test_adapted_statistics_are_those_of_both_networks_and_nothing_else_is_changed():
    network = tiny_network()
    student, teacher = start(network, batch_norm="adapted")
    assert same(student, drop_blocks_(copy.deepcopy(teacher), LAST_OF_ITS_STAGE))
    assert not torch.equal(teacher.stem[1].running_mean, network.stem[1].running_mean)
    pairs = zip(teacher.parameters(), network.parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


@pytest.mark.parametrize("batch_norm", ["frozen", "adapted"])
def test_adaptors_make_up_for_a_linear_block_before_the_first_step(batch_norm):
    network = linear_block_network()
    plain, adapted = (
        distance(*start(network, batch_norm=batch_norm, start=way)) for way in ("weights", "adaptors")
    )
    assert adapted < 1e-8 * plain


@pytest.mark.parametrize("way", ["weights", "adaptors", "fitted"])
@pytest.mark.parametrize("batch_norm", ["frozen", "adapted", "train"])
def test_the_original_is_left_as_it_was(batch_norm, way):
    network = tiny_network()
    student, _ = start(network, batch_norm=batch_norm, start=way)
    assert same(network, tiny_network())
    nn.init.zeros_(student.stem[0].weight)  # training the student trains no weight of the original
    assert same(network, tiny_network())


def start_thinner(network: nn.Module, way: str) -> tuple[nn.Module, nn.Module]:
    pruning = Pruning(filters_removed=0.4)
    begun = start_recovery(network, pruning, tiny_set(8), PLAIN.but(steps=0, start=way), RIDGE)
    return begun.student, begun.teacher


@pytest.mark.parametrize("way", ["fskd", "cd"])
def test_a_start_layer_by_layer_brings_thinner_networks_nearer(way):
    network = tiny_network()
    plain, started = (distance(*start_thinner(network, kind)) for kind in ("weights", way))
    assert started < 0.8 * plain
    assert same(network, tiny_network())


def test_a_start_for_blocks_is_none_for_filters_and_the_other_way_round():
    with pytest.raises(
        RecoveryError,
        match="adaptors does not make up for filters, should be one of weights, fskd, cd, cd_adam",
    ):
        start_thinner(tiny_network(), "adaptors")
    with pytest.raises(
        RecoveryError,
        match="recover.start: cd does not make up for blocks, should be one of weights, adaptors, fitted",
    ):
        start(tiny_network(), start="cd")


def test_every_start_that_a_params_file_may_name_is_there():
    named = json_schema()["$defs"]["RecoverParams"]["properties"]["start"]["enum"]
    assert list(BEGIN) == list(STARTS) == named


def test_recipes_that_start_alike_share_a_start_and_each_gets_a_copy_to_train():
    starters = Starters(tiny_network(), LAST_OF_ITS_STAGE, tiny_set(8))
    none, some = PLAIN.but(start="adaptors", steps=0), PLAIN.but(start="adaptors", steps=4, lr=1e-2)
    starter = starters.find(none, RIDGE)
    assert starters.find(some, RIDGE) is starter
    assert starters.find(some.but(batch_norm="adapted"), RIDGE) is not starter
    first, second = (starter.start(Pruning(LAST_OF_ITS_STAGE)).student for _ in range(2))
    assert same(first, second)
    nn.init.zeros_(next(first.parameters()))
    third = starter.start(Pruning(LAST_OF_ITS_STAGE)).student
    assert same(third, second), "training one start leaves the others as they are"
