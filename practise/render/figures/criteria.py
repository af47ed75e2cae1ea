"""What criteria say against what happens: a block's score, and the accuracy when it is gone."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from practise.render.figures.canvas import DECADE, QUIET, draw_panels, plain_log_axis
from practise.render.figures.labels import MOST_NAMES, Point, place_names
from practise.render.names import RECOVERABILITY, criterion_title, mean_and_std, shared_start
from practise.render.tidy import SAMPLE_SETTING, read_frame
from practise.scoring.registry import CRITERIA

COSTS = sorted((name for name in CRITERIA if CRITERIA[name].unit), key=RECOVERABILITY.__ne__)
"""The criteria whose score is a cost, the paper's first."""


def draw_criteria(tables: Path) -> Figure:
    """Return the figure; one panel for each setting and criterion that is a cost.

    Args:
        tables: The directory of the tables; `oracle.csv` and `criteria.csv` are read.
    """
    frame, criteria = read_frame(tables / "oracle.csv"), read_frame(tables / "criteria.csv")
    costs = pd.concat([frame[frame["criterion"] == criterion] for criterion in COSTS])
    colors = stage_colors(costs.sort_values("position", kind="stable")["block"].drop_duplicates().tolist())
    several = costs["seed"].nunique() > 1
    seeds = "mean over the seeds, bars ± std" if several else "one seed"
    start = shared_start(list(colors))
    named = f" ({start}*)" if start else ""
    keys = (*SAMPLE_SETTING, "criterion")
    figure, panels = draw_panels(
        costs,
        keys,
        title="What criteria say of a block, and what happens without it",
        note=f"Point: a block{named}, dropped alone and the network recovered ({seeds}). Dashed: the "
        "original. ρ: Spearman's rank correlation with the accuracy lost; 1 is a perfect order.",
        legend=_legend(colors),
        panel_height=3.6,
        always=("criterion",),
        columns=3,
    )
    for ax, setting, cells, _ in panels:
        same = (criteria[list(keys)] == list(setting)).all(axis=1)
        ax.set_title(f"{ax.get_title(loc='left')}\nρ = {_correlation(criteria[same])}")
        blocks = _blocks(cells)
        _draw_blocks(ax, blocks, colors)
        _dress(ax, blocks, str(setting[-1]), float(cells["top1_original"].iloc[0]))
        studied = costs[(costs[list(SAMPLE_SETTING)] == list(setting[:-1])).all(axis=1)]
        _set_heights(ax, studied)
    for ax, _, cells, _ in panels:
        _name(ax, cells, colors)
    return figure


def stage_colors(blocks: Sequence[str]) -> dict[str, str]:
    """Return a colour for each block by its stage: its name without the last part. First ones are dark."""
    stages = list(dict.fromkeys(block.rpartition(".")[0] for block in blocks))
    shades = [
        to_hex(shade) for shade in mpl.colormaps["viridis"](np.linspace(0.0, 0.85, max(1, len(stages))))
    ]
    return {block: shades[stages.index(block.rpartition(".")[0])] for block in blocks}


def _blocks(cells: pd.DataFrame) -> pd.DataFrame:
    """Return mean score, mean and standard deviation of the accuracy, a row per block in network order."""
    blocks = cells.groupby("block").agg(
        position=("position", "first"), score=("score", "mean"), top1=("top1", "mean"), std=("top1", "std")
    )
    return blocks.fillna({"std": 0.0}).sort_values("position", kind="stable")


def _correlation(rows: pd.DataFrame) -> str:
    return mean_and_std(rows.drop_duplicates("seed")["rank_correlation"], 2)


def _draw_blocks(ax: Axes, blocks: pd.DataFrame, colors: dict[str, str]) -> None:
    for name, block in blocks.iterrows():
        ax.errorbar(
            block["score"],
            block["top1"],
            yerr=block["std"] or None,
            color=colors[str(name)],
            marker="o",
            markersize=6.5,
            markeredgecolor="white",
            markeredgewidth=0.6,
            elinewidth=1.2,
            zorder=4,
        )


def _dress(ax: Axes, blocks: pd.DataFrame, criterion: str, original: float) -> None:
    ax.axhline(original, color=QUIET, linestyle=(0, (5, 4)), linewidth=1.1, zorder=1)
    low, high = blocks["score"].min(), blocks["score"].max()
    if low > 0 and high / low >= DECADE:
        room = (high / low) ** 0.08
        ax.set_xlim(low / room, high * room)
        plain_log_axis(ax, "x")
    else:
        room = 0.08 * max(high - low, 1e-9)
        ax.set_xlim(low - room, high + room)
    ax.set_xlabel(f"{criterion_title(criterion).partition(' (')[0]} ({CRITERIA[criterion].unit})")
    ax.set_ylabel("top-1 without the block (%)")


def _set_heights(ax: Axes, studied: pd.DataFrame) -> None:
    """Give the panels of one setting the same heights, so that they can be compared."""
    blocks = (
        studied.drop_duplicates(["seed", "block"]).groupby("block")["top1"].agg(["mean", "std"]).fillna(0)
    )
    low = (blocks["mean"] - blocks["std"]).min()
    high = max((blocks["mean"] + blocks["std"]).max(), studied["top1_original"].max())
    room = 0.06 * max(high - low, 0.5)
    ax.set_ylim(low - room, high + room)


def _name(ax: Axes, cells: pd.DataFrame, colors: dict[str, str]) -> None:
    blocks = _blocks(cells)
    names = [str(name) for name in blocks.index]
    if len(names) > MOST_NAMES:
        return
    start = shared_start(names)
    points = [
        Point(block["score"], block["top1"], str(name).removeprefix(start), colors[str(name)], block["std"])
        for name, block in blocks.iterrows()
    ]
    (left, right), original = ax.get_xlim(), cells["top1_original"].iloc[0]
    place_names(ax, points, [[(left, original), (right, original)]])


def _legend(colors: dict[str, str]) -> list[Line2D]:
    """Return a handle for each stage; of one stage there is nothing to tell apart."""
    stages = {block.rpartition(".")[0]: color for block, color in colors.items()}
    if len(stages) < 2:
        return []
    return [
        Line2D([], [], color=color, marker="o", markersize=6.5, linestyle="", label=stage)
        for stage, color in stages.items()
    ]
