"""Passes that begin at the dropped block give what whole passes give, or do not begin there."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_views import tiny_set
from tiny import TinyNet, noise, tiny_network, tiny_transformer
from torch import Tensor, nn

from practise.networks.blocks import drop_blocks_, find_blocks
from practise.scoring.params import RidgeRecipe
from practise.scoring.recoverability import ClosedForm
from practise.scoring.reference import Reference, Zeros

PLENTY, NOTHING = 1024, 1e-6
"""Memory for what enters the blocks, in MiB."""


class Around(TinyNet):
    """What the first stage returns goes around all later stages as well."""

    def __init__(self, widths: list[int], *others: object) -> None:
        super().__init__(widths, *others)
        self.around = nn.Conv2d(widths[0], widths[-1], 1, stride=2 ** (len(widths) - 1))
        self.join = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        first = self.stages[0](self.stem(x))
        deep = first
        for stage in self.stages[1:]:
            deep = stage(deep)
        return self.classify(self.join(deep + self.around(first)))


class Overwriting(TinyNet):
    """What the stem returns is written to."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x += 0.5
        return self.classify(self.run_stages(x))


class Shared(TinyNet):
    """One activation runs before the first stage and after it."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.activation = nn.LeakyReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(self.activation(x))
        return self.classify(x)


def refer(network: nn.Module, memory_mb: float = PLENTY, layer: str = "stages.1") -> Reference:
    blocks = find_blocks(network, 16)
    return Reference(network, layer, noise(4), blocks, torch.float32, memory_mb, torch.no_grad())


def recoverabilities(network: nn.Module, memory_mb: float) -> dict[str, float]:
    """R of each block alone, and of the first with the last."""
    blocks = find_blocks(network, 32)
    recipe = RidgeRecipe(ridge=0.01, folds=2, most_images=8, memory_mb=memory_mb, dtype="fp32")
    judge = ClosedForm(network, blocks, tiny_set(4), recipe)
    sets = [[block] for block in blocks] + [[blocks[0], blocks[-1]]]
    return {" ".join(dropped): judge.recoverability(dropped) for dropped in sets}


@settings(max_examples=10, deadline=None)
@given(
    widths=st.lists(st.integers(2, 6), min_size=1, max_size=2),
    depths=st.lists(st.integers(2, 3), min_size=2, max_size=2),
    linear=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_beginning_at_the_block_changes_no_recoverability(widths, depths, linear, seed):
    network = tiny_network(tuple(widths), tuple(depths[: len(widths)]), linear, seed)
    assert recoverabilities(network, PLENTY) == pytest.approx(recoverabilities(network, NOTHING), rel=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "vit_tiny_patch16_224",
        "vit_relpos_small_patch16_224",
        "eva02_tiny_patch14_224",
        "xcit_nano_12_p16_224",
    ],
)
def test_beginning_at_a_transformers_block_changes_no_recoverability(name):
    """All but the first call their blocks with more than the stream: positions, rotations, a grid's size."""
    network = tiny_transformer(name, **({"patch_size": 16} if name.startswith("eva") else {}))
    assert recoverabilities(network, PLENTY) == pytest.approx(recoverabilities(network, NOTHING), rel=1e-4)


def test_a_pass_begun_at_a_block_runs_nothing_before_it():
    network = tiny_network()
    reference = refer(network)
    assert set(reference.inputs) == set(find_blocks(network, 16))
    student = reference.resume_at_(drop_blocks_(copy.deepcopy(network), ["stages.1.1"]), "stages.1.1")
    ran = []
    for name, module in student.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda module, args, output, name=name: ran.append(name))
    found = reference.run(student)
    assert ran == ["stages.1.2.conv1", "stages.1.2.conv2"]
    assert torch.allclose(found, reference.run(drop_blocks_(network, ["stages.1.1"])), atol=1e-6)


def test_the_features_are_those_of_the_original():
    network, images = tiny_network(), noise(4)
    with torch.no_grad():
        expected = network.run_stages(network.stem(images))
    assert torch.equal(refer(network).features, expected)


def test_what_ran_before_a_block_is_named_by_its_outermost_modules():
    calls = refer(tiny_network()).calls
    assert calls.finished_before("stages.1.1") == ["stem", "stages.0", "stages.1.0"]
    assert calls.finished_before("stages.0.0") == ["stem"]


def test_a_module_that_runs_more_than_once_is_left_in_place():
    calls = refer(tiny_network(kind=Shared)).calls
    assert calls.finished_before("stages.1.1") == ["stem", "stages.0", "stages.1.0"]


def test_a_pass_begins_at_every_block_that_no_connection_goes_around():
    first_stage = {"stages.0.0", "stages.0.1", "stages.0.2"}
    assert set(refer(tiny_network(kind=Around), layer="join").inputs) == first_stage
    assert set(refer(tiny_network(kind=Overwriting)).inputs) == set()
    assert set(refer(tiny_network(kind=Shared)).inputs) == first_stage | {"stages.1.1", "stages.1.2"}


@pytest.mark.parametrize("kind", [Around, Overwriting, Shared])
def test_recoverability_is_right_where_connections_go_around_blocks(kind):
    network = tiny_network(kind=kind)
    whole = recoverabilities(network, NOTHING)
    assert recoverabilities(network, PLENTY) == pytest.approx(whole, rel=1e-5)


def test_a_connection_around_blocks_is_seen_whatever_the_scale_of_the_features():
    network = tiny_network(kind=Around)
    branches = [network.around, *(block.bn2 for block in network.stages[1]), network.stages[1][0].shortcut[1]]
    for layer in branches:
        nn.init.normal_(layer.weight, std=1e-5)
        nn.init.zeros_(layer.bias)
    reference = refer(network, layer="join")
    assert reference.features.abs().max() < 1e-3
    assert set(reference.inputs) == {"stages.0.0", "stages.0.1", "stages.0.2"}


def test_activations_that_overwrite_their_input_do_not_reach_what_is_kept():
    network = tiny_network(linear=True, in_place=True)
    whole = recoverabilities(network, NOTHING)
    assert recoverabilities(network, PLENTY) == pytest.approx(whole, rel=1e-5)


def test_no_more_memory_is_kept_than_is_allowed():
    network, every = tiny_network(), refer(tiny_network()).inputs
    for memory_mb in (NOTHING, 0.02, 0.05, 0.1, PLENTY):
        kept = refer(network, memory_mb).inputs
        assert sum(x.nbytes for x in kept.values()) <= memory_mb * 2**20
        assert all(torch.equal(x, every[block]) for block, x in kept.items())


def test_zeros_share_one_element():
    zeros = Zeros((8, 16, 16))(noise(1000))
    assert zeros.shape == (1000, 8, 16, 16)
    assert zeros.untyped_storage().nbytes() == 4
    assert not zeros.any()


def test_the_network_is_left_as_it_was():
    network = tiny_network()
    before = copy.deepcopy(network.state_dict())
    refer(network)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
