"""Measure the original network, and what dropping each block saves, side by side.

Blocks of the same layers on inputs of the same shape take the same time, so all of such a group are dropped
at once and each is credited with its part: a difference several times as large, and so several times as
certain, from fewer networks. That reductions add up is checked by `benchmarks/latency.py`.

Which blocks are dropped follows from these latencies, so a machine measures them once: the measurement is
kept in `.practise/`, and as long as machine, network and settings are the same, results that were deleted
come back from it with the same choices. `--again` measures anew.
"""

import copy
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from practise.blocks import alike_blocks, drop_blocks_
from practise.files import read_result, write_result
from practise.filters import choose_filters, find_inner_convolutions, keep_filters_
from practise.hardware import check, circumstances, resolve_device
from practise.latency import describe_setting, measure_with, part_of
from practise.networks import Teacher, load_teacher
from practise.params import Params

OUTPUTS = ("out",)
KEPT = Path(".practise", "latency")
"""Where this machine's measurements are kept, in the project's folder and out of git."""


def run(
    params: Params, *, network: str, teacher: Path, hardware: Path, out: Path, again: bool = False
) -> None:
    """Measure what dropping each block saves.

    Args:
        network: Name of an entry of the section networks.
        teacher: The original network's weights, safetensors.
        hardware: The description of this machine, JSON.
        out: The latencies, JSON.
        again: Measure, also when this machine's measurement was kept.
    """
    machine = check(hardware)
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    size = original.preprocessing.image_size
    setting = {**describe_setting(params.latency, size, device), "max_spread": params.latency.max_spread}
    groups = alike_blocks(original.network, original.card["blocks"], size)
    subject = [*(original.card[key] for key in ("library", "architecture", "num_classes")), groups]
    shares = params.latency.thinner or ()
    kept = KEPT / f"{_hash([machine, setting, params.latency.warmup, subject, shares])}.json"
    sections = ("latency", "device", f"networks.{network}")
    made = circumstances(params, *sections, device=device, image_size=size)
    if again or not kept.is_file():
        write_result(kept, "latency", {**setting, **_measure(params, original, groups, device)}, made)
    write_result(out, "latency", read_result(kept, "latency"), made)


def _measure(
    params: Params, original: Teacher, groups: list[list[str]], device: torch.device
) -> dict[str, Any]:
    size = original.preprocessing.image_size
    networks = {"original": original.network} | {
        group[0]: drop_blocks_(copy.deepcopy(original.network), group) for group in groups
    }
    shares = params.latency.thinner or ()
    convolutions = find_inner_convolutions(original.network, size) if shares else []
    for share in shares:
        kept = choose_filters(original.network, convolutions, share)
        networks[_thinner(share)] = keep_filters_(copy.deepcopy(original.network), kept, size)
    measured = measure_with(params.latency, networks, size, device)
    whole = measured["original"]
    share_of = {block: part_of(measured[group[0]], whole, len(group)) for group in groups for block in group}
    blocks = {block: asdict(share_of[block]) for block in original.card["blocks"]}
    thinner = [{"share": share, **asdict(measured[_thinner(share)])} for share in shares]
    return {"original": asdict(whole), "alike": groups, "blocks": blocks, "thinner": thinner}


def _thinner(share: float) -> str:
    return f"without {share:g} of the filters"


def _hash(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
