"""Draw the few images that are handed over, and prove that accuracy is not measured on them."""

from pathlib import Path

import numpy as np

from practise.images import open_source
from practise.images.manifest import Sample, check_disjoint, read_listing, write_sample
from practise.images.reading import hash_images
from practise.images.sampling import draw_sample
from practise.machine.circumstances import circumstances
from practise.schema import HowMany
from practise.settings.params import Params
from practise.stages import STAGES


def run(params: Params, *, images: str, num_images: HowMany, seed: int, listing: Path, out: Path) -> None:
    """Draw the images that are handed over.

    Args:
        images: Name of an entry of the section images.
        num_images: How many images to draw, or all.
        seed: What to draw them with.
        listing: The evaluation images, JSON.
        out: The images that are handed over, JSON.
    """
    file = params.study.file
    listed = read_listing(listing)
    source = open_source(images, params.images[images], file, params.data)
    drawn = draw_sample(source.train, num_images, np.random.default_rng(seed), f"{file}: grid.num_images")
    hashed = hash_images(source.root, drawn)
    check_disjoint(hashed, listed.evaluation, f"{file}: images.{images}")
    sample = Sample(images, len(source.classes), seed, hashed)
    keys = STAGES["sample"].keys(images=images)
    write_sample(out, sample, circumstances(params, *keys, num_images=num_images, seed=seed))
