"""Where a recovery starts: the pruned network before its first step, and the network that it is to mimic.

The authors start from the original's weights and throw the adaptors that scored the blocks away. Absorbed
into the convolutions that read the stream, closed-form adaptors cost a second and spare dozens of steps; a
start that fits the network chooses how hard they are pulled, and may leave them out.
Rivals that work layer by layer are starts too; some need no step after it. And where the few images look
unlike those of the network's training, both networks first take over their batch norm statistics
(`batch_norm: adapted`). What each start makes up for stands in `practise.recovery.registry.STARTS`; a new one
is an entry there, and here a function, in a file of its own if it is long, and a line in `BEGIN`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

from torch import nn

from practise.errors import RecoveryError
from practise.images.tiny_set import TinySet
from practise.networks.batch_norm import adapt_batch_norm_
from practise.networks.copies import copy_network
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


class Starter:
    """Starts recoveries of one network on the same images; what these have in common is found once.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        blocks: all that any of the recoveries drops.
        few: the images; their seed decides which pixels layers are fitted on.
        recipe: how the recoveries train; `batch_norm` and `start` are heeded here.
        ridge: how adaptors are fitted.

    Attributes:
        teacher: the network that all of them are to mimic.
    """

    def __init__(
        self,
        network: nn.Module,
        blocks: Sequence[str],
        few: TinySet,
        recipe: RecoveryRecipe,
        ridge: RidgeRecipe,
    ) -> None:
        self.blocks, self.few, self.way, self.ridge = blocks, few, recipe.start, ridge
        self.last: tuple[Pruning, Start] | None = None
        self.teacher = network
        if recipe.batch_norm == "adapted" and few.kind == "own":
            views = few.centre_views().to(next(network.parameters()).device)
            self.teacher = adapt_batch_norm_(copy_network(network), views, recipe.batch_size)

    @cached_property
    def closed(self) -> ClosedForm:
        """Fits the teacher without any of the blocks."""
        ridge = self.ridge.but(memory_mb=0) if self.way == "adaptors" else self.ridge  # no pass begins late
        return ClosedForm(self.teacher, self.blocks, self.few, ridge)

    def start(self, pruning: Pruning) -> Start:
        """The pruned network, ready to be trained; the last one is found once, however often it is asked for.

        Args:
            pruning: what goes.

        Raises:
            RecoveryError: the start is not one for what is pruned.
        """
        pruned = "blocks" if pruning.filters_removed is None else "filters"
        if pruned not in STARTS[self.way]:
            known = ", ".join(name for name, made_up_for in STARTS.items() if pruned in made_up_for)
            raise RecoveryError(
                f"recover.start: {self.way} does not make up for {pruned}, should be one of {known}"
            )
        if self.last is None or self.last[0] != pruning:
            self.last = pruning, BEGIN[self.way](self, pruning)
        found = self.last[1]
        return replace(found, student=copy_network(found.student))


def start_recovery(
    network: nn.Module, pruning: Pruning, few: TinySet, recipe: RecoveryRecipe, ridge: RidgeRecipe
) -> Start:
    """The start of a single recovery; arguments as for `Starter`, errors as for its `start`."""
    return Starter(network, pruning.dropped_blocks, few, recipe, ridge).start(pruning)


def from_weights(starter: Starter, pruning: Pruning) -> Start:
    """What pruning has left of the original's weights: the authors' start."""
    teacher = starter.teacher
    return Start(pruning.apply_(copy_network(teacher), starter.few.preprocessing.image_size), teacher)


def from_adaptors(starter: Starter, pruning: Pruning) -> Start:
    """Closed-form adaptors around the dropped blocks, absorbed."""
    return Start(starter.closed.absorb(pruning.dropped_blocks), starter.teacher)


def from_fit(starter: Starter, pruning: Pruning) -> Start:
    """Adaptors and batch norm as images say that they were not fitted on, or neither.

    Images that were made from the network are not fitted to: what enters its layers with them is too far from
    what they saw in training.
    """
    few, teacher, dropped = starter.few, starter.teacher, pruning.dropped_blocks
    if not dropped or few.kind == "made":
        return from_weights(starter, pruning)
    if few.kind == "own":
        fitted = fit_best(starter.closed, dropped)
    else:
        referee = Referee(teacher, few.referee) if few.referee else None
        fitted = fit_cautiously(starter.closed, dropped, referee)
    return Start(fitted.network, teacher, fitted.describe())


def from_fskd(starter: Starter, pruning: Pruning) -> Start:
    """Every layer that pruning has changed, corrected by least squares."""
    few, teacher = starter.few, starter.teacher
    student = from_weights(starter, pruning).student
    kept = pruning.kept_filters(teacher, few.preprocessing.image_size)
    return Start(correct_layers_(student, teacher, kept, few), teacher)


def from_cd(starter: Starter, pruning: Pruning, recipe: CrossDistillation) -> Start:
    """Every layer behind thinned ones, refitted by cross distillation."""
    few, teacher = starter.few, starter.teacher
    image_size = few.preprocessing.image_size
    kept = pruning.kept_filters(teacher, image_size)
    readers = find_readers(teacher, list(kept), image_size)
    return Start(refit_layers(teacher, kept, readers, few, recipe), teacher)


BEGIN: dict[str, Callable[[Starter, Pruning], Start]] = {
    "weights": from_weights,
    "adaptors": from_adaptors,
    "fitted": from_fit,
    "fskd": from_fskd,
    "cd": partial(from_cd, recipe=CrossDistillation()),
    "cd_adam": partial(from_cd, recipe=OFFICIAL),
}
