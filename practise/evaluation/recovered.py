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
from practise.recovery.recover import recover
from practise.recovery.training import ViewBank
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

    def after(self, pruning: Pruning, way: Recovering) -> float:
        """Top-1 of the pruned network after a recovery, in percent.

        Args:
            pruning: what goes.
            way: how to recover.
        """
        return self.of(recover_student(self.network, self.few, pruning, way))


def recover_student(
    network: nn.Module, few: TinySet, pruning: Pruning, way: Recovering, bank: ViewBank | None = None
) -> nn.Module:
    """The pruned network, recovered.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        few: the images to recover on.
        pruning: what goes.
        way: how to recover.
        bank: the training views, where several recoveries share them.
    """
    return recover(network, pruning, few, way.loss, way.recipe, way.ridge, bank=bank).network
