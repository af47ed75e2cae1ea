"""Drop blocks, recover on the few images, and measure the accuracy of what comes out."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import nn

from practise.evaluation.accuracy import evaluate_accuracy
from practise.images.loading import Batch
from practise.images.tiny_set import TinySet
from practise.pruning.plan import Pruning
from practise.recovery.params import RecoveryRecipe
from practise.recovery.start import start_recovery
from practise.recovery.training import ViewBank, recover_, share_views
from practise.scoring.params import RidgeRecipe


@dataclass(frozen=True)
class Recovering:
    """A way to recover.

    Attributes:
        loss: what is minimised.
        recipe: how it trains.
        ridge: how adaptors are fitted, where it starts with them.
    """

    loss: str
    recipe: RecoveryRecipe
    ridge: RidgeRecipe


class RecoveredAccuracy:
    """Measures the accuracy of one network without some blocks, before and after a recovery.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        few: the images to recover on.
        batches: gives the evaluation images.
    """

    def __init__(self, network: nn.Module, few: TinySet, batches: Callable[[], Iterable[Batch]]) -> None:
        self.network, self.few, self.batches = network, few, batches

    def of(self, network: nn.Module) -> float:
        """Top-1 of a network in percent; it is moved to the original's device."""
        return evaluate_accuracy(network, self.batches(), next(self.network.parameters()).device).top1

    def before(self, pruning: Pruning) -> float:
        """Top-1 of the pruned network as it is, in percent."""
        pruned = pruning.apply_(copy.deepcopy(self.network), self.few.preprocessing.image_size)
        return self.of(pruned)

    def after(self, pruning: Pruning, way: Recovering, bank: ViewBank | None = None) -> float:
        """Top-1 of the pruned network after a recovery, in percent.

        Args:
            pruning: what goes.
            way: how to recover.
            bank: the training views, where several recoveries share them (see `share`).
        """
        student, teacher = start_recovery(self.network, pruning, self.few, way.recipe, way.ridge)
        recover_(student, teacher, self.few, way.loss, way.recipe, bank=bank)
        return self.of(student)

    def share(self, way: Recovering) -> ViewBank | None:
        """The training views that all recoveries of one way may share; None where each draws its own."""
        from_weights = way.recipe.but(start="weights")
        _, teacher = start_recovery(self.network, Pruning(()), self.few, from_weights, way.ridge)
        return share_views(teacher, self.few, way.loss, way.recipe)
