"""What an image and a source of images are."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

Split = Literal["train", "evaluation"]
Flip = Literal["horizontal", "vertical"]


class Box(NamedTuple):
    """A part of a picture in pixels, the right and lower edges not in it."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Item:
    """One image.

    Attributes:
        path: Where it lies, relative to the root of its source, with forward slashes; an image in
            an IDX file by its index, as if the file were a folder.
        label: The index of its class; 0 where nothing is known of it.
        sha256: The hash of the file's bytes (in an IDX file, of the image as a PGM file); empty where nobody
            has computed it yet.
        box: The part of the file's picture that it is; None: all of it.
        upright: Whether the picture is turned as its EXIF data say.
    """

    path: str
    label: int
    sha256: str = ""
    box: Box | None = None
    upright: bool = False


@dataclass(frozen=True)
class Source:
    """Images in two splits; the splits are listed when they are first asked for.

    Attributes:
        name: Its name in the section `images` of the params file.
        root: The directory that the paths of its items start from.
        classes: The names of the classes, in index order; none where the images have no labels.
        flips: Mirrored views that a head is fitted on beside the image itself (see `practise.networks.head`).
        scan: Lists a split.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    flips: tuple[Flip, ...]
    scan: Callable[[Split], list[Item]]

    @cached_property
    def train(self) -> list[Item]:
        """The images that may be handed over or trained on."""
        return self.scan("train")

    @cached_property
    def evaluation(self) -> list[Item]:
        """The images that accuracy is measured on, and nothing else."""
        return self.scan("evaluation")
