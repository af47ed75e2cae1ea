"""Write the tables of the whole grid as CSV, Markdown, LaTeX and HTML, and the metrics as JSON."""

from pathlib import Path

from practise.params import Params
from practise.render.tables import write_tables

OUTPUTS = ("out",)
USES_TORCH = False


def run(params: Params, *, out: Path) -> None:
    """Write the tables of the whole grid.

    Args:
        params: The params; the cells of their grid are the rows.
        out: The directory that the tables go to.
    """
    write_tables(params, out)
