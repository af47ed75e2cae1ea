"""Plain numbers for `dvc metrics`: network → images → n → target → method, always nested as deep.

Accuracies and measured times are apart, because only the former come out the same again on one machine.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from practise.render.tidy import SETTING, groups


def accuracy_metrics(frame: pd.DataFrame) -> dict[str, Any]:
    """Return top-1 (and top-5, where there is one) in percent, KL in nats, and the size of the networks.

    Args:
        frame: The frame of `frames.fewshot_frame`.
    """
    return _nest(
        (
            setting,
            _statistics(cells, ("top1", "kl", "top5")) | _means(cells, ("top1_original", "gmacs", "params")),
        )
        for setting, cells in groups(frame, (*SETTING, "method"))
    )


def latency_metrics(frame: pd.DataFrame) -> dict[str, Any]:
    """Return the measured time of each method's networks in milliseconds and the reduction as a share.

    Args:
        frame: The frame of `frames.fewshot_frame`.
    """
    measured = ("measured_reduction", "median_ms")
    return _nest(
        (setting, _statistics(cells, measured) | _means(cells, ("median_ms_original",)))
        for setting, cells in groups(frame, (*SETTING, "method"))
    )


def _nest(items: Iterable[tuple[tuple[Any, ...], dict[str, float]]]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for (network, images, num_images, target, method), values in items:
        branch = tree
        for name in (network, images, f"n{num_images}", f"t{target:g}"):
            branch = branch.setdefault(name, {})
        branch[method] = values
    return tree


def _statistics(cells: pd.DataFrame, columns: Iterable[str]) -> dict[str, float]:
    """Return mean and sample standard deviation; what does not exist is left out, it is never NaN."""
    values = {}
    for column in columns:
        present = cells[column].dropna()
        if len(present):
            values[column] = _plain(present.mean())
        if len(present) > 1:
            values[f"{column}_std"] = _plain(present.std(ddof=1))
    return values


def _means(cells: pd.DataFrame, columns: Iterable[str]) -> dict[str, float]:
    return {column: _plain(cells[column].mean()) for column in columns}


def _plain(value: float) -> float:
    """Return the number without the noise of its last binary digits, so that equal cells have equal ones."""
    return round(float(value), 9)
