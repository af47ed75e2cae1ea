"""`practise docs`: keep rendered copies of the results under docs/, and fill the README from them.

In two steps, so that a test can repeat the second without any results: `collect` copies the tables' CSV files
and what the runs cost to `docs/results/<profile>/`; `render` makes from those files, and from nothing else,
the tables, the figures and what stands in pages between `<!-- practise docs: PROFILE/REGION -->` and
`<!-- end -->`. A new region is one function and one line in `REGIONS`.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from practise.errors import FileError, guess
from practise.files import write_text
from practise.grid import Paths
from practise.params import Params
from practise.render.cost import cost_sentence, read_cost, write_cost
from practise.render.figures import write_figures
from practise.render.formats import to_markdown
from practise.render.names import mean_and_std, method_title, number
from practise.render.tables import TABLES, write_rendered
from practise.render.tidy import SETTING, groups, read_frame

FOLDER = Path("docs/results")
"""Where the rendered copies lie, a folder for each profile."""

MARKED = re.compile(r"(<!-- practise docs: ([\w-]+)/([\w-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def docs(params: Params) -> None:
    """Copy and render the results of a params file under docs/, and fill the README and the pages in docs/.

    Args:
        params: The params; everything that their grid names must have been run.
    """
    folder = FOLDER / params.profile.name
    collect(params, folder, Path(sys.prefix))
    for path in render(folder, pages()):
        print(path)


def pages() -> list[Path]:
    """Return the pages that may hold marked regions, relative to the project's root."""
    return [Path("README.md"), *sorted(Path("docs").glob("*.md"))]


def collect(params: Params, folder: Path, environment: Path) -> None:
    """Copy what everything else is made from: the tables' CSV files and what the runs cost.

    Args:
        params: The params.
        folder: The profile's folder under docs/.
        environment: The directory of the Python environment, whose size is told.

    Raises:
        FileError: A table, or the note of a run, is missing.
    """
    tables = Paths.of(params).tables
    for name in TABLES:
        read_frame(tables / f"{name}.csv")
        write_text(folder / f"{name}.csv", (tables / f"{name}.csv").read_text(encoding="utf-8"))
    write_cost(params, folder / "cost.json", environment)


def render(folder: Path, to_fill: list[Path]) -> list[Path]:
    """Make tables, figures and the marked regions of pages from a profile's folder; return what was written.

    Args:
        folder: The profile's folder under docs/, as `collect` left it.
        to_fill: The pages.

    Raises:
        FileError: A page names a region that does not exist, or a file is missing.
    """
    for name in TABLES:
        write_rendered(name, read_frame(folder / f"{name}.csv"), folder, formats=("md",))
    write_figures(folder, folder, formats=("svg", "png"))
    filled = [page for page in to_fill if fill(page, folder)]
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) + filled


def fill(page: Path, folder: Path) -> bool:
    """Fill the marked regions of a page that belong to a profile; say whether there are any.

    Args:
        page: A Markdown file.
        folder: The profile's folder under docs/, whose name is the profile's.
    """
    before = page.read_text(encoding="utf-8")
    found = False

    def filled(match: re.Match[str]) -> str:
        nonlocal found
        start, profile, region, _, end = match.groups()
        if profile != folder.name:
            return match[0]
        if region not in REGIONS:
            known = ", ".join(REGIONS)
            raise FileError(f"{page}: unknown region '{region}' (known: {known}).{guess(region, REGIONS)}")
        found = True
        return f"{start}{REGIONS[region](folder).strip()}\n{end}"

    after = MARKED.sub(filled, before)
    if after != before:
        write_text(page, after)
    return found


def summary(folder: Path) -> str:
    """Return the result in one sentence for each setting."""
    frame = read_frame(folder / "fewshot.csv")
    sentences = []
    for (network, images, num_images, _), cells in groups(frame, SETTING):
        parts = [
            f"{method_title(method)} keeps {mean_and_std(own['top1'], 1)} % top-1 "
            f"at {mean_and_std(100 * own['measured_reduction'], 1)} % less measured latency"
            for (method,), own in groups(cells, ("method",))
        ]
        original = number(cells["top1_original"].iloc[0], 1)
        setting = f"**{network}** on `{images}`, {num_images} images handed over, {original} % at first"
        sentences.append(f"{setting}: {'; '.join(parts)}.")
    return "\n\n".join(sentences)


def table(folder: Path) -> str:
    """Return the main table with its caption."""
    return to_markdown(TABLES["fewshot"].render(read_frame(folder / "fewshot.csv")))


def picture(folder: Path) -> str:
    """Return the main figure with the result in words for those who cannot see it."""
    words = re.sub(r"[*`]", "", summary(folder)).replace("\n\n", " ")
    return f"![Accuracy against measured latency. {words}]({FOLDER.as_posix()}/{folder.name}/tradeoff.png)"


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
    "table": table,
    "picture": picture,
    "hardware": hardware,
    "cost": cost,
}
"""What a marked region is filled with, by name."""
