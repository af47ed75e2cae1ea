"""Batch norm statistics of the few images, where these look unlike those that the network was trained on.

A network's running statistics describe its training images. Other cameras, other compression, other light
shift them, and re-estimating them on the images at hand wins accuracy back without a label (Schneider et al.
2020). Few images estimate badly, so the old statistics count like images of their own: as many as `PRIOR`.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

PRIOR = 50
"""How many images the network's own statistics are worth."""


def adapt_batch_norm_(network: nn.Module, views: Float[Tensor, "n 3 h w"], batch_size: int) -> nn.Module:
    """Move the statistics towards those of the images, in place: by the share n / (n + `PRIOR`).

    Args:
        network: in evaluation mode, and left in it.
        views: normalised evaluation views.
        batch_size: images in a forward pass; statistics are averaged over the batches.
    """
    layers = list(batch_norms(network))
    old = [{name: value.clone() for name, value in statistics(layer).items()} for layer in layers]
    momenta = [layer.momentum for layer in layers]
    share = len(views) / (len(views) + PRIOR)
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's word for the plain average over batches
        layer.train()
    with torch.no_grad():
        for batch in views.tensor_split(-(-len(views) // batch_size)):
            network(batch)
    for layer, before, momentum in zip(layers, old, momenta, strict=True):
        for name, value in statistics(layer).items():
            value.lerp_(before[name], 1 - share)
        layer.momentum = momentum
        layer.eval()
    return network


def statistics(layer: nn.Module) -> dict[str, Tensor]:
    """A batch norm's running statistics by name."""
    return {name: value for name, value in layer.named_buffers() if name.startswith("running_")}


def batch_norms(network: nn.Module) -> Iterator[_BatchNorm]:
    """The batch norms that keep running statistics."""
    for module in network.modules():
        if isinstance(module, _BatchNorm) and module.running_mean is not None:
            yield module
