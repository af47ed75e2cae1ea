"""The criteria that rank blocks: from what a criterion is shown to a score for each block.

What is known of each criterion stands in `practise.scoring.registry.CRITERIA`; a new one is an entry there,
and here a function of its name.

A criterion gives every block a score; the lowest is dropped first. Where the score is a cost, it is weighed
against the latency that the block saves, as in the paper's s = R / tau; others are an order in themselves.
Only those that look at the network and the images import torch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from practise.errors import NetworkError, unknown

if TYPE_CHECKING:
    from torch import nn

    from practise.images.tiny_set import TinySet
    from practise.scoring.params import RidgeRecipe, SgdRecipe

Scores = Iterator[tuple[str, float]]


@dataclass(frozen=True)
class Look:
    """What criteria that look at the network and the images are given.

    Attributes:
        network: the original, in evaluation mode on its device.
        few: the images.
        recipe: how recoverability is found.
        done: scores that a killed run has left.
    """

    network: "nn.Module"
    few: "TinySet"
    recipe: "RidgeRecipe | SgdRecipe"
    done: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """What a criterion is asked.

    Attributes:
        blocks: names of the droppable blocks in network order.
        seed: the run's.
        look: the network and the images, for a criterion that looks at them.
        given: the blocks that the method names, for a criterion that asks for them.
    """

    blocks: Sequence[str]
    seed: int
    look: Look | None = None
    given: Sequence[str] = ()

    @property
    def seen(self) -> Look:
        """The network and the images."""
        assert self.look is not None, "this criterion looks at the network"
        return self.look


def score_random(question: Question) -> Scores:
    """Places in an order that the seed draws: what any criterion should beat."""
    places = np.random.default_rng(question.seed).permutation(len(question.blocks))
    yield from zip(question.blocks, map(float, places), strict=True)


def score_first_blocks(question: Question) -> Scores:
    """The place in the network: the paper's baseline drops the first blocks."""
    for place, block in enumerate(question.blocks):
        yield block, float(place)


def score_latency(question: Question) -> Scores:
    """The same cost for each block, so that the one which saves most goes first."""
    for block in question.blocks:
        yield block, 1.0


def score_feature_change(question: Question) -> Scores:
    """Mean squared change of the features before pooling when the block is gone and nothing is adapted."""
    from practise.scoring.changes import feature_changes

    yield from feature_changes(question.seen.network, question.blocks, question.seen.few)


def score_output_divergence(question: Question) -> Scores:
    """KL divergence of the class probabilities when the block is gone (CURL)."""
    from practise.scoring.changes import output_divergences

    yield from output_divergences(question.seen.network, question.blocks, question.seen.few)


def score_recoverability(question: Question) -> Scores:
    """R(B): the paper's."""
    from practise.scoring.recoverability import score_blocks

    seen = question.seen
    yield from score_blocks(seen.network, question.blocks, seen.few, seen.recipe, seen.done)


def score_given(question: Question) -> Scores:
    """The place in the method's own list; blocks that are not in it stay.

    Raises:
        NetworkError: one of them is not a block that can be dropped.
    """
    for place, block in enumerate(question.given):
        if block not in question.blocks:
            raise NetworkError(unknown("block", block, question.blocks))
        yield block, float(place)


def score_l1_filters(question: Question) -> Scores:
    """Nothing: filters are chosen by their weights alone, when the target is known."""
    yield from ()


SCORES: dict[str, Callable[[Question], Scores]] = {
    function.__name__.removeprefix("score_"): function
    for function in (
        score_random,
        score_first_blocks,
        score_latency,
        score_feature_change,
        score_output_divergence,
        score_recoverability,
        score_given,
        score_l1_filters,
    )
}
"""The function of each criterion by its name."""
