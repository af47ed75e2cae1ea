"""Photographs of anything: crops of the pictures that come with the package `scikit-image`.

Twelve pictures (an astronaut, bricks, a cup of coffee, coins, grass, a tissue section, the moon, a retina, a
rocket, …) are cut into squares of four sizes, hundreds in all. They are hardly what a customer's network
was trained on, and they are installed with the environment: out-of-domain images for everybody.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from practise.errors import ImageError
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.source import Box, Item, Source, Split

PICTURES = (
    *("astronaut.png", "brick.png", "camera.png", "coffee.png", "coins.png", "grass.png", "gravel.png"),
    *("hubble_deep_field.jpg", "ihc.png", "moon.png", "retina.jpg", "rocket.jpg"),
)
SIZES = ((1, 1), (2, 2), (3, 2), (4, 1))
"""Squares whose side is the picture's shorter one divided by the first number, that many times as dense as
squares side by side as the second one says."""


def open_photographs(name: str, spec: ImagesParams, where: str, data: DataParams = HERE) -> Source:
    """Return the crops; there are none to evaluate on.

    Args:
        name: The source's name in the params file.
        spec: Its entry there; the source has no settings.
        where: The place of the entry, for messages.
        data: Where relative paths start from; the source has none.

    Raises:
        ImageError: The package is not installed, or lacks a picture.
    """
    folder = find_pictures(where)

    def scan(split: Split) -> list[Item]:
        return [] if split == "evaluation" else [item for path in PICTURES for item in cut(folder, path)]

    return Source(name, folder, (), ("horizontal",), scan)


def find_pictures(where: str) -> Path:
    """Return the package's folder of pictures without importing the package."""
    package = importlib.util.find_spec("skimage")
    for location in (package.submodule_search_locations or ()) if package else ():
        if all(Path(location, "data", picture).is_file() for picture in PICTURES):
            return Path(location, "data")
    found = "lacks some of its pictures" if package else "is not installed"
    raise ImageError(
        f"{where}: the package scikit-image {found}; run `pip install --force-reinstall scikit-image`"
    )


def cut(folder: Path, path: str) -> Iterator[Item]:
    """Give the squares of one picture, all with label 0."""
    with Image.open(folder / path) as picture:
        width, height = picture.size
    for parts, density in SIZES:
        side = min(width, height) // parts
        for top in range(0, height - side + 1, side // density):
            for left in range(0, width - side + 1, side // density):
                yield Item(path, 0, box=Box(left, top, left + side, top + side))
