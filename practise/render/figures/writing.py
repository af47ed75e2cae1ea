"""The figures, each drawn from the tables' CSV files and saved as SVG, PDF and PNG.

A new figure is one file with a function `draw_…(tables) -> Figure` and one line in `FIGURES`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from practise.render.figures.canvas import FORMATS, project_style, save
from practise.render.figures.criteria import draw_criteria
from practise.render.figures.curves import draw_curves
from practise.render.figures.macs_vs_latency import draw_macs_vs_latency
from practise.render.figures.recoverability import draw_recoverability
from practise.render.figures.sources import draw_sources
from practise.render.figures.tradeoff import draw_tradeoff

FIGURES: Mapping[str, Callable[[Path], Figure]] = {
    "tradeoff": draw_tradeoff,
    "criteria": draw_criteria,
    "macs_vs_latency": draw_macs_vs_latency,
    "recoverability": draw_recoverability,
    "sources": draw_sources,
    "curves": draw_curves,
}
"""Name of each figure, which is also its file name."""


def write_figures(
    tables: Path, out: Path, formats: Sequence[str] = tuple(FORMATS), names: Collection[str] = tuple(FIGURES)
) -> None:
    """Draw figures and write them to the directory `out`.

    Args:
        tables: The directory of the tables; their CSV files are all that is read.
        out: The directory that the figures go to.
        formats: Keys of `canvas.FORMATS`.
        names: Keys of `FIGURES`.

    Raises:
        FileError: A table is missing or damaged.
    """
    with project_style():
        for name in names:
            save(FIGURES[name](tables), out, name, formats)
