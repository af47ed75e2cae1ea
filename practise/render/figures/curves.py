"""Recovery loss against the step: a line per method, the mean over the seeds, with the range of the seeds."""

from pathlib import Path
from typing import Any

import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from practise.render.figures.canvas import INK, draw_panels, method_styles, plain_log_axis
from practise.render.methods import method_title
from practise.render.names import loss_unit, target_title
from practise.render.tidy import groups, read_frame

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)))
"""Line styles of the targets, in their order."""


def draw_curves(tables: Path) -> Figure:
    """Return the figure; one panel for each setting and kind of loss, because kinds cannot be compared.

    Args:
        tables: The directory of the tables; `recovery.csv` is read.
    """
    frame = read_frame(tables / "recovery.csv").dropna(subset="value")
    styles = method_styles(frame)
    targets = list(frame["target_reduction"].unique())
    dashes = {target: DASHES[index % len(DASHES)] for index, target in enumerate(targets)}
    legend = [
        Line2D([], [], color=style.color, label=method_title(method)) for method, style in styles.items()
    ]
    if len(targets) > 1:
        legend += [
            Line2D([], [], color=INK, linestyle=dash, label=f"target {target_title(target)}")
            for target, dash in dashes.items()
        ]
    several = frame["seed"].nunique() > 1
    figure, panels = draw_panels(
        frame,
        ("network", "images", "num_images", "loss"),
        title="Loss during the recovery",
        note="Line: mean over the seeds; band: from the lowest to the highest seed."
        if several
        else "One seed.",
        legend=legend,
        panel_height=3.0,
        always=("loss",),
    )
    for ax, setting, cells, _ in panels:
        for (method, target), runs in groups(cells, ("method", "target_reduction")):
            sns.lineplot(
                runs,
                x="step",
                y="value",
                color=styles[method].color,
                linestyle=dashes[target],
                estimator="mean",
                errorbar=("pi", 100) if several else None,
                err_kws={"alpha": 0.2, "linewidth": 0},
                ax=ax,
            )
        plain_log_axis(ax)
        ax.set_xlim(left=0)
        ax.set_xlabel("step")
        ax.set_ylabel(loss_unit(setting[-1]))
    return figure
