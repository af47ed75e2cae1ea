"""Measure the original network's accuracy, multiply-accumulates and parameters."""

from dataclasses import asdict
from pathlib import Path

from practise.accuracy import check_classes, evaluate_accuracy
from practise.cost import count_gmacs, count_params
from practise.files import write_result
from practise.hardware import circumstances, resolve_device
from practise.images.loading import stream_evaluation
from practise.images.manifest import read_listing
from practise.networks import load_teacher
from practise.params import Params

OUTPUTS = ("out",)


def run(params: Params, *, network: str, images: str, teacher: Path, listing: Path, out: Path) -> None:
    """Measure the original network.

    Args:
        network: Name of an entry of the section networks.
        images: Name of an entry of the section images.
        teacher: The original network's weights, safetensors.
        listing: The evaluation images, JSON.
        out: The accuracy and the size, JSON.
    """
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    classes = read_listing(listing).classes
    check_classes(original.classes, classes, f"{params.profile.file}: networks.{network} on images.{images}")
    size = original.preprocessing.image_size
    cost = {"gmacs": count_gmacs(original.network, size), "params": count_params(original.network)}
    accuracy = evaluate_accuracy(
        original.network, stream_evaluation(params, listing, original.preprocessing), device
    )
    sections = (f"networks.{network}", f"images.{images}", "evaluate", "device")
    made = circumstances(
        params, *sections, device=device, dtype="fp32", batch_size=params.evaluate.batch_size, image_size=size
    )
    write_result(out, "accuracy", {**asdict(accuracy), **cost}, made)
