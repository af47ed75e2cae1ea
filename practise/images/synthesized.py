"""Images that the stage `synthesize` made from a network, read through the manifest that lies beside them."""

from pathlib import Path

from practise.errors import FileError, ImageError
from practise.files import read_result
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.source import Item, Source

KIND = "synthesize"


def open_synthesized(name: str, spec: ImagesParams, where: str, data: DataParams = HERE) -> Source:
    """Refuse: which images were made depends on the network; `read_synthesized` opens them for one.

    Raises:
        ImageError: Always.
    """
    raise ImageError(
        f"{where}: synthesized images belong to one network; name them in sources.images, not in the grid"
    )


def read_synthesized(manifest: Path, name: str = "synthesized") -> Source:
    """Return the images of one network.

    Args:
        manifest: What the stage `synthesize` wrote; the images lie beside it.
        name: The source's name in the params file.

    Raises:
        FileError: The manifest is missing, damaged or something else.
    """
    result = read_result(manifest, KIND)
    try:
        items = [Item(image["path"], image["label"], image["sha256"]) for image in result["images"]]
        classes = tuple(str(index) for index in range(result["num_classes"]))
    except (KeyError, TypeError) as error:
        raise FileError(
            f"{manifest}: is not a complete result of kind '{KIND}'; delete it and make it again"
        ) from error
    return Source(
        name, manifest.parent, classes, ("horizontal",), lambda split: items if split == "train" else []
    )
