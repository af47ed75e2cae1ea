"""Where a recovery starts: the pruned network before its first step, and the network that it is to mimic.

The authors start from the original's weights and throw the adaptors that scored the blocks away. Absorbed
into the convolutions that read the stream, closed-form adaptors cost a second and spare dozens of steps; a
start that fits the network chooses how hard they are pulled, and may leave them out.
Rivals that work layer by layer are starts too; some need no step after it. And where the few images look
unlike those of the network's training, both networks first take over their batch norm statistics
(`batch_norm: adapted`). What each start makes up for stands in `practise.recovery.registry.STARTS`; a new one
is an entry there, and here a function, in a file of its own if it is long, and a line in `BEGIN`.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from practise.errors import RecoveryError
from practise.images.tiny_set import TinySet
from practise.networks.batch_norm import adapt_batch_norm_
from practise.pruning.filters import find_readers
from practise.pruning.plan import Pruning
from practise.recovery.fitting import fit_best, fit_cautiously
from practise.recovery.params import RecoveryRecipe
from practise.recovery.referee import Referee
from practise.recovery.registry import STARTS
from practise.recovery.rivals.cd import OFFICIAL, CrossDistillation, refit_layers
from practise.recovery.rivals.fskd import correct_layers_
from practise.scoring.params import RidgeRecipe
from practise.scoring.recoverability import ClosedForm


@dataclass(frozen=True)
class Start:
    """Where a recovery starts.

    Attributes:
        student: the pruned network, ready to be trained.
        teacher: the network that it is to mimic.
        chosen: what was chosen by looking at the images, as plain values; None where nothing is.
    """

    student: nn.Module
    teacher: nn.Module
    chosen: dict[str, Any] | None = None


Begin = Callable[[nn.Module, Pruning, TinySet, RidgeRecipe], Start]
"""From the teacher, what is pruned, the images and how adaptors are fitted to the start."""


def start_recovery(
    network: nn.Module, pruning: Pruning, few: TinySet, recipe: RecoveryRecipe, ridge: RidgeRecipe
) -> Start:
    """The pruned network, ready to be trained.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        pruning: what goes.
        few: the images; their seed decides which pixels layers are fitted on.
        recipe: how the recovery trains; `batch_norm` and `start` are heeded here.
        ridge: how adaptors are fitted.

    Raises:
        RecoveryError: the start is not one for what is pruned.
    """
    pruned = "blocks" if pruning.filters_removed is None else "filters"
    if pruned not in STARTS[recipe.start]:
        known = ", ".join(name for name, made_up_for in STARTS.items() if pruned in made_up_for)
        raise RecoveryError(
            f"recover.start: {recipe.start} does not make up for {pruned}, should be one of {known}"
        )
    teacher = network
    if recipe.batch_norm == "adapted" and few.kind == "own":
        views = few.centre_views().to(next(network.parameters()).device)
        teacher = adapt_batch_norm_(copy.deepcopy(network), views, recipe.batch_size)
    return BEGIN[recipe.start](teacher, pruning, few, ridge)


def from_weights(teacher: nn.Module, pruning: Pruning, few: TinySet, ridge: RidgeRecipe) -> Start:
    """What pruning has left of the original's weights: the authors' start."""
    return Start(pruning.apply_(copy.deepcopy(teacher), few.preprocessing.image_size), teacher)


def from_adaptors(teacher: nn.Module, pruning: Pruning, few: TinySet, ridge: RidgeRecipe) -> Start:
    """Closed-form adaptors around the dropped blocks, absorbed."""
    once = ridge.but(memory_mb=0)  # one pass: nothing to keep for others
    dropped = pruning.dropped_blocks
    return Start(ClosedForm(teacher, dropped, few, once).absorb(dropped), teacher)


def from_fit(teacher: nn.Module, pruning: Pruning, few: TinySet, ridge: RidgeRecipe) -> Start:
    """Adaptors and batch norm as images say that they were not fitted on, or neither.

    Images that were made from the network are not fitted to: what enters its layers with them is too far from
    what they saw in training.
    """
    dropped = pruning.dropped_blocks
    if not dropped or few.kind == "made":
        return from_weights(teacher, pruning, few, ridge)
    closed = ClosedForm(teacher, dropped, few, ridge)
    if few.kind == "own":
        fitted = fit_best(closed, dropped)
    else:
        fitted = fit_cautiously(closed, dropped, Referee(teacher, few.referee) if few.referee else None)
    return Start(fitted.network, teacher, fitted.describe())


def from_fskd(teacher: nn.Module, pruning: Pruning, few: TinySet, ridge: RidgeRecipe) -> Start:
    """Every layer that pruning has changed, corrected by least squares."""
    student = from_weights(teacher, pruning, few, ridge).student
    kept = pruning.kept_filters(teacher, few.preprocessing.image_size)
    return Start(correct_layers_(student, teacher, kept, few), teacher)


def from_cd(
    teacher: nn.Module,
    pruning: Pruning,
    few: TinySet,
    ridge: RidgeRecipe,
    recipe: CrossDistillation,
) -> Start:
    """Every layer behind thinned ones, refitted by cross distillation."""
    image_size = few.preprocessing.image_size
    kept = pruning.kept_filters(teacher, image_size)
    readers = find_readers(teacher, list(kept), image_size)
    return Start(refit_layers(teacher, kept, readers, few, recipe), teacher)


BEGIN: dict[str, Begin] = {
    "weights": from_weights,
    "adaptors": from_adaptors,
    "fitted": from_fit,
    "fskd": from_fskd,
    "cd": partial(from_cd, recipe=CrossDistillation()),
    "cd_adam": partial(from_cd, recipe=OFFICIAL),
}
