"""What criteria say against what happens: scores of sets of blocks, and what is lost without them."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from practise.render.figures.canvas import DECADE, INK, QUIET, draw_panels, plain_log_axis
from practise.render.figures.labels import MOST_NAMES, Point, place_names
from practise.render.names import number, shared_start, with_interval
from practise.render.tidy import BETWEEN_SEEDS, LEAST_CEILING, SAMPLE_SETTING, read_frame
from practise.scoring.registry import CRITERIA

COSTS = [name for name in reversed(CRITERIA) if CRITERIA[name].unit]
"""The criteria whose score is a cost, the recoverabilities first."""
CHOSEN = "#cc3311"


def draw_criteria(tables: Path) -> Figure:
    """Return the figure; one panel for each setting and criterion that is a cost.

    Args:
        tables: The directory of the tables; `oracle.csv` and `criteria.csv` are read.
    """
    frame, criteria = read_frame(tables / "oracle.csv"), read_frame(tables / "criteria.csv")
    costs = pd.concat([frame[frame["criterion"] == criterion] for criterion in COSTS])
    blocks = costs.loc[costs["kind"] == "alone", "dropped_blocks"].drop_duplicates().tolist()
    colors = stage_colors(blocks)
    several = costs["seed"].nunique() > 1
    seeds = "mean over the seeds, bars ± std" if several else "one seed"
    start = shared_start(list(colors))
    named = f" ({start}*)" if start else ""
    keys = (*SAMPLE_SETTING, "criterion")
    figure, panels = draw_panels(
        costs,
        keys,
        title="What criteria say of blocks, and what is lost without them",
        note=f"Each mark is a network without some blocks, recovered ({seeds}); a filled one lacks "
        f"a single block{named}. ρ: Spearman's rank correlation over the random sets with the middle 90 % of "
        "resamples; ceiling: the oracle's with itself.",
        legend=_legend(colors),
        panel_height=3.6,
        always=("criterion",),
        columns=3,
    )
    drawn: list[tuple[Axes, pd.DataFrame]] = []
    for ax, setting, cells, _ in panels:
        rows = criteria[(criteria[list(keys)] == list(setting)).all(axis=1)]
        ax.set_title(ax.get_title(loc="left"), pad=22)
        words = _correlation(rows.iloc[0])
        ax.annotate(words, (0, 1), (0, 8), "axes fraction", "offset points", fontsize=9, color=INK)
        chosen, sets = _chosen(rows), _sets(cells)
        sets = sets[(sets["kind"] != "chosen") | sets.index.isin(chosen)]  # others are chosen by others
        _draw_sets(ax, sets, colors, chosen)
        _dress(ax, sets, str(setting[-1]))
        _set_heights(ax, _sets(costs[(costs[list(SAMPLE_SETTING)] == list(setting[:-1])).all(axis=1)]))
        drawn.append((ax, sets))
    for ax, sets in drawn:
        _name(ax, sets, colors)
    return figure


def stage_colors(blocks: Sequence[str]) -> dict[str, str]:
    """Return a colour for each block by its stage: its name without the last part. First ones are dark."""
    stages = list(dict.fromkeys(block.rpartition(".")[0] for block in blocks))
    shades = [
        to_hex(shade) for shade in mpl.colormaps["viridis"](np.linspace(0.0, 0.85, max(1, len(stages))))
    ]
    return {block: shades[stages.index(block.rpartition(".")[0])] for block in blocks}


def _sets(cells: pd.DataFrame) -> pd.DataFrame:
    """Return mean score, mean and standard deviation of the KL, a row per set."""
    sets = cells.groupby("dropped_blocks", sort=False).agg(
        kind=("kind", "first"), score=("score", "mean"), kl=("kl", "mean"), std=("kl", "std")
    )
    return sets.fillna({"std": 0.0})


def _chosen(rows: pd.DataFrame) -> set[str]:
    return {blocks for text in rows["dropped_blocks"] for blocks in text.split(BETWEEN_SEEDS)}


def _correlation(row: pd.Series) -> str:
    ceiling = f"ceiling {number(row['ceiling_sets'], 2)}"
    if pd.isna(row["correlation_sets"]) or row["ceiling_sets"] < LEAST_CEILING:
        return ceiling
    value, low, high = (row[f"correlation{end}_sets"] for end in ("", "_low", "_high"))
    return f"ρ = {with_interval(value, low, high, 2)}, {ceiling}"


def _draw_sets(ax: Axes, sets: pd.DataFrame, colors: dict[str, str], chosen: set[str]) -> None:
    for name, one in sets.iterrows():
        alone, picked = one["kind"] == "alone", name in chosen
        color = CHOSEN if picked else colors[str(name)] if alone else QUIET
        ax.errorbar(
            one["score"],
            one["kl"],
            yerr=min(one["std"], 0.95 * one["kl"]) or None,
            color=color,
            marker="D" if picked else "o",
            markersize=6.5 if alone or picked else 5.5,
            markerfacecolor=color if alone else "white",
            markeredgecolor="white" if alone else color,
            markeredgewidth=0.6 if alone else 1.3,
            elinewidth=1.0,
            zorder=5 if picked else 4 if alone else 3,
        )


def _dress(ax: Axes, sets: pd.DataFrame, criterion: str) -> None:
    low, high = sets["score"].min(), sets["score"].max()
    if low > 0 and high / low >= DECADE:
        room = (high / low) ** 0.08
        ax.set_xlim(low / room, high * room)
        plain_log_axis(ax, "x")
    else:
        room = 0.08 * max(high - low, 1e-9)
        ax.set_xlim(low - room, high + room)
    ax.set_xlabel(f"score ({CRITERIA[criterion].unit})")
    ax.set_ylabel("KL after recovery (nats)")


def _set_heights(ax: Axes, sets: pd.DataFrame) -> None:
    """Give the panels of one setting the same heights, so that they can be compared."""
    low, high = sets["kl"].min(), (sets["kl"] + sets["std"]).max()
    room = (high / low) ** 0.06 if low > 0 else 1.0
    ax.set_ylim(low / room, high * room)
    if low > 0 and high / low >= DECADE:
        plain_log_axis(ax, "y")


def _name(ax: Axes, sets: pd.DataFrame, colors: dict[str, str]) -> None:
    """Write the names of the blocks beside them, clear of all that is drawn."""
    names = [str(name) for name in sets.index[sets["kind"] == "alone"]]
    if len(names) > MOST_NAMES:
        return
    start = shared_start(names)
    points = [
        Point(
            one["score"],
            one["kl"],
            str(name).removeprefix(start) if one["kind"] == "alone" else "",
            colors.get(str(name), QUIET),
            min(one["std"], 0.95 * one["kl"]),
        )
        for name, one in sets.iterrows()
    ]
    place_names(ax, points, radius=4.5)


def _legend(colors: dict[str, str]) -> list[Line2D]:
    """Return a handle for each stage, of one stage a single one, and for each kind of set."""
    stages = {block.rpartition(".")[0]: color for block, color in colors.items()}
    several = len(stages) > 1
    return [
        *(
            _handle("o", stage if several else "a single block", shade, shade)
            for stage, shade in stages.items()
        ),
        _handle("o", "a random set", QUIET, "white"),
        _handle("D", "chosen by the criterion", CHOSEN, "white"),
    ]


def _handle(marker: str, label: str, color: str, face: str) -> Line2D:
    return Line2D(
        [],
        [],
        color=color,
        marker=marker,
        markersize=6.5,
        markerfacecolor=face,
        markeredgewidth=1.3,
        linestyle="",
        label=label,
    )
