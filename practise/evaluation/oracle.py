"""What dropping blocks really costs: drop them, recover, and compare with the original on unseen images.

That is the oracle which every criterion tries to foretell. What is lost is told as the divergence of the
class probabilities from those of the original that the recovery mimics, KL(original ‖ recovered), because
accuracy on some hundred images hardly repeats itself from seed to seed; accuracy stands beside it. The oracle
sees the evaluation images and takes as long as as many recoveries, so it is no way to choose blocks but a way
to judge criteria.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from practise.evaluation.accuracy import ask
from practise.evaluation.comparing import Judge
from practise.evaluation.lost import Lost
from practise.evaluation.recovered import Recovering, recover_by
from practise.images.loading import Batch
from practise.images.tiny_set import TinySet
from practise.pruning.plan import Pruning
from practise.pruning.selection import Goal, select_lowest
from practise.recovery.budget import within_minutes
from practise.recovery.recover import find_common, share_out

FEWEST, MOST = 2, 6
"""How many blocks a set that is drawn at random has, at least and at most."""


class Oracle:
    """Recovers a network without some blocks, as often as it is asked; what that takes anyway is done once.

    Args:
        network: the original on its device, in evaluation mode; it is not changed.
        blocks: those that may be dropped.
        few: the images to recover on.
        batches: gives the evaluation images.
        way: how to recover.
    """

    def __init__(
        self,
        network: nn.Module,
        blocks: Sequence[str],
        few: TinySet,
        batches: Callable[[], Iterable[Batch]],
        way: Recovering,
    ) -> None:
        training, _ = share_out(few, way.recipe)
        recipe = within_minutes(network, training, way.loss, way.recipe)
        self.network, self.few, self.way = network, few, replace(way, recipe=recipe)
        self.common = find_common(network, blocks, few, way.loss, recipe, way.ridge)
        self.mimicked = self.common.starter.teacher
        device = next(network.parameters()).device
        self.judge = Judge(*ask(self.mimicked, batches(), device), batches, device)

    def lost_without(self, blocks: Sequence[str]) -> Lost:
        """What is lost without the blocks, after a recovery.

        Raises:
            NetworkError: a logit is not finite.
        """
        recovered = recover_by(self.network, self.few, Pruning(blocks), self.way, self.common)
        return self.judge.lost_by(recovered.network)


def draw_sets(blocks: Sequence[str], count: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Different random sets of two to six blocks, every size alike; the same for the same blocks.

    Args:
        blocks: names, in network order.
        count: how many sets, at most.
        seed: draws them.
    """
    generator = np.random.default_rng(seed)
    sizes = range(FEWEST, min(MOST, len(blocks) - 1) + 1)

    def draw() -> tuple[str, ...]:
        places = generator.choice(len(blocks), generator.choice(sizes), replace=False)
        return tuple(blocks[place] for place in sorted(places))

    return draw_different(draw, count, most=100 * count if sizes else 0)


def draw_sets_that_meet(goal: Goal, count: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Different random sets of blocks that meet a goal: what a choice is held against.

    Args:
        goal: what to reach.
        count: how many sets, at most.
        seed: draws them.
    """
    generator = np.random.default_rng(seed)

    def draw() -> tuple[str, ...]:
        places = map(float, generator.permutation(len(goal.worth)))
        scores = dict(zip(goal.worth, places, strict=True))
        return tuple(select_lowest(scores, goal, per_latency=False))

    return draw_different(draw, count, most=20 * count)


def draw_different(draw: Callable[[], tuple[str, ...]], count: int, most: int) -> list[tuple[str, ...]]:
    """So many different sets, in the order in which they were drawn first.

    Args:
        draw: draws a set.
        count: how many sets, at most.
        most: how often to draw, at most.
    """
    drawn: dict[tuple[str, ...], None] = {}
    for _ in range(most):
        if len(drawn) == count:
            break
        drawn[draw()] = None
    return list(drawn)
