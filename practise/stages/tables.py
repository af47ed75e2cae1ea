"""Write the tables of the whole grid as CSV, Markdown, LaTeX and HTML, and the metrics as JSON."""

from pathlib import Path

from practise.render.tables.writing import write_tables
from practise.settings.params import Params


def run(params: Params, *, out: Path) -> None:
    """Write the tables of the whole grid.

    Args:
        params: The params; the cells of their grid are the rows.
        out: The directory that the tables go to.
    """
    write_tables(params, out)
