"""Accuracy against the number of images, a line for each source: how far other images, or none, will do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from practise.render.figures.canvas import OTHER_STYLES, QUIET, draw_panels
from practise.render.methods import METHODS, MethodStyle, method_title
from practise.render.tidy import by_size, groups, read_frame
from practise.schema import HowMany

STYLES: tuple[MethodStyle, ...] = (*(method.style for method in METHODS.values()), *OTHER_STYLES)
"""Colours and markers of the sources, in their order."""
LEVELS: Mapping[str, tuple[str, Literal["--", ":"]]] = {
    "top1_original": ("original", "--"),
    "top1_before": ("no recovery", ":"),
}
"""What is drawn across a panel, by its column: in words, and how."""
APART = 1.05
"""The factor by which points of one number of images lie apart, so that their bars do not overlap."""


def places(counts: Sequence[HowMany]) -> dict[HowMany, float]:
    """Where numbers of images stand on the axis: all, which differ by source, somewhat beyond the largest.

    >>> places([50, 500, "all"])
    {50: 50.0, 500: 500.0, 'all': 2000.0}
    """
    numbers = [float(count) for count in counts if count != "all"]
    return {count: 4 * max(numbers, default=1.0) if count == "all" else float(count) for count in counts}


def draw_sources(tables: Path) -> Figure:
    """Return the figure; one panel for each network and method, those of a network on one scale.

    Args:
        tables: The directory of the tables; `outofdomain.csv` is read.
    """
    frame = read_frame(tables / "outofdomain.csv")
    styles = dict(zip(frame["images"].unique(), STYLES * len(frame), strict=False))
    several = frame["seed"].nunique() > 1
    legend = [
        *(Line2D([], [], color=QUIET, linestyle=dash, label=words) for words, dash in LEVELS.values()),
        *(
            Line2D([], [], color=color, marker=marker, markersize=7.5, label=images)
            for images, (color, marker) in styles.items()
        ),
    ]
    figure, panels = draw_panels(
        frame,
        ("network", "method"),
        title="Accuracy by where the images come from",
        note="Points: mean over the seeds, bars: ± std. The same blocks are dropped everywhere."
        if several
        else "One seed. The same blocks are dropped everywhere.",
        legend=legend,
        panel_height=3.6,
    )
    for ax, (network, method), cells, _ in panels:
        for column, (_, dash) in LEVELS.items():
            ax.axhline(cells[column].iloc[0], color=QUIET, linestyle=dash, linewidth=1.3, zorder=1)
        counts = by_size(cells["num_images"].unique())
        place_of = places(counts).__getitem__
        for place, ((images,), own) in enumerate(groups(cells, ("images",))):
            color, marker = styles[images]
            statistics = own.groupby("num_images")["top1"].agg(["mean", "std"]).fillna(0.0)
            aside = statistics.index.map(place_of) * APART ** (place - (len(styles) - 1) / 2)
            ax.errorbar(
                aside, statistics["mean"], yerr=statistics["std"], color=color, marker=marker,
                markersize=7.5, markeredgecolor="white", linewidth=1.5, elinewidth=1.2,
            )  # fmt: skip
        ax.set_xscale("log")
        ticks = [place_of(count) for count in counts]
        ax.xaxis.set_major_locator(FixedLocator(ticks))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FixedFormatter([str(count) for count in counts]))
        ax.set_xlim(ticks[0] / 1.5, ticks[-1] * 1.5)
        ax.set_xlabel(f"images that {method_title(method)} recovers with")
        ax.set_ylabel("top-1 accuracy (%)")
        values = frame.loc[frame["network"] == network, ["top1", *LEVELS]].stack()
        room = 0.08 * max(values.max() - values.min(), 1.0)
        ax.set_ylim(values.min() - room, values.max() + room)
    return figure
