"""Frames of the comparison of criteria: how well each ranks the blocks, and what dropping them costs.

The truth is the oracle's: the accuracy that is lost when a block alone is dropped and the network recovered.
One recovery is noisy, so a criterion's ranking with one seed is held against the mean loss over all seeds,
and the oracle's own against that of the other seeds: as far as any criterion could get.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pandas as pd
from scipy.stats import spearmanr

from practise.render.tables.results import Results
from practise.render.tidy import SAMPLE_SETTING
from practise.settings.grid import Trial, rank_trials
from practise.settings.params import Params

ORACLE = "oracle"
"""The criterion that tries every block and looks at the evaluation images."""

CRITERIA_COLUMNS = (
    *(*SAMPLE_SETTING, "seed", "criterion", "per_latency", "count", "dropped_blocks", "latency_reduction"),
    *("top1", "top1_original", "num_blocks", "rank_correlation", "rank_correlation_per_latency"),
    *("method", "preset", "num_evaluation"),
)
ORACLE_COLUMNS = (
    *(*SAMPLE_SETTING, "seed", "criterion", "block", "position", "score", "place"),
    *("latency_reduction", "top1", "top1_original"),
)


class Judged(NamedTuple):
    """A criterion of one trial beside the truth.

    Attributes:
        trial: The trial.
        result: The trial's result.
        criterion: What the result says of the criterion.
        correlations: The rank correlations, of scores and of the orders per latency, by their columns.
    """

    trial: Trial
    result: dict[str, Any]
    criterion: dict[str, Any]
    correlations: dict[str, float | None]


def criteria_frame(params: Params) -> pd.DataFrame:
    """Return one row per trial, criterion and number of blocks: the accuracy without the blocks it drops.

    `rank_correlation` is Spearman's, of the scores with the accuracy that the oracle loses;
    `rank_correlation_per_latency` of the places in which the two would drop the blocks. Both are empty where
    a criterion scores all blocks alike, and the oracle's with a single seed.

    Raises:
        FileError: A result of the trials is missing or damaged.
    """
    rows = [
        {
            **_columns(judged.trial),
            **{key: judged.criterion[key] for key in ("criterion", "per_latency")},
            **{key: choice[key] for key in ("count", "latency_reduction", "top1")},
            "dropped_blocks": " ".join(choice["dropped_blocks"]),
            "num_blocks": len(judged.result["blocks"]),
            **judged.correlations,
            **{key: judged.result[key] for key in ("top1_original", "method", "preset", "num_evaluation")},
        }
        for judged in _judge(params)
        for choice in judged.criterion["choices"]
    ]
    return pd.DataFrame(rows, columns=CRITERIA_COLUMNS)


def oracle_frame(params: Params) -> pd.DataFrame:
    """Return one row per trial, criterion and block: its score, its place, and the accuracy without it.

    Raises:
        FileError: A result of the trials is missing or damaged.
    """
    rows: list[dict[str, Any]] = []
    for judged in _judge(params):
        criterion, places = judged.criterion, _places(judged.criterion)
        rows += [
            {
                **_columns(judged.trial),
                "criterion": criterion["criterion"],
                "block": block["name"],
                "position": position,
                "score": criterion["scores"][block["name"]],
                "place": places.get(block["name"]),
                **{key: block[key] for key in ("latency_reduction", "top1")},
                "top1_original": judged.result["top1_original"],
            }
            for position, block in enumerate(judged.result["blocks"], start=1)
        ]
    return pd.DataFrame(rows, columns=ORACLE_COLUMNS)


def _judge(params: Params) -> Iterator[Judged]:
    """Give every criterion of every trial, held against the oracles of all seeds of its setting."""
    results = Results(params)
    read = {trial: results.read(results.paths.rank(trial), "rank") for trial in rank_trials(params)}
    oracles = {trial: _criterion(result, ORACLE) for trial, result in read.items()}
    for trial, result in read.items():
        alike = [other for other in read if other.folder.parent == trial.folder.parent]
        for criterion in result["criteria"]:
            others = [other for other in alike if criterion["criterion"] != ORACLE or other != trial]
            losses = _mean(pd.Series(oracles[other]["scores"], dtype=float) for other in others)
            orders = _mean(_places(oracles[other]) for other in others)
            correlations = {
                "rank_correlation": rank_correlation(pd.Series(criterion["scores"], dtype=float), losses),
                "rank_correlation_per_latency": rank_correlation(_places(criterion), orders),
            }
            yield Judged(trial, result, criterion, correlations)


def rank_correlation(one: pd.Series, other: pd.Series) -> float | None:
    """Return Spearman's rank correlation of two series over the names they share; None where it has none.

    >>> rank_correlation(pd.Series({"a": 1.0, "b": 2.0, "c": 9.0}), pd.Series({"c": 3.0, "b": 2.0, "a": 1.0}))
    1.0
    """
    both = pd.concat([one, other], axis=1, join="inner").dropna()
    if len(both) < 2 or (both.nunique() == 1).any():
        return None
    return round(float(spearmanr(both.iloc[:, 0], both.iloc[:, 1]).statistic), 12)


def _mean(series: Iterator[pd.Series]) -> pd.Series:
    """Return the mean over several series, name by name; of none it is empty."""
    found = list(series)
    return pd.concat(found, axis=1).mean(axis=1) if found else pd.Series(dtype=float)


def _places(criterion: dict[str, Any]) -> pd.Series:
    """Return the place of each block in the order in which a criterion drops them, from 1 on."""
    return pd.Series({name: place for place, name in enumerate(criterion["order"], start=1)}, dtype=int)


def _criterion(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(criterion for criterion in result["criteria"] if criterion["criterion"] == name)


def _columns(trial: Trial) -> dict[str, Any]:
    values = (trial.network, trial.images, trial.num_images, trial.seed)
    return dict(zip((*SAMPLE_SETTING, "seed"), values, strict=True))
