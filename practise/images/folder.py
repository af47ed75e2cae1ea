"""Folders of images, one sub-folder per class, as ImageNet and torchvision's `ImageFolder` lay them out.

Unlike `ImageFolder` we take a class's index from a list of class names, never from the rank of its folder
among those present: a folder that lacks some classes still means what the network was trained on.
"""

import os
from collections import Counter
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from practise.errors import ImageError, guess
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.source import Item, Source, Split

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
EXPECTED = "a folder with one sub-folder of images per class, named as in the class list"
CLASS_LISTS = {"imagenet": "imagenet.txt", "cifar10": "cifar10.txt"}
"""The class lists that come with the project, by the name that stands in a params file."""


def open_folder(name: str, spec: ImagesParams, where: str, data: DataParams = HERE) -> Source:
    """Return the images below two folders, `train` and `evaluation`.

    Args:
        name: The source's name in the params file.
        spec: Its entry there.
        where: The place of the entry, for messages.
        data: Where relative paths start from.

    Raises:
        ImageError: A folder is missing, both are the same, or the class list is not as it should be.
    """
    folders: dict[Split, Path] = {
        "train": _find_folder(spec.train, f"{where}.train", data),
        "evaluation": _find_folder(spec.evaluation, f"{where}.evaluation", data),
    }
    if os.path.samefile(*folders.values()):
        raise ImageError(
            f"{where}.evaluation: '{folders['evaluation']}' is also the folder of the training images"
        )
    classes = read_classes(spec.class_list, f"{where}.class_list", data)
    root = Path(os.path.commonpath([os.path.abspath(folder) for folder in folders.values()]))

    def scan(split: Split) -> list[Item]:
        return list_images(folders[split], root, classes, f"{where}.{split}")

    return Source(name, root, classes, ("horizontal",), scan)


def imagenet_classes() -> tuple[str, ...]:
    """Return the WordNet ids of ImageNet-1k's 1000 classes in index order, which is alphabetical."""
    return _shipped_classes("imagenet")


def read_classes(class_list: str | None, where: str, data: DataParams = HERE) -> tuple[str, ...]:
    """Return the class folders' names in index order.

    Args:
        class_list: A text file with one name a line, or a key of `CLASS_LISTS`; None for ImageNet-1k's.
        where: The key's place in the params file, for messages.
        data: Where relative paths start from.

    Raises:
        ImageError: The file is missing, empty, not text or names a class twice.
    """
    if class_list is None:
        return imagenet_classes()
    if class_list in CLASS_LISTS:
        return _shipped_classes(class_list)
    path = data.find(class_list)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(
            f"{where}: no text file '{path}'; set it to a file with one class folder's name a line, in index "
            f"order, or to {' or '.join(CLASS_LISTS)}{data.advice(class_list)}"
        ) from error
    classes = tuple(line.strip() for line in lines if line.strip())
    repeated = [name for name, count in Counter(classes).items() if count > 1]
    if repeated or not classes:
        found = f"names '{repeated[0]}' twice" if repeated else "names no class"
        raise ImageError(
            f"{where}: '{path}' {found}, should be one class folder's name a line, in index order"
        )
    return classes


def list_images(folder: Path, root: Path, classes: tuple[str, ...], where: str) -> list[Item]:
    """Return the labelled images below a folder, in the order of class folders and paths.

    Hidden entries and files that are no images by their suffix are passed over; a class folder may have
    folders of its own inside.

    Args:
        folder: It has a sub-folder for each class, or for some.
        root: What the items' paths are relative to.
        classes: Names of the class folders in index order.
        where: The key's place in the params file, for messages.

    Raises:
        ImageError: A sub-folder is not in the class list, or there is no image.
    """
    labels = {name: index for index, name in enumerate(classes)}
    present = sorted(entry.name for entry in _entries(folder, where) if entry.is_dir())
    for name in present:
        if name not in labels:
            shown = ", ".join(classes[:3]) + (", …" if len(classes) > 3 else "")
            sentence = (
                f"{where}: '{folder}' has a folder '{name}' that the class list does not name "
                f"({len(classes)} names: {shown}).{guess(name, classes)}"
            )
            raise ImageError(sentence.removesuffix("."))
    items = [
        Item(path, labels[name]) for name in present for path in sorted(walk_images(folder / name, root))
    ]
    if not items:
        flat = any(_is_image(entry.name) for entry in _entries(folder, where))
        found = "has images but no folders of classes" if flat else "has no images"
        raise ImageError(f"{where}: '{folder}' {found}; set it to {EXPECTED}")
    return items


def walk_images(folder: Path, root: Path) -> Iterator[str]:
    """Give the path of every image below a folder, relative to `root`; hidden files are passed over."""
    for directory, _, names in os.walk(folder):
        beneath = Path(os.path.relpath(directory, root)).as_posix()
        yield from (f"{beneath}/{name}" for name in names if _is_image(name))


def _shipped_classes(name: str) -> tuple[str, ...]:
    return tuple(resources.files("practise.images").joinpath(CLASS_LISTS[name]).read_text().split())


def _find_folder(folder: str | None, where: str, data: DataParams) -> Path:
    if folder is None:
        raise ImageError(f"{where}: is missing; set it to {EXPECTED}")
    path = data.find(folder)
    if not path.is_dir():
        raise ImageError(f"{where}: no folder '{path}'; set it to {EXPECTED}{data.advice(folder)}")
    return path


def _entries(folder: Path, where: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith((".", "__MACOSX"))]
    except OSError as error:
        raise ImageError(f"{where}: '{folder}' cannot be read: {error.strerror}") from error


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")
