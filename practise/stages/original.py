"""Measure the original network: accuracy, multiply-accumulates, parameters, what it says to each image."""

from dataclasses import asdict
from pathlib import Path

from practise.evaluation.accuracy import ask, check_classes, score_logits
from practise.evaluation.logits import write_logits
from practise.files import write_result
from practise.images.manifest import read_listing
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.size import count_gmacs, count_params
from practise.networks.teacher import load_teacher
from practise.settings.params import Params
from practise.stages import STAGES
from practise.stages.opening import stream_evaluation


def run(
    params: Params, *, network: str, images: str, teacher: Path, listing: Path, out: Path, logits: Path
) -> None:
    """Measure the original network.

    Args:
        network: Name of an entry of the section networks.
        images: Name of an entry of the section images.
        teacher: The original network's weights, safetensors.
        listing: The evaluation images, JSON.
        out: The accuracy and the size, JSON.
        logits: What it says to each evaluation image, safetensors.
    """
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    classes = read_listing(listing).classes
    check_classes(original.classes, classes, f"{params.study.file}: networks.{network} on images.{images}")
    size = original.preprocessing.image_size
    cost = {"gmacs": count_gmacs(original.network, size), "params": count_params(original.network)}
    said, labels = ask(original.network, stream_evaluation(params, listing, original.preprocessing), device)
    keys = STAGES["original"].keys(network=network, images=images)
    made = circumstances(
        params, *keys, device=device, dtype="fp32", batch_size=params.evaluate.batch_size, image_size=size
    )
    write_logits(logits, said, labels)
    write_result(out, "accuracy", {**asdict(score_logits(said, labels)), **cost}, made)
