"""How long does it take to learn which blocks to drop, and are they the same as by the authors' way?

    python -m benchmarks.score --params-file pipelines/cifar10-resnet56/params.yaml

Both recipes score the same blocks on the same images. The authors train adaptors for 2000 SGD steps a block;
the quick form trains fewer and multiplies the measured time of a step, and says so.
"""

import time
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
from scipy.stats import spearmanr

from benchmarks.case import SHARED, Case, ask, main, one_cell
from benchmarks.report import bars, machine_line, publish, roof_line
from practise.hardware import prepare_environment
from practise.params import load_params

QUICK_STEPS = 10
AUTHORS_STEPS = 2000


def run() -> None:
    """Score by both recipes, compare time, ranks and chosen blocks."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from practise.images.loading import load_training_images
    from practise.recoverability import RidgeRecipe, SgdRecipe, build_scorer
    from practise.selection import select_lowest, set_goal

    case = Case(SHARED, asked, one_cell(asked))
    params, cell = case.params, case.cell
    seeds = list(params.grid.seeds)
    official_seeds = seeds if asked.full else seeds[:1]
    steps = AUTHORS_STEPS if asked.full else QUICK_STEPS
    case.prepare(seeds)
    goal = set_goal(case.reductions, cell.target, params.select.tolerance)
    teacher, device = case.open_original()
    network = teacher.network
    recipes: dict[str, tuple[RidgeRecipe | SgdRecipe, list[int]]] = {
        "default": (RidgeRecipe(**params.score.model_dump()), seeds),
        "official": (SgdRecipe(steps=steps), official_seeds),
    }
    raw: list[dict[str, Any]] = []
    scores: dict[tuple[str, int], dict[str, float]] = {}
    for side, (recipe, its_seeds) in recipes.items():
        for seed in its_seeds:
            few, _ = load_training_images(
                params, case.paths.sample(cell.images, cell.num_images, seed), teacher.preprocessing
            )
            start = time.perf_counter()
            scorer = build_scorer(network, teacher.card["blocks"], few, teacher.preprocessing, recipe, seed)
            found = {block: scorer.recoverability([block]) for block in teacher.card["blocks"]}
            seconds = time.perf_counter() - start
            scores[side, seed] = found
            whole = seconds * AUTHORS_STEPS / steps if side == "official" else seconds
            chosen = select_lowest(found, goal, per_latency=True)
            raw += [
                {"side": side, "seed": seed, "seconds": seconds, "seconds_whole": whole, "block": block,
                 "recoverability": r, "chosen": block in chosen}
                for block, r in found.items()
            ]  # fmt: skip
    frame = pd.DataFrame(raw)
    times = frame.drop_duplicates(["side", "seed"]).groupby("side", sort=False)
    whole = times["seconds_whole"].mean()
    seed = official_seeds[0]
    rho = spearmanr(list(scores["default", seed].values()), list(scores["official", seed].values())).statistic
    rows = []
    for side in recipes:
        first = frame[(frame["side"] == side) & (frame["seed"] == seed)]
        rows.append(
            {
                "Recipe": side if side == "default" else f"official ({steps} steps a block)",
                "n": str(len(recipes[side][1])),
                "Seconds": f"{times['seconds'].mean()[side]:.1f}",
                f"Seconds for {AUTHORS_STEPS} steps": f"{whole[side]:.0f}" if side == "official" else "—",
                "Ratio": f"{whole['official'] / whole[side]:.0f}×",
                "Rank correlation": f"{rho:.3f}" if side == "official" else "—",
                "Chosen blocks": ", ".join(first[first["chosen"]]["block"]),
            }
        )
    notes = [
        f"{cell.network} on {cell.images}, {cell.num_images} images, {len(goal.worth)} blocks, target "
        f"{cell.target:g}; chosen: lowest score per latency, seed {seed}.",
        *(() if asked.full else [f"official's time is that of {steps} steps a block, multiplied."]),
        machine_line(case.hardware, params.device.threads),
        roof_line(device),
    ]

    def draw(axes: plt.Axes) -> None:
        bars(axes, [row["Recipe"] for row in rows], [whole[side] for side in recipes], "seconds (log scale)")
        axes.set_xscale("log")

    publish(case, "score", "Scoring all blocks", frame, rows, notes, draw)


if __name__ == "__main__":
    main(run)
