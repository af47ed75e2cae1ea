"""Folders of images, one sub-folder per class, as ImageNet and torchvision's `ImageFolder` lay them out.

Unlike `ImageFolder` we take a class's index from a list of class names, never from the rank of its folder
among those present: a folder that lacks some classes still means what the network was trained on.
"""

import os
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

from PIL import Image

from practise.errors import ImageError, guess
from practise.files import decode_text
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.source import Item, Source, Split

NO_PICTURES = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow knows by name, but opens not at all or with another program's help."""
LITTER = {
    "$RECYCLE.BIN",
    "@eaDir",
    "__MACOSX",
    "desktop.ini",
    "lost+found",
    "System Volume Information",
    "Thumbs.db",
}
"""What systems and archives leave in folders, beside hidden entries."""
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
        return list_images(folders[split], root, classes, f"{where}.{split}", upright=spec.upright)

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
        lines = unicodedata.normalize("NFC", decode_text(path.read_bytes())).splitlines()
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


def list_images(
    folder: Path, root: Path, classes: tuple[str, ...], where: str, upright: bool = False
) -> list[Item]:
    """Return the labelled images below a folder, in the order of class folders and paths.

    A class folder may have folders of its own inside. Accented letters are alike however they are composed.

    Args:
        folder: It has a sub-folder for each class, or for some.
        root: What the items' paths are relative to.
        classes: Names of the class folders in index order.
        where: The key's place in the params file, for messages.
        upright: Whether the images are turned as their EXIF data say.

    Raises:
        ImageError: A sub-folder is not in the class list, or there is no image.
    """
    labels = {unicodedata.normalize("NFC", name): index for index, name in enumerate(classes)}
    found = {name: labels.get(unicodedata.normalize("NFC", name)) for name in class_folders(folder)}
    for name, label in found.items():
        if label is None:
            shown = ", ".join(classes[:3]) + (", …" if len(classes) > 3 else "")
            sentence = (
                f"{where}: '{folder}' has a folder '{name}' that the class list does not name "
                f"({len(classes)} names: {shown}).{guess(name, classes)}"
            )
            raise ImageError(sentence.removesuffix("."))
    left_out, above = Counter[str](), Path(os.path.relpath(folder, root))
    paths = walk_images(folder, folder, left_out)
    inside = sorted((path.partition("/")[0], path) for path in paths if "/" in path)
    if not inside:
        told = "has images but no folders of classes" if paths else "has no images"
        raise ImageError(f"{where}: '{folder}' {told}{tell_left_out(left_out)}; set it to {EXPECTED}")
    left_out["in no class folder"] += len(paths) - len(inside)
    say_left_out(folder, left_out)
    return [Item((above / path).as_posix(), found[name] or 0, upright=upright) for name, path in inside]


def class_folders(folder: Path) -> list[str]:
    """Return the names of a folder's sub-folders, sorted; hidden ones and litter are passed over.

    Raises:
        ImageError: The folder cannot be read.
    """
    return [entry.name for entry in _entries(folder) if entry.is_dir() and not _is_litter(entry.name)]


def walk_images(folder: Path, root: Path, left_out: Counter[str] | None = None) -> list[str]:
    """Return the path of every image below a folder, relative to `root`, sorted.

    Hidden entries, litter and what Pillow does not open by its suffix are passed over. Links to folders are
    followed, but to those that are looked at anyway.

    Args:
        folder: Where to look.
        root: What the paths are relative to.
        left_out: Counts what is passed over, by the reason.

    Raises:
        ImageError: A folder cannot be read.
    """
    counts: Counter[str] = Counter() if left_out is None else left_out
    walked = [os.path.realpath(folder)]

    def walk(directory: str, beneath: str) -> Iterator[str]:
        for entry in _entries(directory):
            if _is_litter(entry.name):
                counts["hidden"] += 1
            elif entry.is_dir():
                if entry.is_symlink():
                    target = os.path.realpath(entry.path)
                    if any(os.path.commonpath([target, other]) in (target, other) for other in walked):
                        counts["links to folders that are looked at anyway"] += 1
                        continue
                    walked.append(target)
                yield from walk(entry.path, f"{beneath}{entry.name}/")
            elif not entry.is_file():
                counts["links to nothing" if entry.is_symlink() else "no files"] += 1
            elif (suffix := os.path.splitext(entry.name)[1].lower()) in suffixes():
                yield f"{beneath}{entry.name}"
            else:
                counts[suffix or "without a suffix"] += 1

    above = Path(os.path.relpath(folder, root)).as_posix()
    return sorted(walk(str(folder), "" if above == "." else f"{above}/"))


@cache
def suffixes() -> frozenset[str]:
    """Return how the names of pictures end that Pillow opens here, in small letters."""
    known = Image.registered_extensions()
    return frozenset(
        suffix for suffix, kind in known.items() if kind in Image.OPEN and kind not in NO_PICTURES
    )


def tell_left_out(left_out: Counter[str]) -> str:
    """Say what was passed over.

    >>> tell_left_out(Counter({".heic": 12, "hidden": 1}))
    ' (left out: 12 .heic, 1 hidden)'
    """
    told = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common() if count)
    return f" (left out: {told})" if told else ""


def say_left_out(folder: Path, left_out: Counter[str]) -> None:
    """Say on standard error what was passed over below a folder, if anything."""
    if left_out.total():
        print(
            f"'{folder}'{tell_left_out(left_out)}".encode(errors="backslashreplace").decode(), file=sys.stderr
        )


def _shipped_classes(name: str) -> tuple[str, ...]:
    return tuple(resources.files("practise.images").joinpath(CLASS_LISTS[name]).read_text().split())


def _find_folder(folder: str | None, where: str, data: DataParams) -> Path:
    if folder is None:
        raise ImageError(f"{where}: is missing; set it to {EXPECTED}")
    path = data.find(folder)
    if not path.is_dir():
        raise ImageError(f"{where}: no folder '{path}'; set it to {EXPECTED}{data.advice(folder)}")
    return path


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise ImageError(f"'{folder}' cannot be read: {error.strerror}") from error


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name in LITTER
