"""Accuracy: how many evaluation images a network names right, in percent."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from practise.errors import ImageError, NetworkError
from practise.images.loading import Batch
from practise.networks.copies import lay_out_
from practise.networks.watching import at_rest

TOP5_FROM = 6
"""The number of classes from which on it says something that the right one is among the first five."""


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of a network.

    Attributes:
        top1: Images whose class got the highest logit, in percent.
        top5: Images whose class got one of the five highest logits, in percent; None below six classes.
        num_images: How many images were looked at.
    """

    top1: float
    top5: float | None
    num_images: int


def evaluate_accuracy(network: nn.Module, batches: Iterable[Batch], device: torch.device) -> Accuracy:
    """The accuracy of a network, in the number format of its weights.

    Args, errors: as for `ask`.
    """
    return score_logits(*ask(network, batches, device))


def score_logits(logits: Float[Tensor, "n classes"], labels: Int64[Tensor, " n"]) -> Accuracy:
    """The accuracy of what a network said to images.

    Args:
        logits: finite.
        labels: the indices of the images' classes.
    """
    num_classes = logits.shape[1]
    ranked = logits.topk(min(5, num_classes)).indices == labels[:, None]
    top1, top5 = (100 * int(right.sum()) / len(labels) for right in (ranked[:, 0], ranked))
    return Accuracy(top1, top5 if num_classes >= TOP5_FROM else None, len(labels))


def ask(
    network: nn.Module, batches: Iterable[Batch], device: torch.device
) -> tuple[Float[Tensor, "n classes"], Int64[Tensor, " n"]]:
    """A network's logits for images, fp32 in the CPU's memory, and the images' classes.

    Each image counts once, also in a last batch that is smaller than the others. The network is moved to the
    device and laid out channels-last, which is faster and changes no shape; it is left in evaluation mode.

    Args:
        network: maps images to logits.
        batches: normalised images and the indices of their classes; they are gone through once.
        device: where to compute.

    Raises:
        NetworkError: a logit is not finite, so that no class is the first.
        ImageError: there are no images.
    """
    at_rest(lay_out_(network, device))
    said: list[Tensor] = []
    classes: list[Tensor] = []
    with torch.inference_mode():
        for images, labels in batches:
            logits = network(images.to(device).contiguous(memory_format=torch.channels_last)).float().cpu()
            if not logits.isfinite().all():
                raise NetworkError(
                    f"{type(network).__name__} gives logits that are not finite; its weights are damaged or "
                    "its recovery diverged (recover.lr)"
                )
            said.append(logits)
            classes.append(labels)
    if not said:
        raise ImageError("there are no images to measure accuracy on")
    return torch.cat(said), torch.cat(classes)


def check_classes(network: tuple[str, ...], images: tuple[str, ...], where: str) -> None:
    """Make sure that a network's logits and the images' labels mean the same classes.

    A network known only by the number of its classes, whose names are 0, 1, …, fits any images of as many
    classes.

    Args:
        network: The network's class names in index order.
        images: The images' class names in index order.
        where: What brings the two together, for messages.

    Raises:
        NetworkError: The classes differ.
    """
    if len(network) != len(images):
        raise NetworkError(f"{where}: the network has {len(network)} classes, the images have {len(images)}")
    numbered = network == tuple(str(index) for index in range(len(network)))
    different = [(ours, theirs) for ours, theirs in zip(network, images, strict=True) if ours != theirs]
    if different and not numbered:
        ours, theirs = different[0]
        raise NetworkError(
            f"{where}: the network's classes are not those of the images; the first that differ are "
            f"'{ours}' and '{theirs}'"
        )
