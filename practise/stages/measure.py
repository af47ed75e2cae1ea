"""Measure what was chosen for the cells of the grid, beside the original network.

How long a pass takes follows from the layers that are left, not from the weights in them, so that a recovery
changes nothing about it: every choice is measured once, and choices that leave the same layers share a
measurement (`practise.latency.cache`), whichever method, images or seed they come from; `--again` measures
anew. What is reported is the mean of several measurements: one number stands for many cells. None of them is
one by which the choice was made, which would flatter it.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from practise.files import read_result, write_result
from practise.latency.measuring import measure_also, pool
from practise.networks.teacher import load_teacher
from practise.progress import track
from practise.pruning.plan import Pruning
from practise.pruning.students import prune
from practise.settings.grid import Paths, cells
from practise.settings.params import Params
from practise.stages import STAGES
from practise.stages.timing import Timing

LOOKS = 3
"""How often the two networks are measured: whether a scheme meets its target hangs on this one number."""


def run(
    params: Params, *, network: str, teacher: Path, hardware: Path, out: Path, again: bool = False
) -> None:
    """Measure what was chosen for the cells of the grid.

    Args:
        params: The params; the cells of their grid say which choices.
        network: Name of an entry of the section networks.
        teacher: The original network's weights, safetensors.
        hardware: The description of this machine, JSON.
        out: The latencies, JSON.
        again: Measure, also when this machine's measurements were kept.
    """
    original, keys = load_teacher(teacher), STAGES["measure"].keys(network=network)
    timing = Timing(params, original, hardware, keys, again=again)

    def beside(pruning: Pruning) -> dict[str, Any]:
        networks = {"original": original.network, "student": prune(original, pruning)}
        looks = [timing.beside(networks) for _ in range(LOOKS)]
        pooled = {name: asdict(pool([look[name] for look in looks])) for name in networks}
        also = measure_also(params.latency, networks, timing.size, timing.device)
        return {**pooled, "also": also}

    def measure(pruning: Pruning) -> dict[str, Any]:
        layers = timing.layers(pruning)
        return timing.once("chosen", lambda: beside(pruning), LOOKS, params.latency.also, layers)

    chosen = choices(params, network)
    measured = [{**pruning.describe(), **measure(pruning)} for pruning in track(chosen, "measure choices")]
    write_result(out, "latency", {**timing.setting, "choices": measured}, timing.made)


def choices(params: Params, network: str) -> list[Pruning]:
    """What is pruned of a network anywhere in the grid, each once.

    Raises:
        FileError: a choice is missing or damaged.
    """
    paths = Paths.of(params)
    files = [paths.select(cell) for cell in cells(params) if cell.network == network]
    return list(dict.fromkeys(Pruning.of(read_result(file, "select")) for file in files))
