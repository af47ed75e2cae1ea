"""The main figure: accuracy against measured latency, every seed light, mean ± std bold (paper, figure 1)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from practise.render.canvas import INK, QUIET, MethodStyle, draw_panels, method_styles
from practise.render.names import hardware_line, mean_and_std, method_title
from practise.render.tidy import groups, read_frame

HALO = [withStroke(linewidth=3, foreground="white")]
"""Keeps words readable where they cross a grid line."""


def draw_tradeoff(tables: Path) -> Figure:
    """Return the figure; one panel for each network, image source and number of images.

    Args:
        tables: The directory of the tables; `fewshot.csv` is read.
    """
    keys = ("network", "images", "num_images")
    frame = _without_drift(read_frame(tables / "fewshot.csv"), keys)
    styles = method_styles(frame)
    labelled = len(frame[list(keys)].drop_duplicates()) == 1 and frame["target_reduction"].nunique() == 1
    seeds = "Small points: seeds; large: mean ± std. " if frame["seed"].nunique() > 1 else ""
    figure, panels = draw_panels(
        frame,
        keys,
        title="Accuracy against measured latency",
        note=f"{seeds}Reductions measured in turn with the original on {hardware_line(frame)}.",
        legend=() if labelled else _legend(styles),
    )
    for ax, _, cells, _ in panels:
        _draw_original(ax, cells)
        _draw_methods(ax, cells, styles)
        _dress(ax, cells)
        if labelled:
            _label(ax, cells, styles)
    return figure


def _without_drift(frame: pd.DataFrame, keys: tuple[str, ...]) -> pd.DataFrame:
    """Return the frame with each time as the original's mean time less the reduction measured in turn.

    The machine's speed changes between cells by more than a block is worth; a paired reduction does not.
    """
    original = frame.groupby(list(keys))["median_ms_original"].transform("mean")
    return frame.assign(median_ms=original * (1 - frame["measured_reduction"]))


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
            "markersize": 5,
            "alpha": 0.35,
            "markeredgewidth": 0,
            "linestyle": "",
        }
        ax.plot(own["median_ms"], own["top1"], color=color, zorder=2, **seeds)
        statistics = own.groupby("target_reduction")[["median_ms", "top1"]].agg(["mean", "std"]).fillna(0.0)
        ax.errorbar(
            statistics["median_ms", "mean"],
            statistics["top1", "mean"],
            xerr=statistics["median_ms", "std"],
            yerr=statistics["top1", "std"],
            color=color,
            marker=marker,
            markersize=9,
            markeredgecolor="white",
            linewidth=1.5,
            elinewidth=1.5,
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


def _label(ax: Axes, cells: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> None:
    """Write each method beside its mean, one above the other where they are close, and name the star."""
    bottom, top = ax.get_ylim()
    gap, height = 0.085 * (top - bottom), float("-inf")
    means = {method: own["top1"].mean() for (method,), own in groups(cells, ("method",))}
    for method in sorted(means, key=means.__getitem__):
        own = cells[cells["method"] == method]
        height = max(means[method], height + gap)
        ax.annotate(
            f"{method_title(method)}  {mean_and_std(own['top1'], 1)} %",
            xy=(own["median_ms"].max(), height),
            xytext=(12, 0),
            textcoords="offset points",
            va="center",
            color=styles[method].color,
            fontweight="bold",
            path_effects=HALO,
        )
    original = cells[["median_ms_original", "top1_original"]].mean()
    ax.annotate(
        f"original  {original['top1_original']:.1f} %",
        xy=(original["median_ms_original"], original["top1_original"]),
        xytext=(0, 11),
        textcoords="offset points",
        ha="right",
        color=INK,
        fontweight="bold",
        path_effects=HALO,
    )


def _legend(styles: Mapping[str, MethodStyle]) -> list[Line2D]:
    star = Line2D(
        [], [], color=QUIET, linestyle="--", linewidth=1.1, marker="*", markersize=13, label="original"
    )
    star.set_markerfacecolor(INK)
    star.set_markeredgecolor(INK)
    return [star] + [
        Line2D([], [], color=style.color, marker=style.marker, markersize=8, label=method_title(method))
        for method, style in styles.items()
    ]
