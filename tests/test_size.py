"""MACs and parameters against closed forms and published counts."""

import pytest
import torchvision
from tiny import tiny_network

from practise.networks.size import count_gmacs, count_params


def test_macs_equal_the_closed_form():
    stem = 3 * 8 * 9 * 16 * 16
    first = 2 * 8 * 8 * 9 * 16 * 16
    second = (8 * 12 * 9 + 12 * 12 * 9 + 8 * 12) * 8 * 8
    macs = stem + 3 * first + second + 2 * 2 * 12 * 12 * 9 * 8 * 8 + 12 * 4
    assert count_gmacs(tiny_network(), 16) == pytest.approx(macs / 1e9, rel=1e-12)


@pytest.mark.parametrize(
    ("build", "gmacs", "params"),
    [(torchvision.models.resnet34, 3.664, 21_797_672), (torchvision.models.mobilenet_v2, 0.3008, 3_504_872)],
)
def test_known_networks_cost_what_is_known(build, gmacs, params):
    network = build()
    assert count_gmacs(network, 224) == pytest.approx(gmacs, rel=1e-3)
    assert count_params(network) == params
