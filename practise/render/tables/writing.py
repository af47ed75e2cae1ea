"""The tables of a params file: each frame once as CSV and, from that same frame, as Markdown, LaTeX and HTML.

A new table is one file with a function `render_…(frame) -> RenderedTable` and one line in `TABLES`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from practise.files import write_text
from practise.render.formats import WRITERS, RenderedTable
from practise.render.tables.blocks import render_blocks
from practise.render.tables.claims import claims_frame, render_claims
from practise.render.tables.criteria import render_criteria
from practise.render.tables.fewshot import render_fewshot
from practise.render.tables.frames import blocks_frame, fewshot_frame, latency_frame, recovery_frame
from practise.render.tables.latency import render_latency
from practise.render.tables.metrics import accuracy_metrics, latency_metrics
from practise.render.tables.oracle import render_oracle
from practise.render.tables.rankings import criteria_frame, oracle_frame
from practise.render.tables.recovery import render_recovery
from practise.render.tables.schemes import render_schemes, schemes_frame
from practise.render.tables.sources import datafree_frame, render_datafree, render_outofdomain, sources_frame
from practise.render.tidy import frame_csv, parse_frame
from practise.settings.params import Params


class Table(NamedTuple):
    """How a table is made.

    Attributes:
        frame: Reads the results of the grid into a tidy frame.
        render: Turns that frame into finished cells.
    """

    frame: Callable[[Params], pd.DataFrame]
    render: Callable[[pd.DataFrame], RenderedTable]


TABLES: Mapping[str, Table] = {
    "claims": Table(claims_frame, render_claims),
    "schemes": Table(schemes_frame, render_schemes),
    "fewshot": Table(fewshot_frame, render_fewshot),
    "criteria": Table(criteria_frame, render_criteria),
    "oracle": Table(oracle_frame, render_oracle),
    "latency": Table(latency_frame, render_latency),
    "blocks": Table(blocks_frame, render_blocks),
    "outofdomain": Table(sources_frame, render_outofdomain),
    "datafree": Table(datafree_frame, render_datafree),
    "recovery": Table(recovery_frame, render_recovery),
}
"""Name of each table, which is also its file name."""


def write_tables(params: Params, out: Path) -> None:
    """Write every table and both metrics files to the directory `out`.

    Args:
        params: The params; their grid says which results are read.
        out: The directory; files of a table that no longer exists are not touched.

    Raises:
        FileError: A result of the grid is missing or damaged.
    """
    contents = {name: frame_csv(table.frame(params)) for name, table in TABLES.items()}
    for name, text in contents.items():
        write_text(out / f"{name}.csv", text)
        write_rendered(name, parse_frame(text), out)
    fewshot = parse_frame(contents["fewshot"])
    _write_json(out / "metrics.json", accuracy_metrics(fewshot))
    _write_json(out / "latency_metrics.json", latency_metrics(fewshot))


def write_rendered(
    name: str, frame: pd.DataFrame, out: Path, formats: Sequence[str] = tuple(WRITERS)
) -> None:
    """Write the table `name`, made from `frame`, in the given formats.

    Args:
        name: A key of `TABLES`.
        frame: The table's frame, as read back from its CSV file.
        out: The directory.
        formats: Keys of `formats.WRITERS`.
    """
    table = TABLES[name].render(frame)
    for ending in formats:
        write_text(out / f"{name}.{ending}", WRITERS[ending](table))


def _write_json(path: Path, values: Mapping[str, object]) -> None:
    write_text(path, json.dumps(values, indent=2, allow_nan=False) + "\n")
