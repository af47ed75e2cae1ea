"""What the original says to the evaluation images, on disk: all networks are compared with it."""

from pathlib import Path

from jaxtyping import Float, Int64
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from practise.errors import FileError
from practise.files import write_bytes


def write_logits(path: Path, logits: Float[Tensor, "n classes"], labels: Int64[Tensor, " n"]) -> None:
    """Write logits and the images' classes as safetensors, atomically.

    Args:
        path: where to.
        logits: fp32.
        labels: the indices of the images' classes.
    """
    write_bytes(path, save({"logits": logits.contiguous(), "labels": labels.contiguous()}))


def read_logits(path: Path) -> tuple[Float[Tensor, "n classes"], Int64[Tensor, " n"]]:
    """Read what `write_logits` wrote.

    Raises:
        FileError: the file is missing or damaged.
    """
    try:
        tensors = load_file(path)
        return tensors["logits"], tensors["labels"]
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file, should be logits that `practise original` wrote") from error
    except (OSError, SafetensorError, KeyError) as error:
        raise FileError(f"{path}: is damaged, should be logits that `practise original` wrote") from error
