"""Filter pruning: which convolutions it finds, and that what it leaves computes what the original would."""

import copy
from functools import partial

import pytest
import timm
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from tiny import tiny_network
from torch import nn

from practise.errors import NetworkError
from practise.pruning.filters import choose_filters, find_inner_convolutions, keep_filters_


def inner(stages: list[int], names: list[str], prefix: str = "layer") -> list[str]:
    """Names of the convolutions of a ResNet's blocks."""
    return [
        f"{prefix}{stage}.{block}.{name}"
        for stage, depth in enumerate(stages, start=1)
        for block in range(depth)
        for name in names
    ]


EXPECTED = [
    (torchvision.models.resnet34, inner([3, 4, 6, 3], ["conv1"])),
    (torchvision.models.resnet50, inner([3, 4, 6, 3], ["conv1", "conv2"])),
    (torchvision.models.mobilenet_v2, [f"features.{place}.conv.0.0" for place in range(2, 18)]),
    (
        lambda: timm.create_model("efficientnet_b0"),
        [f"blocks.{s}.{b}.conv_pw" for s, depth in enumerate([0, 2, 2, 3, 3, 4, 1]) for b in range(depth)],
    ),
    (lambda: timm.create_model("regnety_002"), []),  # grouped throughout
    (torchvision.models.vgg11, []),
]


@pytest.mark.parametrize(
    ("build", "expected"), EXPECTED, ids=["basic", "bottleneck", "inverted", "squeeze", "grouped", "plain"]
)
def test_the_convolutions_inside_residual_blocks_are_found(build, expected):
    assert find_inner_convolutions(build().eval(), 64) == expected


def test_finding_them_leaves_the_network_as_it_was():
    network, untouched = tiny_network().requires_grad_(False), tiny_network()
    find_inner_convolutions(network, 32)
    assert not any(weight.requires_grad for weight in network.parameters())
    pairs = zip(network.state_dict().values(), untouched.state_dict().values(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


@given(channels=st.integers(1, 200), ratio=st.floats(0, 0.99), seed=st.integers(0, 9))
def test_the_filters_of_largest_norm_stay_in_their_order(channels, ratio, seed):
    conv = nn.Conv2d(2, channels, 3)
    conv.weight.data = torch.randn(conv.weight.shape, generator=torch.Generator().manual_seed(seed))
    kept = choose_filters(nn.Sequential(conv), ["0"], ratio)["0"]
    norms = conv.weight.abs().sum(dim=(1, 2, 3))
    gone = sorted(set(range(channels)) - set(kept))
    assert kept == sorted(set(kept))
    assert channels < 8 or len(kept) == channels or len(kept) % 8 == 0
    assert len(kept) == 8 or abs(len(kept) - (1 - ratio) * channels) <= (4 if channels >= 8 else 1)
    assert not gone or norms[gone].max() <= norms[kept].min()


@given(widths=st.lists(st.sampled_from([32, 48, 96, 144]), min_size=8, max_size=12), ratio=st.floats(0, 0.5))
def test_what_rounding_keeps_too_many_of_goes_from_the_next_convolutions(widths, ratio):
    network = nn.Sequential(*(nn.Conv2d(1, width, 1) for width in widths))
    kept = choose_filters(network, list(map(str, range(len(widths)))), ratio)
    shares = [len(kept[str(place)]) / width for place, width in enumerate(widths)]
    assert abs(sum(shares) - (1 - ratio) * len(widths)) <= 0.51 * 8 / 32


READERS = [
    (partial(tiny_network, widths=(16, 24)), {"conv1": ["conv2"]}),
    (lambda: torchvision.models.mobilenet_v2(num_classes=4), {"conv.0.0": ["conv.2"]}),
    (
        lambda: timm.create_model("efficientnet_b0", num_classes=4),
        {"conv_pw": ["conv_pwl", "se.conv_reduce"]},
    ),
]
"""Networks, and in which convolutions of a block the filters of an inner convolution end up."""


@pytest.mark.parametrize(("build", "readers"), READERS, ids=["basic", "inverted", "squeeze"])
def test_a_thinner_network_computes_what_the_original_does_when_nobody_reads_the_filters(build, readers):
    torch.manual_seed(0)
    network = build().eval()
    kept = choose_filters(network, find_inner_convolutions(network, 64), 0.5)
    thinner = keep_filters_(copy.deepcopy(network), kept, 64)
    for name, filters in kept.items():
        ending = next(ending for ending in readers if name.endswith(f".{ending}"))
        gone = sorted(set(range(network.get_submodule(name).out_channels)) - set(filters))
        assert gone
        for reader in readers[ending]:
            network.get_submodule(name.removesuffix(ending) + reader).weight.data[:, gone] = 0
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(thinner(x), network(x), atol=1e-5)


def test_a_ratio_of_nothing_changes_nothing():
    network = tiny_network()
    kept = choose_filters(network, find_inner_convolutions(network, 32), 0.0)
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(keep_filters_(copy.deepcopy(network), kept, 32)(x), network.eval()(x))


@pytest.mark.parametrize(
    "kept", [{"stages.9.conv1": [0]}, {"stages.0.0.conv1": [999]}, {"stages.0.0.conv1": []}]
)
def test_filters_that_are_not_there_are_refused(kept):
    with pytest.raises(NetworkError, match="no convolution"):
        keep_filters_(tiny_network(), kept, 32)
