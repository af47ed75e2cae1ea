"""Batch norm statistics of the few images: taken over from them, or corrected for what was dropped.

A network's running statistics describe its training images and its own layers. Other cameras, other
compression, other light shift them, and re-estimating them on the images at hand wins accuracy back without a
label (Schneider et al. 2020). Few images estimate badly, so the old statistics count like images of their
own, as many as `PRIOR`; and they never count less than half, because the network's weights were trained
with them.

Without a block, what reaches a batch norm is another thing on the same images. There the two networks are
compared image by image, most of the sampling error is in both, and so no prior is needed.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from practise.networks.watching import entering

PRIOR = 50
"""How many images the network's own statistics are worth."""
MOST_ADAPTED = 0.5
"""How far they are moved at most: with ever more images, moving them all the way makes networks worse."""


def adapt_batch_norm_(network: nn.Module, views: Float[Tensor, "n 3 h w"], batch_size: int) -> nn.Module:
    """Move the statistics towards those of the images, in place: by n / (n + `PRIOR`), at most a half.

    Args:
        network: in evaluation mode, and left in it.
        views: normalised evaluation views.
        batch_size: images in a forward pass; statistics are averaged over the batches.
    """
    layers = list(batch_norms(network))
    old = [{name: value.clone() for name, value in statistics(layer).items()} for layer in layers]
    momenta = [layer.momentum for layer in layers]
    share = min(len(views) / (len(views) + PRIOR), MOST_ADAPTED)
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


Moments = tuple[Float[Tensor, "n c"], Float[Tensor, "n c"]]
"""The mean and the mean square of each channel in each image."""

LEAST_VARIANCE = 1e-8
"""A channel that varies less than this says nothing of a scale."""
MOST_SCALED = 10.0
"""By how much a channel is scaled up or down, at most."""


def moments(x: Float[Tensor, "n c ..."]) -> Moments:
    """The first two moments of each channel in each image."""
    pixels = x.flatten(2).double() if x.ndim > 2 else x[:, :, None].double()
    return pixels.mean(2), pixels.square().mean(2)


def watch_moments(network: nn.Module, found: dict[str, Moments]) -> AbstractContextManager[None]:
    """Inside the block, the moments of what enters each batch norm are noted by its name as it runs.

    One that runs again is left out: it has several, but one set of statistics.
    """
    seen: set[str] = set()

    def note(name: str, x: Tensor) -> None:
        if name in seen:
            found.pop(name, None)
        else:
            found[name] = moments(x)
        seen.add(name)

    return entering(network, names_of_batch_norms(network), note)


def matching_(
    student: nn.Module, network: nn.Module, wanted: Mapping[str, Moments], images: Int64[Tensor, " m"]
) -> AbstractContextManager[None]:
    """Inside the block, each batch norm whose moments are wanted is corrected just before it runs, in place.

    Afterwards its output has the mean and variance that the original's has, on the images that count: with
    what enters the original's, of mean m and variance v, and the student's, of m' and v', the running
    variance becomes σ'² = σ² · v'/v, and the running mean μ' = m' − (m − μ) · σ'/σ.

    Args:
        student: the network without blocks, about to run on the images.
        network: the original.
        wanted: its moments on the same images.
        images: places of the images that count.
    """

    def correct(name: str, x: Tensor) -> None:
        ours, theirs = student.get_submodule(name), network.get_submodule(name)
        assert isinstance(ours, _BatchNorm) and isinstance(theirs, _BatchNorm)
        assert theirs.running_mean is not None and theirs.running_var is not None
        (mean, variance), (mean_wanted, variance_wanted) = (
            pool_moments(found, images) for found in (moments(x), wanted[name])
        )
        scale = (variance / variance_wanted).sqrt().clamp(1 / MOST_SCALED, MOST_SCALED)
        scale[torch.minimum(variance, variance_wanted) < LEAST_VARIANCE] = 1.0
        shifted = mean - (mean_wanted - theirs.running_mean) * scale
        scaled = (theirs.running_var + theirs.eps) * scale.square() - ours.eps
        ours.running_mean = shifted.to(theirs.running_mean)
        ours.running_var = scaled.clamp_min(0.0).to(theirs.running_var)

    left = [name for name in names_of_batch_norms(student) if name in wanted]
    return entering(student, left, correct)


def pool_moments(found: Moments, images: Int64[Tensor, " m"]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over some images together."""
    mean, square = (each[images].mean(0) for each in found)
    return mean, (square - mean.square()).clamp_min(0.0)


def names_of_batch_norms(network: nn.Module) -> list[str]:
    """Names of the batch norms that keep running statistics."""
    layers = set(batch_norms(network))
    return [name for name, module in network.named_modules() if module in layers]
