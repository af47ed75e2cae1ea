"""What networks lose against the original, image by image, and on disk: tables need no recovery."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from practise.errors import FileError
from practise.files import write_bytes


@dataclass(frozen=True)
class Lost:
    """What a network loses against the original, image by image.

    Attributes:
        kl: KL(original ‖ network) of the class probabilities in nats, one for each image, fp32.
        right: whether the network names the right class.
    """

    kl: np.ndarray
    right: np.ndarray

    def describe(self, right_original: np.ndarray) -> dict[str, Any]:
        """The means over the images with their standard errors, top-1 in points.

        Args:
            right_original: whether the original names the right class: the error of the difference is paired.
        """
        drop = 100 * (right_original.astype(float) - self.right)
        return {
            "kl": float(self.kl.mean(dtype="float64")),
            "kl_standard_error": standard_error(self.kl),
            "top1_lost": float(drop.mean()),
            "top1_lost_standard_error": standard_error(drop),
        }


def standard_error(values: np.ndarray) -> float | None:
    """That of a mean; None for a single value."""
    if len(values) < 2:
        return None
    return float(values.std(ddof=1, dtype="float64") / len(values) ** 0.5)


@dataclass(frozen=True)
class Losses:
    """What the networks without each of several sets of blocks lose, image by image.

    Attributes:
        kl: KL(original ‖ network) in nats, fp32 [sets, images].
        right: whether the network names the right class, [sets, images].
        right_original: whether the original does, [images].
    """

    kl: np.ndarray
    right: np.ndarray
    right_original: np.ndarray


def write_lost(path: Path, lost: Sequence[Lost], right_original: np.ndarray) -> None:
    """Write the losses of sets, in their order, as safetensors, atomically.

    Args:
        path: where to.
        lost: one for each set.
        right_original: whether the original names the right class, one for each image.
    """
    tensors: dict[str, np.ndarray] = {
        "kl": np.stack([one.kl for one in lost]).astype(np.float32),
        "right": np.stack([one.right for one in lost]).astype(np.uint8),
        "right_original": right_original.astype(np.uint8),
    }
    write_bytes(path, save(tensors))


def read_lost(path: Path) -> Losses:
    """Read what `write_lost` wrote.

    Raises:
        FileError: the file is missing or damaged.
    """
    try:
        tensors = load_file(path)
        return Losses(tensors["kl"], tensors["right"] > 0, tensors["right_original"] > 0)
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file, should be losses that a stage wrote") from error
    except (OSError, SafetensorError, KeyError) as error:
        raise FileError(f"{path}: is damaged, should be losses that a stage wrote") from error
