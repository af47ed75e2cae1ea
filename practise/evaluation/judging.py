"""How well a criterion foretells what is lost: rank correlations and regret, with bootstrap intervals.

Everything is judged by sets of blocks that were drawn by lot or dropped alone, the same for all criteria; the
sets that criteria chose count for the regret alone. An interval holds the middle 90 % of resamples of the
sets, the evaluation images and the seeds, all at once, and all criteria are judged on the same resamples, so
that their differences are paired.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

RESAMPLES = 1000
MIDDLE = (5, 95)
"""The percentiles that an interval lies between."""


@dataclass(frozen=True)
class Interval:
    """A number with the middle 90 % of its resamples.

    Attributes:
        value: the number.
        low: the 5th percentile of the resamples.
        high: the 95th.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Judged:
    """What the correlations of one criterion are.

    Attributes:
        correlation: Spearman's of its scores with what is lost, mean over the seeds.
        difference: that less the correlation of the criterion which it is held against, paired.
    """

    correlation: Interval
    difference: Interval | None


def judge(
    scores: Mapping[str, np.ndarray], kl: np.ndarray, against: str, seed: int = 0
) -> dict[str, Judged | None]:
    """Hold the scores of criteria against what is lost.

    Args:
        scores: by criterion, [seeds, sets]; the lowest is dropped first.
        kl: what is lost on each image, [seeds, sets, images].
        against: the criterion that others are held against.
        seed: draws the resamples.

    Returns:
        By criterion; None where it scores all sets alike.
    """
    able = {name: own for name, own in scores.items() if all(np.ptp(one) > 0 for one in own)}
    whole = {name: float(_correlations(own, kl.mean(2).mean(0))) for name, own in able.items()}
    generator = np.random.default_rng(seed)
    num_seeds, num_sets, num_images = kl.shape
    draws = []
    for _ in range(RESAMPLES):
        weights = generator.multinomial(num_images, np.full(num_images, 1 / num_images)) / num_images
        sets = generator.integers(num_sets, size=num_sets)
        seeds = generator.integers(num_seeds, size=num_seeds)
        lost = (kl @ weights)[seeds].mean(0)[sets]
        if np.ptp(lost) > 0:
            draws.append((seeds, sets, lost))
    resampled = {name: np.empty(0) for name in able}
    if draws:
        by_seeds, by_sets, losses = map(np.stack, zip(*draws, strict=True))
        resampled = {
            name: _correlations(own[by_seeds[:, :, None], by_sets[:, None, :]], losses)
            for name, own in able.items()
        }
    found: dict[str, Judged | None] = dict.fromkeys(scores)
    for name in able:
        difference = None
        if against in able and name != against:
            differences = np.subtract(resampled[name], resampled[against])
            difference = _interval(whole[name] - whole[against], differences)
        found[name] = Judged(_interval(whole[name], resampled[name]), difference)
    return found


def ceiling(kl: np.ndarray) -> float | None:
    """How far the oracle agrees with itself: of each seed with the mean of the others, mean over the seeds.

    Args:
        kl: what is lost on each image, [seeds, sets, images].

    Returns:
        Spearman's correlation; None of a single seed.
    """
    means = kl.mean(2)
    if len(means) < 2:
        return None
    others = [np.delete(means, place, axis=0).mean(0) for place in range(len(means))]
    return float(np.mean([spearman(own, rest) for own, rest in zip(means, others, strict=True)]))


def regret(chosen: Sequence[np.ndarray], best: Sequence[np.ndarray], seed: int = 0) -> Interval:
    """What choices lose beyond the best set that is known, in nats.

    Args:
        chosen: what is lost on each image without the blocks that were chosen, one array for each seed.
        best: likewise without the blocks of the best set, for each seed that tried it; where all did, in the
            same order: seeds are then resampled in pairs.
        seed: draws the resamples of images and seeds.
    """
    ours, theirs = np.stack(chosen), np.stack(best)
    generator = np.random.default_rng(seed)
    num_images = ours.shape[1]
    resampled = []
    for _ in range(RESAMPLES):
        weights = generator.multinomial(num_images, np.full(num_images, 1 / num_images)) / num_images
        drawn = generator.integers(len(ours), size=len(ours))
        paired = len(theirs) == len(ours)
        others = drawn if paired else generator.integers(len(theirs), size=len(theirs))
        mine, known = ours[drawn].mean(0), theirs[others].mean(0)
        resampled.append(float((mine - known) @ weights))
    return _interval(float(ours.mean() - theirs.mean()), resampled)


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's rank correlation; not a number where one of the two is the same everywhere.

    >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([3.0, 2.0, 1.0]))
    -1.0
    """
    return float(_spearman(one, other))


def _spearman(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The same along the last axis."""
    ours, theirs = (ranks - ranks.mean(-1, keepdims=True) for ranks in (_ranks(one), _ranks(other)))
    size = np.sqrt((ours**2).sum(-1) * (theirs**2).sum(-1))
    together = (ours * theirs).sum(-1)
    return np.where(size > 0, np.round(together / np.where(size > 0, size, 1.0), 12), np.nan)


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.asarray(rankdata(values, axis=-1))


def _correlations(scores: np.ndarray, lost: np.ndarray) -> np.ndarray:
    """The correlation of a criterion, mean over the seeds; a seed that scores all alike says nothing.

    Args:
        scores: [..., seeds, sets].
        lost: [..., sets].
    """
    values = _spearman(scores, lost[..., None, :])
    says = ~np.isnan(values)
    return np.where(says, values, 0.0).sum(-1) / np.maximum(1, says.sum(-1))


def _interval(value: float, resampled: Sequence[float] | np.ndarray) -> Interval:
    low, high = np.percentile(resampled, MIDDLE) if len(resampled) else (value, value)
    return Interval(value, float(low), float(high))
