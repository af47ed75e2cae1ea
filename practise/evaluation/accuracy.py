"""Accuracy: how many evaluation images a network names right, in percent."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from practise.errors import ImageError, NetworkError

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


def evaluate_accuracy(
    network: nn.Module,
    batches: Iterable[tuple[Float[Tensor, "n 3 h w"], Int64[Tensor, " n"]]],
    device: torch.device,
) -> Accuracy:
    """Return the accuracy of a network, in the number format of its weights.

    Each image counts once, also in a last batch that is smaller than the others. The network is moved to the
    device and laid out channels-last, which is faster and changes no shape; it is left in evaluation mode.

    Args:
        network: Maps images to logits.
        batches: Normalised images and the indices of their classes; they are gone through once.
        device: Where to compute.

    Raises:
        NetworkError: A logit is not a number, so that no class is the first.
        ImageError: There are no images.
    """
    first = five = num_images = num_classes = 0
    for logits, labels in stream_logits(network, batches, device):
        if not torch.isfinite(logits).all():
            raise NetworkError(
                f"{type(network).__name__} gives logits that are not finite; its weights are damaged"
            )
        num_classes = logits.shape[1]
        ranked = logits.topk(min(5, num_classes)).indices == labels[:, None]
        first += int(ranked[:, 0].sum())
        five += int(ranked.sum())
        num_images += len(labels)
    if num_images == 0:
        raise ImageError("there are no images to measure accuracy on")
    top5 = 100 * five / num_images if num_classes >= TOP5_FROM else None
    return Accuracy(100 * first / num_images, top5, num_images)


def stream_logits(
    network: nn.Module,
    batches: Iterable[tuple[Float[Tensor, "n 3 h w"], Int64[Tensor, " n"]]],
    device: torch.device,
) -> Iterator[tuple[Float[Tensor, "n classes"], Int64[Tensor, " n"]]]:
    """Give a network's logits, fp32 in the CPU's memory, and the classes of each batch.

    Args: as for `evaluate_accuracy`, which says what becomes of the network.
    """
    network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    ask = torch.inference_mode()(network)
    for images, labels in batches:
        yield ask(images.to(device).contiguous(memory_format=torch.channels_last)).float().cpu(), labels


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
