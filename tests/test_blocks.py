"""Finding and dropping blocks, on networks whose droppable blocks are known by hand."""

import copy
import itertools
from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import Block, TinyNet, noise, tiny_network
from torch import Tensor, nn

from practise.errors import NetworkError
from practise.networks.blocks import alike_blocks, drop_blocks_, droppable_blocks, find_blocks

RESNET34 = [
    *(f"layer1.{i}" for i in range(3)),
    *(f"layer2.{i}" for i in range(1, 4)),
    *(f"layer3.{i}" for i in range(1, 6)),
    *(f"layer4.{i}" for i in range(1, 3)),
]
MOBILENET_V2 = [f"features.{i}" for i in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)]
LITE0 = [f"blocks.{name}" for name in ("1.1", "2.1", "3.1", "3.2", "4.1", "4.2", "5.1", "5.2", "5.3")]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (torchvision.models.resnet34, RESNET34),
        (torchvision.models.mobilenet_v2, MOBILENET_V2),
        (lambda: timm.create_model("tf_efficientnet_lite0"), LITE0),
        (lambda: timm.create_model("vit_tiny_patch16_224", img_size=64), [f"blocks.{i}" for i in range(12)]),
        (torchvision.models.vgg11, []),
        (torchvision.models.densenet121, []),
    ],
    ids=["resnet34", "mobilenet_v2", "tf_efficientnet_lite0", "vit_tiny", "vgg11", "densenet121"],
)
def test_finds_the_blocks_that_are_known_by_hand(build, expected):
    assert find_blocks(build(), 64) == expected


@settings(max_examples=15, deadline=None)
@given(
    widths=st.lists(st.integers(2, 6), min_size=1, max_size=3),
    depths=st.data(),
    linear=st.booleans(),
)
def test_finds_every_identity_block_of_a_random_residual_network(widths, depths, linear):
    counts = tuple(depths.draw(st.integers(1, 3)) for _ in widths)
    network = tiny_network(tuple(widths), counts, linear)
    identity = [
        f"stages.{s}.{b}"
        for s, count in enumerate(counts)
        for b in range(count)
        if isinstance(network.stages[s][b].shortcut, nn.Identity)
    ]
    assert find_blocks(network, 16) == identity


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (torchvision.models.resnet34, [RESNET34[:3], RESNET34[3:6], RESNET34[6:11], RESNET34[11:]]),
        (
            lambda: timm.create_model("tf_efficientnet_lite0"),
            [LITE0[:1], LITE0[1:2], LITE0[2:4], LITE0[4:6], LITE0[6:]],
        ),
    ],
    ids=["resnet34", "tf_efficientnet_lite0"],
)
def test_blocks_of_the_same_layers_and_sizes_are_alike(build, expected):
    network = build()
    assert alike_blocks(network, find_blocks(network, 64), 64) == expected


def test_the_same_layers_at_another_resolution_are_not_alike():
    network = tiny_network(widths=(8, 8), depths=(3, 3))
    names = ["stages.0.0", "stages.0.2", "stages.1.1"]
    assert alike_blocks(network, names, 16) == [["stages.0.0", "stages.0.2"], ["stages.1.1"]]


def test_a_dropped_block_equals_its_identity_path():
    network, images = tiny_network(), noise(2)
    expected = copy.deepcopy(network)
    expected.stages[0][1].forward = lambda x: x
    pruned = drop_blocks_(copy.deepcopy(network), ["stages.0.1"])
    assert torch.equal(pruned(images), expected(images))


def test_a_pruned_network_is_plain_and_smaller():
    network = tiny_network()
    pruned = drop_blocks_(copy.deepcopy(network), ["stages.0.1", "stages.1.2"])
    lost = {name for name in network.state_dict() if name.startswith(("stages.0.1.", "stages.1.2."))}
    assert set(pruned.state_dict()) == set(network.state_dict()) - lost
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in pruned.modules())


def test_finding_blocks_leaves_the_network_as_it_was():
    network = tiny_network().train()
    before = copy.deepcopy(network.state_dict())
    find_blocks(network, 16)
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_an_unknown_block_is_named_with_the_nearest_guess():
    with pytest.raises(NetworkError) as error:
        drop_blocks_(tiny_network(), ["stages.0.11"])
    assert str(error.value) == "the network has no block 'stages.0.11'. Did you mean 'stages.0.1'?"


class Clipped(Block):
    """Its activation stops at six."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).clamp(0, 6)


class Named(TinyNet):
    """It calls its blocks by keyword."""

    def run_stages(self, x: Tensor) -> Tensor:
        for block in itertools.chain.from_iterable(self.stages):
            x = block(x=x)
        return x


class Reading(TinyNet):
    """It reads an attribute of its blocks, and how wide their first layer is."""

    deep = False

    def run_stages(self, x: Tensor) -> Tensor:
        for block in itertools.chain.from_iterable(self.stages):
            x = block(x) if block.linear or not self.deep or block.conv1.stride else x
        return x


def with_norms(build: Callable[[int], nn.Module]) -> TinyNet:
    network = tiny_network()
    for block in itertools.chain.from_iterable(network.stages):
        block.bn1, block.bn2 = (build(norm.num_features) for norm in (block.bn1, block.bn2))
    return network


def frozen(width: int) -> nn.Module:
    norm = torchvision.ops.FrozenBatchNorm2d(width)
    norm.bias.fill_(0.3)
    norm.running_mean.fill_(0.2)
    return norm


def plain_norm(width: int) -> nn.Module:
    norm = nn.BatchNorm2d(width, affine=False)
    norm.running_mean.fill_(0.2)
    return norm


def clipped() -> TinyNet:
    network = tiny_network()
    for block in itertools.chain.from_iterable(network.stages):
        block.__class__ = Clipped
    return network


@pytest.mark.parametrize(
    "build",
    [
        lambda: with_norms(frozen),
        lambda: with_norms(plain_norm),
        lambda: with_norms(lambda width: nn.GroupNorm(2, width, affine=False)),
        lambda: with_norms(lambda width: nn.BatchNorm2d(width, track_running_stats=False)),
        clipped,
        lambda: tiny_network(kind=Named),
        lambda: tiny_network(kind=Reading),
    ],
    ids=["frozen", "plain", "group", "no statistics", "clipped", "keyword", "attribute"],
)
def test_blocks_are_found_and_dropped_whatever_norms_and_calls_they_have(build):
    network, images = build(), noise(2)
    assert droppable_blocks(network, 16, (), "here") == find_blocks(tiny_network(), 16)
    expected = copy.deepcopy(network)
    expected.stages[1][1].forward = lambda x: x
    assert torch.equal(drop_blocks_(network, ["stages.1.1"])(images), expected(images))


def test_stochastic_depth_does_not_tell_blocks_apart():
    network = tiny_network()
    for place, block in enumerate(itertools.chain.from_iterable(network.stages)):
        block.bn2 = nn.Sequential(block.bn2, torchvision.ops.StochasticDepth(place / 10, "row"))
    assert alike_blocks(network, find_blocks(network, 16), 16) == [
        ["stages.0.0", "stages.0.1", "stages.0.2"],
        ["stages.1.1", "stages.1.2"],
    ]


def test_a_dilated_layer_takes_another_time():
    network = tiny_network()
    network.stages[0][1].conv1 = nn.Conv2d(8, 8, 3, 1, 2, dilation=2, bias=False)
    assert alike_blocks(network, ["stages.0.0", "stages.0.1"], 16) == [["stages.0.0"], ["stages.0.1"]]


class Recurrent(TinyNet):
    """It calls its one block twice."""

    def run_stages(self, x: Tensor) -> Tensor:
        return self.stages[0][0](self.stages[0][0](x))


def repeated() -> TinyNet:
    return tiny_network(widths=(8,), depths=(1,), kind=Recurrent)


def scaled() -> TinyNet:
    network = tiny_network(widths=(8,), depths=(2,))
    for block in network.stages[0]:
        block.register_forward_hook(lambda block, args, output: 0.9 * output)
    return network


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (repeated, "all modules with an output of their input's shape, 1, run several times"),
        (scaled, "of 3 modules with an output of their input's shape, none is residual"),
        (
            lambda: torch.fx.symbolic_trace(tiny_network()),
            "it calls none of the modules that hold its layers",
        ),
    ],
)
def test_the_reason_why_there_is_no_block_is_what_was_seen(build, reason):
    with pytest.raises(NetworkError, match=reason):
        droppable_blocks(build(), 16, (), "here")


def test_that_all_blocks_are_kept_is_said():
    network = tiny_network()
    with pytest.raises(NetworkError, match="TinyNet has no block to drop: all 5 are kept"):
        droppable_blocks(network, 16, find_blocks(network, 16), "here")


def test_a_block_that_the_network_cannot_do_without_is_named():
    network = tiny_network(kind=Reading)
    network.deep = True
    with pytest.raises(NetworkError) as error:
        droppable_blocks(network, 16, (), "here")
    assert str(error.value) == (
        "here: Reading does not run without stages.0.0 ('Dropped' object has no attribute 'conv1'); keep "
        "what it cannot do without (keep_blocks)"
    )


def test_blocks_to_keep_are_left_out_and_must_exist():
    network = tiny_network()
    assert droppable_blocks(network, 16, ["stages.0.0"], "networks.tiny") == find_blocks(network, 16)[1:]
    with pytest.raises(NetworkError) as error:
        droppable_blocks(network, 16, ["stages.1.0"], "networks.tiny")
    assert str(error.value).startswith(
        "networks.tiny.keep_blocks[0]: unknown block 'stages.1.0' (known: stages.0.0,"
    )


def test_a_network_without_residual_blocks_is_refused_in_one_sentence():
    with pytest.raises(NetworkError) as error:
        droppable_blocks(torchvision.models.vgg11(), 64, (), "networks.vgg11")
    assert str(error.value) == (
        "networks.vgg11: VGG has no block to drop: none of its modules of several layers gives one tensor of "
        "its input's shape"
    )
