"""Recover at one drop with the images of one source: real ones, other ones, or those that were made."""

import copy
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from practise.accuracy import evaluate_accuracy
from practise.files import sha256, write_result
from practise.hardware import circumstances, resolve_device
from practise.images import Source, open_source
from practise.images.loading import EvaluationImages
from practise.images.manifest import check_disjoint, describe_item, read_listing
from practise.images.reading import hash_images
from practise.images.sampling import draw_sample
from practise.images.synthesized import read_synthesized
from practise.images.tiny import open_tiny_set
from practise.networks import load_teacher
from practise.params import Params
from practise.presets import recovery_recipe, ridge_recipe
from practise.progress import track
from practise.pruning import Pruning
from practise.recovery import LOSSES, recover_
from practise.resume import Resume
from practise.start import start_recovery

if TYPE_CHECKING:
    from torch import nn

OUTPUTS = ("out",)
BARE = "without recovery"
"""What that accuracy is kept under beside the methods'; no method has a name with a space."""


def run(
    params: Params,
    *,
    network: str,
    images: str,
    num_images: int,
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
        num_images: How many images to draw.
        seed: Seed of the sample, the batches and the random views.
        teacher: The original network's weights, safetensors.
        listing: The evaluation images, JSON.
        synthesized: The manifest of the images that were made from the network, JSON.
        out: The accuracy after each method's recovery, JSON.
    """
    settings, file = params.sources, params.profile.file
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    whole = original.network.to(device)
    source = find_source(params, images, synthesized)
    drawn = draw_sample(source.train, num_images, np.random.default_rng(seed), f"{file}: sources.num_images")
    items = hash_images(source.root, drawn)
    check_disjoint(items, read_listing(listing).evaluation, f"{file}: images.{images}")
    few = open_tiny_set(source.root, items, original.preprocessing, seed)
    evaluation = EvaluationImages(params, listing, original.preprocessing)
    recipes = {
        method: (recovery_recipe(params, method), ridge_recipe(params, method)) for method in settings.methods
    }
    pruning = Pruning(settings.blocks)
    described = {method: [asdict(recipe) for recipe in pair] for method, pair in recipes.items()}
    hashes = [sha256(teacher), sha256(listing), *(item.sha256 for item in items)]
    resume = Resume(out, [network, images, num_images, seed, settings.blocks, described, hashes])
    top1: dict[str, float] = resume.load() or {}

    def accuracy(pruned: "nn.Module") -> float:
        return evaluate_accuracy(pruned, evaluation.batches(), device).top1

    if not top1:
        top1 = {BARE: accuracy(pruning.apply_(copy.deepcopy(whole), original.preprocessing.image_size))}
    for method, (recipe, ridge) in track(recipes.items(), "recover by each method", len(recipes)):
        if method not in top1:
            student, mimicked = start_recovery(whole, pruning, few, recipe, ridge)
            recover_(student, mimicked, few, LOSSES[params.methods[method].loss], recipe)
            top1[method] = accuracy(student)
            resume.save_now_and_then(lambda: top1)
    result = {
        "kind": params.images[images].source,
        "dropped_blocks": list(settings.blocks),
        "num_evaluation": len(evaluation),
        "top1_before": top1[BARE],
        "methods": [
            {
                "method": name,
                "preset": params.methods[name].preset,
                "recipe": described[name][0],
                "top1": top1[name],
            }
            for name in recipes
        ],
        "images": [describe_item(item) for item in items],
    }
    sections = ("sources.blocks", "sources.methods", "methods", "score", "recover", "evaluate", "device")
    made = circumstances(
        params,
        *sections,
        f"images.{images}",
        f"networks.{network}",
        device=device,
        image_size=original.preprocessing.image_size,
        seed=seed,
    )
    write_result(out, "sources", result, made)
    resume.finish()


def find_source(params: Params, images: str, synthesized: Path) -> Source:
    """The source of an entry of the section images; synthesized ones are those of the manifest."""
    if params.images[images].source == "synthesized":
        return read_synthesized(synthesized, images)
    return open_source(images, params.images[images], params.profile.file, params.data)
