"""FSKD: its layers against NumPy's least squares, and what it does for a thinner network."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_views import tiny_set
from tiny import TinyNet, tiny_network
from torch import nn

from practise.pruning.filters import Kept, choose_filters, find_inner_convolutions, keep_filters_
from practise.recovery.rivals.fskd import correct_layers_, solve_least_squares

RATIO = 0.4


def thinner(network: nn.Module, ratio: float = RATIO) -> tuple[nn.Module, Kept]:
    kept = choose_filters(network, find_inner_convolutions(network, 32), ratio)
    return keep_filters_(copy.deepcopy(network), kept, 32), kept


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 30), channels=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_layers_matrix_is_numpys_least_squares(rows, channels, seed):
    seen, wanted = np.random.default_rng(seed).normal(size=(2, rows, channels))
    found = solve_least_squares(torch.tensor(seen), torch.tensor(wanted))
    assert np.allclose(found, np.linalg.lstsq(seen, wanted, rcond=None)[0].T, atol=1e-6)


def test_each_layer_in_turn_comes_as_near_to_the_original_as_numpy_brings_it():
    network = tiny_network()
    student, kept = thinner(network)
    by_hand = copy.deepcopy(student)
    few = tiny_set(8)
    views = few.centre_views()
    for name in ("stages.0.0.conv1", "stages.0.0.conv2", "stages.0.1.conv1", "stages.0.1.conv2"):
        wanted = outputs(network, name, views)[:, kept.get(name, slice(None))]
        seen = outputs(by_hand, name, views)
        rows = [x.transpose(0, 2, 3, 1).reshape(-1, x.shape[1]) for x in (seen, wanted)]
        matrix = torch.tensor(np.linalg.lstsq(*rows, rcond=None)[0].T, dtype=torch.float32)
        layer = by_hand.get_submodule(name)
        layer.weight.data = torch.einsum("po,oihw->pihw", matrix, layer.weight.data)
        if layer.bias is not None:
            layer.bias.data = matrix @ layer.bias.data
    corrected = correct_layers_(student, network, kept, few)
    for name in ("stages.0.0.conv2", "stages.0.1.conv2"):
        ours, theirs = (outputs(net, name, views) for net in (corrected, by_hand))
        assert np.allclose(ours, theirs, atol=1e-3)


def outputs(network: nn.Module, name: str, views: torch.Tensor) -> np.ndarray:
    """What a layer gives, in double precision."""
    seen = []
    hook = network.get_submodule(name).register_forward_hook(lambda layer, args, output: seen.append(output))
    with torch.no_grad():
        network(views)
    hook.remove()
    return seen[0].double().numpy()


def distance(student: TinyNet, teacher: TinyNet) -> float:
    views = tiny_set(8).centre_views()
    with torch.no_grad():
        ours, theirs = (network.run_stages(network.stem(views)) for network in (student, teacher))
    return (ours - theirs).square().mean().item()


def test_correction_brings_the_features_nearer():
    network = tiny_network()
    student, kept = thinner(network)
    before = distance(student, network)
    assert distance(correct_layers_(student, network, kept, tiny_set(8)), network) < 0.8 * before


def test_a_network_that_is_not_thinner_is_left_as_it_is():
    network = tiny_network()
    student, kept = thinner(network, 0.0)
    corrected = correct_layers_(copy.deepcopy(student), network, kept, tiny_set(8))
    pairs = zip(corrected.state_dict().values(), student.state_dict().values(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


@pytest.mark.parametrize("ratio", [0.0, RATIO])
def test_neither_network_keeps_a_hook(ratio):
    network = tiny_network()
    student, kept = thinner(network, ratio)
    correct_layers_(student, network, kept, tiny_set(4))
    assert not any(module._forward_hooks for net in (student, network) for module in net.modules())
