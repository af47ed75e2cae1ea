"""Where a recovery starts: the pruned network before its first step, and the network that it is to mimic.

The authors start from the original's weights and throw the adaptors that scored the blocks away. Absorbed
into the convolutions that read the stream, closed-form adaptors cost a second and spare dozens of steps
(`adaptors`). And where the few images look unlike those of the network's training, both networks first take
over their batch norm statistics (`batch_norm: adapted`).
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from practise.batch_norm import adapt_batch_norm_
from practise.blocks import drop_blocks_
from practise.recoverability import ClosedForm, RidgeRecipe
from practise.recovery import RecoveryRecipe
from practise.tiny_set import TinySet


def start_recovery(
    network: nn.Module,
    dropped: Sequence[str],
    few: TinySet,
    recipe: RecoveryRecipe,
    ridge: RidgeRecipe,
) -> tuple[nn.Module, nn.Module]:
    """The pruned network, ready to be trained, and its teacher.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        dropped: names of the blocks to drop, in network order.
        few: the images; their seed decides which pixels adaptors are fitted on.
        recipe: how the recovery trains; `batch_norm` and `adaptors` are heeded here.
        ridge: how adaptors are fitted.
    """
    teacher = network
    if recipe.batch_norm == "adapted":
        views = few.centre_views().to(next(network.parameters()).device)
        teacher = adapt_batch_norm_(copy.deepcopy(network), views, recipe.batch_size)
    if recipe.adaptors:
        once = replace(ridge, memory_mb=0)  # one pass: nothing to keep for others
        return ClosedForm(teacher, dropped, few, once).absorb(dropped), teacher
    return drop_blocks_(copy.deepcopy(teacher), dropped), teacher
