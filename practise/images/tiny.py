"""Open the tiny set that the stage `sample` has drawn."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from practise.images.loading import find_root
from practise.images.manifest import read_sample
from practise.images.reading import map_in_order, read_image
from practise.images.source import Item
from practise.params import Params
from practise.preprocessing import Preprocessing, resize_shorter_side
from practise.tiny_set import TinySet


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
    return open_tiny_set(root, sample.images, preprocessing, seed)


def open_tiny_set(root: Path, items: Sequence[Item], preprocessing: Preprocessing, seed: int) -> TinySet:
    """Return images in RGB and uncropped, for the caller to augment.

    Args:
        root: What the items' paths are relative to.
        items: The images.
        preprocessing: The network's.
        seed: The run's.

    Raises:
        ImageError: An image is missing, damaged or has changed.
    """

    def read(item: Item) -> Image.Image:
        return reduce_image(read_image(root, item), preprocessing)

    labels = torch.tensor([item.label for item in items])
    return TinySet(list(map_in_order(read, items)), labels, preprocessing, seed)


def reduce_image(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    """Return an image that is much larger than the network needs at twice the evaluation view's resized side.

    5000 photographs then fit into memory.
    """
    most = 2 * preprocessing.resize_size
    return resize_shorter_side(image, most, preprocessing.interpolation) if min(image.size) > most else image
