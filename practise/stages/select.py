"""Choose the blocks to drop for a latency target, from scores and measured latencies."""

from pathlib import Path

from practise.files import read_result, write_result
from practise.hardware import circumstances
from practise.params import Params
from practise.selection import select_blocks

OUTPUTS = ("out",)
USES_TORCH = False


def run(
    params: Params, *, method: str, target_reduction: float, score: Path, latency: Path, out: Path
) -> None:
    """Choose the blocks to drop.

    Args:
        method: Name of an entry of the section methods.
        target_reduction: Share of the original's latency to save; from 1 on, the number of blocks to drop.
        score: The blocks' scores, JSON.
        latency: The blocks' latencies, JSON.
        out: The blocks to drop, JSON.
    """
    scored, measured = read_result(score, "score"), read_result(latency, "latency")
    dropped = select_blocks(
        {block["name"]: block["score"] for block in scored["blocks"]},
        {name: block["reduction"] for name, block in measured["blocks"].items()},
        target_reduction,
        per_latency=scored["per_latency"],
        tolerance=params.select.tolerance,
    )
    result = {"method": method, "target_reduction": target_reduction, "dropped_blocks": dropped}
    write_result(out, "select", result, circumstances(params, "select"))
