"""Images as somebody hands them over: a folder of any shape, or a sequence of pictures and paths."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from practise.errors import ImageError
from practise.images.folder import SUFFIXES, imagenet_classes, list_images, walk_images
from practise.images.preprocessing import Preprocessing
from practise.images.reading import map_in_order, read_image, to_rgb
from practise.images.source import Item
from practise.images.tiny_set import reduce_image

Given = str | Path | Sequence[str | Path | Image.Image]
"""A folder, or pictures and paths of image files."""
FOLDERS = "folders"
"""The labels that the names of class folders are."""


def open_given(given: Given, preprocessing: Preprocessing) -> list[Image.Image]:
    """Return the images in RGB, in the order of their paths or as they were given.

    Args:
        given: A folder, below which every image file counts, or the images themselves.
        preprocessing: The network's; images much larger than it needs are reduced.

    Raises:
        ImageError: There is no such folder, no image, or one that is missing or damaged.
    """
    if isinstance(given, str | Path):
        folder = find_folder(Path(given))
        pictures: Sequence[str | Path | Image.Image] = [
            folder / path for path in sorted(walk_images(folder, folder))
        ]
        if not pictures:
            raise ImageError(f"'{folder}' has no images; their names end in {', '.join(SUFFIXES)}")
    else:
        pictures = given
    if not pictures:
        raise ImageError("no images were given; a few dozen like those that the network will see are enough")

    def read(picture: str | Path | Image.Image) -> Image.Image:
        if isinstance(picture, Image.Image):
            return reduce_image(to_rgb(picture), preprocessing)
        return reduce_image(read_image(Path(), Item(str(picture), 0)), preprocessing)

    return list(map_in_order(read, pictures))


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
    names = sorted(
        entry.name for entry in find_folder(folder).iterdir() if entry.is_dir() and entry.name[0] != "."
    )
    classes = imagenet_classes() if num_classes == 1000 else tuple(names)
    if len(classes) != num_classes:
        raise ImageError(
            f"'{folder}' has {len(names)} folders, the network has {num_classes} classes; labelled images "
            "lie in one folder for each class, in the alphabetical order of the classes"
        )
    labels = {item.path: item.label for item in list_images(folder, folder, classes, "labelled images")}
    outside = [path for path in sorted(walk_images(folder, folder)) if path not in labels]
    if outside:
        raise ImageError(f"'{folder / outside[0]}' lies in no class folder; labelled images should")
    return [labels[path] for path in sorted(labels)]


def find_folder(folder: Path) -> Path:
    """Return the folder; an `ImageError` says that there is none."""
    if not folder.is_dir():
        raise ImageError(f"no folder '{folder}', should be a folder with images in it")
    return folder
