"""Linear adaptors: bias-free 1×1 convolutions inside the weights of the layers they touch.

The paper (section 3.2) inserts 1×1 convolutions around a dropped block, trains them from the identity with
all else frozen, and notes that they can be absorbed. We never insert them: a 1×1 after a convolution is the
product `A · W` over output channels, one before it is `W · B` over input channels, and a bias follows as `A
· b`. So an adaptor is a *reparametrization* of the weight: it needs no activation memory, costs no latency,
and absorbing it is exact. Zero padding does no harm, because a bias-free 1×1 maps zero to zero. Beside a
linear layer of a transformer it is the same with a linear layer for the 1×1.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from practise.scoring.seats import Seats


class After(nn.Module):
    """`A · W`: a 1×1 convolution that follows the layer, before its batch norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.adaptor = nn.Parameter(torch.eye(channels))

    def forward(self, weight: Float[Tensor, "out ..."]) -> Float[Tensor, "out ..."]:
        """The weight, or bias, with the adaptor absorbed."""
        return torch.einsum("po,o...->p...", self.adaptor.to(weight), weight)


class Before(nn.Module):
    """`W · B`: a 1×1 convolution that precedes the layer."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.adaptor = nn.Parameter(torch.eye(channels))

    def forward(self, weight: Float[Tensor, "c_out c_in ..."]) -> Float[Tensor, "c_out c_in ..."]:
        """The weight with the adaptor absorbed."""
        return torch.einsum("oi...,ij->oj...", weight, self.adaptor.to(weight))


def attach_adaptors_(network: nn.Module, seats: Seats) -> list[nn.Parameter]:
    """Give the layers at the seats identity adaptors, in place.

    Args:
        network: the network with the block already dropped; every other weight should be frozen.
        seats: convolutions and linear layers by name, as `find_seats` gives them.

    Returns:
        The trainable adaptors, each c×c, the identity at first.
    """
    adaptors = []
    for name in seats.after:
        layer = dense_layer(network, name)
        after = After(len(layer.weight)).to(layer.weight)
        adaptors.append(after.adaptor)
        parametrize.register_parametrization(layer, "weight", after)
        if layer.bias is not None:
            parametrize.register_parametrization(layer, "bias", after)
    for name in seats.before:
        layer = dense_layer(network, name)
        before = Before(layer.weight.shape[1]).to(layer.weight)
        adaptors.append(before.adaptor)
        parametrize.register_parametrization(layer, "weight", before)
    return adaptors


def absorb_adaptors_(network: nn.Module) -> nn.Module:
    """Multiply every adaptor into its layer, in place: a plain network of the same function."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return network


def multiply_before_(network: nn.Module, name: str, adaptor: Float[Tensor, "in in"]) -> None:
    """Absorb one given adaptor before the named layer, in place."""
    weight = dense_layer(network, name).weight
    before = Before(len(adaptor))
    with torch.no_grad():
        before.adaptor.copy_(adaptor)
        weight.copy_(before.to(weight.device)(weight))


def dense_layer(network: nn.Module, name: str) -> nn.Conv2d | nn.Linear:
    """The named layer, whose weight can absorb an adaptor."""
    layer = network.get_submodule(name)
    assert isinstance(layer, (nn.Conv2d, nn.Linear))
    return layer
