"""Why MACs mislead: the share of MACs that is saved against the share of latency.

On the diagonal a network would be as much faster as its MACs promise.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from practise.render.figures.canvas import INK, QUIET, draw_panels, method_styles
from practise.render.figures.labels import MOST_NAMES, Point, place_names
from practise.render.methods import MethodStyle, method_title
from practise.render.names import hardware_line, number, shared_start
from practise.render.tidy import groups, read_frame

BLOCK, THINNER = "#888888", INK
MOST_JOINED = 3
"""As many blocks in one place are named one by one."""


def draw_macs_vs_latency(tables: Path) -> Figure:
    """Return the figure; one panel for each network.

    Args:
        tables: The directory of the tables; `latency.csv` and `fewshot.csv` are read.
    """
    frame, cells = read_frame(tables / "latency.csv"), read_frame(tables / "fewshot.csv")
    styles = method_styles(cells)
    thinner = (frame["pruned"] == "filters").any()
    black = "; black: without a share of its filters" if thinner else ""
    figure, panels = draw_panels(
        frame,
        ("network",),
        title="What MACs promise and what is measured",
        note=f"Grey: the original without one block{black}. Others: recovered "
        f"networks, mean ± std. Measured on {hardware_line(frame)}.",
        legend=_legend(cells, styles, thinner=bool(thinner)),
        panel_height=4.3,
    )
    for ax, (network,), measured, _ in panels:
        own = cells[cells["network"] == network]
        blocks = _draw_blocks(ax, measured[measured["pruned"] == "block"])
        filters = _draw_thinner(ax, measured[measured["pruned"] == "filters"])
        schemes = _draw_schemes(ax, own, styles)
        points = [*filters, *blocks, *schemes]
        _dress(ax, points)
        lines = [[(0.0, 0.0), (100.0, 100.0)], [(0.0, 0.0), *((point.x, point.y) for point in filters)]]
        place_names(ax, points, lines, size=8)
    return figure


def _draw_blocks(ax: Axes, blocks: pd.DataFrame) -> list[Point]:
    """Draw single blocks; those alike save the same and share a point and a name."""
    ax.plot(
        100 * blocks["macs_reduction"],
        100 * blocks["reduction"],
        color=BLOCK,
        marker="o",
        markersize=5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        linestyle="",
        zorder=3,
    )
    names = list(blocks["dropped_block"])
    start = shared_start(names)
    points = []
    for (macs, reduction), alike in groups(blocks, ("macs_reduction", "reduction")):
        own = [name.removeprefix(start) for name in alike["dropped_block"]]
        name = ", ".join(own) if len(own) <= MOST_JOINED else f"{own[0]} … {own[-1]}"
        points.append(Point(100 * macs, 100 * reduction, name if len(names) <= MOST_NAMES else "", "#666666"))
    return points


def _draw_thinner(ax: Axes, thinner: pd.DataFrame) -> list[Point]:
    """Draw the line of thinner networks from the original on, each with its share of filters."""
    if thinner.empty:
        return []
    ax.plot(
        [0.0, *(100 * thinner["macs_reduction"])],
        [0.0, *(100 * thinner["reduction"])],
        color=THINNER,
        linestyle=(0, (4, 2)),
        linewidth=1.3,
        marker="o",
        markersize=4.5,
        markerfacecolor="white",
        zorder=2,
    )
    return [
        Point(
            100 * row["macs_reduction"],
            100 * row["reduction"],
            f"{number(100 * row['filters_removed'], 0)} %",
            THINNER,
        )
        for _, row in thinner.iterrows()
    ]


def _draw_schemes(ax: Axes, cells: pd.DataFrame, styles: Mapping[str, MethodStyle]) -> list[Point]:
    """Draw the mean of each scheme at each target."""
    points = []
    shares = cells.assign(
        macs=100 * (1 - cells["gmacs"] / cells["gmacs_original"]), saved=100 * cells["measured_reduction"]
    )
    for (method, _), own in groups(shares, ("method", "target_reduction")):
        color, marker = styles[method]
        spread = own[["macs", "saved"]].std(ddof=1).fillna(0.0)
        of_filters = (own["style"] == "filters").all()
        ax.errorbar(
            own["macs"].mean(),
            own["saved"].mean(),
            xerr=spread["macs"] or None,
            yerr=spread["saved"] or None,
            color=color,
            marker=marker,
            markersize=8,
            markerfacecolor="white" if of_filters else color,
            markeredgecolor=color if of_filters else "white",
            markeredgewidth=1.4 if of_filters else 0.8,
            elinewidth=1.2,
            linestyle="",
            zorder=4,
        )
        points.append(Point(own["macs"].mean(), own["saved"].mean(), "", color, spread["saved"]))
    return points


def _dress(ax: Axes, points: list[Point]) -> None:
    right = 1.06 * max(1.0, *(point.x for point in points))
    top = 1.06 * max(1.0, *(point.y + point.spread for point in points))
    bottom = min(0.0, *(point.y - point.spread for point in points)) - 0.02 * top
    ax.plot([0, 100], [0, 100], color=QUIET, linestyle=":", linewidth=1.2, zorder=1)
    ax.axhline(0, color=QUIET, linewidth=0.6, zorder=1)
    ax.set_xlim(-0.02 * right, right)
    ax.set_ylim(bottom, max(top, 1.0))
    ax.set_xlabel("MACs reduction (%)")
    ax.set_ylabel("measured latency reduction (%)")


def _legend(cells: pd.DataFrame, styles: Mapping[str, MethodStyle], *, thinner: bool) -> list[Line2D]:
    handles = [Line2D([], [], color=QUIET, linestyle=":", linewidth=1.2, label="as MACs promise")]
    handles.append(
        Line2D([], [], color=BLOCK, marker="o", markersize=5, linestyle="", label="without one block")
    )
    if thinner:
        line = Line2D([], [], color=THINNER, linestyle=(0, (4, 2)), linewidth=1.3, marker="o", markersize=4.5)
        line.set(markerfacecolor="white", label="without % of filters")
        handles.append(line)
    of_filters = set(cells.loc[cells["style"] == "filters", "method"])
    for method, (color, marker) in styles.items():
        handle = Line2D([], [], color=color, marker=marker, markersize=8, linestyle="")
        handle.set(label=method_title(method))
        if method in of_filters:
            handle.set(markerfacecolor="white", markeredgewidth=1.4)
        handles.append(handle)
    return handles
