"""List the evaluation images of a source with their hashes, having opened each."""

from pathlib import Path

from practise.hardware import circumstances
from practise.images import open_source
from practise.images.manifest import Listing, write_listing
from practise.images.reading import hash_images
from practise.params import Params

OUTPUTS = ("out",)
USES_TORCH = False


def run(params: Params, *, images: str, out: Path) -> None:
    """List the evaluation images.

    Args:
        images: Name of an entry of the section images.
        out: The listing, JSON.
    """
    source = open_source(images, params.images[images], params.profile.file, params.data)
    evaluation = hash_images(source.root, source.evaluation)
    listing = Listing(images, source.classes, len(source.train), evaluation)
    write_listing(out, listing, circumstances(params, f"images.{images}"))
