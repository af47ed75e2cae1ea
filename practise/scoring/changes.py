"""What changes in a network when blocks are gone and nothing is adapted: what other criteria look at."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from practise.images.tiny_set import TinySet
from practise.networks.blocks import drop_blocks_
from practise.networks.copies import copy_network
from practise.networks.features import find_feature_layer, read_layer
from practise.networks.watching import leaving
from practise.scoring.divergence import divergence

BATCH = 50
"""Images in a forward pass."""


class Changes:
    """Says of sets of blocks what changes without them; both criteria share a pass.

    Args:
        network: the original, in evaluation mode on its device.
        few: the images.
    """

    def __init__(self, network: nn.Module, few: TinySet) -> None:
        self.network, self.multi_label = network, few.multi_label
        self.layer = find_feature_layer(network, few.preprocessing.image_size)
        device = next(network.parameters()).device
        self.views = few.centre_views().to(device, memory_format=torch.channels_last).split(BATCH)
        self.originals = [self.run(network, batch) for batch in self.views]
        self.known: dict[tuple[str, ...], tuple[float, float]] = {}

    def feature_change(self, blocks: Sequence[str]) -> float:
        """Mean squared change of the features before pooling, averaged over the images."""
        return self.without(blocks)[0]

    def output_divergence(self, blocks: Sequence[str]) -> float:
        """KL divergence of the class probabilities (CURL: Luo and Wu 2020), averaged over the images."""
        return self.without(blocks)[1]

    def without(self, blocks: Sequence[str]) -> tuple[float, float]:
        """Both, found once for each set."""
        if (words := tuple(blocks)) not in self.known:
            without = drop_blocks_(copy_network(self.network), blocks)
            change = moved = 0.0
            for batch, (features, logits) in zip(self.views, self.originals, strict=True):
                ours, said = self.run(without, batch)
                change += functional.mse_loss(features, ours).item() * len(batch)
                moved += divergence(logits, said, self.multi_label).mean().item() * len(batch)
            count = sum(map(len, self.views))
            self.known[words] = change / count, moved / count
        return self.known[words]

    @torch.inference_mode()
    def run(self, network: nn.Module, batch: Tensor) -> tuple[Tensor, Tensor]:
        """A network's features and logits."""
        seen: list[Tensor] = []
        name, place = read_layer(self.layer)
        with leaving(network, [name], lambda _, output: seen.append(output)):
            logits = network(batch)
        return seen[-place], logits
