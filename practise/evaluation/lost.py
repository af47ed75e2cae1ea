"""What networks without blocks lose, image by image, on disk: tables are made again without a recovery."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from practise.errors import FileError
from practise.files import write_bytes

if TYPE_CHECKING:
    from practise.evaluation.oracle import Lost


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


def write_lost(path: Path, lost: "Sequence[Lost]", right_original: np.ndarray) -> None:
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
        raise FileError(f"{path}: no such file, should be losses that `practise rank` wrote") from error
    except (OSError, SafetensorError, KeyError) as error:
        raise FileError(f"{path}: is damaged, should be losses that `practise rank` wrote") from error
