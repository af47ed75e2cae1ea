"""Recover at one drop with the images of one source: real ones, other ones, or those that were made."""

from pathlib import Path

import numpy as np

from practise.evaluation.recovered import RecoveredAccuracy, Recovering
from practise.files import sha256, write_result
from practise.images import Source, open_source
from practise.images.manifest import check_disjoint, describe_item, read_listing
from practise.images.params import SOURCES
from practise.images.reading import hash_images
from practise.images.sampling import draw_sample
from practise.images.synthesized import read_synthesized
from practise.images.tiny_set import open_tiny_set
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.teacher import load_teacher
from practise.progress import track
from practise.pruning.plan import Pruning
from practise.resume import Answers, Resume
from practise.schema import HowMany
from practise.settings.params import Params
from practise.settings.presets.recover import recovery_recipe
from practise.settings.presets.score import ridge_recipe
from practise.stages import STAGES
from practise.stages.opening import EvaluationImages

BARE = "without recovery"
"""What that accuracy is kept under beside the methods'; no method has a name with a space."""


def run(
    params: Params,
    *,
    network: str,
    images: str,
    num_images: HowMany,
    seed: int,
    teacher: Path,
    listing: Path,
    synthesized: Path,
    out: Path,
) -> None:
    """Recover with the images of one source.

    Args:
        network: Name of an entry of the section networks.
        images: Name of an entry of the section images.
        num_images: How many images to draw, or all.
        seed: Seed of the sample, the batches and the random views.
        teacher: The original network's weights, safetensors.
        listing: The evaluation images, JSON.
        synthesized: The manifest of the images that were made from the network, JSON.
        out: The accuracy after each method's recovery, JSON.
    """
    settings, file = params.sources, params.study.file
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    whole = original.network.to(device)
    source = find_source(params, images, synthesized)
    drawn = draw_sample(source.train, num_images, np.random.default_rng(seed), f"{file}: sources.num_images")
    items = hash_images(source.root, drawn)
    check_disjoint(items, read_listing(listing).evaluation, f"{file}: images.{images}")
    few = open_tiny_set(source.root, items, original.preprocessing, seed, params.images[images].views)
    evaluation = EvaluationImages(params, listing, original.preprocessing)
    ways = {
        method: Recovering(
            params.methods[method].loss, recovery_recipe(params, method), ridge_recipe(params, method)
        )
        for method in settings.methods
    }
    described = {
        method: [recipe.model_dump() for recipe in (way.recipe, way.ridge)] for method, way in ways.items()
    }
    hashes = [sha256(teacher), sha256(listing), *(item.sha256 for item in items)]
    views = few.views.model_dump()
    resume = Resume(out, [network, images, views, num_images, seed, settings.blocks, described, hashes])
    answers, accuracy = Answers(resume), RecoveredAccuracy(whole, few, evaluation.batches)
    pruning = Pruning(settings.blocks)
    before = answers.find(BARE, lambda: accuracy.before(pruning))
    top1 = {
        method: answers.find(method, lambda way=way: accuracy.after(pruning, way))  # type: ignore[misc]
        for method, way in track(ways.items(), "recover by each method", len(ways))
    }
    result = {
        "kind": params.images[images].source,
        "dropped_blocks": list(settings.blocks),
        "num_evaluation": len(evaluation),
        "top1_before": before,
        "methods": [
            {
                "method": method,
                "preset": params.methods[method].preset,
                "recipe": described[method][0],
                "top1": top1[method],
            }
            for method in ways
        ],
        "images": [describe_item(item) for item in items],
    }
    made = circumstances(
        params,
        *STAGES["sources"].keys(network=network, images=images),
        device=device,
        image_size=original.preprocessing.image_size,
        seed=seed,
    )
    write_result(out, "sources", result, made)
    resume.finish()


def find_source(params: Params, images: str, synthesized: Path) -> Source:
    """The source of an entry of the section images; synthesized ones are those of the manifest."""
    if SOURCES[params.images[images].source].is_made:
        return read_synthesized(synthesized, images)
    return open_source(images, params.images[images], params.study.file, params.data)
