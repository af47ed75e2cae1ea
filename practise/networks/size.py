"""What a network costs on paper: multiply-accumulates and parameters. Latency is measured, not counted."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from practise.networks.watching import evaluating, probe_images

__all__ = ["count_gmacs", "count_params"]


def count_gmacs(network: nn.Module, image_size: int) -> float:
    """Multiply-accumulates of one image in billions.

    torch counts a multiply-accumulate as two operations, so this is its count divided by two; normalisation,
    activations and pooling count as nothing, as in the paper's tables.

    Args:
        network: maps images to logits; it is not changed.
        image_size: side of the square image in pixels.
    """
    with evaluating(network), torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(probe_images(network, image_size))
    return counter.get_total_flops() / 2 / 1e9


def count_params(module: nn.Module) -> int:
    """Number of trainable values; batch norm's running statistics are not among them."""
    return sum(weight.numel() for weight in module.parameters())
