"""Draw the figures from the tables' CSV files, as SVG, PDF and PNG."""

from pathlib import Path

from practise.params import Params
from practise.render.figures import write_figures

OUTPUTS = ("out",)
USES_TORCH = False


def run(params: Params, *, tables: Path, out: Path) -> None:
    """Draw the figures from the tables' CSV files.

    Args:
        params: The params; what is drawn stands in the tables.
        tables: The directory of the tables.
        out: The directory that the figures go to.
    """
    write_figures(tables, out)
