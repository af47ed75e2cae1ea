"""Images: where they come from, which are handed over, and how a network gets to see them.

A source lists its training and evaluation images (`elpv`, `folder`, `idx`), or images of anything without
labels (`photographs`, `unlabelled`, `cub200`, `synthesized`); `sampling` draws the few that are handed over;
`manifest` writes down which they are; `reading`, `loading` and `tiny_set` open them; `preprocessing` and
`views` make of them what a network sees. What is known of each kind of source stands in
`practise.images.params.SOURCES`; a new one is an entry there, and here a file with its opener and a line in
`OPENERS`.
"""

from collections.abc import Callable

from practise.errors import ImageError, unknown
from practise.images.cub200 import open_cub200
from practise.images.elpv import open_elpv
from practise.images.folder import open_folder
from practise.images.idx import open_idx
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.photographs import open_photographs
from practise.images.source import Item, Source
from practise.images.synthesized import open_synthesized
from practise.images.unlabelled import open_unlabelled

Opener = Callable[[str, ImagesParams, str, DataParams], Source]
"""From the source's name, its settings, their place in the params file and where data lies to the source."""

OPENERS: dict[str, Opener] = {
    "cub200": open_cub200,
    "elpv": open_elpv,
    "folder": open_folder,
    "idx": open_idx,
    "photographs": open_photographs,
    "synthesized": open_synthesized,
    "unlabelled": open_unlabelled,
}

__all__ = ["OPENERS", "Item", "Opener", "Source", "open_source"]


def open_source(name: str, spec: ImagesParams, file: str = "params.yaml", data: DataParams = HERE) -> Source:
    """Return the image source that an entry of the section `images` describes.

    Args:
        name: The entry's name, such as `elpv`.
        spec: The entry.
        file: What to call the params file in messages.
        data: Where relative paths start from.

    Raises:
        ImageError: A folder, class list or package is missing or is not what it should be.
    """
    if spec.source not in OPENERS:
        raise ImageError(f"{file}: images.{name}.source: {unknown('source', spec.source, OPENERS)}")
    return OPENERS[spec.source](name, spec, f"{file}: images.{name}", data)
