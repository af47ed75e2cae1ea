"""Recover at one drop with the images of one source: real ones, other ones, or those that were made."""

import copy
import random
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from practise.evaluation.comparing import Judge, names_right
from practise.evaluation.logits import read_logits
from practise.evaluation.recovered import Recovering, recover_by
from practise.files import sha256, write_result
from practise.images import Source, open_source
from practise.images.manifest import check_disjoint, describe_item, read_listing
from practise.images.params import SOURCES, ImagesParams, Kind
from practise.images.preprocessing import Preprocessing
from practise.images.reading import hash_images
from practise.images.sampling import draw_sample
from practise.images.source import Item
from practise.images.synthesized import read_synthesized
from practise.images.tiny_set import TinySet, open_tiny_set
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.teacher import load_teacher
from practise.progress import track
from practise.pruning.plan import Pruning
from practise.recovery.recover import Common, Starters
from practise.resume import Answers, Resume
from practise.schema import HowMany
from practise.settings.params import Params
from practise.settings.presets.recover import recovery_recipe
from practise.settings.presets.score import ridge_recipe
from practise.stages import STAGES
from practise.stages.opening import EvaluationImages

BARE = "without recovery"
"""What that is kept under beside the methods'; no method has a name with a space."""
REFEREES = 200
"""Images of a third kind that say what helps beyond those that a recovery trains on, at most."""


def run(
    params: Params,
    *,
    network: str,
    images: str,
    num_images: HowMany,
    seed: int,
    teacher: Path,
    listing: Path,
    original: Path,
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
        original: What the original says to each evaluation image, safetensors.
        synthesized: The manifest of the images that were made from the network, JSON.
        out: The accuracy after each method's recovery, and what is lost, JSON.
    """
    settings = params.sources
    device = resolve_device(params.device.name)
    loaded = load_teacher(teacher)
    whole, size = loaded.network.to(device), loaded.preprocessing.image_size
    root, items = draw_images(params, images, num_images, seed, synthesized)
    check_disjoint(items, read_listing(listing).evaluation, f"{params.study.file}: images.{images}")
    referee = open_referee(params, images, seed, synthesized, loaded.preprocessing)
    few = open_images(params, images, root, items, loaded.preprocessing, seed, referee)
    evaluation = EvaluationImages(params, listing, loaded.preprocessing)
    ways = {
        method: Recovering(
            params.methods[method].loss, recovery_recipe(params, method), ridge_recipe(params, method)
        )
        for method in settings.methods
    }
    described = {
        method: [recipe.model_dump() for recipe in (way.recipe, way.ridge)] for method, way in ways.items()
    }
    inputs = (teacher, listing, original, synthesized)
    hashes = [sha256(path) for path in inputs] + [item.sha256 for item in items]
    views = [few.views.model_dump(), few.kind]
    resume = Resume(out, [network, images, views, num_images, seed, settings.blocks, described, hashes])
    answers, pruning = Answers(resume), Pruning(settings.blocks)
    theirs, labels = read_logits(original)
    judge = Judge(theirs, labels, evaluation.batches, device)
    right_original = names_right(theirs, labels)
    starters = Starters(whole, settings.blocks, few)

    def judged(student: nn.Module) -> dict[str, Any]:
        lost = judge.lost_by(student)
        return {"top1": 100 * float(lost.right.mean()), **lost.describe(right_original)}

    def recovered(method: str) -> dict[str, Any]:
        common = Common(starters.find(ways[method].recipe, ways[method].ridge))
        found = recover_by(whole, few, pruning, ways[method], common)
        return {**judged(found.network), "start": found.start, "guard": found.guard}

    bare = answers.find(BARE, lambda: judged(pruning.apply_(copy.deepcopy(whole), size)))
    after = {
        method: answers.find(method, partial(recovered, method))
        for method in track(ways, "recover by each method", len(ways))
    }
    result = {
        "kind": params.images[images].source,
        "dropped_blocks": list(settings.blocks),
        "num_evaluation": len(evaluation),
        "before": bare,
        "methods": [
            {
                "method": method,
                "preset": params.methods[method].preset,
                "recipe": described[method][0],
                **after[method],
            }
            for method in ways
        ],
        "images": [describe_item(item) for item in items],
    }
    made = circumstances(
        params,
        *STAGES["sources"].keys(network=network, images=images),
        device=device,
        image_size=size,
        seed=seed,
    )
    write_result(out, "sources", result, made)
    resume.finish()


def draw_images(
    params: Params, images: str, num_images: HowMany, seed: int, synthesized: Path
) -> tuple[Path, list[Item]]:
    """The folder that the paths of images start from, and those that a seed draws; arguments as for `run`."""
    source = find_source(params, images, synthesized)
    where = f"{params.study.file}: sources.num_images"
    drawn = draw_sample(source.train, num_images, np.random.default_rng(seed), where)
    return source.root, hash_images(source.root, drawn)


def open_images(
    params: Params,
    images: str,
    root: Path,
    items: list[Item],
    preprocessing: Preprocessing,
    seed: int,
    referee: TinySet | None,
) -> TinySet:
    """The drawn images, with what they are to a network, and those that say what helps beyond them."""
    spec = params.images[images]
    few = open_tiny_set(root, items, preprocessing, seed, spec.views, SOURCES[spec.source].kind)
    return replace(few, referee=referee)


def open_referee(
    params: Params, images: str, seed: int, synthesized: Path, preprocessing: Preprocessing
) -> TinySet | None:
    """For images of another kind those that were made from the network, if any were; for these photographs.

    Args: as for `run`, and how the network looks at images.
    """
    kind = SOURCES[params.images[images].source].kind
    if kind == "own":
        return None
    others: Kind = "foreign" if kind == "made" else "made"
    if others == "foreign":
        source = open_source("photographs", ImagesParams.model_validate({"source": "photographs"}))
    else:
        source = read_synthesized(synthesized)
    items = random.Random(seed).sample(source.train, min(REFEREES, len(source.train)))
    return open_tiny_set(source.root, items, preprocessing, seed, kind=others) if items else None


def find_source(params: Params, images: str, synthesized: Path) -> Source:
    """The source of an entry of the section images; synthesized ones are those of the manifest."""
    if SOURCES[params.images[images].source].is_made:
        return read_synthesized(synthesized, images)
    return open_source(images, params.images[images], params.study.file, params.data)
