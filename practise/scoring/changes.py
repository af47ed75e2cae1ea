"""What changes in a network when a block is gone and nothing is adapted: what other criteria look at."""

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from practise.images.tiny_set import TinySet
from practise.networks.blocks import drop_blocks_
from practise.networks.features import feature_extractor, find_feature_layer
from practise.progress import track

BATCH = 50
"""Images in a forward pass."""


def feature_changes(network: nn.Module, blocks: Sequence[str], few: TinySet) -> Iterator[tuple[str, float]]:
    """Mean squared change of the features before pooling, by dropped block.

    Args:
        network: the original, in evaluation mode on its device.
        blocks: names of blocks.
        few: the images.
    """
    layer = find_feature_layer(network, few.preprocessing.image_size)

    def run(pruned: nn.Module, views: Tensor) -> Tensor:
        with feature_extractor(pruned, layer) as extract:
            return extract(views)

    yield from compare_without(network, blocks, few, run, functional.mse_loss)


def output_divergences(
    network: nn.Module, blocks: Sequence[str], few: TinySet
) -> Iterator[tuple[str, float]]:
    """KL divergence of the class probabilities, by dropped block (CURL: Luo and Wu 2020).

    Args:
        network: as for `feature_changes`.
        blocks: likewise.
        few: likewise.
    """
    yield from compare_without(network, blocks, few, lambda pruned, views: pruned(views), divergence)


def compare_without(
    network: nn.Module,
    blocks: Sequence[str],
    few: TinySet,
    run: Callable[[nn.Module, Float[Tensor, "n 3 h w"]], Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
) -> Iterator[tuple[str, float]]:
    """The distance, averaged over the images, from the original's output to that without each block."""
    device = next(network.parameters()).device
    views = few.centre_views().to(device, memory_format=torch.channels_last).split(BATCH)
    with torch.inference_mode():
        originals = [run(network, batch) for batch in views]
        for block in track(blocks, "score blocks"):
            without = drop_blocks_(copy.deepcopy(network), [block])
            total = sum(
                distance(run(without, batch), original).item() * len(batch)
                for batch, original in zip(views, originals, strict=True)
            )
            yield block, total / len(few)


def divergence(ours: Float[Tensor, "n classes"], theirs: Float[Tensor, "n classes"]) -> Float[Tensor, ""]:
    """KL(original ‖ ours) of the class probabilities, mean over the images, in nats."""
    return functional.kl_div(
        ours.log_softmax(1), theirs.log_softmax(1), reduction="batchmean", log_target=True
    )
