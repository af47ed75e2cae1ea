"""What changes in a network when blocks are gone and nothing is adapted: what other criteria look at."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from practise.images.tiny_set import TinySet
from practise.networks.blocks import drop_blocks_
from practise.networks.copies import copy_network
from practise.networks.features import feature_extractor, find_feature_layer
from practise.scoring.divergence import divergence
from practise.scoring.registry import OfSet

BATCH = 50
"""Images in a forward pass."""

Run = Callable[[nn.Module, Tensor], Tensor]
Distance = Callable[[Tensor, Tensor], Tensor]


def feature_change(network: nn.Module, few: TinySet) -> OfSet:
    """Mean squared change of the features before pooling.

    Args:
        network: the original, in evaluation mode on its device.
        few: the images.
    """
    layer = find_feature_layer(network, few.preprocessing.image_size)

    def run(network: nn.Module, views: Tensor) -> Tensor:
        with feature_extractor(network, layer) as extract:
            return extract(views)

    return distance_without(network, few, run, functional.mse_loss)


def output_divergence(network: nn.Module, few: TinySet) -> OfSet:
    """KL divergence of the class probabilities (CURL: Luo and Wu 2020); arguments as for `feature_change`."""
    distance = partial(divergence, multi_label=few.multi_label)
    return distance_without(network, few, lambda network, views: network(views), distance)


def distance_without(network: nn.Module, few: TinySet, run: Run, distance: Distance) -> OfSet:
    """The distance, averaged over the images, from the original's output to that without some blocks."""
    device = next(network.parameters()).device
    views = few.centre_views().to(device, memory_format=torch.channels_last).split(BATCH)
    ask = torch.inference_mode()(partial(run, network))
    originals = [ask(batch) for batch in views]

    @torch.inference_mode()
    def of_set(blocks: Sequence[str]) -> float:
        without = drop_blocks_(copy_network(network), blocks)
        total = sum(
            distance(original, run(without, batch)).mean().item() * len(batch)
            for batch, original in zip(views, originals, strict=True)
        )
        return total / len(few)

    return of_set
