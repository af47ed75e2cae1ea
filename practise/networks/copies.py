"""Copies of networks, and where and how a network lies: device, number format, order in memory.

Whatever of somebody's network is ours to change is changed here: numbers of other kinds than the usual keep
theirs (`lay_out_`), and only the weights that the user lets be trained are (`trainable_weights`).
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from practise.networks.watching import Network

COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
"""The complex numbers that go with a format; others go with half of them."""


def copy_network(network: Network) -> Network:
    """A copy that shares nothing with the network.

    What a network has computed with gradients and keeps, such as its last features or a normalised weight, is
    copied as plain values: deepcopy refuses it.
    """
    kept = (value for module in network.modules() for value in tensors_in(vars(module)))
    return copy.deepcopy(network, {id(value): value.detach().clone() for value in kept if value.grad_fn})


def tensors_in(value: object) -> Iterator[Tensor]:
    """The tensors in a value, or in whatever it holds."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from tensors_in(list(value.values()))
    elif isinstance(value, list | tuple | set):
        for item in value:
            yield from tensors_in(item)


def lay_out_(
    network: Network, device: torch.device, dtype: torch.dtype | None = None, packed: bool = True
) -> Network:
    """Move a network to a device and into a number format, in place.

    Whole numbers stay, complex ones take the format that goes with the other.

    Args:
        network: the network.
        device: where to.
        dtype: of its real numbers; None: as they are.
        packed: whether convolutions get their channels last, which is faster; a network that does not run so
            (`keep_contiguous_`) is left as it is.
    """
    network.to(device)
    order = torch.channels_last if packed and not is_contiguous(network) else torch.contiguous_format
    for value in (*network.parameters(), *network.buffers()):
        if dtype is not None and value.is_floating_point():
            value.data = value.data.to(dtype)
        elif dtype is not None and value.is_complex():
            value.data = value.data.to(COMPLEX.get(dtype, torch.complex64))
        if value.ndim == 4:
            value.data = value.data.contiguous(memory_format=order)
    return network


def make_contiguous(network: nn.Module, args: tuple) -> tuple:
    """A hook before a network's forward pass: images come in the plain order."""
    return (args[0].contiguous(), *args[1:])


def keep_contiguous_(network: Network) -> Network:
    """Let a network see its images in the plain order, in place, until `release_`."""
    network.register_forward_pre_hook(make_contiguous)
    return network


def is_contiguous(network: nn.Module) -> bool:
    """Whether `keep_contiguous_` was called of this network or of the one that it is a copy of."""
    return make_contiguous in network._forward_pre_hooks.values()


def release_(network: Network) -> Network:
    """Take back `keep_contiguous_`, in place."""
    for key in [key for key, hook in network._forward_pre_hooks.items() if hook is make_contiguous]:
        del network._forward_pre_hooks[key]
    return network


def trainable_weights(network: nn.Module) -> list[nn.Parameter]:
    """The weights that may be changed: those that want gradients, or all that can if none does.

    Whoever freezes a part of a network means it; whoever freezes all of it only wants no gradients.
    """
    able = able_to_learn(network)
    return [weight for weight in able if weight.requires_grad] or able


def able_to_learn(network: nn.Module) -> list[nn.Parameter]:
    """All weights that can have gradients: whole numbers cannot."""
    return [weight for weight in network.parameters() if weight.is_floating_point() or weight.is_complex()]


@contextmanager
def wanting_gradients(network: nn.Module, weights: list[nn.Parameter]) -> Iterator[None]:
    """Inside the block, these weights alone want gradients; afterwards each as before."""
    wanted = {weight: weight.requires_grad for weight in network.parameters()}
    chosen = set(weights)
    try:
        for weight in wanted:
            weight.requires_grad = weight in chosen
        yield
    finally:
        for weight, flag in wanted.items():
            weight.requires_grad = flag
