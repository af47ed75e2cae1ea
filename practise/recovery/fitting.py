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

from jaxtyping import Float
from torch import Tensor, nn

from practise.networks.batch_norm import batch_norms
from practise.recovery.referee import Referee
from practise.scoring.recoverability import ClosedForm, Fit

AS_IT_IS = Fit(None)
"""Nothing is fitted."""
PULLS = (100.0, 10.0, 1.0, 0.1, 0.01)
"""The pulls that may be tried, from the strongest to the weakest."""
STRONGEST, FIRST = PULLS[:2]
"""The second is tried first, weaker ones as long as each helps, the strongest where none of them does."""
MOST_TRIED = 4 + len(PULLS)
"""Fits that are tried at most: none, the first pull, one weaker and one stronger, and all of them matched."""
CAUTIOUS = Fit(30.0)
"""The fit to images of another kind where nothing says which is best.

It helped four of five networks a lot, and harmed one that loses little without blocks by a hundredth of it.
"""


@dataclass(frozen=True)
class Fitted:
    """A network without blocks, fitted to the original.

    Attributes:
        network: the network.
        fit: how it was fitted.
        lost: what each candidate loses on each image that it was not fitted on, KL(original ‖ network) in
            nats; empty where nothing was tried.
    """

    network: nn.Module
    fit: Fit
    lost: dict[Fit, Float[Tensor, " n"]]

    def describe(self) -> dict[str, Any]:
        """The same as plain values, without the network."""
        tried = [{**asdict(fit), "kl": mean(lost)} for fit, lost in self.lost.items()]
        return {**asdict(self.fit), "tried": tried}


def fit_best(closed: ClosedForm, dropped: Sequence[str], referee: Referee | None = None) -> Fitted:
    """The network without blocks, fitted as loses least: by the best pull or none, matched if that helps.

    Args:
        closed: fits the network; its folds are the parts of the images.
        dropped: the blocks.
        referee: judges each fit to all images; None: each part of them judges the fit to the others.
    """
    lost: dict[Fit, Tensor] = {}

    def lost_by(fit: Fit) -> Tensor:
        return referee.lost_by(closed.absorb(dropped, fit)) if referee else closed.lost_by(fit, dropped)

    def loses_least(fit: Fit) -> bool:
        least = min(map(mean, lost.values()), default=math.inf)
        lost[fit] = lost_by(fit)
        return mean(lost[fit]) < least

    def best() -> Fit:
        return min(lost, key=lambda fit: mean(lost[fit]))

    def weaken(fit: Fit) -> None:
        """Try ever weaker pulls, as long as each is better than all before."""
        for pull in PULLS[PULLS.index(fit.pull) + 1 :] if fit.pull else ():
            if not loses_least(replace(fit, pull=pull)):
                break

    loses_least(AS_IT_IS)
    if loses_least(Fit(FIRST)):
        weaken(Fit(FIRST))
    if best() in (AS_IT_IS, Fit(FIRST)):
        loses_least(Fit(STRONGEST))
    if any(batch_norms(closed.network)) and loses_least(matched := replace(best(), matched=True)):
        weaken(matched)
    return Fitted(closed.absorb(dropped, best()), best(), lost)


def fit_cautiously(closed: ClosedForm, dropped: Sequence[str], referee: Referee | None = None) -> Fitted:
    """The network without blocks, fitted to images that are unlike its own.

    Args:
        closed: fits the network to them.
        dropped: the blocks.
        referee: has images of a third kind; nothing is fitted where that loses less on them, and another fit
            is taken where it clearly does.
    """
    cautious = closed.absorb(dropped, CAUTIOUS)
    if referee is None:
        return Fitted(cautious, CAUTIOUS, {})
    best = fit_best(closed, dropped, referee)
    lost = best.lost | {CAUTIOUS: referee.lost_by(cautious)}
    usual = min((CAUTIOUS, AS_IT_IS), key=lambda fit: mean(lost[fit]))
    if referee.prefers(lost[best.fit], lost[usual]):
        return replace(best, lost=lost)
    return Fitted(cautious if usual == CAUTIOUS else closed.absorb(dropped, usual), usual, lost)


def mean(lost: Float[Tensor, " n"]) -> float:
    """What is lost on average."""
    return lost.mean().item()
