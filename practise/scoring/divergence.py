"""How far a network's probabilities are from those of the original."""

import torch
from jaxtyping import Float
from torch import Tensor


def divergence(
    original: Float[Tensor, "n classes"], ours: Float[Tensor, "n classes"], multi_label: bool = False
) -> Float[Tensor, " n"]:
    """KL(original ‖ ours) of each image's class probabilities, from logits, in nats, fp64.

    A single logit says how likely one of two classes is.

    Args:
        original: its logits.
        ours: the network's.
        multi_label: whether each class is a yes or no of its own, of which the divergences are summed.
    """
    if multi_label or original.shape[1] == 1:
        original, ours = (torch.stack([logits, -logits], 1) / 2 for logits in (original, ours))
    theirs, own = (logits.double().log_softmax(1) for logits in (original, ours))
    return (theirs.exp() * (theirs - own)).flatten(1).sum(1)
