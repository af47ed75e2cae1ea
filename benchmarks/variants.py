"""Variants of a method, run through the whole pipeline on the same images and seeds, side by side.

A variant is an entry of `methods` in a params file. Snakemake makes its cells one after another; accuracy,
measured latency, seconds and memory come from the files and notes that the stages leave.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import Case
from benchmarks.report import machine_line, publish
from practise.files import read_result
from practise.render.methods import method_title
from practise.render.names import block_list
from practise.render.tables.frames import latency_of
from practise.render.tables.results import Results
from practise.settings.grid import cells

STAGES = ("score", "select", "recover")
"""The stages whose time a variant is charged with."""


def run_variants(case: Case) -> pd.DataFrame:
    """Run every cell of a case's grid and return one row a cell."""
    paths = case.paths
    outputs = [(cell, paths.accuracy(cell)) for cell in cells(case.params)]
    measured = paths.measured(case.cell.network)
    case.make(paths.original(case.cell.network, case.cell.images), measured, *(path for _, path in outputs))
    results = Results(case.params)
    rows = []
    for cell, accuracy in outputs:
        notes = {
            "score": note(paths.volatile(paths.score(cell))),
            "select": note(paths.volatile(paths.select(cell))),
            "recover": note(paths.volatile(paths.student(cell))),
        }
        rows.append(
            {
                "method": cell.method,
                "seed": cell.seed,
                "target": cell.target,
                "top1": read_result(accuracy, "accuracy")["top1"],
                "reduction": 100 * latency_of(results, cell)["student"]["reduction"],
                "summed": 100 * sum(case.reductions[name] for name in chosen_blocks(case, cell)),
                "blocks": " ".join(chosen_blocks(case, cell)),
                **{f"{stage}_seconds": notes[stage]["seconds"] for stage in STAGES},
                "peak_memory_mib": max(notes[stage]["peak_memory_mib"] for stage in STAGES),
            }
        )
    return pd.DataFrame(rows)


def chosen_blocks(case: Case, cell: Any) -> list[str]:
    """The blocks that a cell drops."""
    dropped: list[str] = read_result(case.paths.select(cell), "select")["dropped_blocks"]
    return dropped


def note(path: Path | None) -> dict[str, Any]:
    """What a run took."""
    assert path is not None
    noted: dict[str, Any] = json.loads(path.read_text())
    return noted


def publish_variants(
    case: Case, name: str, title: str, titles: Mapping[str, str], notes: Sequence[str]
) -> None:
    """Run the variants and show them side by side, the first as the reference of time."""
    frame = run_variants(case)
    cell = case.cell
    seconds = frame[[f"{stage}_seconds" for stage in STAGES]].sum(axis=1)
    mean = seconds.groupby([frame["method"], frame["target"]]).mean()
    rows = []
    for (method, target), runs in frame.groupby(["method", "target"], sort=False):
        row = {"Variant": titles.get(str(method), method_title(str(method)))}
        if frame["target"].nunique() > 1:
            row["Target"] = f"{target:g}"
        rows.append(
            row
            | {
                "n": str(len(runs)),
                "Top-1 %": pm(runs["top1"], 1),
                "Measured reduction %": pm(runs["reduction"], 1),
                "Summed reduction %": pm(runs["summed"], 1),
                **{f"{stage.capitalize()} s": f"{runs[f'{stage}_seconds'].mean():.1f}" for stage in STAGES},
                "Time ratio": f"{mean[method, target] / mean.iloc[0]:.2f}×",
                "Memory MiB": f"{runs['peak_memory_mib'].max():.0f}",
                "Blocks": block_list(runs["blocks"].tolist()),
            }
        )
    original = read_result(case.paths.original(cell.network, cell.images), "accuracy")["top1"]
    notes = [
        f"{cell.network} on {cell.images}, {cell.num_images} images, {original:.1f} % before pruning, target "
        f"{', '.join(f'{target:g}' for target in case.params.grid.targets)}; mean ± standard deviation.",
        *notes,
        machine_line(case.hardware, case.params.device.threads),
    ]

    def draw(axes: plt.Axes) -> None:
        for method, runs in frame.groupby("method", sort=False):
            axes.errorbar(
                runs["reduction"].mean(),
                runs["top1"].mean(),
                xerr=runs["reduction"].std(),
                yerr=runs["top1"].std(),
                fmt="o",
                capsize=2,
                label=titles.get(str(method), method_title(str(method))),
            )
        axes.set_xlabel("measured latency reduction (%)")
        axes.set_ylabel("top-1 (%)")
        axes.legend(fontsize=6)

    publish(case, name, title, frame, rows, notes, draw)


def pm(values: pd.Series, digits: int) -> str:
    """Mean ± sample standard deviation, or the one value."""
    said = f"{values.mean():.{digits}f}"
    return said if len(values) == 1 else f"{said} ± {values.std():.{digits}f}"
