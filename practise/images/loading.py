"""Images as a network sees them: small sets whole, large ones batch by batch while threads read ahead."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from practise.images.kept import decode_views, keep_views
from practise.images.preprocessing import Preprocessing, to_tensor
from practise.images.source import Item
from practise.progress import track

Batch = tuple[Float[Tensor, "n 3 h w"], Int64[Tensor, " n"]]
"""Normalised images and the indices of their classes."""


def load_images(root: Path, items: list[Item], preprocessing: Preprocessing) -> Float[Tensor, "n 3 h w"]:
    """Return the evaluation view of images, normalised, all in memory.

    Args:
        root: What the items' paths are relative to.
        items: The images; those with hashes are checked against them.
        preprocessing: The network's.

    Raises:
        ImageError: An image is missing, damaged or has changed.
    """
    return preprocessing.normalise(to_tensor(list(decode_views(root, items, preprocessing))))


def stream_batches(
    root: Path,
    items: list[Item],
    preprocessing: Preprocessing,
    batch_size: int,
    description: str = "",
    *,
    keep: bool = False,
) -> Iterator[Batch]:
    """Give the evaluation view of images in batches, in order, with little in memory at any time.

    Args:
        root: What the items' paths are relative to.
        items: The images; those with hashes are checked against them.
        preprocessing: The network's.
        batch_size: Images in a batch; the last one may have fewer.
        description: What progress is told of; nothing is told when empty.
        keep: Whether other jobs will look at the same images, so that what is decoded is kept.

    Raises:
        ImageError: An image is missing, damaged or has changed.
    """
    views = (keep_views if keep else decode_views)(root, items, preprocessing)
    starts = range(0, len(items), batch_size)
    for start in track(starts, description) if description else starts:
        images = preprocessing.normalise(to_tensor(list(islice(views, batch_size))))
        yield images, torch.tensor([item.label for item in items[start : start + batch_size]])
