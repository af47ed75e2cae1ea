"""Batch norm statistics moved towards those of a few images, or matched to the original's, against numpy."""

import copy

import numpy as np
import pytest
import torch
from tiny import TinyNet, noise, tiny_network
from torch import Tensor, nn

from practise.networks.batch_norm import Moments, adapt_batch_norm_, matching_, watch_moments
from practise.networks.blocks import drop_blocks_


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
        share = min(count / (count + 50), 0.5)
        assert np.allclose(new.numpy(), share * seen + (1 - share) * old.numpy(), atol=1e-5)


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


def what_a_layer_gives(network: nn.Module, name: str, views: Tensor) -> np.ndarray:
    given: list[Tensor] = []
    hook = network.get_submodule(name).register_forward_hook(lambda *call: given.append(call[2]))
    with torch.no_grad():
        network(views)
    hook.remove()
    return given[0].double().numpy()


def matched(network: nn.Module, dropped: list[str], views: Tensor, images: list[int]) -> nn.Module:
    student, wanted = drop_blocks_(copy.deepcopy(network), dropped), dict[str, Moments]()
    with torch.no_grad():
        with watch_moments(network, wanted):
            network(views)
        with matching_(student, network, wanted, torch.tensor(images)):
            student(views)
    return student


def test_matched_layers_give_what_the_originals_give_in_mean_and_variance_on_the_images_that_count():
    network, views, images = tiny_network(), noise(10, 8), [0, 2, 3, 5, 6, 8]
    student = matched(network, ["stages.0.1", "stages.1.2"], views, images)
    for name in ("stages.0.2.bn1", "stages.1.0.bn2", "stages.1.1.bn1"):
        ours, theirs = (what_a_layer_gives(net, name, views[images]) for net in (student, network))
        assert np.allclose(ours.mean((0, 2, 3)), theirs.mean((0, 2, 3)), atol=1e-5)
        assert np.allclose(ours.var((0, 2, 3)), theirs.var((0, 2, 3)), rtol=1e-3)
    plain = drop_blocks_(copy.deepcopy(network), ["stages.0.1", "stages.1.2"])
    for ours, theirs in zip(student.parameters(), plain.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_layers_before_the_first_dropped_block_keep_their_statistics():
    network = tiny_network()
    student = matched(network, ["stages.1.1"], noise(6, 8), [0, 1, 2])
    for name in ("stem.1", "stages.0.2.bn2", "stages.1.0.bn1"):
        ours, theirs = (net.get_submodule(name) for net in (student, network))
        assert torch.allclose(ours.running_mean, theirs.running_mean, atol=1e-6)
        assert torch.allclose(ours.running_var, theirs.running_var, atol=1e-6)


def test_a_channel_that_never_varies_keeps_its_scale():
    network = tiny_network()
    nn.init.zeros_(network.stages[0][2].conv1.weight[0])
    student = matched(network, ["stages.0.1"], noise(6, 8), [0, 1, 2])
    ours, theirs = (net.get_submodule("stages.0.2.bn1") for net in (student, network))
    assert ours.running_var[0] == pytest.approx(theirs.running_var[0])
    assert all(value.isfinite().all() for value in student.state_dict().values())
