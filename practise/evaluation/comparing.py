"""Networks held against what the original says to the evaluation images."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from practise.evaluation.accuracy import ask
from practise.evaluation.lost import Lost
from practise.images.loading import Batch
from practise.scoring.divergence import divergence


def compare(
    original: Float[Tensor, "n classes"], ours: Float[Tensor, "n classes"], labels: Int64[Tensor, " n"]
) -> Lost:
    """What a network loses against the original, from what both say to the same images.

    Args:
        original: the original's logits.
        ours: the network's.
        labels: the indices of the images' classes.
    """
    return Lost(divergence(original, ours).float().numpy(), names_right(ours, labels))


def names_right(logits: Float[Tensor, "n classes"], labels: Int64[Tensor, " n"]) -> np.ndarray:
    """Whether a network names the right class of each image."""
    right: np.ndarray = (logits.argmax(1) == labels).numpy()
    return right


class Judge:
    """Holds networks against what the original said to the evaluation images.

    Args:
        theirs: the original's logits.
        labels: the indices of the images' classes.
        batches: gives the images.
        device: where to compute.
    """

    def __init__(
        self,
        theirs: Float[Tensor, "n classes"],
        labels: Int64[Tensor, " n"],
        batches: Callable[[], Iterable[Batch]],
        device: torch.device,
    ) -> None:
        self.theirs, self.labels, self.batches, self.device = theirs, labels, batches, device

    def lost_by(self, network: nn.Module) -> Lost:
        """What a network loses against the original; it is moved to the device.

        Raises:
            NetworkError: a logit is not finite.
        """
        ours, _ = ask(network, self.batches(), self.device)
        return compare(self.theirs, ours, self.labels)
