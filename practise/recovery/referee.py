"""What networks lose on images that they were not trained on: these decide what a recovery hands over."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from practise.images.tiny_set import TinySet
from practise.scoring.divergence import divergence

BATCH = 64
"""Images in a forward pass."""


class Referee:
    """Compares networks with the original.

    Args:
        original: the network that all of them should be like, on its device, in evaluation mode.
        images: those on which they are compared.
    """

    def __init__(self, original: nn.Module, images: TinySet) -> None:
        self.images, self.wanted = images, classify(original, images)

    def lost_by(self, network: nn.Module) -> Float[Tensor, " n"]:
        """KL(original ‖ network) of each image's class probabilities, in nats."""
        return divergence(self.wanted, classify(network, self.images))


def is_clearly_less(ours: Float[Tensor, " n"], others: Float[Tensor, " n"]) -> bool:
    """Whether one network loses less than another by more than the standard error of the difference.

    Args:
        ours: what the one loses on each image.
        others: what the other loses on the same images.
    """
    saved = others - ours
    return len(saved) > 1 and (saved.mean() > saved.std() / len(saved) ** 0.5).item()


def classify(network: nn.Module, few: TinySet) -> Float[Tensor, "n classes"]:
    """Logits for the evaluation view of each image."""
    device = next(network.parameters()).device
    with torch.no_grad():
        return torch.cat(
            [
                network(few.centre_views(part.tolist()).to(device, memory_format=torch.channels_last)).float()
                for part in torch.arange(len(few)).split(BATCH)
            ]
        )
