"""Which blocks to drop for a latency target, from scores and measured latencies; no clock is looked at.

The paper (section 3.2) drops the blocks of lowest pruning score s(B) = R(B) / tau(B) until the target is met
(`lowest`). Two more searches are here. `knapsack` finds the set of least total score that meets the target,
which spares the overshoot of the last block. But recoverabilities do not add up: two neighbours lean on each
other, and the set without both can be worse than the sum says. So `progressive` scores what is left again
after each drop, R now being that of all blocks dropped so far with adaptors around all of them.

The official code measures tau anew at every call, so that timer noise leaks into the choice; here latencies
come from a file, and the same files give the same blocks.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from practise.errors import SelectionError
from practise.progress import track
from practise.pruning.params import Search

MOST_SUMS = 10_000
"""Sums of blocks that are told apart when a goal's reach is looked at: to a hundredth of a point."""


@dataclass(frozen=True)
class Goal:
    """What a choice has to reach.

    Attributes:
        target: below 1 the share of the original latency to save; from 1 on the number of blocks to drop, as
            the paper states it for its own networks.
        worth: what each block that saves time contributes, in network order: its share of the latency, or 1.
        reductions: tau of the same blocks.
        limit: what a choice should not exceed, so that methods are compared at the same latency.
    """

    target: float
    worth: Mapping[str, float]
    reductions: Mapping[str, float]
    limit: float = math.inf

    def met_by(self, chosen: Collection[str]) -> bool:
        """Whether the blocks together reach the target."""
        return self.sum(chosen) >= self.target

    def within_reach_of(self, chosen: Collection[str]) -> bool:
        """Whether these blocks, or more with them, reach the target without exceeding the limit."""
        if math.isinf(self.limit):
            return True
        sums = np.array([self.sum(chosen)])
        worths = iter([worth for name, worth in self.worth.items() if name not in chosen])
        while len(sums := thin(sums[sums <= self.limit])) and sums.max() < self.target:
            if (worth := next(worths, None)) is None:
                return False
            sums = np.concatenate([sums, (sums + worth).round(9)])
        return len(sums) > 0

    def attainable(self) -> "Goal":
        """The goal, without its limit where no choice keeps it."""
        return self if self.within_reach_of(()) else replace(self, limit=math.inf)

    def sum(self, chosen: Collection[str]) -> float:
        """What the blocks contribute together."""
        return math.fsum(self.worth[name] for name in chosen)


def thin(sums: np.ndarray) -> np.ndarray:
    """Sums in order, each once; of very many, one of those that are nearly the same.

    >>> thin(np.array([2.0, 1.0, 2.0])).tolist()
    [1.0, 2.0]
    """
    sums = np.unique(sums)
    if len(sums) <= MOST_SUMS:
        return sums
    _, first = np.unique((sums / sums.max() * MOST_SUMS).astype(int), return_index=True)
    return sums[first]


def set_goal(
    reductions: Mapping[str, float],
    target: float,
    tolerance: float,
    overshoot: float = math.inf,
    together: float | None = None,
) -> Goal:
    """The goal that blocks with these reductions have to reach.

    Args:
        reductions: tau, the share of the original latency that dropping each block alone saves, in network
            order.
        target: as in `Goal`.
        tolerance: how far below a latency target a choice may stay.
        overshoot: how far above it a choice should go at most.
        together: what dropping all these blocks at once saves; None: as much as their sum.

    Raises:
        SelectionError: all blocks together do not reach the target.
    """
    useful = {name: reduction for name, reduction in reductions.items() if reduction > 0}
    if target >= 1:
        if target > len(useful):
            raise SelectionError(
                f"dropping {target:g} blocks is out of reach: the network has {len(useful)} that save time "
                "here; lower grid.targets"
            )
        return Goal(round(target), dict.fromkeys(useful, 1), useful)
    every = math.fsum(reductions.values())
    together = every if together is None else together
    reach = math.fsum(useful.values())
    lowest, highest = (
        sum_that_saves(bound, every, together) for bound in (target - tolerance, target + overshoot)
    )
    if reach < lowest:
        saved = saved_by_sum(reach, every, together)
        raise SelectionError(
            f"a latency reduction of {target:.1%} is out of reach: dropping all {len(useful)} blocks that "
            f"save time gives {saved:.1%} here; lower grid.targets, or measure at another batch or image size"
        )
    return Goal(lowest, useful, useful, highest)


def sum_that_saves(reduction: float, every: float, together: float) -> float:
    """The sum of single reductions of a set of blocks that saves as much as wanted when dropped at once.

    Sets save other than their sums, the more so the larger they are: in a shorter network a block is worth
    another share, and caches have less to hold. So a set of sum s is taken to save s + e·s², with e from the
    one set that was measured.

    Args:
        reduction: what the set should save.
        every: the sum of the single reductions of all blocks.
        together: what dropping all blocks at once saves.

    >>> round(sum_that_saves(0.2, every=0.5, together=0.55), 4)
    0.1926
    >>> sum_that_saves(0.2, every=0.5, together=0.5)
    0.2
    """
    under_the_root = 1 + 4 * _excess(every, together) * reduction
    if math.isinf(reduction) or under_the_root < 0:
        return reduction
    # The textbook's (√ - 1) / 2e would lose all its digits where e is next to nothing.
    return 2 * reduction / (1 + math.sqrt(under_the_root))


def saved_by_sum(total: float, every: float, together: float) -> float:
    """What a set of blocks with this sum of single reductions saves when dropped at once.

    Args:
        total: the sum.
        every: as for `sum_that_saves`, of which this is the inverse.
        together: likewise.

    >>> round(saved_by_sum(0.1926, every=0.5, together=0.55), 4)
    0.2
    """
    return total + _excess(every, together) * total**2


def _excess(every: float, together: float) -> float:
    return (together - every) / every**2 if every > 0 else 0.0


def search_blocks(
    search: Search, of_set: Callable[[Sequence[str]], float], goal: Goal, *, per_latency: bool
) -> list[str]:
    """The blocks that a search drops for a goal, in network order.

    Args:
        search: its name.
        of_set: what a set of blocks costs, given in network order.
        goal: what to reach.
        per_latency: whether a score is weighed against the reduction; where it is not, the lowest go.
    """
    if search == "progressive" and per_latency:
        return select_progressively(of_set, goal)
    scores = {name: of_set([name]) for name in goal.worth}
    if search == "knapsack" and per_latency:
        return select_knapsack(scores, goal)
    return select_lowest(scores, goal, per_latency=per_latency)


def select_lowest(scores: Mapping[str, float], goal: Goal, *, per_latency: bool) -> list[str]:
    """The blocks of lowest score that meet the goal, in network order: the paper's choice.

    A block after which the goal could only be missed or exceeded is passed over for the next.

    Args:
        scores: what dropping each block costs; the lowest goes first.
        goal: what to reach.
        per_latency: rank by score per reduction (the paper's s) rather than by the score itself.

    >>> tau = {"a": 0.1, "b": 0.1, "c": 0.1}
    >>> select_lowest({"a": 3, "b": 1, "c": 2}, set_goal(tau, 0.2, 0.0), per_latency=True)
    ['b', 'c']
    """
    ranked = rank_blocks(scores, goal.reductions, per_latency=per_latency)
    goal = goal.attainable()
    chosen: list[str] = []
    for name in ranked:
        if not goal.met_by(chosen) and goal.within_reach_of([*chosen, name]):
            chosen.append(name)
    return in_order(chosen, goal)


def rank_blocks(
    scores: Mapping[str, float], reductions: Mapping[str, float], *, per_latency: bool
) -> list[str]:
    """The blocks in the order in which they go.

    Args:
        scores: what dropping each block costs, or its place.
        reductions: tau of the blocks to rank.
        per_latency: whether a score is weighed against the reduction.
    """
    rank = {
        name: weigh(scores[name], reductions[name]) if per_latency else scores[name] for name in reductions
    }
    return sorted(reductions, key=rank.__getitem__)


def select_knapsack(scores: Mapping[str, float], goal: Goal) -> list[str]:
    """The blocks of least total score that meet the goal, in network order: a knapsack, solved exactly.

    Args:
        scores: what dropping each block costs.
        goal: what to reach.

    >>> scores, tau = {"a": 3, "b": 1, "c": 2.5}, {"a": 0.2, "b": 0.1, "c": 0.1}
    >>> select_knapsack(scores, set_goal(tau, 0.2, 0.0))
    ['a']
    """
    names = list(goal.worth)
    known = select_lowest(scores, goal, per_latency=True)
    most = math.fsum(scores[name] for name in known)
    if most <= 0:  # rounding may leave less than nothing of a block that does nothing
        return known
    goal = goal.attainable()
    solution = milp(
        # The solver's tolerances are absolute; a block that costs more than the known choice is never taken.
        [min(scores[name], 2 * most) / most for name in names],
        integrality=np.ones(len(names)),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint([[goal.worth[name] for name in names]], lb=goal.target, ub=goal.limit),
        options={"mip_rel_gap": 0},
    )
    assert solution.success, solution.message  # taking every block meets the goal
    return [name for name, taken in zip(names, solution.x, strict=True) if taken > 0.5]


def select_progressively(of_set: Callable[[Sequence[str]], float], goal: Goal) -> list[str]:
    """The blocks that a greedy search over the scores of whole sets drops, in network order.

    Each step drops the block that adds least to the set's score per latency saved; the last step, the block
    of least score among those that meet the goal.

    Args:
        of_set: what a set of blocks costs, given in network order.
        goal: what to reach.
    """
    goal = goal.attainable()
    chosen: list[str] = []
    reached = 0.0
    while not goal.met_by(chosen):
        sets = {name: in_order([*chosen, name], goal) for name in goal.worth if name not in chosen}
        sets = {name: blocks for name, blocks in sets.items() if goal.within_reach_of(blocks)}
        steps = track(sets.items(), f"choose block {len(chosen) + 1}", len(sets))
        joint = {name: of_set(blocks) for name, blocks in steps}
        last = [name for name, blocks in sets.items() if goal.met_by(blocks)]
        added = {name: joint[name] - reached for name in joint}
        best = min(added, key=lambda name: weigh(added[name], goal.reductions[name]))
        if best in last:  # of two that cost the same, the one that saves more
            best = min(last, key=lambda name: (joint[name], -goal.reductions[name]))
        chosen.append(best)
        reached = joint[best]
    return in_order(chosen, goal)


def weigh(added: float, reduction: float) -> float:
    """What a block costs for what it saves; where dropping it *lowers* R, the larger saving comes first.

    Args:
        added: what its drop adds to R.
        reduction: tau, above 0.
    """
    return added / reduction if added > 0 else added * reduction


def in_order(chosen: Collection[str], goal: Goal) -> list[str]:
    """The chosen blocks as they stand in the network."""
    return [name for name in goal.worth if name in chosen]
