"""Images as somebody hands them over: a folder of any shape, or a sequence of pictures and paths."""

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from practise.errors import ImageError
from practise.images.folder import (
    class_folders,
    imagenet_classes,
    list_images,
    say_left_out,
    tell_left_out,
    walk_images,
)
from practise.images.preprocessing import Preprocessing
from practise.images.reading import map_in_order, open_picture, read_image, tell_turned
from practise.images.source import Item
from practise.images.tiny_set import reduce_image

Picture = str | Path | Image.Image | NDArray[np.uint8]
Given = str | Path | Iterable[Picture]
"""A folder; or pictures and paths of image files; a picture may be an array [y, x, 3] of bytes."""
FOLDERS = "folders"
"""The labels that the names of class folders are."""


def open_given(given: Given, preprocessing: Preprocessing, upright: bool = False) -> list[Image.Image]:
    """Return the images in RGB, in the order of their paths or as they were given.

    Args:
        given: A folder, below which every image file counts, or the images themselves.
        preprocessing: The network's; images much larger than it needs are reduced.
        upright: Whether the images are turned as their EXIF data say.

    Raises:
        ImageError: There is no such folder, no image, or one that is missing or damaged.
    """
    if isinstance(given, str | Path):
        folder, left_out = find_folder(given), Counter[str]()
        pictures: list[Picture] = [folder / path for path in walk_images(folder, folder, left_out)]
        if not pictures:
            raise ImageError(
                f"'{folder}' has no images{tell_left_out(left_out)}, should hold some in it or below it"
            )
        say_left_out(folder, left_out)
    elif isinstance(given, Iterable) and not isinstance(given, Mapping | bytes):
        pictures = sorted(given, key=str) if isinstance(given, Set) else list(given)
    else:
        raise ImageError(
            f"images: is of type {type(given).__name__}, should be a folder, or a list of pictures and paths"
        )
    if not pictures:
        raise ImageError("no images were given; a few dozen like those that the network will see are enough")
    turned: list[int] = []

    def read(index: int) -> Image.Image:
        picture = pictures[index]
        if isinstance(picture, str | Path):
            item = Item(str(Path(picture).expanduser()), 0, upright=upright)
            image = read_image(Path(), item, lambda: turned.append(index))
        else:
            try:
                image = open_picture(as_picture(picture), upright, lambda: turned.append(index))
            except ImageError as error:
                raise ImageError(f"images[{index}]: {error}") from error
        return reduce_image(image, preprocessing)

    handed = {index: read(index) for index, one in enumerate(pictures) if not isinstance(one, str | Path)}
    images = list(map_in_order(lambda index: handed.get(index) or read(index), range(len(pictures))))
    tell_turned(len(turned), len(images), "upright")
    return images


def as_picture(picture: object) -> Image.Image:
    """Return a picture as Pillow's.

    Raises:
        ImageError: It is none.
    """
    if isinstance(picture, Image.Image):
        return picture
    if isinstance(picture, np.ndarray):
        if picture.dtype == np.uint8 and (picture.ndim == 2 or picture.shape[2:] in ((3,), (4,))):
            return Image.fromarray(picture)
        raise ImageError(
            f"is an array of {picture.dtype} of shape {picture.shape}, should be of uint8 and shape (y, x, 3)"
        )
    hint = (
        "; torchvision.transforms.v2.functional.to_pil_image makes one of it"
        if isinstance(picture, Tensor)
        else ""
    )
    raise ImageError(f"is of type {type(picture).__name__}, should be a picture of Pillow's or a path{hint}")


def label_folders(folder: Path, num_classes: int) -> list[int]:
    """Return the class of each image that `open_given` finds below a folder of class folders, in its order.

    The class folders stand for the network's classes in alphabetical order; those of 1000 classes are known
    by ImageNet's names, of which some may be missing.

    Args:
        folder: It has a sub-folder for each class.
        num_classes: How many the network has.

    Raises:
        ImageError: There are more or fewer folders than classes, or images outside them.
    """
    names = class_folders(find_folder(folder))
    classes = imagenet_classes() if num_classes == 1000 else tuple(names)
    if len(classes) != num_classes:
        raise ImageError(
            f"'{folder}' has {len(names)} folders, the network has {num_classes} classes; labelled images "
            "lie in one folder for each class, in the alphabetical order of the classes"
        )
    labels = {item.path: item.label for item in list_images(folder, folder, classes, "labelled images")}
    outside = [path for path in walk_images(folder, folder) if path not in labels]
    if outside:
        raise ImageError(f"'{folder / outside[0]}' lies in no class folder; labelled images should")
    return [labels[path] for path in sorted(labels)]


def find_folder(folder: str | Path) -> Path:
    """Return the folder; an `ImageError` says that there is none."""
    path = Path(folder).expanduser()
    if not str(folder) or not path.is_dir():
        found = f"'{folder}' is a file" if path.is_file() else f"no folder '{folder}'"
        raise ImageError(f"{found}, should be a folder with images in it")
    return path
