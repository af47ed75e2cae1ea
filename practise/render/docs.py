"""`practise docs`: keep rendered copies of the results under docs/, and fill the README and pages from them.

In two steps, so that a test can repeat the second without any results: `collect` copies the tables' CSV
files, contact sheets and what the jobs cost to `docs/results/<study>/`; `render` makes from those files, and
from nothing else, the tables, the figures and what stands in pages between
`<!-- practise docs: STUDY/REGION -->` and `<!-- end -->`. A new region is one function and one line in
`REGIONS`.
"""

import os
import re
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from practise.errors import FileError, guess
from practise.files import atomic, write_text
from practise.images.params import SOURCES
from practise.latency.milliseconds import reduced_ms
from practise.render.cost import cost_sentence, read_cost, write_cost
from practise.render.figures.writing import FIGURES, write_figures
from practise.render.formats import Strong, arrange, to_markdown
from practise.render.methods import method_title
from practise.render.names import (
    count_of,
    criterion_title,
    hardware_line,
    number,
    plus_minus,
    plus_minus_time,
    target_title,
)
from practise.render.tables.captions import seeds_caption
from practise.render.tables.writing import TABLES, write_rendered
from practise.render.tidy import LEAST_CEILING, SAMPLE_SETTING, ahead, groups, read_frame
from practise.settings.grid import Paths
from practise.settings.params import Params

FOLDER = Path("docs/results")
"""Where the rendered copies lie, a folder for each study."""

MARKED = re.compile(r"(<!-- practise docs: ([\w-]+)/([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)

LINK = re.compile(rf"\]\(({FOLDER.as_posix()}/[^)]+)\)")

SHEET = "synthesized-"
"""How the names of contact sheets begin; the network's name follows."""

NARROW = 100
"""Characters in a line of the README's table and of the words below it, at most."""

MOST_TOLD = 3
"""A summary tells of all methods where there are no more than this."""
ALWAYS_TOLD = ("practise", "bp_blocks")
"""The methods that a summary never leaves out."""


def docs(params: Params) -> None:
    """Copy and render the results of a params file under docs/, and fill the README and the pages in docs/.

    Args:
        params: The params; everything that their grid names must have been run.
    """
    folder = FOLDER / params.study.name
    collect(params, folder, Path(sys.prefix))
    for path in render(folder, pages()):
        print(path)


def pages() -> list[Path]:
    """Return the pages that may hold marked regions, relative to the project's root."""
    return [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def collect(params: Params, folder: Path, environment: Path) -> None:
    """Copy what everything else is made from: the tables' CSV files and what the jobs cost.

    Args:
        params: The params.
        folder: The study's folder under docs/.
        environment: The directory of the Python environment, whose size is told.

    Raises:
        FileError: A table, or the note of a job, is missing.
    """
    tables = Paths.of(params).tables
    for name in TABLES:
        read_frame(tables / f"{name}.csv")
        write_text(folder / f"{name}.csv", (tables / f"{name}.csv").read_text(encoding="utf-8"))
    write_cost(params, folder / "cost.json", environment)
    makes_images = any(SOURCES[params.images[name].source].is_made for name in params.sources.images)
    for network in params.sources.networks if makes_images else []:
        sheet = Paths.of(params).contact_sheet(network)
        if not sheet.is_file():
            raise FileError(f"{sheet}: no such file, should be made by the stage synthesize")
        with atomic(folder / f"{SHEET}{network}.jpg") as temporary:
            Image.open(sheet).save(temporary, format="JPEG", quality=80)


def render(folder: Path, to_fill: list[Path]) -> list[Path]:
    """Make tables, figures and the marked regions of pages from a study's folder; return what was written.

    Args:
        folder: The study's folder under docs/, as `collect` left it.
        to_fill: The pages.

    Raises:
        FileError: A page names a region that does not exist, or a file that a region reads is missing.
    """
    # A table, and the figure of its name, may be younger than the copies of a study.
    younger = {name for name in TABLES if not (folder / f"{name}.csv").is_file()}
    for name in TABLES.keys() - younger:
        write_rendered(name, read_frame(folder / f"{name}.csv"), folder, formats=("md",))
    write_figures(folder, folder, formats=("svg", "png"), names=FIGURES.keys() - younger)
    filled = [page for page in to_fill if fill(page, folder)]
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) + filled


def fill(page: Path, folder: Path) -> bool:
    """Fill the marked regions of a page that belong to a study; say whether there are any.

    Args:
        page: A Markdown file.
        folder: The study's folder under docs/, whose name is the study's.
    """
    before = page.read_text(encoding="utf-8")
    found = False

    def filled(match: re.Match[str]) -> str:
        nonlocal found
        start, study, region, _, end = match.groups()
        if study != folder.name:
            return match[0]
        if region not in REGIONS:
            known = ", ".join(REGIONS)
            raise FileError(f"{page}: unknown region '{region}' (known: {known}).{guess(region, REGIONS)}")
        found = True
        return f"{start}{_relink(REGIONS[region](folder).strip(), page)}\n{end}"

    after = MARKED.sub(filled, before)
    if after != before:
        write_text(page, after)
    return found


def _relink(text: str, page: Path) -> str:
    """Return a region with links that start where the page lies, instead of at the project's root.

    >>> _relink("![words](docs/results/default/tradeoff.png)", Path("docs/studies.md"))
    '![words](results/default/tradeoff.png)'
    """
    return LINK.sub(lambda match: f"]({os.path.relpath(match[1], page.parent)})", text)


def summary(folder: Path) -> str:
    """Return the result in words: for each setting a sentence, or one for each of several targets."""
    frame = read_frame(folder / "schemes.csv")
    paragraphs = []
    for (network, images, num_images), cells in groups(frame, SAMPLE_SETTING):
        original = number(cells["top1_original"].iloc[0], 1)
        setting = f"**{network}** on `{images}` with {num_images} images, {original} % top-1 before pruning"
        kept = {target: _kept(schemes) for (target,), schemes in groups(cells, ("target_reduction",))}
        if len(kept) == 1:
            paragraphs.append(f"{setting}: {'; '.join(*kept.values())}.")
        else:
            told = (f"Target {target_title(target)}: {'; '.join(parts)}." for target, parts in kept.items())
            paragraphs.append(f"{setting}. {' '.join(told)}")
    return "\n\n".join(paragraphs)


def _kept(schemes: pd.DataFrame) -> list[str]:
    """Return what methods keep and save, a phrase for each that is worth telling of."""
    told = _told(schemes)
    phrases = []
    for scheme in told:
        top1 = plus_minus(scheme["top1_mean"], scheme["top1_std"], 1)
        saved = plus_minus_time(
            100 * scheme["measured_reduction_mean"], 100 * scheme["measured_reduction_std"], 1
        )
        best = (
            ", the best filter-pruning method,"
            if scheme["style"] == "filters" and len(told) < len(schemes)
            else ""
        )
        phrases.append(
            f"{method_title(scheme['method'])}{best} keeps {top1} % top-1 at {saved} % lower measured latency"
        )
    return phrases


def _told(schemes: pd.DataFrame) -> list[pd.Series]:
    """Return the methods that a summary tells of: few all, of many the best of each kind and the baseline."""
    rows = [row for _, row in schemes.iterrows()]
    if len(rows) <= MOST_TOLD:
        return rows
    best = [
        max(kind, key=lambda row: row["top1_mean"])
        for style in ("blocks", "filters")
        if (kind := [row for row in rows if row["style"] == style])
    ]
    told = {row["method"] for row in best} | set(ALWAYS_TOLD)
    ranked = sorted(rows, key=lambda row: row["top1_mean"], reverse=True)
    return [row for row in ranked if row["method"] in told]


def headline(folder: Path) -> str:
    """Return the result in a narrow table for each setting: the original, then the methods by accuracy.

    A time is the original's less the reduction, as in all tables and figures.
    """
    frame = read_frame(folder / "schemes.csv")
    tables = []
    for _, everywhere in groups(frame, SAMPLE_SETTING):
        original_ms = np.average(everywhere["median_ms_original"], weights=everywhere["seeds"])
        tables += [
            _headline(schemes, float(original_ms)) for _, schemes in groups(everywhere, ("target_reduction",))
        ]
    return "\n\n".join(tables)


def _headline(schemes: pd.DataFrame, original_ms: float) -> str:
    """Return one setting's table, no line of it wider than `NARROW`, and below it what was measured."""
    first, by_method = schemes.iloc[0], schemes.set_index("method")
    leader = ahead(by_method["top1_mean"], by_method["top1_std"])
    rows = [
        {
            "Method": "original",
            "Top-1 %": number(first["top1_original"], 1),
            "ms": number(original_ms, 2),
        }
    ]
    for _, scheme in schemes.sort_values("top1_mean", ascending=False, kind="stable").iterrows():
        top1 = plus_minus(scheme["top1_mean"], scheme["top1_std"], 1)
        saved, spread = scheme["measured_reduction_mean"], scheme["measured_reduction_std"]
        rows.append(
            {
                "Method": method_title(scheme["method"]),
                "Prunes": scheme["style"],
                "Top-1 %": Strong(top1) if scheme["method"] == leader else top1,
                "Latency saved %": plus_minus_time(100 * saved, 100 * spread, 1),
                "ms": number(reduced_ms(original_ms, saved), 2),
            }
        )
    columns = ("Method", "Prunes", "Top-1 %", "Latency saved %", "ms")
    table = to_markdown(arrange(rows, columns, columns[:2], title="", caption=""))
    words = (
        f"{first['network']} on {first['images']}, {count_of('image', first['num_images'])}, target "
        f"{target_title(first['target_reduction'])}; top-1 on {first['num_evaluation']} held-out images, "
        f"{seeds_caption(list(schemes['seeds']))}. Latency measured in turn with the original's on "
        f"{hardware_line(schemes)}."
    )
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return "\n".join([*lines, "", textwrap.fill(words, NARROW)])


def rendered(name: str) -> Callable[[Path], str]:
    """Return a region that shows a table with its caption."""
    return lambda folder: to_markdown(TABLES[name].render(read_frame(folder / f"{name}.csv")))


def picture(folder: Path) -> str:
    """Return the main figure with the result in words for those who cannot see it."""
    return _picture(folder, "tradeoff", f"Accuracy against measured latency. {_plain(summary(folder))}")


def criteria_picture(folder: Path) -> str:
    """Return the figure of the criteria with their rank correlations in words."""
    frame = read_frame(folder / "criteria.csv").drop_duplicates([*SAMPLE_SETTING, "criterion"])
    words = [
        f"{criterion_title(row['criterion'])} {number(row['correlation_sets'], 2)}"
        for _, row in frame.iterrows()
        if pd.notna(row["correlation_sets"]) and not row["ceiling_sets"] < LEAST_CEILING
    ]
    told = f" Rank correlation over random sets: {', '.join(words)}." if words else ""
    return _picture(
        folder,
        "criteria",
        f"Each criterion's score of sets of blocks against what is lost without them.{told}",
    )


def macs_picture(folder: Path) -> str:
    """Return the figure of MACs and latency with the means of each style in words."""
    frame = read_frame(folder / "schemes.csv")
    words = [
        f"methods that prune {style} save {number(100 * own['gmacs_reduction'].mean(), 0)} % of the MACs and "
        f"{number(100 * own['measured_reduction_mean'].mean(), 0)} % of the latency"
        for (style,), own in groups(frame, ("style",))
    ]
    return _picture(
        folder, "macs_vs_latency", f"MACs saved against latency saved: on average, {'; '.join(words)}."
    )


def sources_picture(folder: Path) -> str:
    """Return the figure of the sources of images with the best accuracy of each in words."""
    frame = read_frame(folder / "outofdomain.csv")
    means = frame.groupby(["images", "num_images", "method"], sort=False)["top1"].mean()
    words = [f"{images} {number(own.max(), 1)} %" for images, own in means.groupby(level=0, sort=False)]
    before = number(frame["top1_before"].iloc[0], 1)
    return _picture(
        folder,
        "sources",
        f"Best accuracy after recovery with images of each source: {', '.join(words)}; "
        f"without recovery {before} %.",
    )


def synthesized_picture(folder: Path) -> str:
    """Return the contact sheets of the images that were made from networks."""
    return "\n\n".join(
        _picture(folder, sheet.name, f"Images synthesized from {sheet.stem.removeprefix(SHEET)} alone.")
        for sheet in sorted(folder.glob(f"{SHEET}*.jpg"))
    )


def _picture(folder: Path, figure: str, words: str) -> str:
    file = figure if Path(figure).suffix else f"{figure}.png"
    return f"![{words}]({FOLDER.as_posix()}/{folder.name}/{file})"


def _plain(markdown: str) -> str:
    return re.sub(r"[*`]", "", markdown).replace("\n\n", " ")


def hardware(folder: Path) -> str:
    """Return the machine; how it was used stands in the table's caption."""
    machine = read_cost(folder / "cost.json")["machine"]
    gpu = f", {machine['gpu']}" if machine["gpu"] else ""
    return (
        f"The machine: {machine['cpu']}, {machine['logical_cores']} logical cores and "
        f"{machine['memory_gib']} GiB of memory{gpu}, {machine['os']}, "
        f"Python {machine['python']}, torch {machine['torch']}."
    )


def cost(folder: Path) -> str:
    """Return what the pipeline takes: minutes, memory and disk."""
    return cost_sentence(read_cost(folder / "cost.json"))


REGIONS: Mapping[str, Callable[[Path], str]] = {
    "summary": summary,
    "headline": headline,
    "table": rendered("schemes"),
    "fewshot": rendered("fewshot"),
    "criteria": rendered("criteria"),
    "claims": rendered("claims"),
    "outofdomain": rendered("outofdomain"),
    "datafree": rendered("datafree"),
    "picture": picture,
    "criteria_picture": criteria_picture,
    "macs_picture": macs_picture,
    "sources_picture": sources_picture,
    "synthesized_picture": synthesized_picture,
    "hardware": hardware,
    "cost": cost,
}
"""What a marked region is filled with, by name."""
