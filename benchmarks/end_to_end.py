"""From network and images to a faster network: how good and how fast, beside the authors' way?

    python -m benchmarks.end_to_end --params-file studies/cifar10-resnet56/params.yaml

Both methods score, choose and recover by their own recipes. The authors' takes 2000 steps for each block and
for the recovery; the quick form gives it fewer, and says so.
"""

from typing import Any

from benchmarks.case import Case, ask, main, one_cell
from benchmarks.variants import publish_variants

QUICK = {"score": {"steps": 5}, "recover": {"steps": 60}}


def run() -> None:
    """Run both methods on the same images."""
    asked = ask(__doc__.partition("\n")[0])
    official: dict[str, Any] = {"criterion": "recoverability", "loss": "mimic", "preset": "official"}
    if not asked.full:  # a study may say what it can afford
        methods_there = asked.values()["methods"]
        official = methods_there.get("practise_official", {**official, **QUICK})
    default = {"criterion": "combined_recoverability", "loss": "mimic", "preset": "default"}
    methods = {"practise": default, "practise_official": official}
    case = Case(
        "end_to_end",
        asked,
        {"methods": methods, "grid.methods": list(methods)} | one_cell(asked) | {"latency.also": None},
    )
    steps = "2000 steps a block and 2000 of recovery"
    if not asked.full:
        steps = f"{official['score']['steps']} steps a block and {official['recover']['steps']} of recovery"
    notes = [f"official: {steps}."]
    titles = {"practise": "default", "practise_official": "official"}
    publish_variants(case, "end_to_end", "End to end", titles, notes)


if __name__ == "__main__":
    main(run)
