"""A network that was made faster: its recipe, its numbers, and how they are told to people."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from practise.acceleration import exports
from practise.images.preprocessing import Preprocessing
from practise.latency.measuring import Latency
from practise.latency.params import LatencyParams
from practise.pruning.measured import POINT, Choice
from practise.pruning.params import SelectionRecipe
from practise.recovery.params import RecoveryRecipe
from practise.scoring.params import RidgeRecipe


@dataclass(frozen=True)
class Recipe:
    """How a network is made faster: the preset `default`, but more precise and with more steps.

    Latency is measured to half a point instead of three quarters, in 60 rounds or more instead of 40, and the
    recovery takes 60 steps instead of 8.

    Attributes:
        latency: how latency is measured.
        score: how recoverability is found.
        select: how blocks are chosen; the search is progressive.
        recover: how the network is trained to mimic the original's features.
    """

    latency: LatencyParams = LatencyParams(rounds=60, precision=0.005)
    score: RidgeRecipe = RidgeRecipe()
    select: SelectionRecipe = SelectionRecipe()
    recover: RecoveryRecipe = RecoveryRecipe(steps=60)

    def describe(self) -> dict[str, Any]:
        """The recipe as plain values."""
        rest = {name: getattr(self, name).model_dump() for name in ("score", "select", "recover")}
        return {"latency": self.latency.model_dump(exclude_none=True), **rest}


DEFAULT = Recipe()


@dataclass(frozen=True)
class Accelerated:
    """A faster network, and what it was found to be worth.

    Attributes:
        network: a plain module, smaller than the original, in evaluation mode.
        name: what the original is.
        dropped_blocks: names of the blocks that are gone, in network order.
        num_blocks: how many could have been dropped.
        before: the original's latency.
        after: the faster network's, measured beside it; its milliseconds are the original's less what it
            saves.
        choice: what the blocks were foretold and measured to save before the recovery, and all sets that were
            measured.
        start: the fit that the recovery started from, and what was tried; None where nothing was fitted.
        steps: of the training that it took.
        guard: how far the recovery went from there to the end of its training; None: without a guard.
        setting: what both latencies belong to: device, threads, number format, batch and image size.
        params_before: trainable values of the original.
        params_after: those that are left.
        num_images: how many images were handed over.
        agreement: share of them on which both networks name the same class, or of their labels that both
            give or both do not.
        accuracy_before: top-1 of the original on them in percent; None without labels. They are the images
            that the network was recovered on, so this says little about others.
        accuracy_after: that of the faster network.
        preprocessing: how images have to look.
        preprocessing_from: where that is known from.
        machine: what the latencies were measured on.
        target: the reduction that was asked for.
        seed: what folds, views and batches were drawn with.
        recipe: how it was made.
    """

    network: nn.Module
    name: str
    dropped_blocks: tuple[str, ...]
    num_blocks: int
    before: Latency
    after: Latency
    choice: Choice
    start: dict[str, Any] | None
    steps: int
    guard: dict[str, Any] | None
    setting: dict[str, Any]
    params_before: int
    params_after: int
    num_images: int
    agreement: float
    accuracy_before: float | None
    accuracy_after: float | None
    preprocessing: Preprocessing
    preprocessing_from: str
    machine: dict[str, Any]
    target: float
    seed: int
    recipe: Recipe

    def describe(self) -> dict[str, Any]:
        """All but the network, as plain values: the card."""
        kept = ["name", "num_blocks", "setting", "params_before", "params_after", "num_images", "agreement"]
        kept += ["accuracy_before", "accuracy_after", "preprocessing_from", "machine", "target", "seed"]
        kept += ["start", "steps", "guard"]
        return {
            **{name: getattr(self, name) for name in kept},
            "dropped_blocks": list(self.dropped_blocks),
            "choice": self.choice.describe(),
            "before": asdict(self.before),
            "after": asdict(self.after),
            "preprocessing": self.preprocessing.describe(),
            "recipe": self.recipe.describe(),
        }

    def summary(self) -> str:
        """What came out, in a few lines for people."""
        return summarise(self.describe())

    def save(self, folder: str | Path, force: bool = False) -> dict[str, str]:
        """Write the network to a folder: its weights, torch's and ONNX's formats, a card; see `load`.

        Args:
            folder: Where to; it must be empty or not there yet.
            force: Replace a network that was saved there before.

        Returns:
            Why, for each format that it cannot be written in; the weights and the card always are.

        Raises:
            FileError: The folder is in use or cannot be written.
        """
        size, where = self.preprocessing.image_size, exports.find_folder(folder)
        return exports.save(self.network, where, size, self.describe(), write_readme, force)


def summarise(card: Mapping[str, Any]) -> str:
    """What a card says, in a few lines for people."""
    before, after, setting = card["before"], card["after"], card["setting"]
    rows = [
        ("", "original", "faster"),
        ("median ms", f"{before['median_ms']:.2f}", f"{after['median_ms']:.2f}"),
        ("parameters, millions", f"{card['params_before'] / 1e6:.2f}", f"{card['params_after'] / 1e6:.2f}"),
    ]
    if card["accuracy_before"] is not None:
        rows.append(
            ("top-1 %, these images", f"{card['accuracy_before']:.1f}", f"{card['accuracy_after']:.1f}")
        )
    choice = card["choice"]
    size, dropped, view = setting["image_size"], card["dropped_blocks"], card["preprocessing"]
    mean, std = ((" ".join(f"{value:g}" for value in view[key])) for key in ("mean", "std"))
    lines = [
        f"{card['name']} without {len(dropped)} of {card['num_blocks']} blocks: {', '.join(dropped)}",
        *(f"  {what:<22}{first:>9}{second:>9}" for what, first, second in rows),
        f"latency: {after['reduction']:.1%} less ± {100 * after['standard_error']:.1f} (standard error), "
        f"asked for {card['target']:.1%}, foretold {choice['foretold_reduction']:.1%}",
        f"recovery: {tell_recovery(card)}",
        f"agreement: both name the same class on {card['agreement']:.1%} of the {card['num_images']} images",
        f"measured on {setting['device_name']}, {setting['threads']} threads, {setting['dtype']}, batch "
        f"{setting['batch_size']}, {size} × {size} pixels",
        f"images: {size} × {size} pixels, mean {mean}, std {std}; {card['preprocessing_from']}",
    ]
    if abs(after["reduction"] - card["target"]) > POINT:
        lines.append(f"that is more than a point off: {tell_miss(after, choice)}")
    if before["unstable"] or after["unstable"]:
        lines.append(
            f"disturbed: times spread by {max(before['spread'], after['spread']):.0%}, others kept "
            f"{after['others']:.1f} cores busy; measure again when the machine is idle"
        )
    return "\n".join(lines)


def tell_miss(after: Mapping[str, Any], choice: Mapping[str, Any]) -> str:
    """Why a network is more than a point off its target.

    Args:
        after: its latency.
        choice: how its blocks were chosen.
    """
    if after["standard_error"] > POINT:
        return (
            "the times varied too much to tell such a difference; ask again when the machine is calm, or "
            "with more max_minutes"
        )
    if choice["is_near"]:
        measured = choice["measured_reduction"]
        return f"when they were chosen, these blocks were measured to save {measured:.1%}"
    return f"of the {len(choice['tried'])} sets of blocks that were measured, it is the nearest"


def tell_recovery(card: Mapping[str, Any]) -> str:
    """What was done to make up for the blocks, in words.

    >>> as_it_is = {"pull": None, "matched": False, "kl": 0.4}
    >>> start = {"pull": 1.0, "matched": True}
    >>> start["tried"] = [as_it_is, start | {"kl": 0.06}]
    >>> tell_recovery({"start": start, "steps": 60, "guard": {"share": 0.5}})
    'adaptors (pull 1) and matched batch norm, KL 0.06 on held-out images, 0.40 without; 50 % of 60 steps'
    """
    start, guard, steps = card["start"], card["guard"], card["steps"]
    parts = []
    if start is not None:
        fits = [f"adaptors (pull {start['pull']:g})"] if start["pull"] is not None else []
        fits += ["matched batch norm"] if start["matched"] else []
        lost = {(one["pull"], one["matched"]): one["kl"] for one in start["tried"]}
        told = ""
        if fits and lost:
            told = (
                f", KL {lost[start['pull'], start['matched']]:.2f} on held-out images, "
                f"{lost[None, False]:.2f} without"
            )
        parts.append((" and ".join(fits) or "no adaptors, which would do harm on held-out images") + told)
    share = 1.0 if guard is None else guard["share"]
    trained = f"{100 * share:.0f} % of {steps} steps" if share < 1 else f"{steps} steps"
    parts.append(trained if steps else "no training")
    return "; ".join(parts)


def write_readme(card: Mapping[str, Any]) -> str:
    """The text for people that lies beside a saved network."""
    view = Preprocessing(**card["preprocessing"])
    return f"""# A faster {card["name"]}

```
{summarise(card)}
```

Whole residual blocks were dropped, the ones that the rest of the network makes up for best, and what is left
was trained to produce the original's features on {card["num_images"]} images (PRACTISE, arXiv 2202.07861).

## Load it

```python
import practise
network = practise.load("this/folder")                     # runs as it is; needs no source of the network
network = practise.load("this/folder", into=original)      # or your own class, to train on
```

{tell_formats(card)}

## Images

RGB; {view.tell()}; values between 0 and 1, minus {view.mean}, divided by
{view.std}.

`card.json` holds the recipe, the machine, the versions and the sha256 of every file.
"""


def tell_formats(card: Mapping[str, Any]) -> str:
    """What the formats of a saved network are for, and which it could not be written in.

    >>> tell_formats({"differences": {"graph.json": 0.0}, "not_written": {"network.onnx": "no operator"}})
    "Logits are off from the module's by at most: graph.json 0. Not written: network.onnx (no operator)."
    """
    uses = {
        "network.onnx": "for onnxruntime and others (input `images`, output `logits`)",
        "network.pt2": "for `torch.export.load`, which trusts what it reads",
    }
    differences, not_written = card["differences"], card["not_written"]
    told = [f"`{name}` is {use}." for name, use in uses.items() if name in differences]
    if differences:
        off = ", ".join(f"{name} {value:.1g}" for name, value in differences.items())
        told += [f"Logits are off from the module's by at most: {off}."]
    if not_written:
        why = "; ".join(f"{name} ({reason})" for name, reason in not_written.items())
        told += [f"Not written: {why}."]
    return " ".join(told)
