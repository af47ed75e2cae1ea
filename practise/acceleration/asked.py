"""What is asked for, made sure of before anything is computed: numbers, the view, classes, labels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from practise.acceleration.given import FOLDERS, Given, label_folders
from practise.errors import ImageError, NetworkError, UsageError
from practise.images.preprocessing import Preprocessing
from practise.networks.libraries import IMAGENET_MEAN, IMAGENET_STD, timm_preprocessing
from practise.networks.watching import probe_images


def check_numbers(
    latency_reduction: float,
    batch_size: int,
    steps: int | None,
    max_minutes: float,
    recover_minutes: float | None,
) -> None:
    """Refuse numbers that mean nothing, before anything is computed."""
    if not 0 < latency_reduction < 1:
        raise UsageError(
            f"latency_reduction: is {latency_reduction:g}, should be a share between 0 and 1, such as 0.22"
        )
    if batch_size < 1:
        raise UsageError(f"batch_size: is {batch_size}, should be at least 1")
    if steps is not None and steps < 0:
        raise UsageError(f"steps: is {steps}, should be at least 0")
    for name, minutes in (("max_minutes", max_minutes), ("recover_minutes", recover_minutes)):
        if minutes is not None and not minutes > 0:
            raise UsageError(f"{name}: is {minutes:g}, should be greater than 0")
    if steps is not None and recover_minutes is not None:
        raise UsageError("recover_minutes: bounds the training instead of steps; give one of the two")


def find_view(
    model: nn.Module,
    preprocessing: Preprocessing | None,
    image_size: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> tuple[Preprocessing, str]:
    """How a network wants its images, and where that is known from; arguments as for `accelerate`."""
    known = getattr(model, "pretrained_cfg", None)
    if preprocessing is not None:
        view, source = preprocessing, "as told"
    elif isinstance(known, dict) and {"input_size", "mean", "std"} <= known.keys():
        view, source = timm_preprocessing(known), "as its weights want them"
    else:
        view = Preprocessing(224, IMAGENET_MEAN, IMAGENET_STD, "bilinear", 224 / 256)
        source = "assumed to be as for ImageNet, for the network says nothing"
    given: dict[str, Any] = {
        "image_size": image_size,
        "mean": mean and tuple(mean),
        "std": std and tuple(std),
    }
    given = {key: value for key, value in given.items() if value is not None}
    for key in ("mean", "std"):
        if key in given and len(given[key]) != 3:
            raise UsageError(
                f"{key}: has {len(given[key])} values, should have one for each of three channels"
            )
    if image_size is not None and image_size < 1:
        raise UsageError(f"image_size: is {image_size}, should be at least 1")
    return replace(view, **given), "; ".join([source, *(f"{key} as told" for key in given)])


def count_classes(network: nn.Module, image_size: int) -> int:
    """How many logits a network gives.

    Raises:
        NetworkError: it does not take RGB images of that size, or gives something else.
    """
    kind, wanted = type(network).__name__, f"RGB images of {image_size} × {image_size} pixels"
    try:
        with torch.no_grad():
            logits = network(probe_images(network, image_size))
    except Exception as error:  # whatever somebody's forward raises
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise NetworkError(f"{kind} does not take a batch of {wanted} (image_size): {reason}") from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != 1:
        raise NetworkError(f"{kind} does not give one row of logits for each of the {wanted}")
    return logits.shape[1]


def find_labels(
    labels: Sequence[int] | str | None, images: Given, num_images: int, num_classes: int
) -> Tensor | None:
    """The class of each image; arguments as for `accelerate`.

    Raises:
        ImageError: there are more or fewer labels than images, or one is not a class of the network.
    """
    if labels is None:
        return None
    if isinstance(labels, str):
        if labels != FOLDERS or not isinstance(images, str | Path):
            raise ImageError(
                f"labels: should be a class index for each image, or '{FOLDERS}' for a folder of them"
            )
        labels = label_folders(Path(images), num_classes)
    wrong = [label for label in labels if not 0 <= label < num_classes]
    if len(labels) != num_images or wrong:
        found = f"{len(labels)} labels" if not wrong else f"the label {wrong[0]}"
        raise ImageError(
            f"labels: there is {found} for {num_images} images; should be one below {num_classes} for each"
        )
    return torch.tensor(labels)
