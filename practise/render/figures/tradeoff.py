"""The main figure: accuracy against measured latency, every seed light, mean ± std bold (paper, figure 1).

Schemes that drop blocks are solid, those that prune filters dashed and open; lines go from target to target.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import isotonic_regression

from practise.latency.milliseconds import reduced_ms
from practise.render.figures.canvas import INK, QUIET, draw_panels, method_styles
from practise.render.figures.labels import HALO
from practise.render.methods import MethodStyle, method_title
from practise.render.names import hardware_line, mean_and_std
from practise.render.tidy import groups, read_frame

DASHES = (0, (4, 1.6))
"""The line of a scheme that prunes filters."""

LETTER = 0.082
"""Width of a letter beside a point in inches."""
LINE = 0.19
"""Height of a line of them in inches."""


def draw_tradeoff(tables: Path) -> Figure:
    """Return the figure; one panel for each network, image source and number of images.

    Args:
        tables: The directory of the tables; `fewshot.csv` is read.
    """
    keys = ("network", "images", "num_images")
    frame = _without_drift(read_frame(tables / "fewshot.csv"), keys)
    styles = method_styles(frame)
    labelled = _labels_fit(frame, keys)
    of_filters = set(frame.loc[frame["style"] == "filters", "method"])
    kinds = "Solid: blocks are dropped; dashed and open: filters are pruned. " if of_filters else ""
    seeds = "Small points: seeds; large: mean ± std. " if frame["seed"].nunique() > 1 else ""
    figure, panels = draw_panels(
        frame,
        keys,
        title="Accuracy against measured latency",
        note=f"{kinds}{seeds}Reductions measured in turn with the original on {hardware_line(frame)}.",
        legend=() if labelled else _legend(styles, of_filters, lines=frame["target_reduction"].nunique() > 1),
        panel_height=max(3.9, LINE * len(styles) + 3.0),
    )
    for ax, _, cells, _ in panels:
        _draw_original(ax, cells)
        _draw_methods(ax, cells, styles)
        _dress(ax, cells)
        if labelled:
            _label(ax, cells, styles)
    return figure


def _without_drift(frame: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """Return the frame with each time as the original's, of which there is one, less what is saved."""
    original = frame.groupby(list(keys))["median_ms_original"].transform("mean")
    return frame.assign(median_ms=reduced_ms(original, frame["measured_reduction"]))


def _draw_original(ax: Axes, cells: pd.DataFrame) -> None:
    top1, median_ms = cells["top1_original"].iloc[0], cells["median_ms_original"].mean()
    ax.axhline(top1, color=QUIET, linestyle=(0, (5, 4)), linewidth=1.1, zorder=1)
    ax.plot(
        median_ms, top1, marker="*", markersize=17, color=INK, markeredgecolor="white", linestyle="", zorder=5
    )


def _draw_methods(ax: Axes, cells: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> None:
    """Draw each method's seeds light, and its means bold with a line from target to target."""
    for (method,), own in groups(cells, ("method",)):
        color, marker = styles[method]
        seeds: dict[str, Any] = {
            "marker": marker,
            "markersize": 4.5,
            "alpha": 0.35,
            "markeredgewidth": 0,
            "linestyle": "",
        }
        is_open = (own["style"] == "filters").all()
        ax.plot(own["median_ms"], own["top1"], color=color, zorder=2, **seeds)
        statistics = own.groupby("target_reduction")[["median_ms", "top1"]].agg(["mean", "std"]).fillna(0.0)
        ax.errorbar(
            statistics["median_ms", "mean"],
            statistics["top1", "mean"],
            xerr=statistics["median_ms", "std"],
            yerr=statistics["top1", "std"],
            color=color,
            marker=marker,
            markersize=8,
            markerfacecolor="white" if is_open else color,
            markeredgecolor=color if is_open else "white",
            markeredgewidth=1.5 if is_open else 0.8,
            linestyle=DASHES if is_open else "-",
            linewidth=1.5,
            elinewidth=1.3,
            zorder=4,
        )


def _dress(ax: Axes, cells: pd.DataFrame) -> None:
    """Set limits that leave room for labels, and put the latency reduction on the upper axis."""
    original_ms = float(cells["median_ms_original"].mean())
    low, high = min(cells["median_ms"].min(), original_ms), max(cells["median_ms"].max(), original_ms)
    room = max(high - low, 0.02 * high)
    ax.set_xlim(low - 0.14 * room, high + 0.10 * room)
    bottom, top = cells[["top1", "top1_original"]].min().min(), cells[["top1", "top1_original"]].max().max()
    room = max(top - bottom, 1.0)
    ax.set_ylim(bottom - 0.14 * room, top + 0.14 * room)
    ax.set_xlabel(f"latency of a batch of {cells['batch_size'].iloc[0]} (ms)")
    ax.set_ylabel("top-1 accuracy (%)")

    def to_reduction(median_ms: Any) -> Any:
        return 100 * (1 - median_ms / original_ms)

    def to_median_ms(reduction: Any) -> Any:
        return original_ms * (1 - reduction / 100)

    ax.secondary_xaxis("top", functions=(to_reduction, to_median_ms)).set_xlabel("latency reduction (%)")


def _labels_fit(frame: pd.DataFrame, keys: tuple[str, ...]) -> bool:
    """Whether there is room for the names of the methods between their points and the original's."""
    settings = list(groups(frame, keys))
    if not settings:
        return False
    width = 0.8 * (7.0 if len(settings) == 1 else 4.2)
    for _, cells in settings:
        original, high = cells["median_ms_original"].mean(), cells["median_ms"].max()
        room = (original - high) / (1.24 * (original - cells["median_ms"].min())) if original > high else 0.0
        if room * width < LETTER * max(map(len, _labels(cells).values())) + 0.2:
            return False
    return True


def _labels(cells: pd.DataFrame) -> dict[str, str]:
    """Return what is written beside each method: its name, and with one target also its accuracy."""
    single = cells["target_reduction"].nunique() == 1
    return {
        method: f"{method_title(method)}  {mean_and_std(own['top1'], 1)} %"
        if single
        else method_title(method)
        for (method,), own in groups(cells, ("method",))
    }


def _label(ax: Axes, cells: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> None:
    """Write each method right of its slowest mean, one above the other where they are close."""
    labels, original = _labels(cells), cells[["median_ms_original", "top1_original"]].mean()
    means = cells.groupby(["method", "target_reduction"])[["median_ms", "top1"]].mean().reset_index()
    ends = means.loc[means.groupby("method")["median_ms"].idxmax()].sort_values("top1", kind="stable")
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    (bottom, top), height = ax.get_ylim(), ax.get_window_extent().height / figure.dpi
    step = LINE * (top - bottom) / height
    gap = step * np.arange(len(ends))
    heights = isotonic_regression(ends["top1"].to_numpy() - gap).x + gap
    heights = np.minimum(heights, original["top1_original"] - gap[::-1] - 0.6 * step)  # below the original's
    left, right = ax.get_xlim()
    column = cells["median_ms"].max() + 0.035 * (right - left)
    for (_, end), y in zip(ends.iterrows(), heights, strict=True):
        method = end["method"]
        color = styles[method].color
        ax.annotate(
            labels[method],
            xy=(end["median_ms"], end["top1"]),
            xytext=(column, y),
            va="center",
            color=color,
            fontweight="bold",
            path_effects=HALO,
            zorder=6,
            arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.7, "alpha": 0.6, "shrinkB": 6},
        ).set_in_layout(False)
    ax.annotate(
        f"original  {original['top1_original']:.1f} %",
        xy=(original["median_ms_original"], original["top1_original"]),
        xytext=(0, 11),
        textcoords="offset points",
        ha="right",
        color=INK,
        fontweight="bold",
        path_effects=HALO,
    ).set_in_layout(False)


def _legend(styles: Mapping[str, MethodStyle], of_filters: set[str], *, lines: bool) -> list[Line2D]:
    star = Line2D(
        [], [], color=QUIET, linestyle="--", linewidth=1.1, marker="*", markersize=13, label="original"
    )
    star.set(markerfacecolor=INK, markeredgecolor=INK)
    handles = [star]
    for method, (color, marker) in styles.items():
        handle = Line2D([], [], color=color, marker=marker, markersize=7.5, linewidth=1.5)
        handle.set(label=method_title(method), linestyle="-" if lines else "")
        if method in of_filters:
            handle.set(markerfacecolor="white", markeredgewidth=1.5, linestyle=DASHES if lines else "")
        handles.append(handle)
    return handles
