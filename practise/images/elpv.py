"""ELPV: electroluminescence images of solar cells, from the package `elpv-dataset`.

2624 grey images of 300×300 pixels, each of a monocrystalline or polycrystalline cell, with the probability
that experts gave for a defect (0, 1/3, 2/3 or 1). We call a cell defective above 0.4, which makes four
classes.

The set has no official split. Ours is fixed for good: a quarter of each class, 656 images in all, is held
out. Within a class the images are shuffled by `numpy.random.RandomState(0)`, whose stream numpy has frozen;
the classes take their turns in index order, and the quarters are rounded so that the largest fractions round
up.
"""

import importlib.util
from collections import defaultdict
from pathlib import Path

from practise.errors import ImageError
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.source import Item, Source, Split

CLASSES = ("mono_functional", "mono_defective", "poly_functional", "poly_defective")
DEFECTIVE_ABOVE = 0.4
HELD_OUT = 0.25


def open_elpv(name: str, spec: ImagesParams, where: str, data: DataParams = HERE) -> Source:
    """Return the packaged solar cells.

    Args:
        name: The source's name in the params file.
        spec: Its entry there; the source has no settings.
        where: The place of the entry, for messages.
        data: Where relative paths start from; the source has none.

    Raises:
        ImageError: The package is not installed, or its list of images is not there or not as it should be.
    """
    root = find_data(where)

    def scan(split: Split) -> list[Item]:
        items = read_labels(root / "labels.csv")
        held_out = draw_held_out([item.label for item in items])
        return [item for index, item in enumerate(items) if (index in held_out) == (split == "evaluation")]

    return Source(name, root, CLASSES, ("vertical",), scan)


def find_data(where: str) -> Path:
    """Return the package's data directory without importing the package, which may load every image."""
    package = importlib.util.find_spec("elpv_dataset")
    for location in (package.submodule_search_locations or ()) if package else ():
        if Path(location, "data", "labels.csv").is_file():
            return Path(location, "data")
    found = "has no file data/labels.csv" if package else "is not installed"
    raise ImageError(
        f"{where}: the package elpv-dataset {found}; run `pip install --force-reinstall elpv-dataset`"
    )


def read_labels(path: Path) -> list[Item]:
    """Return the images of the package's list: lines of a path, a probability and a cell type."""
    items = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            image, probability, cell_type = line.split()
            state = "defective" if float(probability) > DEFECTIVE_ABOVE else "functional"
            items.append(Item(image, CLASSES.index(f"{cell_type}_{state}")))
        except ValueError as error:
            raise ImageError(
                f"{path}: line {number} is '{line.strip()}', should be a path, a probability and mono or poly"
            ) from error
    return items


def draw_held_out(labels: list[int]) -> set[int]:
    """Return the indices of the images that are held out, a quarter of each class.

    Args:
        labels: The class of each image.
    """
    from numpy.random import RandomState  # here, as params are read before numpy may be imported

    members = defaultdict(list)
    for index, label in enumerate(labels):
        members[label].append(index)
    quarters = {label: HELD_OUT * len(members[label]) for label in sorted(members)}
    counts = {label: int(quarter) for label, quarter in quarters.items()}
    missing = round(HELD_OUT * len(labels)) - sum(counts.values())
    for label in sorted(quarters, key=lambda label: counts[label] - quarters[label])[:missing]:
        counts[label] += 1
    generator = RandomState(0)
    return {
        int(index) for label in counts for index in generator.permutation(members[label])[: counts[label]]
    }
