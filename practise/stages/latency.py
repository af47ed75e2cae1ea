"""Measure the original network, and what dropping each block saves, side by side.

Blocks are measured as `practise.latency.savings` says. For methods that prune filters, the share of filters
is searched whose absence saves what the target asks for.

What is pruned follows from these latencies, so a machine measures them once (`practise.latency.cache`);
`--again` measures anew.
"""

import copy
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from practise.files import write_result
from practise.latency.cache import measure_once
from practise.latency.measuring import Latency, describe_setting, measure_with, pool
from practise.latency.savings import measure_savings
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.machine.hardware import check
from practise.networks.blocks import alike_blocks
from practise.networks.size import count_gmacs
from practise.networks.teacher import Teacher, load_teacher
from practise.pruning.filters import ROUND_TO, choose_filters, find_inner_convolutions, keep_filters_
from practise.pruning.shares import search_share
from practise.settings.params import Params
from practise.stages import STAGES

TOLERANCE = 0.01
"""How near to the target the latency without filters should come."""
CONFIRMATIONS = 2
"""How often a share of filters that seems right is measured again: one number decides for many cells."""


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
    setting = describe_setting(params.latency, size, device)
    groups = alike_blocks(original.network, original.card["blocks"], size)
    subject = [*(original.card[key] for key in ("library", "architecture", "num_classes")), groups]
    if options := original.card.get("options"):  # they shape the layers, too
        subject.append(options)
    keys = STAGES["latency"].keys(network=network)
    made = circumstances(params, *keys, device=device, image_size=size)

    def once(what: str, measure: Callable[[], dict[str, Any]], *depends: Any) -> dict[str, Any]:
        return measure_once(what, [machine, setting, subject, *depends], measure, made, again=again)

    def without_blocks() -> dict[str, Any]:
        return measure_savings(
            original.network,
            groups,
            original.card["blocks"],
            size,
            lambda networks: measure_with(params.latency, networks, size, device),
        )

    blocks = once("blocks", without_blocks)
    wanted = params.latency.thinner
    thinner = (
        once("thinner", partial(_thinner, params, original, device), wanted, ROUND_TO, CONFIRMATIONS)
        if wanted
        else {"thinner": []}
    )
    write_result(out, "latency", {**setting, **blocks, **thinner}, made)


def _thinner(params: Params, original: Teacher, device: torch.device) -> dict[str, Any]:
    """The original without shares of its filters, until every reduction that is asked for was met."""
    size = original.preprocessing.image_size
    gmacs = count_gmacs(original.network, size)
    convolutions = find_inner_convolutions(original.network, size)
    looks: defaultdict[float, list[Latency]] = defaultdict(list)

    @cache
    def without(share: float) -> tuple[nn.Module, float]:
        """The thinner network, and the share of the MACs that it saves."""
        kept = choose_filters(original.network, convolutions, share)
        network = keep_filters_(copy.deepcopy(original.network), kept, size)
        return network, 1 - count_gmacs(network, size) / gmacs

    def measure(share: float) -> float:
        networks = {"original": original.network, "thinner": without(share)[0]}
        looks[share].append(measure_with(params.latency, networks, size, device)["thinner"])
        return pool(looks[share]).reduction

    known: dict[float, float] = {}
    for target in params.latency.thinner or ():
        search_share(measure, target, known, TOLERANCE, CONFIRMATIONS)
    points = [
        {"share": share, **asdict(pool(looks[share])), "macs_reduction": without(share)[1]}
        for share in sorted(looks)
    ]
    return {"thinner": points}
