"""The criteria that rank blocks, by name. A new criterion is one function and one line in `CRITERIA`.

A criterion gives every block a score; the lowest is dropped first. Some are to be weighed against the latency
that a block saves (the paper's s = R / tau), others are an order in themselves.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from practise.recoverability import RidgeRecipe, SgdRecipe, score_blocks
from practise.tiny_set import TinySet

Scores = Iterator[tuple[str, float]]


@dataclass(frozen=True)
class Question:
    """What a criterion may look at.

    Attributes:
        network: the original, in evaluation mode on its device.
        blocks: names of the droppable blocks in network order.
        few: the images.
        recipe: how recoverability is found.
        done: scores that a killed run has left.
    """

    network: nn.Module
    blocks: Sequence[str]
    few: TinySet
    recipe: RidgeRecipe | SgdRecipe
    done: Mapping[str, float]


@dataclass(frozen=True)
class Criterion:
    """A way to score blocks; `per_latency` says whether the score is to be divided by the reduction."""

    score: Callable[[Question], Scores]
    per_latency: bool


def score_recoverability(question: Question) -> Scores:
    """R(B): the paper's."""
    return score_blocks(question.network, question.blocks, question.few, question.recipe, question.done)


def score_first_blocks(question: Question) -> Scores:
    """The place in the network: the paper's baseline drops the first blocks."""
    for place, block in enumerate(question.blocks):
        yield block, float(place)


CRITERIA: dict[str, Criterion] = {
    "first_blocks": Criterion(score_first_blocks, per_latency=False),
    "recoverability": Criterion(score_recoverability, per_latency=True),
}
