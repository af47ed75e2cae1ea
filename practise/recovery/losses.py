"""What a recovery minimises: from the student's output, the original's and the labels to one number.

What is known of each loss stands in `practise.recovery.registry.LOSSES`; a new one is an entry there, and a
function of its name here.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Compare = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Of the student's output, the original's (empty where it is not asked) and the labels."""


def mimic(ours: Tensor, theirs: Tensor, labels: Tensor) -> Tensor:
    """Mean squared error of features: PRACTISE's and MiR's."""
    return functional.mse_loss(ours, theirs)


def cross_entropy(ours: Tensor, theirs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy with the labels: the paper's baseline."""
    return functional.cross_entropy(ours, labels)


def distil(ours: Tensor, theirs: Tensor, labels: Tensor) -> Tensor:
    """0.1 · cross-entropy + 0.9 · T² · KL of the logits softened by T = 4 (Hinton et al. 2015)."""
    soft, wanted = ((logits / 4).log_softmax(dim=1) for logits in (ours, theirs))
    divergence = functional.kl_div(soft, wanted, reduction="batchmean", log_target=True)
    return 0.1 * functional.cross_entropy(ours, labels) + 0.9 * 4**2 * divergence


COMPARE: dict[str, Compare] = {loss.__name__: loss for loss in (mimic, cross_entropy, distil)}
"""The function of each loss by its name."""
