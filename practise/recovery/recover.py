"""A whole recovery: where it starts, its training, and how far the guard lets it go."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from practise.images.tiny_set import TinySet
from practise.pruning.plan import Pruning
from practise.recovery.guard import guard_, hold_out, remember
from practise.recovery.params import RecoveryRecipe
from practise.recovery.start import start_recovery
from practise.recovery.training import Step, ViewBank, recover_
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


def recover(
    network: nn.Module,
    pruning: Pruning,
    few: TinySet,
    loss: str,
    recipe: RecoveryRecipe,
    ridge: RidgeRecipe,
    resume: Resume | None = None,
    bank: ViewBank | None = None,
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
        bank: the training views, where several recoveries share them.

    Raises:
        RecoveryError: the start is not one for what is pruned, or the loss became infinite or not a number.
    """
    training, held_out = share_out(few, recipe)
    start = start_recovery(network, pruning, training, recipe, ridge)
    before = remember(start.student) if recipe.guard else {}
    history = recover_(start.student, start.teacher, training, loss, recipe, resume, bank)
    guarded: dict[str, Any] | None = None
    if recipe.guard and history:
        guarded = guard_(start.student, before, start.teacher, held_out).describe()
    return Recovered(start.student.eval(), history, start.chosen, guarded)


def share_out(few: TinySet, recipe: RecoveryRecipe) -> tuple[TinySet, TinySet | None]:
    """The images that a recipe trains on, and those by which its guard judges, if there are any."""
    return hold_out(few) if recipe.guard else (few, None)
