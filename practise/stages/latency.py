"""Measure the original network, and what dropping each block saves, side by side.

Blocks are measured as `practise.latency.savings` says. For methods that prune filters, the share of filters
is searched whose absence saves what the target asks for; from 1 on, what so many blocks save, the first ones.

What is pruned follows from these latencies, so a machine measures them once (`practise.latency.cache`);
`--again` measures anew.
"""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from practise.errors import SelectionError
from practise.files import write_result
from practise.latency.measuring import Latency
from practise.latency.savings import measure_savings
from practise.networks.size import count_gmacs
from practise.networks.teacher import load_teacher
from practise.pruning.measured import CLOSE, CONFIRMATIONS
from practise.pruning.plan import Pruning
from practise.pruning.shares import search_share
from practise.pruning.students import prune
from practise.settings.params import Params
from practise.stages import STAGES
from practise.stages.timing import Timing


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
    original, keys = load_teacher(teacher), STAGES["latency"].keys(network=network)
    timing = Timing(params, original, hardware, keys, again=again)

    def without_blocks() -> dict[str, Any]:
        return measure_savings(original.network, timing.alike, timing.blocks, timing.size, timing.beside)

    blocks = timing.once("blocks", without_blocks, timing.alike)
    write_result(out, "latency", {**timing.setting, **blocks, **without_filters(timing)}, timing.made)


def without_filters(timing: Timing) -> dict[str, Any]:
    """The original without shares of its filters, until every reduction that is asked for was met.

    Returns:
        `thinner`: what was measured, by share; `first_blocks`: for each number of blocks that is asked for,
        what so many of the first ones save, which is the reduction that the filters have to meet.

    Raises:
        SelectionError: more blocks are asked for than can be dropped.
    """
    original, size = timing.original, timing.size
    gmacs = count_gmacs(original.network, size)
    latencies: dict[float, Latency] = {}

    def measure(share: float) -> float:
        latencies[share] = timing.look(Pruning(filters_removed=share))
        return latencies[share].reduction

    @cache
    def macs_reduction(share: float) -> float:
        return 1 - count_gmacs(prune(original, Pruning(filters_removed=share)), size) / gmacs

    known: dict[float, float] = {}
    first_blocks = []
    for target in timing.params.latency.thinner or ():
        wanted = target
        if target >= 1:
            first_blocks.append(without_first_blocks(timing, int(target)))
            wanted = first_blocks[-1]["reduction"]
        search_share(measure, wanted, known, CLOSE, CONFIRMATIONS)
    points = [
        {"share": share, **asdict(latencies[share]), "macs_reduction": macs_reduction(share)}
        for share in sorted(latencies)
    ]
    return {"thinner": points, "first_blocks": first_blocks}


def without_first_blocks(timing: Timing, count: int) -> dict[str, Any]:
    """What the first blocks save when they are dropped together."""
    if count > len(timing.blocks):
        raise SelectionError(
            f"latency.thinner: asks for what {count} blocks save, but the network has {len(timing.blocks)} "
            "that can be dropped"
        )
    first = Pruning(timing.blocks[:count])
    for _ in range(1 + CONFIRMATIONS):
        latency = timing.look(first)
    return {"count": count, "dropped_blocks": list(first.dropped_blocks), **asdict(latency)}
