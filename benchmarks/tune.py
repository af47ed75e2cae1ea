"""How does each method train best, judged on training images that were not handed over?

    python -m benchmarks.tune --params-file studies/cifar10-resnet56/params.yaml

Every method that trains is tried at the same multiples of its own rate, with batch norm as in the params and
in training mode, to the end of its training and half-way, on the same seeds: rivals are tuned as ours is, and
the evaluation images are not looked at. What is pruned is what the pipeline selects.
"""

import itertools
import random
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import SHARED, Case, ask, main, one_cell
from benchmarks.report import machine_line, publish
from practise.files import read_result
from practise.machine.devices import prepare_environment
from practise.render.methods import method_title
from practise.render.names import mean_and_std
from practise.settings.grid import cells
from practise.settings.reading import load_params

if TYPE_CHECKING:
    from practise.images.source import Item

QUICK, FULL = (1 / 3, 1, 3), (1 / 9, 1 / 3, 1, 3, 9)
"""Multiples of a method's learning rate."""
MOST_SEEDS = 2
"""Seeds that are tried."""
JUDGES = 500
"""Training images that accuracy is measured on."""


def run() -> None:
    """Recover every method of a study's first cell at several learning rates."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from practise.evaluation.accuracy import evaluate_accuracy
    from practise.images import open_source
    from practise.images.loading import stream_batches
    from practise.pruning.plan import Pruning
    from practise.recovery.guard import HALF, go_, remember
    from practise.recovery.start import start_recovery
    from practise.recovery.training import recover_
    from practise.scoring.params import RidgeRecipe
    from practise.settings.presets.recover import recovery_recipe
    from practise.stages.opening import load_tiny_set

    case = Case(SHARED, asked, one_cell(asked))
    params, paths = case.params, case.paths
    tried = [cell for cell in cells(params) if cell.seed in params.grid.seeds[:MOST_SEEDS]]
    tried = [cell for cell in tried if recovery_recipe(params, cell.method).steps]
    case.make(*(paths.select(cell) for cell in tried))
    teacher, device = case.open_original()
    ridge = RidgeRecipe(**params.score.model_dump())
    raw: list[dict[str, Any]] = []
    for cell in tried:
        source = open_source(cell.images, params.images[cell.images], params.study.file, params.data)
        sample = paths.sample(cell.images, cell.num_images, cell.seed)
        few = load_tiny_set(params, sample, teacher.preprocessing, cell.seed)
        judges = not_handed_over(source.train, read_result(sample, "sample"), cell.seed)
        images = list(stream_batches(source.root, judges, teacher.preprocessing, params.evaluate.batch_size))
        pruning = Pruning.of(read_result(paths.select(cell), "select"))
        recipe, loss = recovery_recipe(params, cell.method), params.methods[cell.method].loss
        ways = dict.fromkeys((params.recover.batch_norm, "train"))
        for factor, batch_norm in itertools.product(FULL if asked.full else QUICK, ways):
            once = recipe.but(lr=factor * recipe.lr, batch_norm=batch_norm)
            start = start_recovery(teacher.network, pruning, few, once, ridge)
            before = remember(start.student)
            recover_(start.student, start.teacher, few, loss, once)
            end = remember(start.student)
            for share in (HALF, 1.0):
                go_(start.student, before, end, share)
                top1 = evaluate_accuracy(start.student, images, device).top1
                print(f"seed {cell.seed}: {cell.method}: {top1:.1f} % at {once.lr:.2g}, {batch_norm}, "
                      f"{share:.0%} of the way", flush=True)  # fmt: skip
                raw.append({"method": cell.method, "batch_norm": batch_norm, "share": share,
                            "steps": once.steps, "seed": cell.seed, "factor": factor,
                            "lr": once.lr, "top1": top1})  # fmt: skip
    show(case, pd.DataFrame(raw))


def not_handed_over(train: "list[Item]", sample: dict[str, Any], seed: int) -> "list[Item]":
    """Training images that are not in a sample, drawn by its seed."""
    taken = {image["path"] for image in sample["images"]}
    left = [item for item in train if item.path not in taken]
    return random.Random(seed).sample(left, min(JUDGES, len(left)))


def show(case: Case, frame: pd.DataFrame) -> None:
    """Publish the table and the picture.

    Args:
        case: the benchmark's.
        frame: a row for each method, seed and learning rate.
    """
    rows = []
    for (method, batch_norm, share), own in frame.groupby(["method", "batch_norm", "share"], sort=False):
        at = {factor: runs["top1"] for factor, runs in own.groupby("factor")}
        best = max(at, key=lambda factor: at[factor].mean())
        rows.append(
            {
                "Method": method_title(str(method)),
                "Steps": str(own["steps"].iloc[0]),
                "Batch norm": str(batch_norm),
                "Way": f"{share:.0%}",
                **{f"Top-1 % at {factor:.2g} × lr": mean_and_std(top1, 1) for factor, top1 in at.items()},
                "Best lr": f"{own.loc[own['factor'] == best, 'lr'].iloc[0]:.2g}",
            }
        )
    cell, seeds = case.cell, frame["seed"].nunique()
    notes = [
        f"{cell.network} on {cell.images}, {cell.num_images} images handed over, target {cell.target:g}, "
        f"judged on {JUDGES} other training images; n = {seeds} seeds. FSKD trains nothing.",
        machine_line(case.hardware, case.params.device.threads),
    ]

    def draw(axes: plt.Axes) -> None:
        """Accuracy at the end of the training against the multiple, a line a method."""
        whole = frame[frame["share"] == 1.0]
        for (method, batch_norm), own in whole.groupby(["method", "batch_norm"], sort=False):
            means = own.groupby("factor")["top1"].mean()
            style = "--" if batch_norm == "train" else "-"
            axes.plot(means.index, means, style, marker="o", label=f"{method_title(method)}, {batch_norm}")
        axes.set(xscale="log", xlabel="multiple of the learning rate", ylabel="top-1 (%)")
        axes.legend(fontsize=6, ncols=2)

    publish(case, "tune", "Learning rate, batch norm and guard of every method", frame, rows, notes, draw)


if __name__ == "__main__":
    main(run)
