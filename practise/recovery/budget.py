"""A recovery that may take some minutes: as many steps as fit."""

import time

from torch import nn

from practise.images.tiny_set import TinySet
from practise.networks.copies import copy_network
from practise.recovery.params import RecoveryRecipe
from practise.recovery.training import recover_
from practise.resume import Resume

TIMED = 4
"""Steps that are timed, after one that warms up."""


def within_minutes(
    network: nn.Module, few: TinySet, loss: str, recipe: RecoveryRecipe, resume: Resume | None = None
) -> RecoveryRecipe:
    """The recipe with as many steps as its minutes allow, at least one; unchanged where it has none.

    Args:
        network: the original on its device; a step of it takes at least as long as one without blocks.
        few: the images.
        loss: what is minimised, a name in `LOSSES`.
        recipe: how to train.
        resume: a run that was killed goes on with the steps that it had begun with.
    """
    if recipe.minutes is None:
        return recipe
    begun = None if resume is None else resume.load()
    steps = (
        begun["steps"] if begun else int(60 * recipe.minutes / seconds_of_step(network, few, loss, recipe))
    )
    return recipe.but(steps=max(1, steps), minutes=None)


def seconds_of_step(network: nn.Module, few: TinySet, loss: str, recipe: RecoveryRecipe) -> float:
    """What a step of a training takes, views drawn for it included; arguments as for `within_minutes`."""
    recipe = recipe.but(minutes=None, views=None)

    def train(steps: int) -> float:
        began = time.perf_counter()
        recover_(copy_network(network), network, few, loss, recipe.but(steps=steps))
        return time.perf_counter() - began

    once = train(1)
    return max(train(1 + TIMED) - min(once, train(1)), 1e-6) / TIMED
