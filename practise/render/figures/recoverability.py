"""Recoverability of each block in network order, and which blocks each method drops; no time is in it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from practise.render.figures.canvas import (
    DECADE,
    INK,
    QUIET,
    Panel,
    draw_panels,
    method_styles,
    plain_log_axis,
    say_nothing,
)
from practise.render.methods import MethodStyle, method_title
from practise.render.names import RECOVERABILITIES, RECOVERABILITY, criterion_title, shared_prefix
from practise.render.tidy import read_frame
from practise.scoring.registry import CRITERIA

LETTER = 0.08
"""Width of a tick label's letter in inches."""


def draw_recoverability(tables: Path) -> Figure:
    """Return the figure; one panel for each network, image source and number of images.

    Args:
        tables: The directory of the tables; of `blocks.csv` only what is not measured is read.
    """
    frame = read_frame(tables / "blocks.csv")
    styles = method_styles(frame)
    scored = frame[frame["criterion"].isin(RECOVERABILITIES)].drop_duplicates("method")
    scoring = {row["method"]: _at_right(scored, row["criterion"]) for _, row in scored.iterrows()}
    scores, strip = 2.4 if len(scoring) else 0.6, 0.34 * len(styles)
    points = "Lower is easier to recover. Small points: seeds; large: mean ± std, filled where dropped. "
    runs = "seeds and targets" if frame["target_reduction"].nunique() > 1 else "seeds"
    figure, panels = draw_panels(
        frame,
        ("network", "images", "num_images"),
        title="Recoverability of each block",
        note=f"{points if len(scoring) else ''}Strip: how many of the {runs} drop the block.",
        legend=[_handle(method, styles[method], right) for method, right in scoring.items()]
        if len(scoring) > 1
        else (),
        panel_height=1.0 + scores + strip,
    )
    for panel in panels:
        upper, lower = _split(figure, panel, scores, strip)
        blocks = panel.rows.sort_values("position", kind="stable")["block"].drop_duplicates().tolist()
        _draw_scores(upper, panel.rows, blocks, styles)
        _draw_choices(lower, panel.rows, blocks, styles)
        _label_blocks(lower, blocks, panel.width)
    return figure


def _split(figure: Figure, panel: Panel, scores: float, strip: float) -> tuple[Axes, Axes]:
    """Replace a panel by two axes above one another, about as high as given in inches."""
    spec, title = panel.ax.get_subplotspec(), panel.ax.get_title(loc="left")
    assert spec is not None, "panels lie on a grid"
    panel.ax.remove()
    grid = spec.subgridspec(2, 1, height_ratios=(scores, strip), hspace=0.03)
    upper = figure.add_subplot(grid[0])
    upper.set_title(title)
    return upper, figure.add_subplot(grid[1], sharex=upper)


def _draw_scores(
    ax: Axes, cells: pd.DataFrame, blocks: Sequence[str], styles: Mapping[str, MethodStyle]
) -> None:
    """Draw R(B) of every method that scores it, side by side."""
    scored = cells[cells["criterion"].isin(RECOVERABILITIES)]
    if scored.empty:
        say_nothing(ax, "no method of this grid scores recoverability")
        return
    methods = list(scored["method"].unique())
    for criterion in (name for name in RECOVERABILITIES if name in set(scored["criterion"])):
        at_right = _at_right(scored, criterion)
        side = ax.twinx() if at_right else ax
        rows = scored[scored["criterion"] == criterion]
        for method, own in rows.groupby("method", sort=False):
            shift = 0.5 * ((methods.index(method) + 0.5) / len(methods) - 0.5)
            for place, block in enumerate(blocks):
                cell = own[own["block"] == block]
                seeds = cell.drop_duplicates("seed")["score"]
                _draw_block(side, place + shift, seeds, cell["dropped"].any(), styles[str(method)])
        _dress(side, rows, criterion)
        if at_right:
            side.grid(False)
            side.spines["right"].set_visible(True)


def _at_right(scored: pd.DataFrame, criterion: str) -> bool:
    """Whether a criterion has the right axis, because another one, of another unit, has the left."""
    return criterion != RECOVERABILITY and RECOVERABILITY in set(scored["criterion"])


def _dress(ax: Axes, scored: pd.DataFrame, criterion: str) -> None:
    """Give an axis its range, scale and label."""
    low, high = scored["score"].min(), scored["score"].max()
    if low > 0 and high / low >= DECADE:
        ax.set_ylim(low / 1.5, high * 1.5)
        plain_log_axis(ax)
    else:
        ax.set_ylim(0, high * 1.1)
    name = "recoverability R" if criterion == RECOVERABILITY else criterion_title(criterion)
    ax.set_ylabel(f"{name}\n({CRITERIA[criterion].unit})")
    ax.tick_params(labelbottom=False, bottom=False)


def _draw_block(ax: Axes, place: float, scores: pd.Series, dropped: bool, style: MethodStyle) -> None:
    """Draw the seeds of one block, a little apart, and their mean ± std."""
    if len(scores) > 1:
        apart = [place + 0.07 * (index - (len(scores) - 1) / 2) for index in range(len(scores))]
        seeds: dict[str, Any] = {
            "marker": style.marker,
            "markersize": 5,
            "alpha": 0.4,
            "markeredgewidth": 0,
            "linestyle": "",
        }
        ax.plot(apart, scores, color=style.color, zorder=3, **seeds)
    ax.errorbar(
        place,
        scores.mean(),
        yerr=scores.std(ddof=1) if len(scores) > 1 else None,
        color=style.color,
        marker=style.marker,
        markersize=9,
        markerfacecolor=style.color if dropped else "white",
        markeredgewidth=1.5,
        elinewidth=1.5,
        zorder=4,
    )


def _draw_choices(
    ax: Axes, cells: pd.DataFrame, blocks: Sequence[str], styles: Mapping[str, MethodStyle]
) -> None:
    """Draw a line of boxes for each method: the fuller the colour, the more runs drop the block."""
    for line, (method, style) in enumerate(styles.items()):
        counts = cells[cells["method"] == method].groupby("block")["dropped"].agg(["sum", "size"])
        for place, block in enumerate(blocks):
            dropped, runs = int(counts.loc[block, "sum"]), int(counts.loc[block, "size"])
            share = dropped / runs
            fill = to_rgba(style.color, share) if dropped else to_rgba("#f2f2f2")
            ax.barh(line, 0.9, left=place - 0.45, height=0.84, color=[fill], edgecolor="none")
            if dropped:
                color = "white" if share > 0.7 else INK
                ax.text(place, line, f"{dropped}/{runs}", ha="center", va="center", fontsize=8.5, color=color)
    ax.set_yticks(range(len(styles)), [method_title(method) for method in styles])
    ax.set_ylim(len(styles) - 0.5, -0.5)
    ax.set_ylabel("dropped by", color=QUIET)
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)


def _label_blocks(ax: Axes, blocks: Sequence[str], width: float) -> None:
    """Name the blocks below the strip, slanted where they would touch."""
    ax.set_xlim(-0.6, len(blocks) - 0.4)
    prefix = shared_prefix(blocks)
    names = [block.removeprefix(prefix) for block in blocks]
    ax.set_xticks(range(len(blocks)), names)
    if LETTER * (max(map(len, names)) + 1) * len(names) > width - 1.4:
        ax.tick_params(axis="x", labelrotation=40)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    ax.set_xlabel(f"block{f' ({prefix}*)' if prefix else ''}, in network order")


def _handle(method: str, style: MethodStyle, at_right: bool) -> Line2D:
    label = f"{method_title(method)}{' (right axis)' if at_right else ''}"
    return Line2D([], [], color=style.color, marker=style.marker, markersize=8, linestyle="", label=label)
