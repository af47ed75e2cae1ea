"""One rendered table, written as Markdown, LaTeX or HTML from the same cells.

A table function (in `fewshot`, `latency`, …) turns a frame into a `RenderedTable` of finished strings; the
writers here only lay those strings out, so the formats cannot disagree about a number.
"""

import html
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DASH = "—"
TEXT_WIDTH = 110

_TEX_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "·": r"$\cdot$",
    "Δ": r"$\Delta$",
    "Σ": r"$\Sigma$",
    "ρ": r"$\rho$",
    "τ": r"$\tau$",
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    DASH: "---",
    "–": "--",
    "…": r"\ldots{}",
}

_HTML_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:1.5em;color:#222}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "caption{text-align:left;font-weight:600;padding:.3em .8em .6em 0}"
    "th,td{padding:.3em .8em;border-bottom:1px solid #ddd;white-space:nowrap}"
    "th{border-bottom:2px solid #222;text-align:left}.r{text-align:right}"
    "p{max-width:60em;color:#444}"
)


class Strong(str):
    """A cell that stands out, such as the best of its column; each format sets it in bold."""

    __slots__ = ()


@dataclass(frozen=True)
class RenderedTable:
    """A table of finished strings.

    Args:
        title: One line that names the table.
        caption: One or two sentences: what was measured, on which hardware, how often.
        headers: Column headings.
        rows: Cells, one tuple per row, as long as `headers`; a `Strong` one stands out.
        text_columns: Indices of the columns set flush left; the others hold numbers and are set flush right.
        notes: Sentences below the table.
    """

    title: str
    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: frozenset[int] = frozenset({0})
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.headers) for row in self.rows), "each row has one cell per heading"


def arrange(
    rows: Sequence[Mapping[str, str]],
    columns: Sequence[str],
    text_columns: Sequence[str],
    title: str,
    caption: str,
    notes: Sequence[str] = (),
) -> RenderedTable:
    """Return the table of `rows` with the given columns; a row that has no word for a column shows a dash.

    Args:
        rows: Finished cells by column heading; headings that are not in `columns` are left out.
        columns: The headings to show, in order.
        text_columns: Which of them hold words.
        title: One line that names the table.
        caption: One or two sentences with hardware and n.
        notes: Sentences below the table.
    """
    return RenderedTable(
        title=title,
        caption=caption,
        headers=tuple(columns),
        rows=tuple(tuple(row.get(column, DASH) for column in columns) for row in rows),
        text_columns=frozenset(index for index, column in enumerate(columns) if column in text_columns),
        notes=tuple(notes),
    )


def to_markdown(table: RenderedTable) -> str:
    """Return the table as Markdown whose columns also line up in a terminal."""
    cells = [[_markdown_cell(cell) for cell in row] for row in (table.headers, *table.rows)]
    widths = [max(3, *(len(row[column]) for row in cells)) for column in range(len(table.headers))]

    def line(row: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if column in table.text_columns else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "| " + " | ".join(padded) + " |"

    rule = (
        "-" * (width + 2) if column in table.text_columns else "-" * (width + 1) + ":"
        for column, width in enumerate(widths)
    )
    body = [line(cells[0]), "|" + "|".join(rule) + "|", *(line(row) for row in cells[1:])]
    words = (textwrap.fill(text, TEXT_WIDTH) for text in (table.caption, *table.notes))
    parts = [f"**{table.title}**", next(words), "\n".join(body), *words]
    return "\n\n".join(parts) + "\n"


def _markdown_cell(cell: str) -> str:
    text = cell.replace("|", r"\|")
    return f"**{text}**" if isinstance(cell, Strong) else text


def escape_tex(text: str) -> str:
    """Return `text` with every character that LaTeX reads specially replaced."""
    return "".join(_TEX_ESCAPES.get(character, character) for character in text)


def to_tex(table: RenderedTable) -> str:
    """Return the table as a LaTeX `table` environment; it needs the package `booktabs`."""
    columns = "".join("l" if column in table.text_columns else "r" for column in range(len(table.headers)))
    caption = escape_tex(" ".join([f"{table.title}.", table.caption, *table.notes]))

    def line(row: Sequence[str]) -> str:
        return " & ".join(map(_tex_cell, row)) + r" \\"

    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            line(table.headers),
            r"\midrule",
            *(line(row) for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _tex_cell(cell: str) -> str:
    text = escape_tex(cell)
    return rf"\textbf{{{text}}}" if isinstance(cell, Strong) else text


def to_html(table: RenderedTable) -> str:
    """Return the table as one self-contained HTML page."""

    def line(row: Sequence[str], tag: str) -> str:
        cells = (
            f"<{tag}>{_html_cell(cell)}</{tag}>"
            if column in table.text_columns
            else f'<{tag} class="r">{_html_cell(cell)}</{tag}>'
            for column, cell in enumerate(row)
        )
        return "<tr>" + "".join(cells) + "</tr>"

    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            f'<head><meta charset="utf-8"><title>{html.escape(table.title)}</title>',
            f"<style>{_HTML_STYLE}</style></head>",
            "<body>",
            f"<table><caption>{html.escape(table.title)}</caption>",
            "<thead>" + line(table.headers, "th") + "</thead>",
            "<tbody>",
            *(line(row, "td") for row in table.rows),
            "</tbody></table>",
            *(f"<p>{html.escape(note)}</p>" for note in (table.caption, *table.notes)),
            "</body></html>",
            "",
        ]
    )


def _html_cell(cell: str) -> str:
    text = html.escape(cell)
    return f"<b>{text}</b>" if isinstance(cell, Strong) else text


WRITERS = {"md": to_markdown, "tex": to_tex, "html": to_html}
"""The function for each file name ending; a new format is one function and one line here."""
