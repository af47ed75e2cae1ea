"""A whole recovery: where it starts, its training, and how far the guard lets it go."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from practise.images.tiny_set import TinySet
from practise.networks.watching import at_rest
from practise.pruning.plan import Pruning
from practise.recovery.budget import within_minutes
from practise.recovery.guard import (
    Guarded,
    guard_,
    hold_out,
    remember,
    usual_share,
)
from practise.recovery.params import RecoveryRecipe
from practise.recovery.referee import Referee
from practise.recovery.start import Starter
from practise.recovery.training import Step, ViewBank, recover_, share_views
from practise.resume import Resume
from practise.scoring.params import RidgeRecipe


@dataclass(frozen=True)
class Recovered:
    """A recovered network.

    Attributes:
        network: the network, in evaluation mode.
        history: the loss of each step.
        start: what the start chose by looking at the images, as plain values; None where it chooses nothing.
        guard: how far the guard let it go, likewise; None without one.
    """

    network: nn.Module
    history: list[Step]
    start: dict[str, Any] | None
    guard: dict[str, Any] | None


@dataclass(frozen=True)
class Common:
    """What recoveries of one network on the same images have in common.

    Attributes:
        starter: starts each of them.
        bank: the training views; None: each draws its own.
    """

    starter: Starter
    bank: ViewBank | None = None


class Starters:
    """Starters of one network on the same images, one for all recipes that start alike.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        blocks: all that any of the recoveries drops.
        few: the images.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[str], few: TinySet) -> None:
        self.network, self.blocks, self.few = network, blocks, few
        self.made: dict[str, Starter] = {}

    def find(self, recipe: RecoveryRecipe, ridge: RidgeRecipe) -> Starter:
        """The starter of recoveries by a recipe; arguments as for `Starter`."""
        heeded = recipe.model_dump(include={"start", "batch_norm", "batch_size", "guard"})
        alike = json.dumps([heeded, ridge.model_dump()], sort_keys=True)
        if alike not in self.made:
            training, _ = share_out(self.few, recipe)
            self.made[alike] = Starter(self.network, self.blocks, training, recipe, ridge)
        return self.made[alike]


def find_common(
    network: nn.Module,
    blocks: Sequence[str],
    few: TinySet,
    loss: str,
    recipe: RecoveryRecipe,
    ridge: RidgeRecipe,
) -> Common:
    """What recoveries have in common that drop some of the blocks; the other arguments as for `recover`."""
    training, _ = share_out(few, recipe)
    starter = Starter(network, blocks, training, recipe, ridge)
    return Common(starter, share_views(starter.teacher, training, loss, recipe))


def recover(
    network: nn.Module,
    pruning: Pruning,
    few: TinySet,
    loss: str,
    recipe: RecoveryRecipe,
    ridge: RidgeRecipe,
    resume: Resume | None = None,
    common: "Common | None" = None,
) -> Recovered:
    """Prune a network and recover it on the few images.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        pruning: what goes.
        few: the images; their seed decides all that is random.
        loss: what is minimised, a name in `LOSSES`.
        recipe: how to recover.
        ridge: how adaptors are fitted, where the recovery starts with them.
        resume: where the training's state is kept so that a killed run can go on.
        common: what several recoveries on these images have in common, found before.

    Raises:
        RecoveryError: the start is not one for what is pruned, or the loss became infinite or not a number.
    """
    training, held_out = share_out(few, recipe)
    recipe = within_minutes(network, training, loss, recipe, resume)
    if common is None:
        common = Common(Starter(network, pruning.dropped_blocks, training, recipe, ridge))
    start, bank = common.starter.start(pruning), common.bank
    student, teacher = start.student, start.teacher
    if not (recipe.guard and recipe.steps):
        history = recover_(student, teacher, training, loss, recipe, resume, bank)
        return Recovered(at_rest(student), history, start.chosen, None)
    usual = usual_share(training, teacher)
    if held_out is None and not usual:
        return Recovered(at_rest(student), [], start.chosen, Guarded(usual).describe())
    before = remember(student)
    history = recover_(student, teacher, training, loss, recipe, resume, bank)
    guarded = guard_(student, before, usual, Referee(teacher, held_out) if held_out else None)
    return Recovered(at_rest(student), history, start.chosen, guarded.describe())


def share_out(few: TinySet, recipe: RecoveryRecipe) -> tuple[TinySet, TinySet | None]:
    """The images that a recipe trains on, and those by which its guard judges, if there are any."""
    return hold_out(few) if recipe.guard else (few, None)
