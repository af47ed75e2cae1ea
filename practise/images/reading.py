"""Open images: decoded whole, in RGB, checked against their hashes; several at a time, in order.

Decoding is left to Pillow, which works outside Python's lock, so that threads suffice to keep all cores busy.
"""

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from practise.errors import ImageError
from practise.images.idx import is_in_idx, read_from_idx
from practise.images.source import Item
from practise.machine.devices import num_cores
from practise.progress import track

Given = TypeVar("Given")
T = TypeVar("T")
MOST_WORKERS = 16


def read_image(root: Path, item: Item) -> Image.Image:
    """Return an image in RGB.

    Args:
        root: What the item's path is relative to.
        item: The image; if it has a hash, the file must still have it.

    Raises:
        ImageError: The file is missing, damaged, no image, or not the one that was hashed.
    """
    image = _decode(root / item.path, _read(root / item.path, item.sha256))
    return image.crop(item.box) if item.box else image


def check_unchanged(root: Path, item: Item) -> None:
    """Make sure that an image's file still has its hash; arguments and errors as for `read_image`."""
    _read(root / item.path, item.sha256)


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB; 16-bit grey keeps its upper 8 bits, where Pillow would clip it to white."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    return image.convert("RGB")


def hash_images(root: Path, items: list[Item], *, decode: bool = True) -> list[Item]:
    """Return the items with the hashes of their files.

    Args:
        root: What the items' paths are relative to.
        items: The images.
        decode: Whether to make sure that every image opens, which takes much longer than hashing it.

    Raises:
        ImageError: A file is missing, or damaged or no image.
    """

    def check(item: Item) -> Item:
        content = _read(root / item.path, item.sha256)
        if decode:
            _decode(root / item.path, content)
        return replace(item, sha256=hashlib.sha256(content).hexdigest())

    return list(track(map_in_order(check, items), f"check {len(items)} images", total=len(items)))


def map_in_order(
    function: Callable[[Given], T], items: Iterable[Given], workers: int | None = None
) -> Iterator[T]:
    """Give `function` of each item in order, computed by threads some way ahead.

    Args:
        function: What to do with an item.
        items: The items; they are taken as the results are asked for.
        workers: Number of threads; None for the number of cores, at most 16.
    """
    count = workers or min(num_cores(), MOST_WORKERS)
    ahead: deque[Future[T]] = deque()
    pool = ThreadPoolExecutor(count)
    try:
        for item in items:
            ahead.append(pool.submit(function, item))
            if len(ahead) > 8 * count:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(path: Path, sha256: str) -> bytes:
    try:
        content = read_from_idx(path) if is_in_idx(path) else path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
    if sha256 and hashlib.sha256(content).hexdigest() != sha256:
        raise ImageError(
            f"{path}: has changed since it was listed; put the old image back or list the images again"
        )
    return content


def _decode(path: Path, content: bytes) -> Image.Image:
    try:
        with Image.open(io.BytesIO(content)) as image:
            return to_rgb(image)
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        reason = "its format is not known" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ImageError(f"{path}: is no image or a damaged one: {reason}") from error
