"""How criteria are judged: rank correlations against scipy's, and what resampling must keep to."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from practise.evaluation import judging
from practise.evaluation.judging import Interval, Judged, ceiling, judge, regret, spearman

SEEDS, SETS, IMAGES = 3, 12, 20


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "RESAMPLES", 100)


def losses(noise: float = 0.3, seed: int = 0, seeds: int = SEEDS) -> np.ndarray:
    """What is lost, [seeds, sets, images]: more from set to set, and noise of its own for each seed."""
    generator = np.random.default_rng(seed)
    grown = np.linspace(0.2, 3, SETS)[None, :, None] * generator.uniform(0.5, 1.5, (1, 1, IMAGES))
    return grown + noise * generator.normal(size=(seeds, SETS, IMAGES))


def scores_of(kl: np.ndarray, noise: float, seed: int = 1) -> np.ndarray:
    """A criterion's scores, [seeds, sets]."""
    return kl.mean(2) + noise * np.random.default_rng(seed).normal(size=kl.shape[:2])


def found(name: str, judged: dict[str, Judged | None]) -> Judged:
    one = judged[name]
    assert one is not None
    return one


@given(
    pairs=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30),
    scale=st.floats(0.01, 100),
)
@settings(deadline=None)
def test_spearman_is_scipys_with_ties_too(pairs: list[tuple[int, int]], scale: float) -> None:
    one, other = (np.array(part) * scale for part in zip(*pairs, strict=True))
    assume(np.ptp(one) > 0 and np.ptp(other) > 0)
    assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-9)


def test_what_is_the_same_everywhere_has_no_correlation() -> None:
    assert np.isnan(spearman(np.ones(4), np.arange(4.0)))
    assert np.isnan(spearman(np.arange(4.0), np.ones(4)))


def test_a_correlation_is_scipys_with_the_mean_loss_mean_over_the_seeds() -> None:
    kl = losses()
    scores = scores_of(kl, 0.5)
    truth = kl.mean(axis=(0, 2))
    expected = np.mean([spearmanr(own, truth).statistic for own in scores])
    judged = found("mine", judge({"mine": scores}, kl, against="mine"))
    assert judged.correlation.value == pytest.approx(expected, abs=1e-9)
    assert judged.difference is None


def test_a_perfect_criterion_has_1_however_it_is_resampled_where_seeds_and_images_agree() -> None:
    kl = np.broadcast_to(np.linspace(1, 2, SETS)[None, :, None], (SEEDS, SETS, IMAGES))
    judged = judge({"perfect": np.exp(kl.mean(2)), "worst": -kl.mean(2)}, kl, against="worst")
    assert found("perfect", judged).correlation == Interval(1.0, 1.0, 1.0)
    assert found("worst", judged).correlation == Interval(-1.0, -1.0, -1.0)
    assert found("perfect", judged).difference == Interval(2.0, 2.0, 2.0)


@pytest.mark.parametrize("noise", [0.1, 0.5, 2.0])
def test_an_interval_holds_its_value_and_repeats(noise: float) -> None:
    kl = losses()
    scores = {"mine": scores_of(kl, noise), "other": scores_of(kl, noise, seed=2)}
    judged = found("mine", judge(scores, kl, against="other"))
    again = found("mine", judge(scores, kl, against="other"))
    assert judged == again
    assert judged.difference is not None
    for interval in (judged.correlation, judged.difference):
        assert interval.low <= interval.value <= interval.high
        assert interval.low < interval.high


def test_more_sets_give_a_narrower_interval() -> None:
    widths = []
    for copies in (1, 8):
        kl = np.concatenate([losses(seed=seed) for seed in range(copies)], axis=1)
        judged = found("mine", judge({"mine": scores_of(kl, 1.0)}, kl, against="mine"))
        widths.append(judged.correlation.high - judged.correlation.low)
    assert widths[1] < 0.6 * widths[0]


def test_criteria_are_judged_on_the_same_resamples() -> None:
    kl = losses()
    scores = scores_of(kl, 1.0)
    judged = judge({"mine": scores, "same": 5 * scores, "other": scores_of(kl, 1.0, 2)}, kl, against="mine")
    assert found("same", judged).difference == Interval(0.0, 0.0, 0.0)
    assert found("same", judged).correlation == found("mine", judged).correlation
    assert found("mine", judged).difference is None
    other = found("other", judged)
    assert other.difference is not None
    assert other.difference.low < other.difference.high
    alone = judge({"other": scores_of(kl, 1.0, 2)}, kl, against="mine")
    assert found("other", alone) == Judged(other.correlation, None)


def test_a_criterion_that_scores_all_alike_is_not_judged_nor_held_against() -> None:
    kl = losses()
    judged = judge({"flat": np.ones((SEEDS, SETS)), "mine": scores_of(kl, 0.1)}, kl, against="flat")
    assert judged["flat"] is None
    assert list(judged) == ["flat", "mine"]
    assert found("mine", judged).difference is None


def test_one_seed_is_enough() -> None:
    kl = losses(seeds=1)
    judged = found("mine", judge({"mine": scores_of(kl, 0.2)}, kl, against="other"))
    assert judged.correlation.low <= judged.correlation.value <= judged.correlation.high


# How far the oracle agrees with itself


def test_the_ceiling_of_seeds_that_agree_is_1_and_of_one_seed_nothing() -> None:
    kl = losses(seeds=1)
    assert ceiling(np.repeat(kl, 3, axis=0)) == pytest.approx(1.0)
    assert ceiling(kl) is None
    assert ceiling(np.concatenate([kl, -kl])) == pytest.approx(-1.0)


def test_the_ceiling_is_that_of_each_seed_with_the_mean_of_the_others() -> None:
    kl = losses(noise=8.0)
    means = kl.mean(2)
    by_hand = [
        spearmanr(means[0], (means[1] + means[2]) / 2).statistic,
        spearmanr(means[1], (means[0] + means[2]) / 2).statistic,
        spearmanr(means[2], (means[0] + means[1]) / 2).statistic,
    ]
    assert ceiling(kl) == pytest.approx(np.mean(by_hand), abs=1e-9)
    assert np.mean(by_hand) < 0.99


# What a choice loses beyond the best set


def test_the_best_choice_has_no_regret_whatever_is_resampled() -> None:
    best = list(losses()[:, 0])
    assert regret(best, best) == Interval(0.0, 0.0, 0.0)
    worse = [own + 0.25 for own in best]
    found = regret(worse, best)
    assert (found.value, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))


def test_regret_is_the_difference_of_means_within_its_interval() -> None:
    kl = losses()
    chosen, best = list(kl[:, 6]), list(kl[:, 0])
    found = regret(chosen, best)
    assert found.value == pytest.approx(np.mean(chosen) - np.mean(best))
    assert found.low < found.value < found.high
    assert found == regret(chosen, best)


def test_a_best_set_that_one_seed_alone_tried_is_held_against_all_seeds() -> None:
    kl = losses(noise=1.0)
    found = regret(list(kl[:, 6]), [kl[1, 0]])
    assert found.value == pytest.approx(kl[:, 6].mean() - kl[1, 0].mean())
    assert found.low < found.value < found.high
