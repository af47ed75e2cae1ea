"""How good and how fast is the recovery, beside the authors'?

    python -m benchmarks.recover --params-file pipelines/cifar10-resnet56/params.yaml

Both recipes recover the network without the same blocks on the same images. The authors train for 2000
steps of 64 fresh views; the quick form gives the same schedule fewer steps, multiplies the time, and says so.
"""

import time
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import Case, ask, main, one_cell
from benchmarks.report import gflop_of, machine_line, matmul_gflops, publish, roof_line
from practise.hardware import prepare, prepare_environment
from practise.params import load_params

QUICK_STEPS = 60
AUTHORS_STEPS = 2000


def run() -> None:
    """Recover by both recipes, compare accuracy and time."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    import torch

    from practise.accuracy import evaluate_accuracy
    from practise.blocks import drop_blocks_
    from practise.hardware import resolve_device, training_dtype
    from practise.images.loading import load_training_images, stream_evaluation
    from practise.networks import load_teacher
    from practise.presets import recovery_recipe
    from practise.recoverability import ClosedForm, RidgeRecipe
    from practise.recovery import LOSSES, OFFICIAL, recover_
    from practise.selection import select_progressively, set_goal
    from practise.start import start_recovery

    case = Case("recover", asked, one_cell(asked))
    params, cell = case.params, case.cell
    seeds = list(params.grid.seeds)
    steps = AUTHORS_STEPS if asked.full else QUICK_STEPS
    case.prepare(seeds)
    device = resolve_device(params.device.name)
    goal = set_goal(case.reductions, cell.target, params.select.tolerance)
    prepare(params.device)
    teacher = load_teacher(case.paths.teacher(cell.network))
    network, preprocessing = teacher.network.to(device), teacher.preprocessing
    ridge = RidgeRecipe(**params.score.model_dump())
    recipes = {
        "no recovery": None,
        "default": recovery_recipe(params, "practise"),
        "official": replace(OFFICIAL["mimic"], steps=steps),
    }

    def top1(student: Any) -> float:
        batches = stream_evaluation(params, case.paths.images(cell.images), preprocessing)
        return evaluate_accuracy(student, batches, device).top1

    raw: list[dict[str, Any]] = []
    dropped: list[str] = []
    for seed in seeds:
        few, labels = load_training_images(
            params, case.paths.sample(cell.images, cell.num_images, seed), preprocessing
        )
        scorer = ClosedForm(network, teacher.card["blocks"], few, preprocessing, ridge, seed)
        dropped = dropped or select_progressively(scorer.recoverability, goal)  # one set for all seeds
        for side, recipe in recipes.items():
            start = time.perf_counter()
            if recipe is None:
                student = drop_blocks_(load_teacher(case.paths.teacher(cell.network)).network, dropped)
                taken = 0
            else:
                student, target = start_recovery(network, dropped, few, preprocessing, recipe, ridge, seed)
                taken = len(
                    recover_(student, target, few, labels, preprocessing, LOSSES["mimic"], recipe, seed)
                )
            seconds = time.perf_counter() - start
            whole = seconds * AUTHORS_STEPS / steps if side == "official" else seconds
            raw.append(
                {"side": side, "seed": seed, "steps": taken, "seconds": seconds, "seconds_whole": whole,
                 "top1": top1(student), "blocks": " ".join(dropped)}
            )  # fmt: skip
    frame = pd.DataFrame(raw)
    means = frame.groupby("side", sort=False).mean(numeric_only=True)
    rows = []
    for side, recipe in recipes.items():
        runs = frame[frame["side"] == side]
        row = {
            "Recipe": "official" if side == "official" else side,
            "Steps": f"{runs['steps'].iloc[0]}",
            "n": str(len(runs)),
            "Top-1 %": f"{runs['top1'].mean():.1f} ± {runs['top1'].std():.1f}",
        }
        if recipe is not None:
            gflop = gflop_of_step(network, recipe.batch_size, preprocessing.image_size)
            rate = gflop * runs["steps"].iloc[0] / means["seconds"][side]
            roof = matmul_gflops(training_dtype(recipe.dtype, network, device), device)
            row |= {
                "Seconds": f"{means['seconds'][side]:.1f}",
                f"Seconds for {AUTHORS_STEPS} steps": f"{means['seconds_whole'][side]:.0f}"
                if side == "official"
                else "—",
                "Ratio": f"{means['seconds_whole']['official'] / means['seconds_whole'][side]:.0f}×",
                "Share of the roof": f"{100 * rate / roof:.0f} %",
            }
        rows.append(row)
    original = top1(teacher.network)
    notes = [
        f"{cell.network} on {cell.images}, {cell.num_images} images, {original:.1f} % at first; dropped: "
        f"{', '.join(dropped)}.",
        *(() if asked.full else [f"official's whole time is that of {steps} steps, multiplied."]),
        "Share of the roof: operations of the student's passes by the matrix rate in the recipe's format.",
        machine_line(case.hardware, params.device.threads),
        roof_line(torch.device(device)),
    ]

    def draw(axes: plt.Axes) -> None:
        for side in recipes:
            runs = frame[frame["side"] == side]
            axes.scatter(runs["seconds"].clip(lower=0.1), runs["top1"], label=side)
        axes.axhline(original, color="0.6", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel("seconds (log scale)")
        axes.set_ylabel("top-1 (%)")
        axes.legend()

    publish(case, "recover", "Recovery", frame, rows, notes, draw)


def gflop_of_step(network: Any, batch_size: int, image_size: int) -> float:
    """Operations of a training step, forward and backward, in billions."""
    import torch

    def step() -> None:
        views = torch.randn(1, 3, image_size, image_size, device=next(network.parameters()).device)
        network.requires_grad_(True)
        network(views).sum().backward()
        network.zero_grad(set_to_none=True)
        network.requires_grad_(False)

    return batch_size * gflop_of(step)


if __name__ == "__main__":
    main(run)
