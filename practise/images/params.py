"""The sections `images` and `data` of a params file: the sources of images, and where files lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from practise.schema import OneOf, Section, Text, setting

Kind = Literal["own", "foreign", "made"]
"""What images are to a network: like those that it is for, of another kind, or made from it."""


@dataclass(frozen=True)
class SourceKind:
    """What is known of a kind of source; `practise.images.SOURCES` has the function that opens it.

    Attributes:
        has_labels: Whether the class of each image is known.
        has_evaluation: Whether it has images to measure accuracy on.
        is_made: Whether the stage `synthesize` makes its images.
        needs: The keys that its entry must have.
        takes: Further keys that its entry may have.
    """

    has_labels: bool = True
    has_evaluation: bool = True
    is_made: bool = False
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What its images are to a network: what one cannot evaluate on is not what the network is for."""
        if self.is_made:
            return "made"
        return "own" if self.has_evaluation else "foreign"


SOURCES = {
    "cub200": SourceKind(has_labels=False, has_evaluation=False, needs=("train",)),
    "elpv": SourceKind(),
    "folder": SourceKind(needs=("train", "evaluation"), takes=("class_list", "upright")),
    "idx": SourceKind(needs=("folder",), takes=("class_list",)),
    "photographs": SourceKind(has_labels=False, has_evaluation=False),
    "synthesized": SourceKind(has_evaluation=False, is_made=True),
    "unlabelled": SourceKind(has_labels=False, has_evaluation=False, needs=("train",), takes=("upright",)),
}
"""Every kind of source by the name that stands in a params file."""

SourceName = Annotated[str, OneOf(SOURCES)]
Crop = Literal["size", "place", "none"]
Batches = Literal["full", "distinct"]
"""How the images of a training step are drawn: as many as asked for, or each at most once."""


class DataParams(Section):
    """Where images and weights lie."""

    root: Text = Field(
        description="The folder that relative paths of images, class lists and weights start from; relative "
        "itself, it starts from the project's root."
    )
    holds: Text | None = Field(
        description="What should be in it, said when something is not there; null: nothing is said."
    )

    def find(self, path: str) -> Path:
        """Return where a path of the params file leads."""
        return Path(self.root, path)

    def advice(self, path: str) -> str:
        """Return what to add to a message that a path is missing; empty where the root has no part in it.

        >>> DataParams(root="data", holds="mine/train").advice("mine/train")
        '; set data.root to the folder that holds mine/train'
        """
        if Path(self.root) == Path() or Path(path).is_absolute():
            return ""
        return f"; set data.root to the folder that holds {self.holds or 'it'}"


HERE = DataParams(root=".", holds=None)
"""Relative paths start from the project's root."""


class ViewsParams(Section):
    """How random views are drawn."""

    crop: Crop = setting(
        "size",
        "size: of random size, shape and place, at least smallest_crop of the image; place: the shorter side "
        "is resized as for evaluation, and a square cut out at a random place; none: all of the image, or "
        "its centre where it is not square.",
    )
    flip: bool = setting(True, "Whether half of the views are mirrored.")


class ImagesParams(Section):
    """A source of images."""

    source: SourceName = Field(
        description="elpv: the packaged set; folder: folders of one folder a class; idx: files in the format "
        "of MNIST. For the section sources alone: photographs: crops of packaged pictures; unlabelled: any "
        "folder of images; cub200: the training split of CUB-200; synthesized: those that are made from the "
        "network itself."
    )
    train: Text | None = Field(
        None,
        description="folder and unlabelled: the directory of the training images; cub200: the directory that "
        "its archive unpacks to.",
    )
    evaluation: Text | None = Field(None, description="folder: the directory of the evaluation images.")
    folder: Text | None = Field(None, description="idx: the directory of MNIST's four files, gzipped or not.")
    class_list: Text | None = Field(
        None,
        description="A text file with the names of the classes, one a line, in index order; imagenet: "
        "ImageNet-1k's; cifar10: CIFAR-10's; null: imagenet for a folder, numbers for idx. The names of a "
        "folder are those of its sub-folders.",
    )
    views: ViewsParams = setting(ViewsParams(), "How random views of these images are drawn in training.")
    upright: bool = setting(
        False,
        "folder and unlabelled: whether pictures are turned as their EXIF data say, as cameras write them; "
        "timm and torchvision take them as they are stored.",
        exclude_if=lambda upright: not upright,
    )
