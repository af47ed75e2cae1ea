"""How good and how fast is the recovery, beside the authors'?

    python -m benchmarks.recover --params-file studies/cifar10-resnet56/params.yaml

Both recipes recover the network without the same blocks on the same images. The authors train for 2000
steps of 64 fresh views; the quick form gives the same schedule fewer steps, multiplies the time, and says so.
"""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import SHARED, Case, ask, main, one_cell
from benchmarks.report import gflop_of, machine_line, matmul_gflops, publish, roof_line
from practise.machine.devices import prepare_environment
from practise.settings.reading import load_params

QUICK_STEPS = 60


def run() -> None:
    """Recover by both recipes, compare accuracy and time."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from benchmarks.trials import Trials
    from practise.machine.devices import training_dtype
    from practise.recovery.params import RecoveryRecipe
    from practise.settings.presets.recover import recovery_recipe

    case = Case(SHARED, asked, one_cell(asked))
    trials = Trials(case)
    authors = RecoveryRecipe.official()
    official = authors if asked.full else authors.but(steps=QUICK_STEPS)
    default = recovery_recipe(case.params, "practise")
    recipes = {
        "no recovery": default.but(steps=0, start="weights", batch_norm="frozen"),
        "default": default,
        "official": official,
    }
    dropped, _ = trials.choose(case.params.select.search, trials.seeds[0])
    raw: list[dict[str, Any]] = []
    for seed in trials.seeds:
        for side, recipe in recipes.items():
            student, seconds = trials.recover(dropped, recipe, seed)
            whole = seconds * authors.steps / official.steps if side == "official" else seconds
            raw.append(
                {"side": side, "seed": seed, "steps": recipe.steps, "seconds": seconds,
                 "seconds_whole": whole, "top1": trials.top1(student), "blocks": " ".join(dropped)}
            )  # fmt: skip
            print(f"seed {seed}: {side}: {raw[-1]['top1']:.1f} % in {seconds:.1f} s", flush=True)
    frame = pd.DataFrame(raw)
    means = frame.groupby("side", sort=False).mean(numeric_only=True)
    rows = []
    for side, recipe in recipes.items():
        runs = frame[frame["side"] == side]
        row = {
            "Recipe": side,
            "Steps": str(recipe.steps),
            "n": str(len(runs)),
            "Top-1 %": f"{runs['top1'].mean():.1f} ± {runs['top1'].std():.1f}",
        }
        if recipe.steps:
            gflop = gflop_of_step(trials.network, recipe.batch_size, trials.teacher.preprocessing.image_size)
            rate = gflop * recipe.steps / means["seconds"][side]
            roof = matmul_gflops(training_dtype(recipe.dtype, trials.network, trials.device), trials.device)
            whole = means["seconds_whole"][side]
            row |= {
                "Seconds": f"{means['seconds'][side]:.1f}",
                f"Seconds for {authors.steps} steps": f"{whole:.0f}" if side == "official" else "—",
                "Ratio": f"{means['seconds_whole']['official'] / whole:.0f}×",
                "Share of the roof": f"{100 * rate / roof:.0f} %",
            }
        rows.append(row)
    notes = [
        trials.describe(),
        f"Mean ± sample standard deviation over n = {len(trials.seeds)} seeds.",
        f"Dropped: {', '.join(dropped)}.",
        *(() if asked.full else [f"official's whole time is that of {official.steps} steps, multiplied."]),
        "Share of the roof: operations of the student's passes by the matrix rate in the recipe's format.",
        machine_line(case.hardware, case.params.device.threads),
        roof_line(trials.device),
    ]

    def draw(axes: plt.Axes) -> None:
        for side in recipes:
            runs = frame[frame["side"] == side]
            axes.scatter(runs["seconds"].clip(lower=0.1), runs["top1"], label=side)
        axes.set_xscale("log")
        axes.set_xlabel("seconds (log scale)")
        axes.set_ylabel("top-1 (%)")
        axes.legend()

    publish(case, "recover", "Recovery", frame, rows, notes, draw)


def gflop_of_step(network: Any, batch_size: int, image_size: int) -> float:
    """Operations of a training step in billions: a backward pass counts as two forward passes."""
    import torch

    from practise.networks.watching import probe_images

    with torch.no_grad():
        return 3 * batch_size * gflop_of(lambda: network(probe_images(network, image_size)))


if __name__ == "__main__":
    main(run)
