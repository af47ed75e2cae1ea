"""The guard: how far a recovery goes from its start to its end, as images say that it was not trained on.

Fifty images are soon learnt by heart, and then each further step harms all others. Half the way keeps most of
what a training gives and takes back half of what it harms, and needs no images to be chosen by; where there
are images to spare, they say how far to go, or not to go at all.

Images of another kind than the network's own cannot say it, however many there are. With them, too, half the
way helps much where much was lost, and hardly harms elsewhere; with images that were made from the network
itself, a quarter. But fewer images than classes say so little of most classes that any step does harm.
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
from practise.scoring.divergence import divergence

FEWEST = 200
"""Images from which on some are held out: fewer cannot tell a harm from their own chance."""
HELD_OUT = 0.2
"""The share of them that is."""
HALF = 0.5
"""The share of the way that is gone where none are held out."""
QUARTER = 0.25
"""The share that is gone with images that were made from the network."""
SHARES = (0.0, 0.25, HALF, 0.75, 1.0)
"""The shares of the way that are tried."""
BATCH = 64
"""Images in a forward pass."""

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
    """The images to train on, and those to judge by: none where they are few or of another kind.

    Args:
        few: all images; their seed decides which are held out.
    """
    if len(few) < FEWEST or few.kind != "own":
        return few, None
    order = torch.randperm(len(few), generator=torch.Generator().manual_seed(combine(few.seed, len(few))))
    count = round(HELD_OUT * len(few))
    return part_of(few, sorted(order[count:].tolist())), part_of(few, sorted(order[:count].tolist()))


def part_of(few: TinySet, indices: Sequence[int]) -> TinySet:
    """Some of the images."""
    images: Any = Subset(few.images, indices)  # type: ignore[arg-type]
    return replace(few, images=images, labels=few.labels[indices])


def fixed_share(few: TinySet, num_classes: int) -> float:
    """The share of the way that is gone where no image is held out.

    Args:
        few: the images.
        num_classes: how many classes the network tells apart.
    """
    if few.kind != "own" and len(few) < num_classes:
        return 0.0
    return QUARTER if few.kind == "made" else HALF


def guard_(
    student: nn.Module, start: State, teacher: nn.Module, held_out: TinySet | None, share: float = HALF
) -> Guarded:
    """Take a trained network back to where it loses least on its way from the start, in place.

    Args:
        student: the network at the end of its training.
        start: its state before the first step.
        teacher: the network that it mimics, on the same device, in evaluation mode.
        held_out: images that it was not trained on, if there are any.
        share: how far it goes where there are none.
    """
    end = remember(student)
    if held_out is None:
        go_(student, start, end, share)
        return Guarded(share)
    wanted = classify(teacher, held_out)
    lost: dict[float, float] = {}
    for share in SHARES:
        go_(student, start, end, share)
        lost[share] = divergence(wanted, classify(student, held_out)).mean().item()
    best = min(lost, key=lost.__getitem__)
    go_(student, start, end, best)
    return Guarded(best, len(held_out), lost)


def go_(student: nn.Module, start: State, end: State, share: float) -> None:
    """Put the network on the straight line between two states; what is no fraction is the end's."""
    student.load_state_dict(
        {
            name: start[name].lerp(value, share) if value.is_floating_point() else value
            for name, value in end.items()
        }
    )
    student.eval()


def classify(network: nn.Module, few: TinySet) -> Tensor:
    """Logits for the evaluation view of each image."""
    device = next(network.parameters()).device
    with torch.no_grad():
        return torch.cat(
            [
                network(few.centre_views(part.tolist()).to(device, memory_format=torch.channels_last)).float()
                for part in torch.arange(len(few)).split(BATCH)
            ]
        )


def remember(network: nn.Module) -> State:
    """A network's state, kept while it is trained."""
    return copy.deepcopy(network.state_dict())
