"""Frames of the comparison of criteria: how well each foretells what is lost, and what its choices cost.

The truth is the oracle's: what is lost on the evaluation images when blocks are dropped and the network
recovered. One recovery is noisy, so a criterion's scores with one seed are held against the mean loss over
all seeds; how far the oracle agrees with itself is the ceiling. `practise.evaluation.judging` has the
statistics.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from practise.evaluation.judging import Interval, ceiling, judge, regret, spearman
from practise.evaluation.lost import Losses, read_lost
from practise.render.names import RECOVERABILITY
from practise.render.tables.results import Results
from practise.render.tidy import BETWEEN_SEEDS, LEAST_CEILING, SAMPLE_SETTING
from practise.schema import HowMany
from practise.settings.grid import Trial, rank_trials
from practise.settings.params import Params

KINDS = {"sets": "random", "blocks": "alone"}
"""What criteria are judged by, in columns, and how the oracle's result calls these sets."""

FEWEST_SETS = 3
"""Of two sets, any two rankings agree or do not."""

SEEDS_COLUMNS = (*SAMPLE_SETTING, "seed", "criterion", "correlation", "kl")
CRITERIA_COLUMNS = (
    *(*SAMPLE_SETTING, "criterion", "search", "target_reduction", "seeds", "num_evaluation", "top1_original"),
    *(
        f"{column}_{kind}"
        for kind in KINDS
        for column in (
            *("num", "ceiling", "correlation", "correlation_low", "correlation_high"),
            *("difference", "difference_low", "difference_high"),
        )
    ),
    *("kl", "kl_std", "regret", "regret_low", "regret_high", "top1_lost", "top1_lost_error"),
    *("latency_reduction", "dropped_blocks", "best_known", "best_known_kl", "method", "against", "preset"),
)
ORACLE_COLUMNS = (
    *(*SAMPLE_SETTING, "seed", "kind", "dropped_blocks", "num_blocks", "latency_reduction"),
    *("kl", "top1", "top1_lost", "top1_lost_error", "top1_original", "criterion", "score"),
)


@dataclass(frozen=True)
class Tried:
    """One trial: what its result says, and the losses image by image."""

    trial: Trial
    result: dict[str, Any]
    losses: Losses

    @property
    def criteria(self) -> list[str]:
        """The criteria in the order of the params file; the keys of a result's scores are sorted."""
        return list(dict.fromkeys(choice["criterion"] for choice in self.result["choices"]))

    def rows(self, kind: str) -> list[int]:
        """The places of the sets of a kind."""
        return [place for place, one in enumerate(self.result["sets"]) if one["kind"] == kind]

    def place(self, blocks: Sequence[str]) -> int | None:
        """The place of a set; None where this trial did not drop it."""
        known = (place for place, one in enumerate(self.result["sets"]) if one["blocks"] == list(blocks))
        return next(known, None)


def criteria_frame(params: Params) -> pd.DataFrame:
    """Return one row per setting, criterion, search and target.

    `correlation_…` is Spearman's, of the scores with what is lost without random sets (`sets`) and without
    each block alone (`blocks`); `difference_…` is that less the one of `against`: of the method's own
    criterion where it is compared, else of recoverability. `regret` is what the chosen sets lose beyond the
    best set that is known. `…_low` and `…_high` bound the middle 90 % of resamples.

    Raises:
        FileError: A result of the trials is missing or damaged.
    """
    rows = [row for tried in _settings(params) for row in _judge(tried)]
    return pd.DataFrame(rows, columns=CRITERIA_COLUMNS)


def oracle_frame(params: Params) -> pd.DataFrame:
    """Return one row per trial, set of blocks and criterion: its score, and what is lost without the set.

    Raises:
        FileError: A result of the trials is missing or damaged.
    """
    rows: list[dict[str, Any]] = []
    for tried in (one for together in _settings(params) for one in together):
        saved = {block["name"]: block["latency_reduction"] for block in tried.result["blocks"]}
        for place, one in enumerate(tried.result["sets"]):
            lost = _top1_lost([tried.losses.right[place]], [tried.losses.right_original])
            row = {
                **dict(zip((*SAMPLE_SETTING, "seed"), _key(tried.trial), strict=True)),
                "kind": one["kind"],
                "dropped_blocks": " ".join(one["blocks"]),
                "num_blocks": len(one["blocks"]),
                "latency_reduction": sum(saved[block] for block in one["blocks"]),
                **{key: one[key] for key in ("kl", "top1")},
                **lost,
                "top1_original": tried.result["top1_original"],
            }
            rows += [row | {"criterion": name, "score": one["scores"][name]} for name in tried.criteria]
    return pd.DataFrame(rows, columns=ORACLE_COLUMNS)


def seeds_frame(params: Params) -> pd.DataFrame:
    """Return one row per trial and criterion: its correlation over random sets, and what its choices lose.

    The correlation is empty where the oracle does not agree with itself; a choice's loss is the mean over the
    targets, by the first search.

    Raises:
        FileError: A result of the trials is missing or damaged.
    """
    rows: list[dict[str, Any]] = []
    for trials in _settings(params):
        names = trials[0].criteria
        kl, scores = _stack(trials, KINDS["sets"], names)
        reliable = kl.shape[1] >= FEWEST_SETS and (
            (agreement := ceiling(kl)) is None or agreement >= LEAST_CEILING
        )
        truth = kl.mean(2).mean(0)
        for place, tried in enumerate(trials):
            for name in names:
                keys = {choice["target"]: choice for choice in reversed(tried.result["choices"])
                        if choice["criterion"] == name}  # fmt: skip
                rows_of = [tried.place(choice["blocks"]) for choice in keys.values()]
                rows.append(
                    {
                        **dict(zip((*SAMPLE_SETTING, "seed"), _key(tried.trial), strict=True)),
                        "criterion": name,
                        "correlation": spearman(scores[name][place], truth) if reliable else None,
                        "kl": float(np.mean([tried.losses.kl[row].mean() for row in rows_of])),
                    }
                )
    return pd.DataFrame(rows, columns=SEEDS_COLUMNS)


def _settings(params: Params) -> Iterator[list[Tried]]:
    """The trials of each setting together, one for each seed."""
    results = Results(params)
    together: dict[Any, list[Tried]] = {}
    for trial in rank_trials(params):
        result = results.read(results.paths.rank(trial), "rank")
        losses = read_lost(results.paths.lost(trial))
        together.setdefault(trial.folder.parent, []).append(Tried(trial, result, losses))
    yield from together.values()


def _judge(trials: Sequence[Tried]) -> Iterator[dict[str, Any]]:
    """The rows of one setting."""
    first = trials[0].result
    names = trials[0].criteria
    judged: dict[str, dict[str, Any]] = {name: {} for name in names}
    for column, kind in KINDS.items():
        for name, found in _correlate(trials, kind, names).items():
            judged[name] |= {f"{key}_{column}": value for key, value in found.items()}
    top1 = [tried.result["top1_original"] for tried in trials]
    common = {
        **dict(zip(SAMPLE_SETTING, _key(trials[0].trial), strict=False)),
        "seeds": len(trials),
        "top1_original": float(np.mean(top1)),
        **{key: first[key] for key in ("num_evaluation", "method", "preset")},
        "against": _against(trials),
    }
    for choice in first["choices"]:
        key = {name: choice[name] for name in ("criterion", "search", "target")}
        yield {
            **common,
            "criterion": key["criterion"],
            "search": key["search"],
            "target_reduction": key["target"],
            **judged[choice["criterion"]],
            **_weigh(trials, key),
        }


def _correlate(trials: Sequence[Tried], kind: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By criterion, its correlations with what is lost without the sets of a kind."""
    kl, scores = _stack(trials, kind, names)
    if kl.shape[1] < FEWEST_SETS:
        return {name: {"num": kl.shape[1]} for name in names}
    common = {"num": kl.shape[1], "ceiling": ceiling(kl)}
    found: dict[str, dict[str, Any]] = {}
    for name, judged in judge(scores, kl, _against(trials)).items():
        found[name] = dict(common)
        if judged is not None:
            found[name] |= _columns("correlation", judged.correlation)
            found[name] |= _columns("difference", judged.difference) if judged.difference else {}
    return found


def _stack(
    trials: Sequence[Tried], kind: str, names: Sequence[str]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What is lost without the sets of a kind, [seeds, sets, images], and by criterion the scores of each."""
    places = [tried.rows(kind) for tried in trials]
    kl = np.stack([tried.losses.kl[rows] for tried, rows in zip(trials, places, strict=True)])
    sets = [
        [tried.result["sets"][row]["scores"] for row in rows]
        for tried, rows in zip(trials, places, strict=True)
    ]
    return kl, {name: np.array([[one[name] for one in own] for own in sets], dtype=float) for name in names}


def _against(trials: Sequence[Tried]) -> str:
    """The criterion that others are held against: the method's own where it is compared, else R."""
    own: str = trials[0].result["criterion"]
    return own if own in trials[0].criteria else RECOVERABILITY


def _weigh(trials: Sequence[Tried], key: Mapping[str, Any]) -> dict[str, Any]:
    """What the choices of one criterion, search and target lose, mean over the seeds."""
    chosen = [_choice(tried, key) for tried in trials]
    rows = [tried.place(blocks) for tried, blocks in zip(trials, chosen, strict=True)]
    kl = [tried.losses.kl[row] for tried, row in zip(trials, rows, strict=True)]
    best, best_kl = best_known(trials, key["target"])
    saved = {block["name"]: block["latency_reduction"] for block in trials[0].result["blocks"]}
    lost = [tried.losses.right[row] for tried, row in zip(trials, rows, strict=True)]
    means = [float(one.mean(dtype="float64")) for one in kl]
    return {
        "kl": float(np.mean(means)),
        "kl_std": float(np.std(means, ddof=1)) if len(means) > 1 else None,
        **_columns("regret", regret(kl, best_kl)),
        **_top1_lost(lost, [tried.losses.right_original for tried in trials]),
        "latency_reduction": float(np.mean([sum(saved[block] for block in blocks) for blocks in chosen])),
        "dropped_blocks": BETWEEN_SEEDS.join(" ".join(blocks) for blocks in chosen),
        "best_known": " ".join(best),
        "best_known_kl": float(np.mean(best_kl)),
    }


def best_known(trials: Sequence[Tried], target: float) -> tuple[list[str], list[np.ndarray]]:
    """Of the sets that meet a target, the one that loses least over the seeds that tried it; its losses."""
    losses: dict[tuple[str, ...], list[np.ndarray]] = {}
    for tried in trials:
        for place, one in enumerate(tried.result["sets"]):
            if target in one["meets"]:
                losses.setdefault(tuple(one["blocks"]), []).append(tried.losses.kl[place])
    best = min(losses, key=lambda blocks: float(np.mean(losses[blocks])))
    return list(best), losses[best]


def _choice(tried: Tried, key: Mapping[str, Any]) -> list[str]:
    """The blocks that were chosen."""
    return next(
        choice["blocks"]
        for choice in tried.result["choices"]
        if all(choice[name] == value for name, value in key.items())
    )


def _top1_lost(right: Sequence[np.ndarray], original: Sequence[np.ndarray]) -> dict[str, float | None]:
    """The points of top-1 that are lost, mean over seeds, and their standard error over the same images."""
    lost = np.mean(
        [theirs.astype(float) - ours for ours, theirs in zip(right, original, strict=True)], axis=0
    )
    error = float(lost.std(ddof=1) / np.sqrt(len(lost))) if len(lost) > 1 else None
    return {"top1_lost": 100 * float(lost.mean()), "top1_lost_error": None if error is None else 100 * error}


def _columns(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _key(trial: Trial) -> tuple[str, str, HowMany, int]:
    return trial.network, trial.images, trial.num_images, trial.seed
