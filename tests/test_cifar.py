"""ResNets for small images, against the paper's table and numpy."""

import numpy as np
import pytest
import torch
from tiny import noise
from torch import nn

from practise.networks.blocks import find_blocks
from practise.networks.cifar import DEPTHS, CifarResNet, PaddedShortcut
from practise.networks.features import find_feature_layer

MILLIONS = {20: 0.27, 32: 0.46, 44: 0.66, 56: 0.85, 110: 1.7}
"""Parameters by depth: He et al. 2016, table 6."""


def count_by_hand(depth: int, num_classes: int) -> int:
    """Convolutions without biases, two numbers a batch norm channel, a linear layer."""
    blocks = (depth - 2) // 6
    convolutions = [(3, 16)]
    for before, width in ((16, 16), (16, 32), (32, 64)):
        convolutions += [(before, width)] + [(width, width)] * (2 * blocks - 1)
    return sum(9 * before * width + 2 * width for before, width in convolutions) + 65 * num_classes


@pytest.mark.parametrize("depth", DEPTHS.values())
def test_they_have_as_many_parameters_as_in_the_paper(depth):
    number = sum(weight.numel() for weight in CifarResNet(depth).parameters())
    assert number == count_by_hand(depth, 10)
    assert float(f"{number / 1e6:.{1 if depth == 110 else 2}f}") == MILLIONS[depth]


def test_the_number_of_classes_is_that_of_the_logits():
    network = CifarResNet(20, num_classes=7)
    assert sum(weight.numel() for weight in network.parameters()) == count_by_hand(20, 7)
    assert network(noise(2, 32)).shape == (2, 7)


def test_layers_are_named_as_in_the_usual_checkpoints():
    layers = [f"layer{s}.{b}.{name}" for s in (1, 2, 3) for b in range(3) for name in ("1", "2")]
    weights = ["conv1.weight", "linear.weight", "linear.bias"]
    weights += [name[:-1] + f"conv{name[-1]}.weight" for name in layers]
    kept = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    norms = ["bn1", *(name[:-1] + f"bn{name[-1]}" for name in layers)]
    expected = {*weights, *(f"{norm}.{part}" for norm in norms for part in kept)}
    assert set(CifarResNet(20).state_dict()) == expected


def test_each_stage_halves_the_resolution_and_doubles_the_width():
    network, x = CifarResNet(20), noise(2, 32)
    x = network.bn1(network.conv1(x))
    for stage, shape in (("layer1", (16, 32, 32)), ("layer2", (32, 16, 16)), ("layer3", (64, 8, 8))):
        x = network.get_submodule(stage)(x)
        assert x.shape[1:] == shape
    assert find_feature_layer(network, 32) == "layer3"


def test_a_padded_shortcut_is_numpys_slicing_and_padding_and_has_no_weights():
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = np.pad(x.numpy()[:, :, ::2, ::2], ((0, 0), (8, 8), (0, 0), (0, 0)))
    assert np.array_equal(PaddedShortcut(16)(x).numpy(), expected)
    assert not list(CifarResNet(20).layer2[0].shortcut.parameters())


def test_a_block_whose_convolutions_are_zero_is_its_shortcut():
    network, x = CifarResNet(20).eval(), torch.rand(2, 16, 8, 8)
    for block in (network.layer1[1], network.layer2[0]):
        nn.init.zeros_(block.conv2.weight)
        assert torch.equal(block(x), block.shortcut(x))


@pytest.mark.parametrize(("depth", "number"), [(20, 7), (56, 25)])
def test_all_blocks_but_those_that_change_the_width_can_be_dropped(depth, number):
    network = CifarResNet(depth)
    found = find_blocks(network, 32)
    blocks = (depth - 2) // 6
    every = [f"layer{stage}.{block}" for stage in (1, 2, 3) for block in range(blocks)]
    assert found == [name for name in every if name not in ("layer2.0", "layer3.0")]
    assert len(found) == number


def test_a_depth_that_no_such_network_has_is_refused():
    with pytest.raises(ValueError, match=r"depth 21 is not 6n \+ 2"):
        CifarResNet(21)
