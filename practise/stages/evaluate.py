"""Measure the recovered network: what it loses against the original, its size, and its latency beside it.

Recovered networks of the same layers share one latency (`practise.latency.cache`), whichever method, images
or seed they come from; `--again` measures anew. What is reported is the mean of several measurements: one
number stands for many cells. None of them is one by which the network was chosen, which would flatter it.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from practise.evaluation.accuracy import ask, check_classes, score_logits
from practise.evaluation.comparing import compare, names_right
from practise.evaluation.logits import read_logits
from practise.evaluation.lost import write_lost
from practise.files import write_result
from practise.images.manifest import read_listing
from practise.latency.measuring import measure_also, pool
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.size import count_gmacs, count_params
from practise.networks.teacher import load_teacher
from practise.pruning.plan import Pruning
from practise.pruning.students import load_student
from practise.settings.params import Params
from practise.stages import STAGES
from practise.stages.opening import stream_evaluation
from practise.stages.timing import Timing

LOOKS = 3
"""How often the two networks are measured: whether a scheme meets its target hangs on this one number."""


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
    hardware: Path,
    out: Path,
    lost: Path,
    latency: Path,
    again: bool = False,
) -> None:
    """Measure the recovered network.

    Args:
        network: Name of an entry of the section networks.
        images: Name of an entry of the section images.
        teacher: The original network's weights, safetensors.
        listing: The evaluation images, JSON.
        student: The recovered network's weights, safetensors.
        card: What the recovered network is, JSON.
        original: What the original says to each evaluation image, safetensors.
        hardware: The description of this machine, JSON.
        out: The accuracy, what is lost and the size, JSON.
        lost: What is lost image by image, safetensors.
        latency: The latencies of the original and the recovered network, JSON.
        again: Measure the latency, also when this machine's measurement of such a network was kept.
    """
    device = resolve_device(params.device.name)
    loaded = load_teacher(teacher)
    pruned = load_student(loaded, student, card)
    recovered = pruned.network
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

    keys = STAGES["latency"].keys(network=network)
    timing = Timing(params, loaded, hardware, keys, again=again)

    def side_by_side() -> dict[str, Any]:
        networks = {"original": loaded.network, "student": recovered}
        looks = [timing.beside(networks) for _ in range(LOOKS)]
        pooled = {name: asdict(pool([look[name] for look in looks])) for name in networks}
        result = {**timing.setting, **pooled}
        if params.latency.also:
            result["also"] = measure_also(params.latency, networks, size, timing.device)
        return result

    measured = timing.once(
        "recovered", side_by_side, LOOKS, params.latency.also, timing.layers(Pruning.of(pruned.card))
    )
    write_result(latency, "latency", measured, timing.made)
