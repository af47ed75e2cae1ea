"""What is asked for, made sure of before anything is computed: numbers, the view, classes, labels."""

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from practise.acceleration.given import FOLDERS, Given, label_folders
from practise.errors import ImageError, NetworkError, UsageError, reason_of
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
    check_number("latency_reduction", latency_reduction)
    if not 0 < latency_reduction < 1:
        raise UsageError(
            f"latency_reduction: is {latency_reduction:g}, should be a share between 0 and 1, such as 0.22"
        )
    check_count("batch_size", batch_size, 1)
    if steps is not None:
        check_count("steps", steps, 0)
    for name, minutes in (("max_minutes", max_minutes), ("recover_minutes", recover_minutes)):
        if minutes is not None:
            check_number(name, minutes)
            if not minutes > 0:
                raise UsageError(f"{name}: is {minutes:g}, should be greater than 0")
    if steps is not None and recover_minutes is not None:
        raise UsageError("recover_minutes: bounds the training instead of steps; give one of the two")


def check_number(name: str, value: object) -> None:
    """Refuse what is no number; numpy's are."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise UsageError(f"{name}: is {value!r}, should be a number")


def check_count(name: str, value: object, least: int) -> None:
    """Refuse what is no whole number of at least so much; numpy's are whole numbers."""
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise UsageError(f"{name}: is {value!r}, should be a whole number")
    if int(value) < least:
        raise UsageError(f"{name}: is {value}, should be at least {least}")


def find_view(
    model: nn.Module,
    preprocessing: Preprocessing | None,
    image_size: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> tuple[Preprocessing, str]:
    """How a network wants its images, and where that is known from; arguments as for `accelerate`.

    Raises:
        UsageError: what is told is no size or no normalisation.
        NetworkError: its weights want a view that there is none of here.
    """
    if image_size is not None:
        check_count("image_size", image_size, 1)
    known = getattr(model, "pretrained_cfg", None)
    if preprocessing is not None:
        view, source = preprocessing, "as told"
    elif isinstance(known, dict) and {"input_size", "mean", "std"} <= known.keys():
        view, source = timm_preprocessing(known, image_size), "as its weights want them"
    else:
        view = Preprocessing(224, IMAGENET_MEAN, IMAGENET_STD, "bilinear", 224 / 256)
        source = "assumed to be as for ImageNet, for the network says nothing"
    given: dict[str, Any] = {} if image_size is None else {"image_size": int(image_size)}
    given |= {
        key: read_channels(key, told) for key, told in (("mean", mean), ("std", std)) if told is not None
    }
    return replace(view, **given), "; ".join([source, *(f"{key} as told" for key in given)])


def read_channels(name: str, values: object) -> tuple[float, float, float]:
    """The mean or the standard deviation of three channels, as somebody tells them."""
    told = values.tolist() if isinstance(values, Tensor | np.ndarray) else values
    if not isinstance(told, Sequence) or isinstance(told, str):
        raise UsageError(f"{name}: is {values!r}, should be three numbers, one for each channel")
    if len(told) != 3:
        raise UsageError(f"{name}: has {len(told)} values, should have one for each of three channels")
    for value in told:
        check_number(name, value)
        least = value >= 0 if name == "mean" else value > 0
        if not (least and value <= 1):
            scale = "; divide by 255 what is of bytes" if 1 < value <= 255 else ""
            between = "from 0" if name == "mean" else "above 0"
            raise UsageError(
                f"{name}: holds {value:g}, should be numbers {between} to 1, of pixels from 0 to 1{scale}"
            )
    red, green, blue = (float(value) for value in told)
    return red, green, blue


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
        reason = reason_of(error)
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
        labels = label_folders(Path(images).expanduser(), num_classes)
    told = np.asarray(labels.cpu() if isinstance(labels, Tensor) else labels)
    if told.ndim != 1 or not (np.issubdtype(told.dtype, np.integer) or len(told) == 0):
        raise ImageError(
            f"labels: should be one whole number for each image, not of shape {told.shape}, {told.dtype}"
        )
    wrong = [label for label in told.tolist() if not 0 <= label < num_classes]
    if len(told) != num_images or wrong:
        found = f"{len(told)} labels" if not wrong else f"the label {wrong[0]}"
        raise ImageError(
            f"labels: there is {found} for {num_images} images; should be one below {num_classes} for each"
        )
    return torch.from_numpy(told.astype(np.int64))
