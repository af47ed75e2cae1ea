"""Which images were used: their paths, labels and hashes, so that anybody can check that they are the same.

The stage `images` lists the evaluation images, the stage `sample` those that are handed over.
`check_disjoint` proves that no image is in both, by path and by content.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from practise.errors import FileError, ImageError
from practise.files import read_result, write_result
from practise.images.source import Box, Item


@dataclass(frozen=True)
class Listing:
    """A source and its evaluation images.

    Attributes:
        source: The source's name in the section `images` of the params file.
        classes: The names of the classes in index order.
        num_train: How many training images there are.
        evaluation: The evaluation images with their hashes.
    """

    source: str
    classes: tuple[str, ...]
    num_train: int
    evaluation: list[Item]


@dataclass(frozen=True)
class Sample:
    """The images that are handed over.

    Attributes:
        source: The source's name in the section `images` of the params file.
        num_classes: How many classes the source has.
        seed: What the images were drawn with.
        images: The images with their hashes, in the order in which they were drawn.
    """

    source: str
    num_classes: int
    seed: int
    images: list[Item]


def write_listing(path: Path, listing: Listing, circumstances: Mapping[str, Any]) -> None:
    """Write a listing atomically."""
    result = {
        "source": listing.source,
        "classes": list(listing.classes),
        "num_train": listing.num_train,
        "num_evaluation": len(listing.evaluation),
        "evaluation": [describe_item(item) for item in listing.evaluation],
    }
    write_result(path, "images", result, circumstances)


def read_listing(path: Path) -> Listing:
    """Read a listing; a missing, damaged or foreign file is a `FileError`."""
    result = read_result(path, "images")
    try:
        items = [read_item(record) for record in result["evaluation"]]
        return Listing(result["source"], tuple(result["classes"]), result["num_train"], items)
    except (KeyError, TypeError) as error:
        raise _incomplete(path, "images") from error


def write_sample(path: Path, sample: Sample, circumstances: Mapping[str, Any]) -> None:
    """Write the images that are handed over atomically."""
    result = {
        "source": sample.source,
        "classes": sample.num_classes,
        "seed": sample.seed,
        "num_images": len(sample.images),
        "images": [describe_item(item) for item in sample.images],
    }
    write_result(path, "sample", result, circumstances)


def read_sample(path: Path) -> Sample:
    """Read the images that are handed over; a missing, damaged or foreign file is a `FileError`."""
    result = read_result(path, "sample")
    try:
        items = [read_item(record) for record in result["images"]]
        return Sample(result["source"], result["classes"], result["seed"], items)
    except (KeyError, TypeError) as error:
        raise _incomplete(path, "sample") from error


def describe_item(item: Item) -> dict[str, Any]:
    """Return an image as plain values; without a box where it is the whole picture, taken as it is stored."""
    return {key: value for key, value in asdict(item).items() if key not in ("box", "upright") or value}


def read_item(record: Mapping[str, Any]) -> Item:
    """Return the image that `describe_item` described."""
    box = record.get("box")
    return Item(**{**record, "box": Box(*box) if box else None})


def check_disjoint(train: Sequence[Item], evaluation: Sequence[Item], where: str) -> None:
    """Make sure that no image is used for training and for evaluation.

    Args:
        train: Images that are handed over or trained on, with their hashes.
        evaluation: Images that accuracy is measured on, with their hashes.
        where: What holds the images, for messages.

    Raises:
        ImageError: Two images have the same path or the same content.
    """
    assert all(item.sha256 for item in (*train, *evaluation)), "only hashed images can be told apart"
    by_path = {item.path for item in evaluation}
    by_content = {item.sha256: item.path for item in evaluation}
    for item in train:
        if item.path in by_path:
            raise ImageError(f"{where}: '{item.path}' is among the training images and the evaluation images")
        if item.sha256 in by_content:
            raise ImageError(
                f"{where}: the training image '{item.path}' and the evaluation image "
                f"'{by_content[item.sha256]}' are the same file; remove one of them"
            )


def _incomplete(path: Path, kind: str) -> FileError:
    return FileError(f"{path}: is not a complete result of kind '{kind}'; delete it and make it again")
