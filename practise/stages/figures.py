"""Draw the figures from the tables' CSV files, as SVG, PDF and PNG."""

from pathlib import Path

from practise.render.figures.writing import write_figures
from practise.settings.params import Params


def run(params: Params, *, tables: Path, out: Path) -> None:
    """Draw the figures from the tables' CSV files.

    Args:
        params: The params; what is drawn stands in the tables.
        tables: The directory of the tables.
        out: The directory that the figures go to.
    """
    write_figures(tables, out)
