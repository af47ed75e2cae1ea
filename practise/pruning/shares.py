"""Which share of the filters to prune for a target: searched by measuring, or chosen from measurements."""

from collections import Counter
from collections.abc import Callable, Mapping

from practise.errors import SelectionError

MOST_MEASURED = 12
"""Shares of filters that are measured for one target, at most."""

FAR = 0.05
"""A target that no share of the filters comes nearer to than this is out of reach."""

MOST_REMOVED = 0.9
"""The largest share of filters that is tried."""


def search_share(
    measure: Callable[[float], float],
    target: float,
    known: dict[float, float],
    tolerance: float,
    confirmations: int = 0,
) -> None:
    """Measure shares of filters until one of them has the reduction that is wanted.

    From a guess outwards until the target lies between two shares, then between these: where a straight line
    crosses the target, and half-way where the same end moved twice. Where measurements are noisy, the first
    share that seems right may owe it to luck, so it can be measured again before it is taken.

    Args:
        measure: the reduction without a share of the filters, by all that was measured of this share so far.
        target: the reduction that is wanted.
        known: reductions by share, to which those that are measured are added.
        tolerance: how near is near enough.
        confirmations: how often a share that seems right is measured again.
    """
    ends: list[tuple[float, float | None]] = []
    confirmed: Counter[float] = Counter()
    for _ in range(MOST_MEASURED + confirmations):
        nearest = min(known, key=lambda share: abs(known[share] - target), default=None)
        if nearest is not None and abs(known[nearest] - target) <= tolerance:
            if confirmed[nearest] == confirmations:
                return
            known[nearest] = measure(nearest)
            confirmed[nearest] += 1
            continue
        above = min((share for share in known if known[share] >= target), default=None)
        below = max((share for share in known if above is None or share < above), default=0.0)
        stuck = len(ends) > 1 and (ends[-1][0] == ends[-2][0] == below or ends[-1][1] == ends[-2][1] == above)
        ends.append((below, above))
        if above is None:
            share = min(max(1.5 * target, 1.5 * below), MOST_REMOVED)
        elif stuck:
            share = (below + above) / 2
        else:
            reached = known.get(below, 0.0)
            share = below + (above - below) * (target - reached) / (known[above] - reached)
        share = round(share, 3)
        if share in known:
            return
        known[share] = measure(share)


def choose_share(measured: Mapping[float, float], wanted: float) -> float:
    """The share of filters to prune for a reduction: of those that are known, the one that comes nearest.

    Filters go in steps, so that no share may come as near as a search was to bring it.

    Args:
        measured: the reduction without each share of the filters.
        wanted: the reduction that is wanted.

    Raises:
        SelectionError: nothing is known, or it is out of reach.

    >>> choose_share({0.2: 0.1, 0.4: 0.27}, 0.3)
    0.4
    """
    if not measured:
        raise SelectionError(f"no thinner network was measured; add the target {wanted:g} to latency.thinner")
    share = min(measured, key=lambda share: abs(measured[share] - wanted))
    if abs(measured[share] - wanted) > FAR:
        raise SelectionError(
            f"a reduction of {wanted:.1%} is out of reach of filter pruning; nearest is "
            f"{measured[share]:.1%} at {share:.1%} of the filters; change grid.targets and latency.thinner"
        )
    return share
