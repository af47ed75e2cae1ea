"""Evaluation views that this machine keeps in `.practise/views/`, so that it decodes each image once.

All networks of a grid are evaluated on the same images. What these look like at a network's size is kept as
bytes, as long as all that it follows from is the same: the images, the preprocessing, Pillow, and the code in
this folder. A file that has changed since it was listed is still found out.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from practise.errors import FileError
from practise.files import atomic
from practise.images.preprocessing import Preprocessing
from practise.images.reading import check_unchanged, map_in_order, read_image
from practise.images.source import Item
from practise.machine.code import protocol

FOLDER = Path(".practise", "views")
"""Where this machine's views are kept, in the project's folder and out of git."""
MOST_BYTES = 2 * 2**30
"""Views that take more are decoded again for each network."""

View = UInt8[np.ndarray, "size size 3"]


def decode_views(root: Path, items: list[Item], preprocessing: Preprocessing) -> Iterator[View]:
    """The evaluation view of each image in order; arguments and errors as for `keep_views`."""
    return map_in_order(lambda item: np.asarray(preprocessing.view(read_image(root, item))), items)


def keep_views(root: Path, items: list[Item], preprocessing: Preprocessing) -> Iterator[View]:
    """The evaluation view of each image in order, decoded now or by another network's job.

    Args:
        root: what the items' paths are relative to.
        items: the images; views are kept where all have hashes.
        preprocessing: the network's.

    Raises:
        ImageError: an image is missing, damaged or has changed.
    """
    shape = (len(items), preprocessing.image_size, preprocessing.image_size, 3)
    path = find_path(items, preprocessing)
    if path.is_file() and path.stat().st_size == np.prod(shape):
        kept = np.memmap(path, np.uint8, "r", shape=shape)

        def find(place: int) -> View:
            check_unchanged(root, items[place])
            return kept[place]

        return map_in_order(find, range(len(items)))
    views = decode_views(root, items, preprocessing)
    if np.prod(shape) > MOST_BYTES or not all(item.sha256 for item in items):
        return views
    return write_on_the_way(views, path, len(items))


def find_path(items: list[Item], preprocessing: Preprocessing) -> Path:
    """Where the views of images are kept."""
    images = [[item.sha256, item.box, item.upright] for item in items]
    described = [protocol(Path(__file__).parent), version("pillow"), asdict(preprocessing), images]
    return FOLDER / f"{hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]}.bin"


def write_on_the_way(views: Iterator[View], path: Path, count: int) -> Iterator[View]:
    """Give so many views, and leave them in a file if it can be written."""
    view = None
    try:
        with atomic(path) as temporary, temporary.open("wb") as file:
            for place, view in enumerate(views, 1):  # noqa: B007 - given below, too
                file.write(view.tobytes())
                if place < count:  # who asks for so many may not ask whether there are more
                    yield view
    except FileError:
        pass
    if view is not None:
        yield view
    yield from views
