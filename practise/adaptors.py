"""Linear adaptors: bias-free 1×1 convolutions inside the weights of the convolutions they touch.

The paper (section 3.2) inserts 1×1 convolutions around a dropped block, trains them from the identity with
all else frozen, and notes that they can be absorbed. We never insert them: a 1×1 after a convolution is the
product `A · W` over output channels, one before it is `W · B` over input channels, and a bias follows as `A
· b`. So an adaptor is a *reparametrization* of the weight: it needs no activation memory, costs no latency,
and absorbing it is exact. Zero padding does no harm, because a bias-free 1×1 maps zero to zero.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from practise.dataflow import Seats


class After(nn.Module):
    """`A · W`: a 1×1 convolution that follows the convolution, before its batch norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.adaptor = nn.Parameter(torch.eye(channels))

    def forward(self, weight: Float[Tensor, "out ..."]) -> Float[Tensor, "out ..."]:
        """The weight, or bias, with the adaptor absorbed."""
        return torch.einsum("po,o...->p...", self.adaptor.to(weight), weight)


class Before(nn.Module):
    """`W · B`: a 1×1 convolution that precedes the convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.adaptor = nn.Parameter(torch.eye(channels))

    def forward(self, weight: Float[Tensor, "out in h w"]) -> Float[Tensor, "out in h w"]:
        """The weight with the adaptor absorbed."""
        return torch.einsum("oihw,ij->ojhw", weight, self.adaptor.to(weight))


def attach_adaptors_(network: nn.Module, seats: Seats) -> list[nn.Parameter]:
    """Give the convolutions at the seats identity adaptors, in place.

    Args:
        network: the network with the block already dropped; every other weight should be frozen.
        seats: convolutions by name, as `find_seats` gives them.

    Returns:
        The trainable adaptors, each c×c, the identity at first.
    """
    adaptors = []
    for name in seats.after:
        conv = network.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        after = After(conv.out_channels).to(conv.weight.device)
        adaptors.append(after.adaptor)
        parametrize.register_parametrization(conv, "weight", after)
        if conv.bias is not None:
            parametrize.register_parametrization(conv, "bias", after)
    for name in seats.before:
        conv = network.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        before = Before(conv.in_channels).to(conv.weight.device)
        adaptors.append(before.adaptor)
        parametrize.register_parametrization(conv, "weight", before)
    return adaptors


def absorb_adaptors_(network: nn.Module) -> nn.Module:
    """Multiply every adaptor into its convolution, in place: a plain network of the same function."""
    for module in network.modules():
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return network


def multiply_before_(network: nn.Module, name: str, adaptor: Float[Tensor, "in in"]) -> None:
    """Absorb one given adaptor before the named convolution, in place."""
    conv = network.get_submodule(name)
    assert isinstance(conv, nn.Conv2d)
    before = Before(conv.in_channels)
    with torch.no_grad():
        before.adaptor.copy_(adaptor)
        conv.weight.copy_(before.to(conv.weight.device)(conv.weight))
