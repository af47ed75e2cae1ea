"""Images as a network sees them: small sets whole, large ones batch by batch while threads read ahead."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from practise.errors import ImageError, unknown
from practise.images import open_source
from practise.images.manifest import read_listing
from practise.images.reading import map_in_order, read_image
from practise.images.source import Item
from practise.params import Params
from practise.preprocessing import Preprocessing, to_tensor
from practise.progress import track

Batch = tuple[Float[Tensor, "n 3 h w"], Int64[Tensor, " n"]]
"""Normalised images and the indices of their classes."""

MOST_MIB = 2048
"""Evaluation images that take more memory than this are decoded again for each network."""


def load_images(root: Path, items: list[Item], preprocessing: Preprocessing) -> Float[Tensor, "n 3 h w"]:
    """Return the evaluation view of images, normalised, all in memory.

    Args:
        root: What the items' paths are relative to.
        items: The images; those with hashes are checked against them.
        preprocessing: The network's.

    Raises:
        ImageError: An image is missing, damaged or has changed.
    """
    views = list(map_in_order(lambda item: preprocessing.view(read_image(root, item)), items))
    return preprocessing.normalise(to_tensor(views))


def stream_batches(
    root: Path, items: list[Item], preprocessing: Preprocessing, batch_size: int, description: str = ""
) -> Iterator[Batch]:
    """Give the evaluation view of images in batches, in order, with little in memory at any time.

    Args:
        root: What the items' paths are relative to.
        items: The images; those with hashes are checked against them.
        preprocessing: The network's.
        batch_size: Images in a batch; the last one may have fewer.
        description: What progress is told of; nothing is told when empty.

    Raises:
        ImageError: An image is missing, damaged or has changed.
    """
    views = map_in_order(lambda item: preprocessing.view(read_image(root, item)), items)
    starts = range(0, len(items), batch_size)
    for start in track(starts, description) if description else starts:
        images = preprocessing.normalise(to_tensor(list(islice(views, batch_size))))
        yield images, torch.tensor([item.label for item in items[start : start + batch_size]])


def stream_evaluation(params: Params, listing: Path, preprocessing: Preprocessing) -> Iterator[Batch]:
    """Give the evaluation images of a listing in batches of `params.evaluate.batch_size`, telling progress.

    Args:
        params: The params; they say where the listing's source lies.
        listing: What the stage `images` wrote.
        preprocessing: The network's.
    """
    listed = read_listing(listing)
    root = find_root(params, listed.source, listing)
    size = params.evaluate.batch_size
    return stream_batches(root, listed.evaluation, preprocessing, size, f"evaluate on {listed.source}")


class EvaluationImages:
    """The evaluation images of a listing, for several networks: decoded once where memory allows it.

    Args:
        params: as for `stream_evaluation`.
        listing: as for `stream_evaluation`.
        preprocessing: the networks'.
    """

    def __init__(self, params: Params, listing: Path, preprocessing: Preprocessing) -> None:
        self.stream = partial(stream_evaluation, params, listing, preprocessing)
        self.count = len(read_listing(listing).evaluation)
        self.kept: list[Batch] | None = None
        mib = self.count * 3 * preprocessing.image_size**2 * 4 / 2**20
        self.fits = mib <= MOST_MIB

    def __len__(self) -> int:
        return self.count

    def batches(self) -> Iterable[Batch]:
        """The images in batches, from the first to the last."""
        if not self.fits:
            return self.stream()
        if self.kept is None:
            self.kept = list(self.stream())
        return self.kept


def find_root(params: Params, source: str, manifest: Path) -> Path:
    """What the paths of a manifest or listing are relative to.

    Raises:
        ImageError: the params have no such source, or it is missing.
    """
    if source not in params.images:
        raise ImageError(f"{manifest}: {unknown('images', source, params.images)}")
    return open_source(source, params.images[source], params.profile.file, params.data).root
