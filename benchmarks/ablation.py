"""What does each ingredient give? One is taken away at a time, all else stays.

python -m benchmarks.ablation --params-file pipelines/cifar10-resnet56/params.yaml
"""

from typing import Any

from benchmarks.case import Case, ask, main, one_cell
from benchmarks.variants import publish_variants

ENTRY = {"criterion": "recoverability", "loss": "mimic", "preset": "default"}
SGD = {"optimizer": "sgd", "schedule": "steps", "lr": 0.02, "weight_decay": 1e-4}


def ingredients(batch_norm: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Variants by name: what to call each, and what it replaces in the default."""
    other = "adapted" if batch_norm == "frozen" else "frozen"
    return {
        "practise": ("default: everything", {}),
        "no_search": ("blocks of lowest R / tau", {"select": {"search": "lowest"}}),
        "no_adaptors": ("start from the original's weights", {"recover": {"adaptors": False}}),
        "other_batch_norm": (f"batch norm {other}", {"recover": {"batch_norm": other}}),
        "train_batch_norm": ("batch norm in training mode", {"recover": {"batch_norm": "train"}}),
        "sgd": ("the authors' optimiser and schedule", {"recover": SGD}),
        "fresh_views": ("fresh views at each step", {"recover": {"views": None}}),
        "few_steps": ("a third of the steps", {}),
        "no_training": ("adaptors alone, one step", {"recover": {"steps": 1, "lr": 1e-9}}),
    }


def run() -> None:
    """Run the default and the default without each ingredient."""
    asked = ask(__doc__.partition("\n")[0])
    base = Case("ablation", asked, {})
    recover = base.params.recover
    variants = ingredients(recover.batch_norm)
    variants["few_steps"][1]["recover"] = {"steps": max(1, recover.steps // 3)}
    methods = {name: {**ENTRY, **changes} for name, (_, changes) in variants.items()}
    case = Case("ablation", asked, {"methods": methods, "grid.methods": list(methods)} | one_cell(asked))
    titles = {name: title for name, (title, _) in variants.items()}
    publish_variants(case, "ablation", "One ingredient less", titles, [])


if __name__ == "__main__":
    main(run)
