"""List the evaluation images of a source with their hashes, having opened each."""

from pathlib import Path

from practise.images import open_source
from practise.images.manifest import Listing, write_listing
from practise.images.reading import hash_images
from practise.machine.circumstances import circumstances
from practise.settings.params import Params
from practise.stages import STAGES


def run(params: Params, *, images: str, out: Path) -> None:
    """List the evaluation images.

    Args:
        images: Name of an entry of the section images.
        out: The listing, JSON.
    """
    source = open_source(images, params.images[images], params.study.file, params.data)
    evaluation = hash_images(source.root, source.evaluation)
    listing = Listing(images, source.classes, len(source.train), evaluation)
    write_listing(out, listing, circumstances(params, *STAGES["images"].keys(images=images)))
