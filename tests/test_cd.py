"""Cross distillation: its two terms and its exact solution against NumPy, and what it does for a network."""

import copy

import numpy as np
import pytest
import torch
from test_fskd import distance, thinner
from test_views import tiny_set
from tiny import tiny_network
from torch import nn

from practise.pruning.filters import find_inner_convolutions, find_readers
from practise.recovery.rivals.cd import CrossDistillation, refit_layer, refit_layers, two_terms

MU = 0.7
INPUTS = [0, 2, 3]


def layer_and_inputs() -> tuple[nn.Conv2d, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return nn.Conv2d(5, 4, 3, stride=2, padding=1), *torch.randn(2, 6, 5, 8, 8)


def numpys_terms(layer: nn.Conv2d, weight: np.ndarray, original: np.ndarray, own: np.ndarray) -> float:
    """mu · ‖W_s X_t − W_t X_t‖² + (1 − mu) · ‖W_s X_s − W_t X_s‖², summed place by place, as means."""
    theirs = layer.weight.detach().numpy()
    total = 0.0
    for share, x in ((MU, original), (1 - MU, own)):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        errors = [
            (np.tensordot(padded[:, :, i : i + 3, j : j + 3], weight - theirs, ([1, 2, 3], [1, 2, 3]))) ** 2
            for i in range(0, 8, 2)
            for j in range(0, 8, 2)
        ]
        total += share * np.mean(errors)
    return total


def test_the_two_terms_are_numpys():
    layer, original, own = layer_and_inputs()
    weight = torch.randn_like(layer.weight)
    expected = numpys_terms(layer, weight.numpy(), original.numpy(), own.numpy())
    assert two_terms(layer, weight, original, own, MU).item() == pytest.approx(expected, rel=1e-4)


def test_the_exact_solution_is_a_minimum_among_weights_of_the_inputs_that_stay():
    layer, original, own = layer_and_inputs()
    found = refit_layer(layer, INPUTS, original, own, CrossDistillation(mu=MU), 0)
    assert not found[:, [1, 4]].any()
    least = two_terms(layer, found, original, own, MU).item()
    masked = torch.zeros_like(found).index_fill_(1, torch.tensor(INPUTS), 1)
    assert least < two_terms(layer, layer.weight.detach() * masked, original, own, MU).item()
    for seed in range(20):
        nudge = 0.01 * torch.randn(found.shape, generator=torch.Generator().manual_seed(seed)) * masked
        assert least <= two_terms(layer, found + nudge, original, own, MU).item()


def test_adam_comes_near_the_exact_solution():
    layer, original, own = layer_and_inputs()
    exact = refit_layer(layer, INPUTS, original, own, CrossDistillation(mu=MU), 0)
    trained = refit_layer(layer, INPUTS, original, own, CrossDistillation(mu=MU, steps=600, lr=1e-2), 0)
    assert not trained[:, [1, 4]].any()
    losses = [two_terms(layer, weight, original, own, MU).item() for weight in (exact, trained)]
    assert losses[0] <= losses[1] < 1.05 * losses[0]


@pytest.mark.parametrize("steps", [0, 60])
def test_refitted_layers_bring_the_features_nearer(steps):
    network = tiny_network()
    untouched = copy.deepcopy(network)
    student, kept = thinner(network)
    readers = find_readers(network, list(kept), 32)
    refitted = refit_layers(network, kept, readers, tiny_set(8), CrossDistillation(steps=steps))
    assert distance(refitted, network) < 0.8 * distance(student, network)
    shapes = [weight.shape for weight in student.state_dict().values()]
    assert [weight.shape for weight in refitted.state_dict().values()] == shapes
    pairs = zip(network.state_dict().values(), untouched.state_dict().values(), strict=True)
    assert all(torch.equal(ours, theirs) for ours, theirs in pairs)


def test_readers_are_the_convolutions_behind():
    network = tiny_network()
    found = find_readers(network, find_inner_convolutions(network, 32), 32)
    assert found == {name.replace("conv1", "conv2"): name for name in found.values()}
    assert len(found) == 6
