"""Measure the original network and each network with one block dropped, side by side."""

import copy
from dataclasses import asdict
from pathlib import Path

from practise.blocks import drop_blocks_
from practise.files import write_result
from practise.hardware import check, circumstances, resolve_device
from practise.latency import describe_setting, measure_with
from practise.networks import load_teacher
from practise.params import Params

OUTPUTS = ("out",)


def run(params: Params, *, network: str, teacher: Path, hardware: Path, out: Path) -> None:
    """Measure what dropping each block saves.

    Args:
        network: Name of an entry of the section networks.
        teacher: The original network's weights, safetensors.
        hardware: The description of this machine, JSON.
        out: The latencies, JSON.
    """
    check(hardware)
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    size = original.preprocessing.image_size
    networks = {"original": original.network} | {
        block: drop_blocks_(copy.deepcopy(original.network), [block]) for block in original.card["blocks"]
    }
    measured = {
        name: asdict(latency)
        for name, latency in measure_with(params.latency, networks, size, device).items()
    }
    setting = describe_setting(params.latency, size, device)
    result = {**setting, "original": measured.pop("original"), "blocks": measured}
    sections = ("latency", "device", f"networks.{network}")
    write_result(out, "latency", result, circumstances(params, *sections, device=device, image_size=size))
