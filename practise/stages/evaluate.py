"""Evaluate the recovered network: its accuracy, what it loses against the original, and its size."""

from dataclasses import asdict
from pathlib import Path

from practise.evaluation.accuracy import ask, check_classes, score_logits
from practise.evaluation.comparing import compare, names_right
from practise.evaluation.logits import read_logits
from practise.evaluation.lost import write_lost
from practise.files import write_result
from practise.images.manifest import read_listing
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.size import count_gmacs, count_params
from practise.networks.teacher import load_teacher
from practise.pruning.students import load_student
from practise.settings.params import Params
from practise.stages import STAGES
from practise.stages.opening import stream_evaluation


def run(
    params: Params,
    *,
    network: str,
    images: str,
    teacher: Path,
    listing: Path,
    student: Path,
    card: Path,
    original: Path,
    out: Path,
    lost: Path,
) -> None:
    """Evaluate the recovered network.

    Args:
        network: Name of an entry of the section networks.
        images: Name of an entry of the section images.
        teacher: The original network's weights, safetensors.
        listing: The evaluation images, JSON.
        student: The recovered network's weights, safetensors.
        card: What the recovered network is, JSON.
        original: What the original says to each evaluation image, safetensors.
        out: The accuracy, what is lost and the size, JSON.
        lost: What is lost image by image, safetensors.
    """
    device = resolve_device(params.device.name)
    loaded = load_teacher(teacher)
    recovered = load_student(loaded, student, card).network
    classes = read_listing(listing).classes
    check_classes(loaded.classes, classes, f"{params.study.file}: networks.{network} on images.{images}")
    size = loaded.preprocessing.image_size
    cost = {"gmacs": count_gmacs(recovered, size), "params": count_params(recovered)}
    ours, labels = ask(recovered, stream_evaluation(params, listing, loaded.preprocessing), device)
    theirs, _ = read_logits(original)
    loses, right_original = compare(theirs, ours, labels), names_right(theirs, labels)
    accuracy = {**asdict(score_logits(ours, labels)), **loses.describe(right_original)}
    keys = STAGES["evaluate"].keys(network=network, images=images)
    made = circumstances(
        params, *keys, device=device, dtype="fp32", batch_size=params.evaluate.batch_size, image_size=size
    )
    write_lost(lost, [loses], right_original)
    write_result(out, "accuracy", {**accuracy, **cost}, made)
