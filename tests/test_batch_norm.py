"""Batch norm statistics moved towards those of a few images, against numpy."""

import copy

import numpy as np
import pytest
import torch
from tiny import TinyNet, noise, tiny_network
from torch import Tensor, nn

from practise.networks.batch_norm import adapt_batch_norm_


def what_the_first_layer_gets(network: TinyNet, views: Tensor) -> np.ndarray:
    with torch.no_grad():
        return network.stem[0](views).double().numpy()


@pytest.mark.parametrize("count", [4, 50, 120])
def test_the_statistics_of_n_images_count_n_against_fifty(count):
    network, views = tiny_network(), noise(count, 8)
    before = copy.deepcopy(network.stem[1])
    x = what_the_first_layer_gets(network, views)
    adapted = adapt_batch_norm_(network, views, batch_size=count).stem[1]
    for old, new, seen in (
        (before.running_mean, adapted.running_mean, x.mean((0, 2, 3))),
        (before.running_var, adapted.running_var, x.var((0, 2, 3), ddof=1)),
    ):
        assert np.allclose(new.numpy(), (count * seen + 50 * old.numpy()) / (count + 50), atol=1e-5)


def test_statistics_are_averaged_over_batches():
    network, views = tiny_network(), noise(12, 8)
    before = network.stem[1].running_var.numpy().copy()
    x = what_the_first_layer_gets(network, views)
    seen = np.mean([part.var((0, 2, 3), ddof=1) for part in np.split(x, 3)], axis=0)
    adapted = adapt_batch_norm_(network, views, batch_size=5).stem[1]  # three batches of four
    assert np.allclose(adapted.running_var.numpy(), (12 * seen + 50 * before) / 62, atol=1e-5)


def test_later_layers_see_what_the_adapted_earlier_layers_give():
    network, views = tiny_network(), noise(6, 8)
    reference = copy.deepcopy(network).train()
    before = network.stages[0][0].bn1.running_mean.clone()
    with torch.no_grad():
        x = reference.stages[0][0].conv1(reference.stem(views)).mean((0, 2, 3))
    adapted = adapt_batch_norm_(network, views, batch_size=6).stages[0][0].bn1
    assert torch.allclose(adapted.running_mean, (6 * x + 50 * before) / 56, atol=1e-5)


def test_only_statistics_change():
    network = tiny_network()
    network.stem[1].momentum = 0.3
    before = copy.deepcopy(network)
    adapt_batch_norm_(network, noise(4, 8), batch_size=4)
    assert not any(module.training for module in network.modules())
    for old, new in zip(before.modules(), network.modules(), strict=True):
        assert getattr(old, "momentum", None) == getattr(new, "momentum", None)
    assert all(
        torch.equal(old, new) for old, new in zip(before.parameters(), network.parameters(), strict=True)
    )


def test_a_batch_norm_without_running_statistics_is_passed_over():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)).eval()
    before, views = copy.deepcopy(network), noise(4, 8)
    assert torch.equal(adapt_batch_norm_(network, views, batch_size=4)(views), before(views))
