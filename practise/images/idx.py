"""IDX: the format of MNIST and its successors, such as Fashion-MNIST: all images of a split in one file.

A folder holds four files, each gzipped or not: grey images and labels for training (`train-…`) and for
evaluation (`t10k-…`). An image goes by its file and its index, `train-images-idx3-ubyte/17`, whether the file
is gzipped or not. What is decoded and hashed is the image as a PGM file, so that all that is known of images
in files of their own holds for these, too. A file is decoded once in a process.
"""

import gzip
import math
import struct
import threading
import zlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from practise.errors import ImageError
from practise.images.folder import read_classes
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.source import Item, Source, Split

PREFIXES: dict[Split, str] = {"train": "train", "evaluation": "t10k"}
IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
EXPECTED = (
    f"a folder with train-{IMAGES}, train-{LABELS}, t10k-{IMAGES} and t10k-{LABELS}, each gzipped "
    "(.gz) or not"
)
MAGIC = {1: 0x0801, 3: 0x0803}
"""What a file of unsigned bytes begins with, by the number of its dimensions."""
DECODING = threading.Lock()
"""Threads that want the same file wait for the one that decodes it."""


class IdxFile(NamedTuple):
    """An IDX file of unsigned bytes.

    Attributes:
        shape: The number of images or labels; of images also their rows and columns.
        values: One byte for each pixel or label.
    """

    shape: tuple[int, ...]
    values: bytes


def open_idx(name: str, spec: ImagesParams, where: str, data: DataParams = HERE) -> Source:
    """Return the images of two pairs of IDX files.

    Args:
        name: The source's name in the params file.
        spec: Its entry there.
        where: The place of the entry, for messages.
        data: Where relative paths start from.

    Raises:
        ImageError: The folder or a file is missing or damaged, or the class list is not as it should be.
    """
    folder = data.find(spec.folder or "")
    if spec.folder is None or not folder.is_dir():
        found = "is missing" if spec.folder is None else f"no folder '{folder}'"
        raise ImageError(f"{where}.folder: {found}; set it to {EXPECTED}{data.advice(spec.folder or '')}")
    for prefix in PREFIXES.values():
        for file in (f"{prefix}-{IMAGES}", f"{prefix}-{LABELS}"):
            if not _find(folder / file).is_file():
                raise ImageError(f"{where}.folder: '{folder}' has no file '{file}'; set it to {EXPECTED}")
    most = max(max(read_labels(folder, split), default=0) for split in PREFIXES)
    if spec.class_list is None:
        classes = tuple(str(index) for index in range(most + 1))
    else:
        classes = read_classes(spec.class_list, f"{where}.class_list", data)
    if most >= len(classes):
        raise ImageError(
            f"{where}.class_list: '{spec.class_list}' names {len(classes)} classes, but there is a label "
            f"{most}"
        )

    def scan(split: Split) -> list[Item]:
        return list_idx(folder, split, f"{where}.folder")

    return Source(name, folder, classes, (), scan)


def list_idx(folder: Path, split: Split, where: str) -> list[Item]:
    """Return a split's images in the order of its file.

    Args:
        folder: It holds the files.
        split: Which pair of files.
        where: The key's place in the params file, for messages.

    Raises:
        ImageError: A file is damaged, or has no images, or there are more or fewer labels than images.
    """
    file = f"{PREFIXES[split]}-{IMAGES}"
    labels, count = read_labels(folder, split), read_idx(folder / file, 3).shape[0]
    if count != len(labels):
        raise ImageError(f"{where}: '{folder}' has {count} images in '{file}', but {len(labels)} labels")
    if not labels:
        raise ImageError(f"{where}: '{folder}' has no images in '{file}'")
    return [Item(f"{file}/{index}", label) for index, label in enumerate(labels)]


def read_labels(folder: Path, split: Split) -> bytes:
    """Return the labels of a split, one byte each."""
    return read_idx(folder / f"{PREFIXES[split]}-{LABELS}", 1).values


def is_in_idx(path: Path) -> bool:
    """Whether a path leads to an image inside an IDX file, as `folder/train-images-idx3-ubyte/17` does."""
    return path.parent.name.endswith(IMAGES)


def read_from_idx(path: Path) -> bytes:
    """Return an image inside an IDX file, as a PGM file.

    Args:
        path: The IDX file and, after a slash, the index of the image.

    Raises:
        ImageError: The file is missing or damaged, or has no such image.
    """
    (count, rows, columns), values = read_idx(path.parent, 3)
    if not path.name.isdecimal() or int(path.name) >= count:
        raise ImageError(f"{path.parent}: has {count} images, but no image {path.name}")
    start = int(path.name) * rows * columns
    return b"P5 %d %d 255\n" % (columns, rows) + values[start : start + rows * columns]


def read_idx(path: Path, dimensions: int) -> IdxFile:
    """Return a file's content, decoded once as long as the file stays as it is.

    Args:
        path: The file, without the `.gz` that it may have.
        dimensions: 3 for images, 1 for labels.

    Raises:
        ImageError: The file is missing, truncated or of another kind.
    """
    found = _find(path)
    try:
        seen = found.stat()
    except OSError as error:
        raise ImageError(f"{found}: cannot be read: {error.strerror}") from error
    with DECODING:
        return _decode(found, dimensions, seen.st_size, seen.st_mtime_ns)


@lru_cache(maxsize=4)
def _decode(path: Path, dimensions: int, size: int, modified: int) -> IdxFile:
    try:
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ImageError(f"{path}: is truncated or no gzip file") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {error.strerror}") from error
    header = 4 * (1 + dimensions)
    if len(content) < header:
        raise ImageError(
            f"{path}: is truncated: it has {len(content)} bytes, fewer than its header of {header}"
        )
    magic, *shape = struct.unpack_from(f">{1 + dimensions}I", content)
    if magic != MAGIC[dimensions]:
        kind = "images" if dimensions == 3 else "labels"
        raise ImageError(
            f"{path}: begins with {magic:#06x}, should begin with {MAGIC[dimensions]:#06x} as IDX files of "
            f"{kind} do"
        )
    wanted = header + math.prod(shape)
    if len(content) != wanted:
        state = "is truncated" if len(content) < wanted else "is damaged"
        said = " × ".join(map(str, shape))
        raise ImageError(
            f"{path}: {state}: it has {len(content)} bytes, should have {wanted} for {said} values"
        )
    return IdxFile(tuple(shape), content[header:])


def _find(path: Path) -> Path:
    """Return the file, or its gzipped form where that is what there is."""
    zipped = path.with_name(f"{path.name}.gz")
    return zipped if zipped.is_file() and not path.is_file() else path
