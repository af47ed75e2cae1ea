"""Is a recovered network ever worse than doing nothing, or than the authors' recovery at the same cost?

    python -m benchmarks.harm --params-file studies/imagenet-mini/params.yaml

Several random sets of blocks that meet the study's last target are dropped, and the network is recovered with
images of each source: the network's own, photographs, images made from it. Every network is held against the
original on the same evaluation images, so that each comparison is paired. A run that was interrupted goes on.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from benchmarks.case import SHARED, Case, ask, main, one_network
from benchmarks.report import machine_line, publish, read_rows, tell_lost
from practise.evaluation.lost import Lost, standard_error
from practise.files import write_text
from practise.machine.devices import prepare_environment
from practise.render.names import count_of, mean_and_std
from practise.schema import HowMany
from practise.settings.reading import load_params

if TYPE_CHECKING:
    from practise.images.tiny_set import TinySet
    from practise.recovery.params import RecoveryRecipe
    from practise.recovery.recover import Recovered

SETS = 3
"""Sets of blocks that are dropped."""
NOTHING, START, DEFAULT, OFFICIAL = "nothing done", "start alone", "default", "official, equal cost"
SIDES = (NOTHING, START, DEFAULT, OFFICIAL)


@dataclass(frozen=True)
class Images:
    """Some images to recover with.

    Attributes:
        name: an entry of the section images.
        count: how many.
    """

    name: str
    count: HowMany


def run() -> None:
    """Recover everything, and tell by how much it is better or worse than nothing."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from benchmarks.trials import Trials
    from practise.evaluation.oracle import draw_sets_that_meet
    from practise.pruning.plan import Pruning
    from practise.recovery.params import RecoveryRecipe
    from practise.recovery.recover import recover
    from practise.settings.presets.recover import recovery_recipe

    case = Case(SHARED, asked, one_network(asked))
    trials = Trials(case)
    default = recovery_recipe(case.params, "practise")
    nothing = default.but(steps=0, start="weights", batch_norm="frozen")
    table = case.folder / "harm.csv"
    rows = read_rows(table)
    begun = [tuple(names.split()) for names in dict.fromkeys(row["dropped_blocks"] for row in rows)]
    drawn = draw_sets_that_meet(trials.goal, SETS)  # another measurement draws others
    sets = list(dict.fromkeys([*begun, *drawn]))[:SETS]
    known = {(row["images"], row["num_images"], row["seed"], row["dropped_blocks"]) for row in rows}
    for images, seed in itertools.product(sources(case), trials.seeds):
        few: TinySet | None = None
        for dropped in sets:
            key = (images.name, images.count, seed, " ".join(dropped))
            if key in known:
                continue
            few = few or trials.open(images.name, images.count, seed)
            by = partial(recover, trials.network, Pruning(dropped), few, "mimic", ridge=trials.ridge)
            ours = by(default)
            steps = equal_steps(default, ours, trials.ridge.folds, len(few))
            official = RecoveryRecipe.official().but(steps=steps)
            networks = {
                NOTHING: by(nothing),
                START: by(default.but(steps=0)),
                DEFAULT: ours,
                OFFICIAL: by(official),
            }
            lost = {side: trials.judge.lost_by(one.network) for side, one in networks.items()}
            named = dict(zip(("images", "num_images", "seed", "dropped_blocks"), key, strict=True))
            for side, one in lost.items():
                told = named | {"side": side, "steps": steps} | compared(one, lost[NOTHING], lost[OFFICIAL])
                rows.append(told)
                print(f"{images.name} {images.count} s{seed} {' '.join(dropped)}: {side}: "
                      f"{told['top1']:.1f} %, KL {told['kl']:.3f}", flush=True)  # fmt: skip
            write_text(table, pd.DataFrame(rows).to_csv(index=False))
    show(case, pd.DataFrame(rows), trials.describe())


def sources(case: Case) -> Iterator[Images]:
    """The network's own images, few and many, and those of the section sources."""
    params, own = case.params, case.cell.images
    yield from (Images(own, count) for count in params.grid.num_images)
    yield from (Images(name, params.grid.num_images[0]) for name in params.sources.images if name != own)


def equal_steps(recipe: "RecoveryRecipe", recovered: "Recovered", folds: int, count: int) -> int:
    """Steps of the authors' recipe that cost as much as a recovery did.

    Args:
        recipe: how it trained.
        recovered: what it came to, which knows how many fits were tried.
        folds: on how many parts of the images each was.
        count: how many images there are; a pass to look at one costs a third of training on it.
    """
    tried = len((recovered.start or {}).get("tried", ()))
    views = recipe.steps * recipe.batch_size + (tried * folds + 1) * count / 3
    return math.ceil(views / min(64, count))


def compared(ours: Lost, nothing: Lost, official: Lost) -> dict[str, float | None]:
    """What a network loses, and by how much it is better or worse than two others, image by image."""
    told: dict[str, float | None] = {**tell_lost(ours)}
    for name, other in (("nothing", nothing), ("official", official)):
        gain = 100 * (ours.right.astype(float) - other.right)
        saved = (other.kl - ours.kl).astype(float)
        for what, values in (("top1", gain), ("kl", saved)):
            told[f"{what}_gain_over_{name}"] = float(values.mean())
            told[f"{what}_gain_over_{name}_error"] = standard_error(values)
    return told


def show(case: Case, frame: pd.DataFrame, described: str) -> None:
    """Publish the table and the picture.

    Args:
        case: the benchmark's.
        frame: a row for each recovery.
        described: what was tried, in a sentence.
    """
    rows = []
    for (images, count), own in frame.groupby(["images", "num_images"], sort=False):
        for side in SIDES:
            runs = own[own["side"] == side]
            row = {"Images": f"{count} {images}", "Side": side, "Top-1 %": mean_and_std(runs["top1"], 1),
                   "KL": mean_and_std(runs["kl"], 3)}  # fmt: skip
            for other in ("nothing", "official"):
                for what, heading in (("top1", "top-1"), ("kl", "KL")):
                    row[f"Worse than {other}, {heading}"] = worse(runs, f"{what}_gain_over_{other}")
            rows.append(row)
    seeds = frame.groupby(["images", "num_images"])["seed"].nunique()
    fewer = f"{seeds.min()} to " if seeds.min() < seeds.max() else ""
    told = f"{fewer}{count_of('seed', seeds.max())}"
    notes = [
        described,
        f"{frame['dropped_blocks'].nunique()} random sets that meet the target, {told} of images.",
        "Worse: of how many networks it was, by more than a standard error over the evaluation images.",
        "Official takes as many steps as cost what the default's start and training cost together.",
        machine_line(case.hardware, case.params.device.threads),
    ]

    def draw(axes: plt.Axes) -> None:
        """What is gained over doing nothing, a point a network, its standard error as bar."""
        places = {
            key: place for place, key in enumerate(frame.groupby(["images", "num_images"], sort=False).groups)
        }
        for shift, side in enumerate(SIDES[1:]):
            runs = frame[frame["side"] == side]
            x = [places[key] for key in zip(runs["images"], runs["num_images"], strict=True)]
            aside = np.array(x) + 0.25 * (shift - 1) + np.linspace(-0.08, 0.08, len(x))
            axes.errorbar(aside, runs["kl_gain_over_nothing"], yerr=runs["kl_gain_over_nothing_error"],
                          fmt="o", markersize=3, linewidth=0.8, label=side)  # fmt: skip
        axes.axhline(0, color="#888888", linewidth=1)
        axes.set_xticks(list(places.values()), [f"{count} {images}" for images, count in places])
        axes.set_ylabel("KL saved over doing nothing (nats)")
        axes.legend()

    publish(case, "harm", "Better than nothing, and than the authors'", frame, rows, notes, draw)


def worse(runs: pd.DataFrame, column: str) -> str:
    """Of how many runs a gain is below zero by more than its standard error."""
    count = int((runs[column] < -runs[f"{column}_error"]).sum())
    return f"{count} of {len(runs)}"


if __name__ == "__main__":
    main(run)
