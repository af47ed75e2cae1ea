"""What several stages open: images that a manifest or listing names, where the params file says they lie."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from practise.errors import ImageError, unknown
from practise.images import open_source
from practise.images.loading import Batch, stream_batches
from practise.images.manifest import read_listing, read_sample
from practise.images.preprocessing import Preprocessing
from practise.images.source import Item
from practise.images.tiny_set import TinySet, open_tiny_set
from practise.settings.params import Params

MOST_MIB = 2048
"""Evaluation images that take more memory than this are decoded again for each network."""


def load_tiny_set(params: Params, manifest: Path, preprocessing: Preprocessing, seed: int) -> TinySet:
    """Return the images that are handed over, as `open_tiny_set` does.

    Args:
        params: The params; they say where the manifest's source lies.
        manifest: What the stage `sample` wrote.
        preprocessing: The network's.
        seed: The run's.

    Raises:
        ImageError: An image is missing, damaged or has changed.
        FileError: The manifest is missing, damaged or something else.
    """
    sample = read_sample(manifest)
    root = find_root(params, sample.source, manifest)
    return open_tiny_set(root, sample.images, preprocessing, seed, params.images[sample.source].views)


def stream_evaluation(
    params: Params, listing: Path, preprocessing: Preprocessing, most: int | None = None
) -> Iterator[Batch]:
    """Give the evaluation images of a listing in batches of `params.evaluate.batch_size`, telling progress.

    Args:
        params: The params; they say where the listing's source lies.
        listing: What the stage `images` wrote.
        preprocessing: The network's.
        most: How many images, at most, spread evenly over the listing; None: all.
    """
    listed = read_listing(listing)
    root = find_root(params, listed.source, listing)
    size, items = params.evaluate.batch_size, spread(listed.evaluation, most)
    description = f"evaluate on {listed.source}"
    return stream_batches(root, items, preprocessing, size, description, keep=True)


def spread(items: Sequence[Item], most: int | None) -> list[Item]:
    """So many of the items, at most, at even distances; a listing is in order of classes.

    >>> spread("abcdef", 3), spread("ab", 3)
    (['a', 'c', 'e'], ['a', 'b'])
    """
    count = len(items) if most is None else min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


class EvaluationImages:
    """The evaluation images of a listing, for several networks: decoded once where memory allows it.

    Args:
        params: as for `stream_evaluation`.
        listing: as for `stream_evaluation`.
        preprocessing: the networks'.
        most: how many images are looked at, at most, spread evenly over the listing; None: all.
    """

    def __init__(
        self, params: Params, listing: Path, preprocessing: Preprocessing, most: int | None = None
    ) -> None:
        self.stream = partial(stream_evaluation, params, listing, preprocessing, most)
        self.count = len(spread(read_listing(listing).evaluation, most))
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
    return open_source(source, params.images[source], params.study.file, params.data).root
