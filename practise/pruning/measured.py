"""A set of blocks that is measured before it is recovered, and chosen again where it misses its target.

What a set saves follows from what its blocks save alone only roughly. So the search for a goal is followed by
a measurement, and where that is further than half a point from the target, the goal moves by what all sets so
far have taught, and the search goes on. Where no set that it proposes comes as close, single blocks of these
sets are exchanged for the nearest ones that take another time. A point is what a choice may miss by; half of
it is left to the machine, whose speed drifts between this measurement and any later one. The pipeline and
`practise.accelerate` both choose so.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from practise.errors import SelectionError
from practise.pruning.params import SelectionRecipe
from practise.pruning.selection import Goal, saved_by_sum, set_goal

POINT = 0.01
"""How near to its target a choice should come: one point."""
CLOSE = POINT / 2
"""A choice that seems to come as near as this is taken at once."""
MOST_SEARCHES = 6
"""Goals that are searched for one target, at most."""
MOST_EXCHANGES = 6
"""Sets that are measured beyond those, at most."""
MOST_CLOSER = 3
"""Sets that are measured beyond a near one, at most, for one that is close."""
CONFIRMATIONS = 2
"""How often what is pruned is measured again where it seems right: one number decides for many cells."""
SAME_GOAL = 1e-3
"""Goals nearer to each other than this are one: a tenth of a point."""
UNSURE = 0.2
"""By how much of its worth a group of alike blocks may be worth more or less in a set, about."""
LEAST, MOST = 0.001, 0.99
"""The smallest and the largest goal; from 1 on it would be a number of blocks."""


class Reduction(Protocol):
    """What is measured of a set; `practise.latency.measuring.Latency` has it."""

    @property
    def reduction(self) -> float:
        """The share of the original's latency that is saved."""

    @property
    def standard_error(self) -> float:
        """Of the reduction."""


@dataclass(frozen=True)
class Tried:
    """A set of blocks that was measured.

    Attributes:
        dropped_blocks: their names, in network order.
        foretold_reduction: what single blocks let expect of it.
        measured_reduction: what it saves.
        standard_error: of what was measured.
    """

    dropped_blocks: tuple[str, ...]
    foretold_reduction: float
    measured_reduction: float
    standard_error: float


@dataclass(frozen=True)
class Choice:
    """The set that was chosen, and all that were measured before.

    Attributes:
        target: the reduction that was asked for.
        chosen: the set.
        tried: all sets, in the order in which they were measured.
    """

    target: float
    chosen: Tried
    tried: tuple[Tried, ...]

    @property
    def is_near(self) -> bool:
        """Whether it comes within a point of the target; if not, it is the nearest that was found."""
        return round(abs(self.chosen.measured_reduction - self.target), 9) <= POINT

    def describe(self) -> dict[str, Any]:
        """The same as plain values, for a result."""
        told = asdict(self.chosen)
        del told["dropped_blocks"]
        sets = [{**asdict(one), "dropped_blocks": list(one.dropped_blocks)} for one in self.tried]
        return {**told, "is_near": self.is_near, "tried": sets}


def choose_measured(
    search: Callable[[Goal], Sequence[str]],
    reductions: Mapping[str, float],
    together: float,
    alike: Sequence[Sequence[str]],
    target: float,
    recipe: SelectionRecipe,
    measure: Callable[[tuple[str, ...]], Reduction],
    confirmations: int = CONFIRMATIONS,
) -> Choice:
    """The first set that is measured to come close to the target; else the nearest that was found.

    Args:
        search: from a goal to the blocks that should go for it, in network order.
        reductions: what dropping each block alone saves, in network order.
        together: what dropping all these blocks at once saves.
        alike: the same blocks, in groups of those that take the same time: sets with as many blocks of each
            group share a measurement.
        target: share of the latency to save, below 1.
        recipe: how far from its goal a search may stay.
        measure: what a set saves, by all that was measured of it so far.
        confirmations: how often a set that seems near is measured again: it may owe that to luck.

    Raises:
        SelectionError: the target is out of reach.
    """
    trials = Trials(reductions, together, alike, target, measure, confirmations)
    goals: list[tuple[float, float]] = []
    wanted: float | None = target
    while wanted is not None and len(goals) < MOST_SEARCHES and not trials.suffice():
        try:
            goal = set_goal(reductions, wanted, recipe.tolerance, recipe.overshoot, together)
        except SelectionError:
            if not goals:
                raise
            break  # the goal had to move further than the blocks reach
        found = trials.add(tuple(search(goal)))
        goals.append((wanted, found.measured_reduction))
        wanted = next_goal(goals, target, trials.learnt())
    for _ in range(MOST_EXCHANGES):
        if trials.suffice() or (blocks := trials.exchange()) is None:
            break
        trials.add(blocks)
    return Choice(target, min(trials.tried.values(), key=trials.miss), tuple(trials.tried.values()))


def foretell(blocks: Sequence[str], reductions: Mapping[str, float], together: float) -> float:
    """What dropping blocks at once should save, by what each saves alone; the rest as `choose_measured`."""
    every = math.fsum(reductions.values())
    return saved_by_sum(math.fsum(reductions[name] for name in blocks), every, together)


def next_goal(goals: Sequence[tuple[float, float]], target: float, learnt: float) -> float | None:
    """The goal to search for next; None where the goals so far leave none between them.

    Args:
        goals: those that were searched for, each with what its set was measured to save.
        target: what the set should save.
        learnt: what sets save for what is foretold of them, by all so far.

    >>> next_goal([(0.2, 0.16)], 0.2, learnt=0.8)
    0.25
    >>> next_goal([(0.2, 0.16), (0.25, 0.22)], 0.2, learnt=0.85) == 0.2 / 0.85
    True
    >>> next_goal([(0.2, 0.16), (0.25, 0.22)], 0.2, learnt=1.0)
    0.225
    """
    below = max((one for one in goals if one[1] < target), default=None)
    above = min((one for one in goals if one[1] > target), default=None)
    guess = target / learnt
    if below and above:
        if above[0] - below[0] <= 2 * SAME_GOAL:
            return None
        inside = below[0] + SAME_GOAL < guess < above[0] - SAME_GOAL
        return guess if inside else (below[0] + above[0]) / 2
    if below and guess < below[0] + SAME_GOAL:
        guess = below[0] + (target - below[1])
    elif above and guess > above[0] - SAME_GOAL:
        guess = above[0] - (above[1] - target)
    guess = min(max(guess, LEAST), MOST)
    return None if any(abs(guess - wanted) < SAME_GOAL for wanted, _ in goals) else guess


class Trials:
    """The sets that were measured for one target; arguments as for `choose_measured`.

    Attributes:
        tried: the sets, by how many blocks of each group go.
    """

    def __init__(
        self,
        reductions: Mapping[str, float],
        together: float,
        alike: Sequence[Sequence[str]],
        target: float,
        measure: Callable[[tuple[str, ...]], Reduction],
        confirmations: int,
    ) -> None:
        self.reductions, self.together, self.target = reductions, together, target
        self.group = {name: place for place, names in enumerate(alike) for name in names}
        self.measure, self.confirmations = measure, confirmations
        self.tried: dict[tuple[int, ...], Tried] = {}

    def counts(self, blocks: Sequence[str]) -> tuple[int, ...]:
        """How many blocks of each group there are, which decides what a pass takes without them."""
        groups = [self.group[name] for name in blocks]
        return tuple(groups.count(place) for place in range(max(self.group.values()) + 1))

    def add(self, blocks: tuple[str, ...]) -> Tried:
        """Measure a set, again where it seems near; one that takes the same time as a known one is known."""
        known = self.tried.get(counts := self.counts(blocks))
        if known is not None:
            return Tried(blocks, known.foretold_reduction, known.measured_reduction, known.standard_error)
        found = self.measure(blocks)
        for _ in range(self.confirmations):
            if abs(found.reduction - self.target) > POINT + found.standard_error:
                break
            found = self.measure(blocks)
        foretold = foretell(blocks, self.reductions, self.together)
        self.tried[counts] = Tried(blocks, foretold, found.reduction, found.standard_error)
        return self.tried[counts]

    def miss(self, one: Tried) -> float:
        """How far a set is from the target."""
        return round(abs(one.measured_reduction - self.target), 9)

    def suffice(self) -> bool:
        """Whether one of them is close, or one is near and no closer one was found for long enough."""
        misses = [self.miss(one) for one in self.tried.values()]
        first = next((place for place, miss in enumerate(misses, start=1) if miss <= POINT), len(misses))
        return any(miss <= CLOSE for miss in misses) or len(misses) - first >= MOST_CLOSER

    def learnt(self) -> float:
        """What sets save for what is foretold of them: the line through nothing of least squares.

        It stays between a half and two: noise of a small set should not carry the next goal away.
        """
        pairs = [(one.foretold_reduction, one.measured_reduction) for one in self.tried.values()]
        ratio = sum(told * saved for told, saved in pairs) / sum(told**2 for told, _ in pairs)
        return min(max(ratio, 0.5), 2.0)

    def exchange(self) -> tuple[str, ...] | None:
        """The set, one exchange from a measured one, that may come nearest; None where none is likely to.

        What is foretold errs by a point easily, so a set may also seem a point further than the nearest.
        """
        corrected, best = self.corrected(), min(map(self.miss, self.tried.values()))
        nearest: tuple[float, int] | None = None
        chosen: tuple[str, ...] | None = None
        for one in self.tried.values():
            for blocks, distance in self.neighbours(one.dropped_blocks):
                gone, added = ({*one.dropped_blocks} - {*blocks}, {*blocks} - {*one.dropped_blocks})
                change = sum(map(corrected.__getitem__, added)) - sum(map(corrected.__getitem__, gone))
                miss = abs(one.measured_reduction + change - self.target)
                if miss >= best + POINT or self.counts(blocks) in self.tried:
                    continue
                if nearest is None or (round(miss, 6), distance) < nearest:
                    nearest, chosen = (round(miss, 6), distance), blocks
        return chosen

    def corrected(self) -> dict[str, float]:
        """What each block should save, by its own measurement and by those of the sets.

        A ridge regression: each group is worth a little more or less than was learnt of all (`UNSURE`), and
        the sets that were measured say which, each to about half a point.
        """
        learnt, groups = self.learnt(), range(max(self.group.values()) + 1)
        parts = [
            [
                learnt
                * math.fsum(self.reductions[name] for name in one.dropped_blocks if self.group[name] == group)
                for group in groups
            ]
            for one in self.tried.values()
        ]
        left = [one.measured_reduction - learnt * one.foretold_reduction for one in self.tried.values()]
        ridge = POINT / 2 / UNSURE * np.eye(len(groups))
        more = np.linalg.lstsq(np.vstack([parts, ridge]), [*left, *(0.0 for _ in groups)], rcond=None)[0]
        return {
            name: learnt * saved * float(1 + more[self.group[name]])
            for name, saved in self.reductions.items()
        }

    def neighbours(self, blocks: Sequence[str]) -> Iterator[tuple[tuple[str, ...], int]]:
        """Sets with one block exchanged for one of another group, and how far apart the two stand."""
        names = list(self.reductions)
        for out in blocks:
            for into in names:
                if into not in blocks and self.group[into] != self.group[out] and self.reductions[into] > 0:
                    left = {*blocks, into} - {out}
                    distance = abs(names.index(into) - names.index(out))
                    yield tuple(name for name in names if name in left), distance
