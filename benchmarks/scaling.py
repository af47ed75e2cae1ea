"""Does a recovery get better the more it may cost, from few images to many?

    python -m benchmarks.scaling --params-file studies/cifar10-resnet56/params.yaml

The default recipe and the authors' recover the network without the same blocks, on the same images, with
ever more steps. Every network is held against the original on the same evaluation images. A run that was
interrupted goes on.
"""

import itertools

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import SHARED, Case, ask, main, one_network
from benchmarks.report import machine_line, publish, read_rows, tell_lost
from practise.files import write_text
from practise.machine.devices import prepare_environment
from practise.render.names import count_of, mean_and_std
from practise.settings.reading import load_params

QUICK, FULL = (10, 50, 250), (10, 50, 250, 1000, 2000)
"""Steps."""


def run() -> None:
    """Recover with every number of steps and images."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from benchmarks.trials import Trials
    from practise.pruning.plan import Pruning
    from practise.recovery.params import RecoveryRecipe
    from practise.recovery.recover import recover
    from practise.settings.presets.recover import recovery_recipe

    case = Case(SHARED, asked, one_network(asked))
    trials = Trials(case)
    recipes = {"default": recovery_recipe(case.params, "practise"), "official": RecoveryRecipe.official()}
    dropped, _ = trials.choose(case.params.select.search, trials.seeds[0])
    table = case.folder / "scaling.csv"
    rows = read_rows(table)
    keys = ("side", "num_images", "steps", "seed", "dropped_blocks")
    known = {tuple(row[key] for key in keys) for row in rows}
    tried = itertools.product(
        trials.seeds, FULL if asked.full else QUICK, case.params.grid.num_images, recipes
    )
    for seed, steps, count, side in tried:
        key = (side, count, steps, seed, " ".join(dropped))
        if key in known:
            continue
        few, recipe = trials.open(trials.cell.images, count, seed), recipes[side].but(steps=steps)
        recovered = recover(trials.network, Pruning(dropped), few, "mimic", recipe, trials.ridge)
        told = tell_lost(trials.judge.lost_by(recovered.network))
        share = (recovered.guard or {}).get("share", 1.0)
        rows.append(dict(zip(keys, key, strict=True)) | told | {"share": share})
        print(f"{side}, {count} images, {steps} steps, s{seed}: {rows[-1]['top1']:.1f} %, "
              f"KL {rows[-1]['kl']:.3f}", flush=True)  # fmt: skip
        write_text(table, pd.DataFrame(rows).to_csv(index=False))
    frame = pd.DataFrame(rows)
    show(case, frame[frame["dropped_blocks"] == " ".join(dropped)], trials.describe())


def show(case: Case, frame: pd.DataFrame, described: str) -> None:
    """Publish the table and the picture.

    Args:
        case: the benchmark's.
        frame: a row for each recovery.
        described: what was tried, in a sentence.
    """
    rows = []
    for (count, steps), runs in frame.groupby(["num_images", "steps"]):
        row = {"Images": f"{count}", "Steps": f"{steps}"}
        for side, own in runs.groupby("side", sort=False):
            row |= {
                f"{side}, top-1 %": mean_and_std(own["top1"], 1),
                f"{side}, KL": mean_and_std(own["kl"], 3),
            }
        rows.append(row)
    notes = [
        described,
        f"Mean ± sample standard deviation over {count_of('seed', frame['seed'].nunique())}.",
        f"Dropped: {', '.join(frame['dropped_blocks'].iloc[0].split())}.",
        machine_line(case.hardware, case.params.device.threads),
    ]

    def draw(axes: plt.Axes) -> None:
        """Accuracy over steps, a line for each recipe and number of images."""
        for (side, count), runs in frame.groupby(["side", "num_images"], sort=False):
            means = runs.groupby("steps")["top1"].agg(["mean", "std"])
            style = "-" if side == "default" else "--"
            axes.errorbar(means.index, means["mean"], yerr=means["std"].fillna(0), fmt=f"{style}o",
                          capsize=2, label=f"{side}, {count} images")  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlabel("steps (log scale)")
        axes.set_ylabel("top-1 (%)")
        axes.legend()

    publish(case, "scaling", "The more it costs, the better?", frame, rows, notes, draw)


if __name__ == "__main__":
    main(run)
