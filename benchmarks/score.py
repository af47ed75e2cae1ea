"""How long does it take to learn which blocks to drop, and are they the same as by the authors' way?

    python -m benchmarks.score --params-file studies/cifar10-resnet56/params.yaml

Both recipes score the same blocks on the same images, and the network without the blocks of lowest score per
latency is recovered by the default recipe: the accuracy tells what a choice is worth. The authors train
adaptors for 2000 SGD steps a block; the quick form trains fewer, multiplies the time, and says so.
"""

import time
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from benchmarks.case import SHARED, Case, ask, main, one_cell
from benchmarks.report import machine_line, publish, roof_line
from practise.machine.devices import prepare_environment
from practise.settings.reading import load_params

if TYPE_CHECKING:  # imported once threads and memory are set
    from benchmarks.trials import Trials
    from practise.scoring.params import SgdRecipe

QUICK_STEPS = 10


def run() -> None:
    """Score by both recipes, compare time, ranks and chosen blocks."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from benchmarks.trials import Trials
    from practise.pruning.selection import select_lowest
    from practise.scoring.params import RidgeRecipe, SgdRecipe
    from practise.settings.presets.recover import recovery_recipe

    case = Case(SHARED, asked, one_cell(asked))
    trials = Trials(case)
    recovery = recovery_recipe(case.params, "practise")
    authors = SgdRecipe()
    official = authors if asked.full else authors.but(steps=QUICK_STEPS)
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
    show(case, trials, pd.DataFrame(raw), official, authors)


def show(
    case: Case, trials: "Trials", frame: pd.DataFrame, official: "SgdRecipe", authors: "SgdRecipe"
) -> None:
    """Publish the table and the picture.

    Args:
        case: the benchmark's.
        trials: what was scored.
        frame: a row for each side, seed and block.
        official: the recipe that was run.
        authors: the whole schedule.
    """
    frame["score"] = frame["recoverability"] / frame["reduction"]
    compared = sorted(frame[frame["side"] == "official"]["seed"].unique())
    runs = frame[frame["seed"].isin(compared)].drop_duplicates(["side", "seed"])
    means = runs.groupby("side", sort=False)[["seconds", "top1"]].mean()
    whole = means["seconds"] * pd.Series({"default": 1, "official": authors.steps / official.steps})
    titles = {"default": "default", "official": f"official ({official.steps} steps a block)"}
    rows = []
    for side, title in titles.items():
        is_official = side == "official"
        rows.append(
            {
                "Recipe": title,
                "Seconds": f"{means['seconds'][side]:.1f}",
                f"Seconds for {authors.steps} steps": f"{whole[side]:.0f}" if is_official else "—",
                "Ratio": f"{whole['official'] / whole[side]:.0f}×",
                "Rank corr. of R": f"{rank_correlation(frame, 'recoverability'):.3f}" if is_official else "—",
                "of R / tau": f"{rank_correlation(frame, 'score'):.3f}" if is_official else "—",
                "Top-1 % without the chosen": f"{means['top1'][side]:.1f}",
                "Chosen blocks": chosen_blocks(frame, side, compared[0]),
            }
        )
    notes = [
        trials.describe(),
        f"Seeds compared: {', '.join(map(str, compared))}. {frame['block'].nunique()} blocks; chosen: lowest "
        "R / tau; both recovered by the default recipe.",
        *(
            (f"official's whole time is that of {official.steps} steps, multiplied.",)
            if official != authors
            else ()
        ),
        machine_line(case.hardware, case.params.device.threads),
        roof_line(trials.device),
    ]

    def draw(axes: plt.Axes) -> None:
        """The two scores of each block against each other."""
        pairs = frame[frame["seed"].isin(compared)].pivot(
            index=["seed", "block"], columns="side", values="score"
        )
        axes.scatter(pairs["official"], pairs["default"], s=12)
        for (_, block), pair in pairs.iterrows():
            axes.annotate(block, (pair["official"], pair["default"]), fontsize=6, xytext=(3, 2),
                          textcoords="offset points")  # fmt: skip
        axes.set(
            xscale="log", yscale="log", xlabel=f"R / tau, {titles['official']}", ylabel="R / tau, default"
        )

    publish(case, "score", "Scoring all blocks", frame, rows, notes, draw)


def rank_correlation(frame: pd.DataFrame, column: str) -> float:
    """Spearman's, between the two recipes, over the blocks; mean over the seeds that both have scored."""
    sides = frame.pivot(index=["seed", "block"], columns="side", values=column).dropna()
    found = [spearmanr(one["default"], one["official"]).statistic for _, one in sides.groupby("seed")]
    return float(np.mean(found))


def chosen_blocks(frame: pd.DataFrame, side: str, seed: int) -> str:
    """The blocks that one side drops on one seed's images."""
    runs = frame[(frame["side"] == side) & (frame["seed"] == seed)]
    return ", ".join(runs[runs["chosen"]]["block"])


if __name__ == "__main__":
    main(run)
