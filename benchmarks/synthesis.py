"""What does each ingredient of images from the network alone contribute, by what they recover?

    python -m benchmarks.synthesis --params-file studies/cifar10-resnet56/params.yaml

Random sets of blocks that meet the study's last target are dropped, and the network is trained on fifty
images that were made without one ingredient after the other; dead leaves that nothing was done to and real
images are the two ends. It starts from the original's weights and goes the whole way, so that the images
alone decide. A run that was interrupted goes on.
"""

import itertools
import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import SHARED, Case, ask, main, one_network
from benchmarks.report import machine_line, publish, read_rows, tell_lost
from practise.evaluation.lost import standard_error
from practise.files import write_text
from practise.machine.devices import prepare_environment
from practise.render.names import count_of, mean_and_std
from practise.settings.reading import load_params
from practise.synthesis.params import SynthesisRecipe

if TYPE_CHECKING:
    from benchmarks.trials import Trials
    from practise.images.tiny_set import TinySet

SETS = 3
"""Sets of blocks that are dropped."""
COUNT = 50
"""Images."""
WHOLE, LEAVES, REAL = "the recipe", "dead leaves as they are", "real images"


def variants(recipe: SynthesisRecipe) -> dict[str, SynthesisRecipe]:
    """The recipe, and without each of its ingredients, by title."""
    first = "at full resolution alone" if recipe.coarse else "first at half the resolution"
    return {
        WHOLE: recipe,
        "absolute statistics": recipe.but(distance="absolute", statistics=0.1),
        "no low-pass filter": recipe.but(low_pass=0.0),
        "strides as they are": recipe.but(shifted_strides=False),
        "none of these three": recipe.but(
            distance="absolute", statistics=0.1, low_pass=0.0, shifted_strides=False
        ),
        "no classes": recipe.but(classification=0.0),
        "from noise": recipe.but(start="noise"),
        first: recipe.but(coarse=0.0 if recipe.coarse else 0.5),
        "twice the steps": recipe.but(steps=2 * recipe.steps),
    }


def run() -> None:
    """Make the images, recover with them, and compare what is lost."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from benchmarks.trials import Trials
    from practise.evaluation.oracle import draw_sets_that_meet
    from practise.pruning.plan import Pruning
    from practise.recovery.recover import recover
    from practise.settings.presets.recover import recovery_recipe

    case = Case(SHARED, asked, one_network(asked))
    trials = Trials(case)
    recipe = recovery_recipe(case.params, "practise").but(start="weights", guard=False, batch_norm="frozen")
    open_some = images_of(trials)
    table = case.folder / "synthesis.csv"
    rows = read_rows(table)
    keys = ("seed", "dropped_blocks", "images")
    known = {tuple(row[key] for key in keys) for row in rows}
    sets = draw_sets_that_meet(trials.goal, SETS)
    titles = [*variants(case.params.synthesize.recipe), LEAVES, REAL]
    for seed, dropped, title in itertools.product(trials.seeds, sets, titles):
        key = (seed, " ".join(dropped), title)
        if key in known:
            continue
        few = open_some(title, seed)
        recovered = recover(trials.network, Pruning(dropped), few, "mimic", recipe, trials.ridge)
        told = tell_lost(trials.judge.lost_by(recovered.network))
        rows.append(dict(zip(keys, key, strict=True)) | told)
        print(f"s{seed} {key[1]}: {title}: {told['top1']:.1f} %, KL {told['kl']:.3f}", flush=True)
        write_text(table, pd.DataFrame(rows).to_csv(index=False))
    show(case, pd.DataFrame(rows), trials.describe())


def images_of(trials: "Trials") -> Callable[[str, int], "TinySet"]:
    """Opens the images of a title and a seed; they are made once."""
    import torch
    from PIL import Image

    from practise.images.tiny_set import TinySet
    from practise.synthesis.leaves import draw_leaves
    from practise.synthesis.synthesis import Synthesizer

    preprocessing, classes = trials.teacher.preprocessing, len(trials.teacher.classes)

    @cache
    def open_some(title: str, seed: int) -> TinySet:
        if title == REAL:
            return trials.open(trials.cell.images, COUNT, seed)
        if title == LEAVES:
            leaves = draw_leaves(COUNT, preprocessing.image_size, torch.Generator().manual_seed(seed))
            pixels, labels = (255 * leaves).round().to(torch.uint8), torch.zeros(COUNT, dtype=torch.long)
        else:
            recipe = variants(trials.params.synthesize.recipe)[title]
            made = Synthesizer(trials.network, preprocessing, classes, recipe).make(COUNT, seed)
            pixels, labels = made.images, made.labels
        images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in pixels]
        return TinySet(images, labels, preprocessing, seed, kind="made")

    return open_some


def show(case: Case, frame: pd.DataFrame, described: str) -> None:
    """Publish the table and the picture.

    Args:
        case: the benchmark's.
        frame: a row for each recovery.
        described: what was tried, in a sentence.
    """
    paired = frame.pivot(index=["seed", "dropped_blocks"], columns="images", values="kl")
    rows, more = [], {}
    for title, runs in frame.groupby("images", sort=False):
        row = {"Images": title, "Top-1 %": mean_and_std(runs["top1"], 1), "KL": mean_and_std(runs["kl"], 3)}
        rows.append(row)
        if title != WHOLE:
            difference = paired[title] - paired[WHOLE]
            more[title] = difference.mean(), standard_error(difference.to_numpy()) or math.nan
            row["KL more than the recipe"] = "{:+.3f} ± {:.3f}".format(*more[title])
    sets, seeds = frame["dropped_blocks"].nunique(), count_of("seed", frame["seed"].nunique())
    notes = [
        described,
        f"{sets} random sets that meet the target, {seeds} of images, each {COUNT}.",
        "More: mean and standard error of the paired differences over sets and seeds.",
        "Mean ± sample standard deviation over sets and seeds.",
        machine_line(case.hardware, case.params.device.threads),
    ]

    def draw(axes: plt.Axes) -> None:
        """What is lost more than with the recipe, its standard error as bar."""
        for place, (difference, error) in enumerate(more.values()):
            axes.errorbar(difference, place, xerr=error, fmt="o", capsize=2, color="#4477aa")
        axes.axvline(0, color="#888888", linewidth=1)
        axes.set_yticks(range(len(more)), list(more))
        axes.invert_yaxis()
        axes.set_xlabel("KL more than with the recipe (nats)")

    publish(case, "synthesis", "What makes images from the network worth having", frame, rows, notes, draw)


if __name__ == "__main__":
    main(run)
