"""What dropping each block saves, measured side by side with the original network.

Blocks of the same layers on inputs of the same shape take the same time, so all of such a group are dropped
at once and each is credited with its part: a difference several times as large, and so several times as
certain, from fewer networks. Each network takes turns with the original alone, because a machine that changes
its speed within tenths of a second tells least about passes that lie far apart. What the network without any
droppable block saves is measured too: the selection learns from it how far single reductions add up.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import nn

from practise.latency.measuring import Latency, part_of
from practise.networks.blocks import drop_blocks_
from practise.networks.copies import copy_network
from practise.networks.size import count_gmacs

Measure = Callable[[Mapping[str, nn.Module]], dict[str, Latency]]
"""From networks by name, the reference first, to what each takes."""


def measure_savings(
    network: nn.Module,
    groups: Sequence[Sequence[str]],
    blocks: Sequence[str],
    image_size: int,
    measure: Measure,
) -> dict[str, Any]:
    """The latency of the original and of the network without all blocks, and what each block is worth.

    Args:
        network: the original; it is not changed.
        groups: the droppable blocks, those together that take the same time.
        blocks: the same in network order.
        image_size: side of the square images in pixels.
        measure: times networks.
    """
    gmacs = count_gmacs(network, image_size)
    worth: dict[str, dict[str, Any]] = {}
    for group in groups:
        without = drop_blocks_(copy_network(network), group)
        measured = measure({"original": network, "without": without})
        part = asdict(part_of(measured["without"], measured["original"], len(group)))
        part["macs_reduction"] = (1 - count_gmacs(without, image_size) / gmacs) / len(group)
        worth |= dict.fromkeys(group, part)
    measured = measure({"original": network, "without": drop_blocks_(copy_network(network), blocks)})
    return {
        "original": asdict(measured["original"]),
        "without_all": asdict(measured["without"]),
        "alike": groups,
        "blocks": {block: worth[block] for block in blocks},
    }
