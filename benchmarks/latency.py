"""How far can measured reductions be trusted: do they repeat, and do they add up?

    python -m benchmarks.latency

Two designs measure the same blocks ten times: each block dropped alone, and all blocks of a kind dropped at
once with each credited its part. Then whole sets are dropped, and what they save is compared with the sum.
"""

import copy
import random
import statistics
import time
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import SHARED, Case, ask, main, one_cell
from benchmarks.report import machine_line, publish

REPEATS = 10
QUICK_ROUNDS = 15
SETS = 3


def run() -> None:
    """Measure both designs and some sets, again and again."""
    asked = ask(__doc__.partition("\n")[0])
    case = Case(SHARED, asked, one_cell(asked))
    params, cell = case.params, case.cell
    case.prepare([])
    from practise.latency.measuring import measure_with
    from practise.networks.blocks import alike_blocks, drop_blocks_

    teacher, device = case.open_original()
    network, size, blocks = teacher.network, teacher.preprocessing.image_size, teacher.card["blocks"]
    settings = params.latency if asked.full else params.latency.model_copy(update={"rounds": QUICK_ROUNDS})
    groups = alike_blocks(network, blocks, size)
    drawn = random.Random(0)
    sets = [
        sorted(drawn.sample(blocks, drawn.randint(2, max(2, len(blocks) // 2))), key=blocks.index)
        for _ in range(SETS)
    ]

    def without(names: list[str]) -> Any:
        return drop_blocks_(copy.deepcopy(network), names)

    raw: list[dict[str, Any]] = []
    for repeat in range(REPEATS):
        designs = {
            "each block alone": {block: [block] for block in blocks},
            "alike blocks together": {group[0]: group for group in groups},
        }
        for design, dropped in designs.items():
            start = time.perf_counter()
            networks = {"original": network} | {name: without(names) for name, names in dropped.items()}
            measured = measure_with(settings, networks, size, device)
            seconds = time.perf_counter() - start
            raw += [
                {"design": design, "repeat": repeat, "block": block, "seconds": seconds,
                 "reduction": measured[name].reduction / len(names)}
                for name, names in dropped.items()
                for block in names
            ]  # fmt: skip
        networks = {"original": network} | {", ".join(names): without(names) for names in sets}
        measured = measure_with(settings, networks, size, device)
        raw += [
            {"design": "set", "repeat": repeat, "block": ", ".join(names), "seconds": 0.0,
             "reduction": measured[", ".join(names)].reduction}
            for names in sets
        ]  # fmt: skip
    frame = pd.DataFrame(raw)
    rows = [summarise(frame[frame["design"] == design], frame, sets, design) for design in designs]
    fastest = min(float(row["Seconds a repeat"]) for row in rows)
    for row in rows:
        row["Time ratio"] = f"{float(row['Seconds a repeat']) / fastest:.1f}×"
    whole = frame[frame["design"] == "set"].groupby("block", sort=False)["reduction"]
    notes = [
        f"{cell.network} at {size} px, batch {settings.batch_size}, {settings.dtype}, {settings.rounds} "
        f"rounds, {len(blocks)} blocks in {len(groups)} kinds, n = {REPEATS} repeats; in points of the "
        f"original's latency. Sets of {', '.join(str(len(names)) for names in sets)} blocks save "
        f"{', '.join(f'{100 * value:.1f}' for value in whole.mean())} %; their own standard deviation over "
        f"the repeats is {', '.join(f'{100 * value:.2f}' for value in whole.std())}.",
        machine_line(case.hardware, params.device.threads),
    ]

    def draw(axes: plt.Axes) -> None:
        for place, design in enumerate(designs):
            own = frame[frame["design"] == design]
            places = [blocks.index(block) + 0.3 * place - 0.15 for block in own["block"]]
            axes.scatter(places, 100 * own["reduction"], s=8, label=design)
        axes.set_xticks(range(len(blocks)), blocks, rotation=90, fontsize=6)
        axes.set_ylabel("saved latency (points)")
        axes.legend()

    publish(case, "latency", "Repeating and adding up", frame, rows, notes, draw)


def summarise(own: pd.DataFrame, frame: pd.DataFrame, sets: list[list[str]], design: str) -> dict[str, str]:
    """One design's row: how its reductions repeat, and how far their sums are from whole sets."""
    by_block = own.groupby("block")["reduction"]
    mean = by_block.mean()
    errors, once = [], []
    for names in sets:
        whole = frame[(frame["design"] == "set") & (frame["block"] == ", ".join(names))]["reduction"].mean()
        errors.append(100 * (sum(mean[name] for name in names) - whole))
        sums = own[own["block"].isin(names)].groupby("repeat")["reduction"].sum()
        once += [100 * (value - whole) for value in sums]
    return {
        "Design": design,
        "Seconds a repeat": f"{own.groupby('repeat')['seconds'].first().mean():.1f}",
        "Standard deviation (mean, points)": f"{100 * by_block.std().mean():.2f}",
        "Standard deviation (worst)": f"{100 * by_block.std().max():.2f}",
        "Sum minus set (points)": ", ".join(f"{error:+.1f}" for error in errors),
        "Error of one repeat's sum (points, rms)": f"{statistics.fmean(e * e for e in once) ** 0.5:.2f}",
    }


if __name__ == "__main__":
    main(run)
