"""Open images: decoded whole, in RGB, checked against their hashes; several at a time, in order.

Decoding is left to Pillow, which works outside Python's lock, so that threads suffice to keep all cores busy.
"""

import hashlib
import io
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from practise.errors import ImageError
from practise.images.idx import is_in_idx, read_from_idx
from practise.images.source import Item
from practise.machine.devices import num_cores
from practise.progress import track

Given = TypeVar("Given")
T = TypeVar("T")
MOST_WORKERS = 16
BITS_PER_SAMPLE = 258
"""TIFF's tag for the number of bits of a value."""


def read_image(root: Path, item: Item, tell: Callable[[], None] = lambda: None) -> Image.Image:
    """Return an image in RGB.

    Args:
        root: What the item's path is relative to.
        item: The image; if it has a hash, the file must still have it.
        tell: Called where it is turned by its EXIF data and not wanted upright.

    Raises:
        ImageError: The file is missing, damaged, no image, or not the one that was hashed.
    """
    image = _decode(root / item.path, _read(root / item.path, item.sha256), item.upright, tell)
    return image.crop(item.box) if item.box else image


def check_unchanged(root: Path, item: Item) -> None:
    """Make sure that an image's file still has its hash; arguments and errors as for `read_image`."""
    _read(root / item.path, item.sha256)


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the image in RGB, where Pillow would clip values that are no bytes to black or white.

    Whole numbers of more than 8 bits keep their upper 8. Those of 12 bits are known in a TIFF file; elsewhere
    they cannot be told from very dark ones of 16. Fractions are of 1, or of 255.

    Raises:
        ImageError: It is not known what the values are fractions of.
    """
    if image.mode != "F" and not image.mode.startswith("I"):
        return image.convert("RGB")
    values = np.asarray(image)
    least, most = values.min(), values.max()
    if image.mode == "F":
        if not 0 <= least <= most <= 255:
            raise ImageError(
                f"its values go from {least:g} to {most:g}, should be from 0 to 1 or from 0 to 255"
            )
        values = (values * (255 if most <= 1 else 1)).round()
    else:
        bits = min(getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))[0], 16)
        if not 0 <= least <= most < 2**bits:
            raise ImageError(f"its values go from {least} to {most}, should be from 0 to {2**bits - 1}")
        if bits == 16 and 0 < most < 2**12:
            raise ImageError(
                f"its values end at {most} of 65535, as those of 12 bits or fewer do, and would be all but "
                "black; write them with 8 bits, or over all 16"
            )
        values = values >> (bits - 8)
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def is_turned(image: Image.Image) -> bool:
    """Whether the EXIF data of a picture say that it lies on a side, on its head or in a mirror."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except Exception:  # damaged EXIF data say nothing
        return False


def tell_turned(count: int, total: int, setting: str) -> None:
    """Say on standard error that images are not taken as a camera meant them, if any are not.

    Args:
        count: How many are turned by their EXIF data.
        total: How many there are.
        setting: What has them turned.
    """
    if count:
        print(
            f"{count} of {total} images are turned by their EXIF data, and taken as they are stored, as timm "
            f"and torchvision do; {setting} turns them",
            file=sys.stderr,
        )


def hash_images(root: Path, items: list[Item], *, decode: bool = True) -> list[Item]:
    """Return the items with the hashes of their files.

    Args:
        root: What the items' paths are relative to.
        items: The images.
        decode: Whether to make sure that every image opens, which takes much longer than hashing it.

    Raises:
        ImageError: A file is missing, or damaged or no image.
    """
    turned: list[str] = []

    def check(item: Item) -> Item:
        content = _read(root / item.path, item.sha256)
        if decode:
            _decode(root / item.path, content, item.upright, lambda: turned.append(item.path))
        return replace(item, sha256=hashlib.sha256(content).hexdigest())

    hashed = list(track(map_in_order(check, items), f"check {len(items)} images", total=len(items)))
    tell_turned(len(turned), len(items), "their source's key upright: true")
    return hashed


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


def _decode(path: Path, content: bytes, upright: bool, tell: Callable[[], None]) -> Image.Image:
    """Decode a picture; `tell` is called where it is turned and not wanted upright."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return open_picture(image, upright, tell)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except Exception as error:  # Pillow's readers raise errors of many kinds
        reason = "its format is not known" if isinstance(error, UnidentifiedImageError) else str(error)
        too_large = isinstance(error, Image.DecompressionBombError)
        found = "is too large" if too_large else "is no image or a damaged one"
        raise ImageError(f"{path}: {found}: {reason}") from error


def open_picture(image: Image.Image, upright: bool, tell: Callable[[], None]) -> Image.Image:
    """Return a picture in RGB; arguments as for `_decode`.

    Raises:
        ImageError: It is damaged, closed, too large or of a kind that has no colours.
    """
    try:
        if is_turned(image):
            if upright:
                return to_rgb(ImageOps.exif_transpose(image))
            tell()
        return to_rgb(image)
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many kinds
        reason = str(error) or "it was closed before it was read"
        raise ImageError(f"is no image or a damaged one: {reason}") from error
