"""What networks lose on images that they were not trained on: these decide what a recovery hands over."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from practise.images.params import Kind
from practise.images.tiny_set import TinySet
from practise.scoring.divergence import divergence

BATCH = 64
"""Images in a forward pass."""
ERRORS: dict[Kind, float] = {"own": 1.0, "foreign": 2.0, "made": 2.0}
"""By how many standard errors a network must lose less than another to be preferred, on images of each kind.

Images of another kind than the network's own say less of these, so that they must say it louder.
"""


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
        return divergence(self.wanted, classify(network, self.images), self.images.multi_label)

    def prefers(self, ours: Float[Tensor, " n"], others: Float[Tensor, " n"]) -> bool:
        """Whether one network clearly loses less than another: beyond the error of the paired difference.

        Args:
            ours: what the one loses on each image.
            others: what the other loses on each.
        """
        saved, errors = others - ours, ERRORS[self.images.kind]
        return len(saved) > 1 and (saved.mean() > errors * saved.std() / len(saved) ** 0.5).item()


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
