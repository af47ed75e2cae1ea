"""Where weights lie that a params file names; nothing of it needs torch."""

from pathlib import Path

from practise.errors import CheckpointError
from practise.images.params import HERE, DataParams


def find_checkpoint(weights: str, place: str, data: DataParams = HERE) -> tuple[Path, str]:
    """Return the file that a path of weights leads to, and which of its sets is meant.

    Args:
        weights: The path; after a #, the key of one of several sets of weights in the file.
        place: The key's place in the params file, for messages.
        data: Where relative paths start from.

    Raises:
        CheckpointError: There is no such file.
    """
    path, (bare, _, chosen) = data.find(weights), weights.partition("#")
    if chosen and not path.exists():
        path = data.find(bare)
    else:
        bare, chosen = weights, ""
    if not path.is_file():
        raise CheckpointError(
            f"{place}: no such file '{path}', should be own, package:NAME or the path of a "
            f".safetensors file or state dict{data.advice(bare)}"
        )
    return path, chosen
