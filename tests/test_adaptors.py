"""Adaptors inside weights against real 1×1 convolutions beside them."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import noise, tiny_network
from torch import nn

from practise.networks.blocks import drop_blocks_
from practise.scoring.adaptors import absorb_adaptors_, attach_adaptors_, multiply_before_
from practise.scoring.seats import Seats, find_seats


def explicit(conv: nn.Conv2d, matrix: torch.Tensor, after: bool) -> nn.Module:
    """The convolution with a real bias-free 1×1 convolution beside it."""
    beside = nn.Conv2d(len(matrix), len(matrix), 1, bias=False)
    beside.weight.data = matrix.detach()[:, :, None, None].clone()
    return nn.Sequential(conv, beside) if after else nn.Sequential(beside, conv)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), linear=st.booleans())
def test_adaptors_compute_what_real_convolutions_beside_them_compute(seed, linear):
    network = drop_blocks_(tiny_network(linear=linear, seed=seed), ["stages.0.1"]).double()
    seats = find_seats(tiny_network(linear=linear), ["stages.0.1"], 16)["stages.0.1"]
    inside, beside = copy.deepcopy(network), copy.deepcopy(network)
    adaptors = attach_adaptors_(inside, seats)
    for index, adaptor in enumerate(adaptors):
        generator = torch.Generator().manual_seed(seed + index)
        adaptor.data = adaptor.data + 0.1 * torch.randn(adaptor.shape, generator=generator)
    for index, name in enumerate([*seats.after, *seats.before]):
        conv = beside.get_submodule(name)
        parent, _, child = name.rpartition(".")
        wrapped = explicit(conv, adaptors[index].double(), after=index < len(seats.after))
        setattr(beside.get_submodule(parent), child, wrapped.double())
    images = noise(2).double()
    assert torch.allclose(inside(images), beside(images), atol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_beside_a_linear_layer_adaptors_are_linear_layers(bias):
    network = nn.ModuleDict({name: nn.Linear(5, 3, bias) for name in ("writer", "reader")})
    tokens = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0))
    after, before = nn.Linear(3, 3, bias=False), nn.Linear(5, 5, bias=False)
    expected = after(network["writer"](tokens)), network["reader"](before(tokens))
    given = copy.deepcopy(network)
    adaptors = attach_adaptors_(network, Seats(after=("writer",), before=("reader",)))
    for adaptor, beside in zip(adaptors, (after, before), strict=True):
        adaptor.data = beside.weight.data
    absorb_adaptors_(network)
    assert torch.allclose(network["writer"](tokens), expected[0], atol=1e-6)
    assert torch.allclose(network["reader"](tokens), expected[1], atol=1e-6)
    multiply_before_(given, "reader", before.weight)
    assert torch.allclose(given["reader"](tokens), expected[1], atol=1e-6)


def test_an_absorbed_adaptor_equals_the_unabsorbed_network():
    network = drop_blocks_(tiny_network(), ["stages.0.1"])
    seats = find_seats(tiny_network(), ["stages.0.1"], 16)["stages.0.1"]
    names = set(network.state_dict())
    for adaptor in attach_adaptors_(network, seats):
        adaptor.data += 0.1 * torch.randn(adaptor.shape, generator=torch.Generator().manual_seed(3))
    images = noise(2)
    unabsorbed = network(images)
    absorbed = absorb_adaptors_(network)
    assert torch.allclose(absorbed(images), unabsorbed, atol=1e-5)
    assert set(absorbed.state_dict()) == names


def test_identity_adaptors_change_nothing():
    network, images = tiny_network(), noise(2)
    expected = network(images)
    attach_adaptors_(network, Seats(after=("stages.0.0.conv2",), before=("stages.1.0.conv1",)))
    assert torch.allclose(network(images), expected, atol=1e-5)


def test_only_adaptors_get_gradients():
    network = tiny_network().requires_grad_(False)
    adaptors = attach_adaptors_(network, Seats(after=("stages.0.0.conv2",), before=("stages.1.0.conv1",)))
    network(noise(2)).sum().backward()
    assert {id(weight) for weight in network.parameters() if weight.grad is not None} == set(
        map(id, adaptors)
    )


def test_a_given_adaptor_is_absorbed_before_a_convolution():
    network, images = tiny_network(), noise(2)
    conv = copy.deepcopy(network.stages[1][0].conv1)
    matrix = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    multiply_before_(network, "stages.1.0.conv1", matrix)
    stream = torch.rand(2, 8, 16, 16, generator=torch.Generator().manual_seed(2))
    expected = explicit(conv, matrix, after=False)(stream)
    assert torch.allclose(network.stages[1][0].conv1(stream), expected, atol=1e-4)
    assert network(images).isfinite().all()
