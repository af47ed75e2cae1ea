"""How long does it take to learn which blocks to drop, and are they the same as by the authors' way?

    python -m benchmarks.score --params-file pipelines/cifar10-resnet56/params.yaml

Both recipes score the same blocks on the same images, and the network without the blocks of lowest score per
latency is recovered by the default recipe: the accuracy tells what a choice is worth. The authors train
adaptors for 2000 SGD steps a block; the quick form trains fewer, multiplies the time, and says so.
"""

import time
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import spearmanr

from benchmarks.case import SHARED, Case, ask, main, one_cell
from benchmarks.report import bars, machine_line, publish, roof_line
from practise.hardware import prepare_environment
from practise.params import load_params

QUICK_STEPS = 10


def run() -> None:
    """Score by both recipes, compare time, ranks and chosen blocks."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from benchmarks.trials import Trials
    from practise.presets import recovery_recipe
    from practise.recoverability import RidgeRecipe, SgdRecipe
    from practise.selection import select_lowest

    case = Case(SHARED, asked, one_cell(asked))
    trials = Trials(case)
    recovery = recovery_recipe(case.params, "practise")
    authors = SgdRecipe()
    official = authors if asked.full else replace(authors, steps=QUICK_STEPS)
    official_seeds = trials.seeds if asked.full else trials.seeds[:1]
    recipes: dict[str, tuple[RidgeRecipe | SgdRecipe, list[int]]] = {
        "default": (trials.ridge, trials.seeds),
        "official": (official, official_seeds),
    }
    raw: list[dict[str, Any]] = []
    for side, (recipe, seeds) in recipes.items():
        for seed in seeds:
            start = time.perf_counter()
            scorer = trials.scorer(seed, recipe)
            found = {block: scorer.recoverability([block]) for block in trials.blocks}
            seconds = time.perf_counter() - start
            chosen = select_lowest(found, trials.goal, per_latency=True)
            student, _ = trials.recover(chosen, recovery, seed)
            top1 = trials.top1(student)
            print(f"seed {seed}: {side}: {seconds:.1f} s, {top1:.1f} % without {chosen}", flush=True)
            raw += [
                {"side": side, "seed": seed, "seconds": seconds, "top1": top1, "block": block,
                 "recoverability": r, "reduction": case.reductions[block], "chosen": block in chosen}
                for block, r in found.items()
            ]  # fmt: skip
    frame = pd.DataFrame(raw)
    scores = {pair: runs["recoverability"].tolist() for pair, runs in frame.groupby(["side", "seed"])}
    rank = [spearmanr(scores["default", seed], scores["official", seed]).statistic for seed in official_seeds]
    first = frame[frame["seed"].isin(official_seeds)].drop_duplicates(["side", "seed"])
    means = first.groupby("side", sort=False)[["seconds", "top1"]].mean()
    whole = means["seconds"] * pd.Series({"default": 1, "official": authors.steps / official.steps})
    rows = [
        {
            "Recipe": side if side == "default" else f"official ({official.steps} steps a block)",
            "Seconds": f"{means['seconds'][side]:.1f}",
            f"Seconds for {authors.steps} steps": f"{whole[side]:.0f}" if side == "official" else "—",
            "Ratio": f"{whole['official'] / whole[side]:.0f}×",
            "Rank correlation": f"{pd.Series(rank).mean():.3f}" if side == "official" else "—",
            "Top-1 % without the chosen": f"{means['top1'][side]:.1f}",
            "Chosen blocks": chosen_blocks(frame, side, official_seeds[0]),
        }
        for side in recipes
    ]
    notes = [
        trials.describe(),
        f"Seeds compared: {', '.join(map(str, official_seeds))}. {len(trials.goal.worth)} blocks; chosen: "
        "lowest score per latency; both recovered by the default recipe.",
        *(() if asked.full else [f"official's whole time is that of {official.steps} steps, multiplied."]),
        machine_line(case.hardware, case.params.device.threads),
        roof_line(trials.device),
    ]

    def draw(axes: plt.Axes) -> None:
        bars(axes, [row["Recipe"] for row in rows], [whole[side] for side in recipes], "seconds (log scale)")
        axes.set_xscale("log")

    publish(case, "score", "Scoring all blocks", frame, rows, notes, draw)


def chosen_blocks(frame: pd.DataFrame, side: str, seed: int) -> str:
    """The blocks that one side drops on one seed's images."""
    runs = frame[(frame["side"] == side) & (frame["seed"] == seed)]
    return ", ".join(runs[runs["chosen"]]["block"])


if __name__ == "__main__":
    main(run)
