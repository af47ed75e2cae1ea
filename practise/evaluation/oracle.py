"""What a choice of blocks is really worth: drop them, recover, and measure the accuracy.

That is the oracle which every criterion tries to foretell. It sees the evaluation images and takes as long as
as many recoveries, so it is no way to choose blocks but a way to judge criteria.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from practise.errors import SelectionError
from practise.progress import track
from practise.pruning.selection import rank_blocks

Top1 = Callable[[tuple[str, ...]], float]
"""From blocks to the accuracy of the network that was recovered without them, in percent."""


@dataclass(frozen=True)
class Choice:
    """The blocks that a criterion drops when it has to drop so many.

    Attributes:
        count: how many blocks.
        dropped_blocks: their names, in network order.
        latency_reduction: the sum of their tau.
        top1: the accuracy after recovery, in percent.
    """

    count: int
    dropped_blocks: Sequence[str]
    latency_reduction: float
    top1: float


@dataclass(frozen=True)
class Ranking:
    """What one criterion says of the blocks, and what comes of it.

    Attributes:
        criterion: its name.
        per_latency: whether scores are weighed against the latency.
        scores: by block.
        order: the blocks, the one to go first in front.
        choices: what it drops at each count.
    """

    criterion: str
    per_latency: bool
    scores: Mapping[str, float]
    order: Sequence[str]
    choices: Sequence[Choice]

    def describe(self) -> dict[str, Any]:
        """The same as plain values, for a result."""
        return asdict(self)


def ask_oracle(blocks: Sequence[str], original: float, top1: Top1) -> dict[str, float]:
    """The accuracy that is lost without each block alone, in points.

    Args:
        blocks: names.
        original: the original's accuracy, in percent.
        top1: finds accuracies.
    """
    return {block: original - top1((block,)) for block in track(blocks, "drop one block and recover")}


def check_counts(counts: Sequence[int], reductions: Mapping[str, float]) -> None:
    """Make sure that so many blocks can be dropped, before hours are spent.

    Args:
        counts: how many blocks are to be dropped.
        reductions: tau of the blocks.

    Raises:
        SelectionError: there are not so many blocks that save time.
    """
    useful = sum(reduction > 0 for reduction in reductions.values())
    if max(counts, default=0) > useful:
        raise SelectionError(
            f"dropping {max(counts)} blocks is out of reach: {useful} save time here; lower rank.counts"
        )


def follow(
    criterion: str,
    scores: Mapping[str, float],
    per_latency: bool,
    reductions: Mapping[str, float],
    counts: Sequence[int],
    top1: Top1,
) -> Ranking:
    """Drop blocks in the order that a criterion gives.

    Args:
        criterion: its name.
        scores: by block, in network order.
        per_latency: whether scores are weighed against the latency.
        reductions: tau of the blocks.
        counts: how many blocks to drop.
        top1: finds accuracies.

    Raises:
        SelectionError: there are not so many blocks that save time.
    """
    check_counts(counts, reductions)
    useful = {name: reductions[name] for name in scores if reductions[name] > 0}
    order = rank_blocks(scores, useful, per_latency=per_latency)
    choices = []
    for count in counts:
        dropped = tuple(name for name in useful if name in order[:count])
        choices.append(Choice(count, dropped, sum(useful[name] for name in dropped), top1(dropped)))
    return Ranking(criterion, per_latency, dict(scores), order, choices)
