"""Which blocks to drop for a latency target: a pure function of scores and measured latencies.

The paper (section 3.2) drops the blocks of lowest pruning score s(B) = R(B) / tau(B) until the target is met.
The official code measures tau anew at every call, so that timer noise leaks into the choice; here both come
from files, and the same files give the same blocks.
"""

import math
from collections.abc import Mapping

from practise.errors import SelectionError


def select_blocks(
    scores: Mapping[str, float],
    reductions: Mapping[str, float],
    target: float,
    *,
    per_latency: bool,
    tolerance: float = 0.0,
) -> list[str]:
    """Names of the blocks to drop, in network order.

    Args:
        scores: what dropping each block costs, in network order; the lowest goes first.
        reductions: tau, the share of the original latency that dropping each block alone saves.
        target: the share of the original latency to save, where single reductions are taken to add up; from
            1 on, the number of blocks to drop, as the paper states it for its own networks.
        per_latency: rank by score per reduction (the paper's s) rather than by the score itself.
        tolerance: how far the sum may stay below the target.

    Raises:
        SelectionError: all blocks together do not reach the target, or a block was not measured.

    >>> select_blocks({"a": 3, "b": 1, "c": 2}, {"a": 0.1, "b": 0.1, "c": 0.1}, 0.2, per_latency=True)
    ['b', 'c']
    """
    unmeasured = [name for name in scores if name not in reductions]
    if unmeasured:
        raise SelectionError(f"the latency of block '{unmeasured[0]}' was not measured; measure again")
    useful = {name: reductions[name] for name in scores if reductions[name] > 0}
    ranked = sorted(useful, key=lambda name: scores[name] / useful[name] if per_latency else scores[name])
    if target >= 1:
        if target > len(ranked):
            raise SelectionError(
                f"dropping {target:g} blocks is out of reach: the network has {len(ranked)} that save time "
                "here; lower grid.targets"
            )
        return [name for name in scores if name in ranked[: round(target)]]
    reach = math.fsum(useful.values())
    if reach < target - tolerance:
        raise SelectionError(
            f"a latency reduction of {target:.1%} is out of reach: dropping all {len(useful)} blocks that "
            f"save time gives {reach:.1%} here; lower grid.targets, or measure at another batch or image size"
        )
    chosen: list[str] = []
    while math.fsum(useful[name] for name in chosen) < target - tolerance:
        chosen.append(ranked[len(chosen)])
    return [name for name in scores if name in chosen]
