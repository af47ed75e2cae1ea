"""Images without labels: every image file below a folder, whatever it shows and however it is laid out.

What a network is asked to mimic on such images needs no labels, so any photographs will do that happen to be
at hand: those of another domain (CUB-200, Places365, the paper's section 4.3), or those that a network made.
"""

from collections import Counter
from pathlib import Path

from practise.errors import ImageError
from practise.images.folder import say_left_out, tell_left_out, walk_images
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.source import Item, Source, Split

EXPECTED = "a folder with images in it or below it"


def open_unlabelled(name: str, spec: ImagesParams, where: str, data: DataParams = HERE) -> Source:
    """Return the images below the folder `train`; there are none to evaluate on.

    Args:
        name: The source's name in the params file.
        spec: Its entry there.
        where: The place of the entry, for messages.
        data: Where relative paths start from.

    Raises:
        ImageError: The folder is missing.
    """
    folder = data.find(spec.train or "")
    if spec.train is None or not folder.is_dir():
        found = "is missing" if spec.train is None else f"no folder '{folder}'"
        raise ImageError(f"{where}.train: {found}; set it to {EXPECTED}{data.advice(spec.train or '')}")

    def scan(split: Split) -> list[Item]:
        return list_unlabelled(folder, f"{where}.train", spec.upright) if split == "train" else []

    return Source(name, folder, (), ("horizontal",), scan)


def list_unlabelled(folder: Path, where: str, upright: bool = False) -> list[Item]:
    """Return the images below a folder in the order of their paths, all with label 0.

    Args:
        folder: What is searched, folders in it too.
        where: What named the folder, for messages.
        upright: Whether the images are turned as their EXIF data say.

    Raises:
        ImageError: There is no image.
    """
    left_out = Counter[str]()
    items = [Item(path, 0, upright=upright) for path in walk_images(folder, folder, left_out)]
    if not items:
        raise ImageError(f"{where}: '{folder}' has no images{tell_left_out(left_out)}; set it to {EXPECTED}")
    say_left_out(folder, left_out)
    return items
