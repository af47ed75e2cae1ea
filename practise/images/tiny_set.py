"""The tiny training set: the few images that are handed over, and what a network needs to look at them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor

from practise.images.params import Kind, ViewsParams
from practise.images.preprocessing import Preprocessing, resize_shorter_side
from practise.images.reading import map_in_order, read_image
from practise.images.source import Item
from practise.images.views import AS_ON_IMAGENET, centre_views, draw_views

MOST_KEPT = 8192
"""Images in memory, at most: eight GiB of photographs for a network of 224 pixels."""


@dataclass(frozen=True)
class TinySet:
    """A few images, as one network is to see them in one run.

    Attributes:
        images: RGB, any size.
        labels: their classes; methods without labels never look at them.
        preprocessing: the network's.
        seed: decides all that is random in scoring and recovery on these images.
        views: how random views of them are drawn.
        kind: own: like those that the network is for; foreign: of another kind; made: from the network.
            What helps on some images of the last two says little of what helps on its own.
        referee: images of yet another kind, which say it for them; None: nothing does.
        multi_label: whether each class is a yes or no of its own for an image, not one class of several.
    """

    images: Sequence[Image.Image]
    labels: Int64[Tensor, " n"]
    preprocessing: Preprocessing
    seed: int
    views: ViewsParams = AS_ON_IMAGENET
    kind: Kind = "own"
    referee: "TinySet | None" = None
    multi_label: bool = False

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.images)

    def centre_views(self, indices: Sequence[int] | None = None) -> Float[Tensor, "n 3 h w"]:
        """The evaluation view of each image, or of the indexed ones, normalised."""
        indices = range(len(self)) if indices is None else indices
        return centre_views([self.images[index] for index in indices], self.preprocessing)

    def random_views(
        self, indices: Sequence[int], seed: int, smallest: float = 0.08
    ) -> UInt8[Tensor, "n 3 h w"]:
        """A random view of each indexed image; arguments as for `draw_views`."""
        return draw_views(self.images, indices, self.preprocessing, seed, smallest, self.views)


class OnDisk(Sequence[Image.Image]):
    """Images that are read when they are looked at, and not kept.

    Args:
        read: from an item to its image.
        items: the images.
    """

    def __init__(self, read: Callable[[Item], Image.Image], items: Sequence[Item]) -> None:
        self.read, self.items = read, items

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.items)

    def __getitem__(self, index: int) -> Image.Image:  # type: ignore[override]
        """One image."""
        return self.read(self.items[index])


def open_tiny_set(
    root: Path,
    items: Sequence[Item],
    preprocessing: Preprocessing,
    seed: int,
    views: ViewsParams = AS_ON_IMAGENET,
    kind: Kind = "own",
) -> TinySet:
    """Return images in RGB and uncropped, for the caller to augment; very many stay on disk.

    Args:
        root: What the items' paths are relative to.
        items: The images.
        preprocessing: The network's.
        seed: The run's.
        views: How random views of them are drawn.
        kind: What they are to the network.

    Raises:
        ImageError: An image is missing, damaged or has changed.
    """

    def read(item: Item) -> Image.Image:
        return reduce_image(read_image(root, item), preprocessing)

    labels = torch.tensor([item.label for item in items])
    images = list(map_in_order(read, items)) if len(items) <= MOST_KEPT else OnDisk(read, items)
    return TinySet(images, labels, preprocessing, seed, views, kind)


def reduce_image(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Return an image that is much larger than the network needs at twice the evaluation view's resized side.

    5000 photographs then fit into memory.
    """
    most = 2 * preprocessing.resize_size
    return resize_shorter_side(image, most, preprocessing.interpolation) if min(image.size) > most else image
