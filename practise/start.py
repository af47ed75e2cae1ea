"""Where a recovery starts: the pruned network before its first step, and the network that it is to mimic.

The authors start from the original's weights and throw the adaptors that scored the blocks away. Absorbed
into the convolutions that read the stream, closed-form adaptors cost a second and spare dozens of steps
(`adaptors`). And where the few images look unlike those of the network's training, both networks first take
over their batch norm statistics (`batch_norm: adapted`).
"""

import copy
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image
from torch import nn

from practise.batch_norm import adapt_batch_norm_
from practise.blocks import drop_blocks_
from practise.preprocessing import Preprocessing
from practise.recoverability import ClosedForm, RidgeRecipe
from practise.recovery import RecoveryRecipe
from practise.views import centre_views


def start_recovery(
    network: nn.Module,
    dropped: Sequence[str],
    images: Sequence[Image.Image],
    preprocessing: Preprocessing,
    recipe: RecoveryRecipe,
    ridge: RidgeRecipe,
    seed: int,
) -> tuple[nn.Module, nn.Module]:
    """The pruned network, ready to be trained, and its teacher.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        dropped: names of the blocks to drop, in network order.
        images: the few images, RGB, any size.
        preprocessing: the network's.
        recipe: how the recovery trains; `batch_norm` and `adaptors` are heeded here.
        ridge: how adaptors are fitted.
        seed: decides which pixels they are fitted on.
    """
    teacher = network
    if recipe.batch_norm == "adapted":
        views = centre_views(images, preprocessing).to(next(network.parameters()).device)
        teacher = adapt_batch_norm_(copy.deepcopy(network), views, recipe.batch_size)
    if recipe.adaptors:
        once = replace(ridge, memory_mb=0)  # one pass: nothing to keep for others
        scorer = ClosedForm(teacher, dropped, images, preprocessing, once, seed)
        return scorer.absorb(dropped), teacher
    return drop_blocks_(copy.deepcopy(teacher), dropped), teacher
