"""The guard: how far a recovery goes from its start to its end, as images say that it was not trained on.

Fifty images are soon learnt by heart, and then each further step harms all others. Half the way keeps most of
what a training gives and takes back half of what it harms, and needs no images to be chosen by; where there
are images to spare, they may say that another share is clearly better, or no step at all.

Images of another kind than the network's own cannot say it, however many there are, but images of a third
kind can: what does harm on photographs is seen on images that were made from the network, and the other way
round. Without such a referee it is half the way, unless images are fewer than classes: they say so little of
most classes that any step does harm.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Subset

from practise.images.tiny_set import TinySet
from practise.images.views import combine
from practise.recovery.referee import Referee, classify

FEWEST = 200
"""Images from which on some are held out: fewer cannot tell a harm from their own chance."""
HELD_OUT = 0.2
"""The share of them that is."""
HALF = 0.5
"""The share of the way that is gone where none are held out."""
SHARES = (0.0, 0.25, HALF, 0.75, 1.0)
"""The shares of the way that are tried."""

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Guarded:
    """How far a recovery went.

    Attributes:
        share: of the way from its start to its end.
        held_out: images by which it was chosen; 0: it is fixed.
        lost: KL(original ‖ network) in nats, by share, mean over these images.
    """

    share: float
    held_out: int = 0
    lost: Mapping[float, float] | None = None

    def describe(self) -> dict[str, Any]:
        """The same as plain values."""
        tried = [{"share": share, "kl": kl} for share, kl in (self.lost or {}).items()]
        return {"share": self.share, "held_out": self.held_out, "tried": tried}


def hold_out(few: TinySet) -> tuple[TinySet, TinySet | None]:
    """The images to train on, and those to judge by: few have none, those of another kind their referee's.

    Args:
        few: all images; their seed decides which are held out.
    """
    if few.kind != "own":
        return few, few.referee
    if len(few) < FEWEST:
        return few, None
    order = torch.randperm(len(few), generator=torch.Generator().manual_seed(combine(few.seed, len(few))))
    count = round(HELD_OUT * len(few))
    return part_of(few, sorted(order[count:].tolist())), part_of(few, sorted(order[:count].tolist()))


def part_of(few: TinySet, indices: Sequence[int]) -> TinySet:
    """Some of the images."""
    images: Any = Subset(few.images, indices)  # type: ignore[arg-type]
    return replace(few, images=images, labels=few.labels[indices])


def usual_share(few: TinySet, network: nn.Module) -> float:
    """The share of the way that is gone unless another is clearly better.

    Args:
        few: the images that are trained on.
        network: the original, which knows how many classes there are.
    """
    if few.kind != "own" and len(few) < classify(network, part_of(few, [0])).shape[1]:
        return 0.0
    return HALF


def guard_(student: nn.Module, start: State, usual: float, referee: Referee | None) -> Guarded:
    """Take a trained network back to the usual share of its way, in place, or to where it clearly loses less.

    Args:
        student: the network at the end of its training.
        start: its state before the first step.
        usual: the share.
        referee: has images that it was not trained on, if there are any.
    """
    end = remember(student)
    if referee is None:
        go_(student, start, end, usual)
        return Guarded(usual)
    lost: dict[float, Tensor] = {}
    for share in SHARES:
        go_(student, start, end, share)
        lost[share] = referee.lost_by(student)
    means = {share: one.mean().item() for share, one in lost.items()}
    best = min(means, key=means.__getitem__)
    share = best if referee.prefers(lost[best], lost[usual]) else usual
    go_(student, start, end, share)
    return Guarded(share, len(referee.images), means)


def go_(student: nn.Module, start: State, end: State, share: float) -> None:
    """Put the network on the straight line between two states; what is no fraction is the end's."""
    student.load_state_dict(
        {
            name: start[name].lerp(value, share) if has_fractions(value) else value
            for name, value in end.items()
        }
    )
    student.eval()


def has_fractions(value: object) -> bool:
    """Whether something lies between two values: not of whole numbers, nor of what is no tensor."""
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def remember(network: nn.Module) -> State:
    """A network's state, kept while it is trained."""
    return copy.deepcopy(network.state_dict())
