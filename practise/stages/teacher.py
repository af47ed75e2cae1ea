"""Make the original network: fit a linear head over a frozen backbone, or take the network as it comes."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from practise.evaluation.accuracy import evaluate_accuracy
from practise.images import open_source
from practise.images.loading import stream_batches
from practise.images.manifest import check_disjoint
from practise.images.reading import hash_images
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.blocks import droppable_blocks
from practise.networks.building import build_network, find_options, find_preprocessing, name_classes
from practise.networks.head import extract_features, fit_head, replace_classifier_
from practise.networks.teacher import Teacher, save_teacher
from practise.settings.params import Params
from practise.stages import STAGES

BATCH_SIZE = 16
"""On a CPU, small batches stay in its caches and take two thirds of the time of large ones."""


def run(params: Params, *, network: str, weights: Path, card: Path) -> None:
    """Make the original network.

    Args:
        network: Name of an entry of the section networks.
        weights: The network's weights, safetensors.
        card: What the network is, JSON.
    """
    spec, where = params.networks[network], f"{params.study.file}: networks.{network}"
    device = resolve_device(params.device.name)
    described: dict[str, Any] = {
        "network": network,
        "library": spec.library,
        "architecture": spec.architecture,
        "options": find_options(spec, where),
        "weights": spec.weights,
        "head": None,
    }
    built = build_network(spec, where, params.data)
    teacher = Teacher(built, find_preprocessing(spec, where), (), described)
    described["blocks"] = droppable_blocks(
        teacher.network, teacher.preprocessing.image_size, spec.keep_blocks or (), where
    )
    fitted_on: dict[str, str] = {}
    if spec.head is None:
        teacher = _as_it_comes(teacher)
    else:
        teacher = _with_head(params, teacher, spec.head, device)
        fitted_on = {"head": spec.head}
    keys = STAGES["teacher"].keys(network=network, **fitted_on)
    made = circumstances(
        params, *keys, device=device, dtype="fp32", image_size=teacher.preprocessing.image_size
    )
    save_teacher(teacher, weights, card, made)


def _as_it_comes(teacher: Teacher) -> Teacher:
    size = teacher.preprocessing.image_size
    with torch.inference_mode():
        num_classes = teacher.network(torch.zeros(1, 3, size, size)).shape[1]
    return Teacher(teacher.network, teacher.preprocessing, name_classes(num_classes), teacher.card)


def _with_head(params: Params, teacher: Teacher, images: str, device: torch.device) -> Teacher:
    network, preprocessing = teacher.network, teacher.preprocessing
    source = open_source(images, params.images[images], params.study.file, params.data)
    train = hash_images(source.root, source.train, decode=False)
    evaluation = hash_images(source.root, source.evaluation, decode=False)
    check_disjoint(train, evaluation, f"{params.study.file}: images.{images}")
    batches = stream_batches(source.root, train, preprocessing, BATCH_SIZE, f"features of {images}")
    features, labels = extract_features(network, batches, device, source.flips)
    replace_classifier_(network, fit_head(features, labels, len(source.classes), params.teacher.l2))
    batches = stream_batches(source.root, evaluation, preprocessing, BATCH_SIZE, f"evaluate on {images}")
    accuracy = evaluate_accuracy(network, batches, device)
    head = {"images": images, "num_images": len(train), "flips": list(source.flips), "l2": params.teacher.l2}
    card = {**teacher.card, "head": head, "evaluation": asdict(accuracy)}
    return Teacher(network, preprocessing, source.classes, card)
