"""How far a network's class probabilities are from those of the original."""

from jaxtyping import Float
from torch import Tensor


def divergence(original: Float[Tensor, "n classes"], ours: Float[Tensor, "n classes"]) -> Float[Tensor, " n"]:
    """KL(original ‖ ours) of each image's class probabilities, from logits, in nats, fp64."""
    theirs, own = (logits.double().log_softmax(1) for logits in (original, ours))
    return (theirs.exp() * (theirs - own)).sum(1)
