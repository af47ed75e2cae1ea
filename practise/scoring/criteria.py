"""The criteria that rank blocks: from what a criterion is shown to what dropping a set of blocks costs.

What is known of each criterion stands in `practise.scoring.registry.CRITERIA`; a new one is an entry there,
and here a function of its name, which imports what does the work.

A criterion says of any set of blocks what their drop costs; the lowest is dropped first. Where the score is a
cost, it is weighed against the latency that the blocks save, as in the paper's s = R / tau; others are an
order in themselves. Only those that look at the network and the images import torch.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from practise.errors import NetworkError, unknown
from practise.scoring.registry import OfSet

if TYPE_CHECKING:
    from torch import nn

    from practise.images.tiny_set import TinySet
    from practise.scoring.changes import Changes
    from practise.scoring.params import RidgeRecipe, SgdRecipe
    from practise.scoring.recoverability import ClosedForm


@dataclass(frozen=True)
class Look:
    """What criteria that look at the network and the images are given.

    Attributes:
        network: the original, in evaluation mode on its device.
        blocks: names of the droppable blocks in network order.
        few: the images.
        recipe: how recoverability is found.
        ridge: how adaptors are fitted where that is done in closed form.
    """

    network: "nn.Module"
    blocks: Sequence[str]
    few: "TinySet"
    recipe: "RidgeRecipe | SgdRecipe"
    ridge: "RidgeRecipe"

    @cached_property
    def closed_form(self) -> "ClosedForm":
        """Adaptors in closed form, for all criteria that fit them."""
        from practise.scoring.recoverability import ClosedForm

        return ClosedForm(self.network, self.blocks, self.few, self.ridge)

    @cached_property
    def changes(self) -> "Changes":
        """What changes without blocks, for all criteria that look at it."""
        from practise.scoring.changes import Changes

        return Changes(self.network, self.few)


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


def add_up(scores: Mapping[str, float]) -> OfSet:
    """A set costs as much as its blocks one by one."""
    return lambda blocks: math.fsum(scores[block] for block in blocks)


def score_random(question: Question) -> OfSet:
    """Places in an order that the seed draws: what any criterion should beat."""
    places = np.random.default_rng(question.seed).permutation(len(question.blocks))
    return add_up(dict(zip(question.blocks, map(float, places), strict=True)))


def score_first_blocks(question: Question) -> OfSet:
    """The place in the network: the paper's baseline drops the first blocks."""
    return add_up({block: float(place) for place, block in enumerate(question.blocks)})


def score_latency(question: Question) -> OfSet:
    """The same cost for each block, so that the one which saves most goes first."""
    return lambda blocks: float(len(blocks))


def score_feature_change(question: Question) -> OfSet:
    """Mean squared change of the features before pooling when the blocks are gone and nothing is adapted."""
    return question.seen.changes.feature_change


def score_output_divergence(question: Question) -> OfSet:
    """KL divergence of the class probabilities when the blocks are gone (CURL)."""
    return question.seen.changes.output_divergence


def score_block_influence(question: Question) -> OfSet:
    """How far a block turns what passes through it."""
    from practise.scoring.passing import block_influence

    seen = question.seen
    return add_up(block_influence(seen.network, question.blocks, seen.few.centre_views()))


def score_concept_masks(question: Question) -> OfSet:
    """How far a block moves where its channels are most active (CMa-FSMC)."""
    from practise.scoring.passing import concept_masks

    seen = question.seen
    return add_up(concept_masks(seen.network, question.blocks, seen.few.centre_views()))


def score_recoverability(question: Question) -> OfSet:
    """R of the blocks: the paper's."""
    from practise.scoring.recoverability import build_scorer

    seen = question.seen
    if seen.recipe == seen.ridge:
        return seen.closed_form.recoverability
    return build_scorer(seen.network, seen.blocks, seen.few, seen.recipe).recoverability


def score_combined_recoverability(question: Question) -> OfSet:
    """R of the blocks, what their adaptors miss of the residual stream, and their influence."""
    return question.seen.closed_form.combined


def score_given(question: Question) -> OfSet:
    """The place in the method's own list.

    Raises:
        NetworkError: one of them is not a block that can be dropped.
    """
    for block in question.given:
        if block not in question.blocks:
            raise NetworkError(unknown("block", block, question.blocks))
    return add_up({block: float(place) for place, block in enumerate(question.given)})


SCORES: dict[str, Callable[[Question], OfSet]] = {
    function.__name__.removeprefix("score_"): function
    for function in (
        score_random,
        score_first_blocks,
        score_latency,
        score_feature_change,
        score_output_divergence,
        score_block_influence,
        score_concept_masks,
        score_recoverability,
        score_combined_recoverability,
        score_given,
    )
}
"""The function of each criterion that ranks blocks, by its name."""
