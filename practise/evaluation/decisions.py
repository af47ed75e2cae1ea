"""What a network decides on an image: a class, yes or no, or a set of labels; how far two networks agree."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from practise.errors import ImageError

Decisions = Int64[Tensor, " n"] | Bool[Tensor, "n labels"]


def decide(logits: Float[Tensor, "n classes"], multi_label: bool = False) -> Decisions:
    """What a network decides on each image.

    Args:
        logits: its logits.
        multi_label: whether each class is a yes or no of its own (a sigmoid each); otherwise one class holds.

    Returns:
        The class of the highest logit; of a single logit, whether it is above 0 (a sigmoid above a half), as
        1 or 0; for several labels, whether each is.

    >>> decide(torch.tensor([[-1.0], [2.0]])), decide(torch.tensor([[-1.0, -2.0]]))
    (tensor([0, 1]), tensor([0]))
    """
    if multi_label:
        return logits > 0
    return logits.argmax(1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()


def share(ours: Decisions, theirs: Decisions) -> float:
    """The share of decisions that are the same: of images, or of each label on each image."""
    return (ours == theirs).double().mean().item()


def read_label_sets(
    labels: Sequence[Sequence[int]], num_images: int, num_labels: int
) -> Bool[Tensor, "n labels"]:
    """Which labels each image has.

    Args:
        labels: for each image a row with a 0 or 1 for each label.
        num_images: how many there are.
        num_labels: how many logits the network gives.

    Raises:
        ImageError: they are something else.
    """
    wanted = f"should be a 0 or 1 for each of {num_images} images and {num_labels} labels"
    try:
        told = torch.as_tensor(labels)
    except (TypeError, ValueError) as error:
        raise ImageError(f"labels: is no table of numbers, {wanted}") from error
    if tuple(told.shape) != (num_images, num_labels):
        raise ImageError(f"labels: has the shape {tuple(told.shape)}, {wanted}")
    if not ((told == 0) | (told == 1)).all():
        raise ImageError(f"labels: holds other values than 0 and 1, {wanted}")
    return told.bool()
