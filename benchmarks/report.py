"""A benchmark's table on the screen and in files, its picture, and what the machine can do at best."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.case import Case
from practise.evaluation.lost import Lost
from practise.files import write_text
from practise.render.figures.canvas import project_style
from practise.render.formats import arrange, to_markdown
from practise.render.tidy import parse_frame

SIDE = 2048
"""Side of the matrices whose product tells the machine's rate."""


def read_rows(table: Path) -> list[dict[str, Any]]:
    """The rows that a run before left in its CSV file, so that an interrupted one goes on; none at first."""
    if not table.is_file():
        return []
    rows: list[dict[str, Any]] = parse_frame(table.read_text(encoding="utf-8")).to_dict("records")
    return rows


def tell_lost(lost: Lost) -> dict[str, float]:
    """Accuracy in percent, and KL from the original in nats, both the mean over the images."""
    return {"top1": 100 * float(lost.right.mean()), "kl": float(lost.kl.mean(dtype="float64"))}


def matmul_gflops(dtype: torch.dtype, device: torch.device, passes: int = 5) -> float:
    """The rate of a large matrix product, in billions of operations a second: the roof of all else."""
    one, other = (torch.randn(SIDE, SIDE, device=device).to(dtype) for _ in range(2))
    seconds = seconds_of(lambda: one @ other, device, passes)
    return 2 * SIDE**3 / seconds / 1e9


def seconds_of(work: Callable[[], object], device: torch.device, passes: int) -> float:
    """The fastest of some passes, after one that does not count."""
    work()
    times = []
    for _ in range(passes):
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return min(times)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def gflop_of(work: Callable[[], object]) -> float:
    """Floating-point operations of some work, backward passes included, in billions."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e9


def machine_line(hardware: dict[str, Any], threads: int) -> str:
    """What the measurements belong to, as one sentence."""
    return (
        f"Measured on {hardware['gpu'] or hardware['cpu']}, {threads} threads, {hardware['memory_gib']} GiB, "
        f"{hardware['os']}, torch {hardware['torch']}."
    )


def roof_line(device: torch.device) -> str:
    """The machine's matrix rates, as one sentence."""
    rates = {name: matmul_gflops(getattr(torch, name), device) for name in ("float32", "bfloat16")}
    return (
        f"Roof: a {SIDE}³ matrix product runs at {rates['float32']:.0f} GFLOP/s in fp32 and "
        f"{rates['bfloat16']:.0f} in bf16."
    )


def publish(
    case: Case,
    name: str,
    title: str,
    raw: pd.DataFrame,
    rows: Sequence[Mapping[str, str]],
    notes: Sequence[str],
    draw: Callable[[plt.Axes], None],
) -> None:
    """Print a table and write it as CSV (every run), Markdown and PNG.

    Args:
        case: says where the files go.
        name: the benchmark's.
        title: what was measured.
        raw: one row a run.
        rows: one row a side: finished strings by heading.
        notes: sentences below the title: circumstances, and what falls short.
        draw: puts the picture on axes.
    """
    columns = list(dict.fromkeys(heading for row in rows for heading in row))
    table = arrange(rows, columns, [columns[0], "Blocks", "Chosen blocks"], title, " ".join(notes))
    text = to_markdown(table)
    write_text(case.folder / f"{name}.csv", raw.to_csv(index=False))
    write_text(case.folder / f"{name}.md", text)
    with project_style():
        figure, axes = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
        draw(axes)
        figure.savefig(case.folder / f"{name}.png", dpi=160)
        plt.close(figure)
    print(f"\n{text}\nWritten: {case.folder / name}.csv, .md and .png")
    if case.kept:
        case.kept.mkdir(parents=True, exist_ok=True)
        for ending in ("csv", "md", "png"):
            shutil.copy(case.folder / f"{name}.{ending}", case.kept)


def bars(axes: plt.Axes, names: Sequence[str], values: Sequence[float], label: str) -> None:
    """Horizontal bars, the first on top, each with its number."""
    drawn = axes.barh(list(names), list(values), color="#4477aa")
    axes.bar_label(drawn, fmt="%.3g", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel(label)
