"""What does each ingredient give? One is taken away at a time, all else stays.

python -m benchmarks.ablation --params-file studies/cifar10-resnet56/params.yaml
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import SHARED, Case, ask, main, one_cell
from benchmarks.report import machine_line, publish
from practise.machine.devices import prepare_environment
from practise.render.names import block_list
from practise.settings.reading import load_params

if TYPE_CHECKING:
    from practise.pruning.params import Search
    from practise.recovery.params import RecoveryRecipe


QUICK_STEPS = 60


@dataclass(frozen=True)
class Variant:
    """The default with something changed.

    Attributes:
        title: what to call it.
        search: how blocks are chosen.
        recipe: how the network is recovered.
        combined: whether they are chosen by combined recoverability, or by R alone.
    """

    title: str
    search: "Search"
    recipe: "RecoveryRecipe"
    combined: bool = True


SEARCHES: dict["Search", str] = {
    "lowest": "blocks of lowest score / tau",
    "knapsack": "blocks of least summed score",
    "progressive": "blocks scored again after each drop",
}


def variants(search: "Search", default: "RecoveryRecipe", official: "RecoveryRecipe") -> list[Variant]:
    """The default, the default without each ingredient, and the authors' recovery.

    Args:
        search: how the params choose blocks.
        default: the params' recipe.
        official: the authors' recipe, in the quick form with fewer steps.
    """
    other = "adapted" if default.batch_norm == "frozen" else "frozen"

    def changed(title: str, **changes: Any) -> Variant:
        return Variant(title, search, default.but(**changes))

    authors = f"the authors' recovery, {official.steps} steps"
    return [
        changed("default: everything"),
        *(Variant(title, way, default) for way, title in SEARCHES.items() if way != search),
        Variant("blocks chosen by R alone", search, default, combined=False),
        changed("adaptors that are pulled alike everywhere", start="adaptors"),
        changed("from the original's weights", start="weights"),
        changed("without the guard", guard=False),
        changed(f"batch norm {other}", batch_norm=other),
        changed("batch norm in training mode", batch_norm="train"),
        changed(f"{'without' if default.mixing else 'with'} mixing", mixing=not default.mixing),
        changed("fresh views at every step", views=None),
        changed("SGD, the authors' rate", optimizer="sgd", schedule="steps", lr=0.02, weight_decay=1e-4),
        changed("a third of the steps", steps=max(1, default.steps // 3)),
        changed("no step", steps=0),
        changed("no step, no adaptors", steps=0, start="weights"),
        Variant(authors, search, official),
    ]


def run() -> None:
    """Recover every variant on every seed."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    from benchmarks.trials import Trials
    from practise.recovery.params import RecoveryRecipe
    from practise.settings.presets.recover import recovery_recipe

    case = Case(SHARED, asked, one_cell(asked))
    trials = Trials(case)
    official = RecoveryRecipe.official()
    official = official if asked.full else official.but(steps=QUICK_STEPS)
    tried = variants(case.params.select.search, recovery_recipe(case.params, "practise"), official)
    raw: list[dict[str, Any]] = []
    for seed in trials.seeds:
        for variant in tried:
            dropped, chosen_in = trials.choose(variant.search, seed, variant.combined)
            student, seconds = trials.recover(dropped, variant.recipe, seed)
            raw.append(
                {"variant": variant.title, "seed": seed, "top1": trials.top1(student), "seconds": seconds,
                 "choosing_seconds": chosen_in, "blocks": " ".join(dropped),
                 "summed_reduction": sum(case.reductions[name] for name in dropped)}
            )  # fmt: skip
            print(f"seed {seed}: {variant.title}: {raw[-1]['top1']:.1f} % in {seconds:.1f} s", flush=True)
    frame = pd.DataFrame(raw)
    default = frame[frame["variant"] == tried[0].title].set_index("seed")
    rows = []
    for variant in tried:
        runs = frame[frame["variant"] == variant.title].set_index("seed")
        difference = runs["top1"] - default["top1"]
        rows.append(
            {
                "Variant": variant.title,
                "Top-1 %": f"{runs['top1'].mean():.1f} ± {runs['top1'].std():.1f}",
                "Minus default": f"{difference.mean():+.1f} ± {difference.std():.1f}",
                "Choosing s": f"{runs['choosing_seconds'].mean():.1f}",
                "Recovery s": f"{runs['seconds'].mean():.1f}",
                "Ratio": f"{runs['seconds'].mean() / default['seconds'].mean():.2f}×",
                "Saved %": f"{100 * runs['summed_reduction'].mean():.1f}",
                "Blocks": block_list(runs["blocks"].tolist()),
            }
        )
    notes = [
        trials.describe(),
        f"Mean ± sample standard deviation over n = {len(trials.seeds)} seeds.",
        "Saved: the measured reductions of the dropped blocks, summed.",
        machine_line(case.hardware, case.params.device.threads),
    ]

    def draw(axes: plt.Axes) -> None:
        groups = frame.groupby("variant", sort=False)["top1"]
        axes.barh(list(groups.groups), groups.mean(), xerr=groups.std(), color="#4477aa", capsize=2)
        axes.set_xlim(left=max(0, frame["top1"].min() - 5))
        axes.invert_yaxis()
        axes.tick_params(axis="y", labelsize=6)
        axes.set_xlabel("top-1 (%)")

    publish(case, "ablation", "One ingredient less", frame, rows, notes, draw)


if __name__ == "__main__":
    main(run)
