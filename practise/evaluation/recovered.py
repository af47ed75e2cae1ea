"""A way to recover."""

from dataclasses import dataclass

from torch import nn

from practise.images.tiny_set import TinySet
from practise.pruning.plan import Pruning
from practise.recovery.params import RecoveryRecipe
from practise.recovery.recover import Common, Recovered, recover
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


def recover_by(
    network: nn.Module, few: TinySet, pruning: Pruning, way: Recovering, common: Common | None = None
) -> Recovered:
    """The pruned network, recovered.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        few: the images to recover on.
        pruning: what goes.
        way: how to recover.
        common: what several recoveries on these images have in common, found before.
    """
    return recover(network, pruning, few, way.loss, way.recipe, way.ridge, common=common)
