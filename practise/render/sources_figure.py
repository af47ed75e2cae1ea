"""Accuracy against the number of images, a line for each source: how far other images, or none, will do."""

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from practise.render.canvas import METHOD_STYLES, OTHER_STYLES, QUIET, MethodStyle, draw_panels
from practise.render.names import method_title
from practise.render.tidy import groups, read_frame

STYLES: tuple[MethodStyle, ...] = (*METHOD_STYLES.values(), *OTHER_STYLES)
"""Colours and markers of the sources, in their order."""


def draw_sources(tables: Path) -> Figure:
    """Return the figure; one panel for each network and method.

    Args:
        tables: The directory of the tables; `outofdomain.csv` is read.
    """
    frame = read_frame(tables / "outofdomain.csv")
    styles = dict(zip(frame["images"].unique(), STYLES * len(frame), strict=False))
    several = frame["seed"].nunique() > 1
    figure, panels = draw_panels(
        frame,
        ("network", "method"),
        title="Accuracy by where the images come from",
        note="Points: mean over the seeds, bars: ± std. The same blocks are dropped everywhere."
        if several
        else "One seed. The same blocks are dropped everywhere.",
        panel_height=3.6,
    )
    for ax, setting, cells, _ in panels:
        for column, words in {"top1_original": "original", "top1_before": "no recovery"}.items():
            level = cells[column].iloc[0]
            ax.axhline(level, color=QUIET, linestyle=(0, (5, 4)), linewidth=1.1, zorder=1)
            ax.annotate(
                f"{words}  {level:.1f} %", (0.99, level), xycoords=("axes fraction", "data"),
                xytext=(0, 3), textcoords="offset points", ha="right", color=QUIET,
            )  # fmt: skip
        for (images,), own in groups(cells, ("images",)):
            color, marker = styles[images]
            statistics = own.groupby("num_images")["top1"].agg(["mean", "std"]).fillna(0.0)
            ax.errorbar(
                statistics.index, statistics["mean"], yerr=statistics["std"], color=color, marker=marker,
                markersize=7.5, markeredgecolor="white", linewidth=1.5, elinewidth=1.2, label=images,
            )  # fmt: skip
        counts = sorted(cells["num_images"].unique())
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator(counts))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(StrMethodFormatter("{x:.0f}"))
        ax.set_xlim(counts[0] / 1.5, counts[-1] * 1.5)
        ax.set_xlabel(f"images that {method_title(setting[-1])} recovers with")
        ax.set_ylabel("top-1 accuracy (%)")
        ax.margins(y=0.12)
        ax.legend(title="images")
    return figure
