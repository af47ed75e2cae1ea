"""The start that fits the network: how hard adaptors are pulled, and whether batch norm is matched.

Adaptors that help one network ruin another: the pull towards the identity that is best differs by two orders
of magnitude, and where images are few and classes many, no adaptor is. So each candidate is fitted on part of
the images and judged by what the class probabilities of the others lose; to leave the weights as they are is
one of them.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import nn

from practise.networks.batch_norm import batch_norms
from practise.scoring.recoverability import ClosedForm, Fit

AS_IT_IS = Fit(None)
"""Nothing is fitted."""
FIRST = 10.0
"""The pull that is tried first."""
WEAKER = (1.0, 0.1, 0.01)
"""What is tried after it, as long as each is better than the one before."""
STRONGER = 100.0
"""What is tried where no weaker one is better."""
MOST_TRIED = 3 + len(WEAKER)
"""Fits that are tried at most: none, the first, all weaker ones, and the best one matched."""


CAUTIOUS = Fit(30.0)
"""The fit to images unlike the network's own: they cannot say which is best, and this one never harmed."""


@dataclass(frozen=True)
class Fitted:
    """A network without blocks, fitted to the original.

    Attributes:
        network: the network.
        fit: how it was fitted.
        lost: what each candidate loses on images that it was not fitted on, KL(original ‖ network) in nats;
            empty where nothing was tried.
    """

    network: nn.Module
    fit: Fit
    lost: dict[Fit, float]

    def describe(self) -> dict[str, Any]:
        """The same as plain values, without the network."""
        return {**asdict(self.fit), "tried": [{**asdict(fit), "kl": kl} for fit, kl in self.lost.items()]}


def fit_best(closed: ClosedForm, dropped: Sequence[str]) -> Fitted:
    """The network without blocks, fitted as loses least: the best pull, or none, and then perhaps matched.

    Args:
        closed: fits the network; its folds are the parts of the images.
        dropped: the blocks.
    """
    lost: dict[Fit, float] = {}

    def loses_least(fit: Fit) -> bool:
        least = min(lost.values(), default=math.inf)
        lost[fit] = closed.lost_by(fit, dropped).mean().item()
        return lost[fit] < least

    loses_least(AS_IT_IS)
    weaker_helps = False
    if loses_least(Fit(FIRST)):
        for pull in WEAKER:
            if not loses_least(Fit(pull)):
                break
            weaker_helps = True
    if not weaker_helps:
        loses_least(Fit(STRONGER))
    best = min(lost, key=lost.__getitem__)
    matched = replace(best, matched=True)
    if any(batch_norms(closed.network)) and loses_least(matched):
        best = matched
    return Fitted(closed.absorb(dropped, best), best, lost)


def fit_cautiously(closed: ClosedForm, dropped: Sequence[str]) -> Fitted:
    """The network without blocks, fitted to images that are unlike its own; arguments as for `fit_best`."""
    return Fitted(closed.absorb(dropped, CAUTIOUS), CAUTIOUS, {})
