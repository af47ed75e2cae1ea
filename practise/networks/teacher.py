"""A run's original network on disk: weights as safetensors, and a card that says what it is."""

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn

from practise.errors import CheckpointError, FileError
from practise.files import read_result, sha256, write_result
from practise.images.preprocessing import Preprocessing
from practise.networks.checkpoints import load_state_, read_state, write_state
from practise.networks.libraries import LIBRARIES

CARD_KEYS = {"library", "architecture", "classes", "num_classes", "weights_sha256"} | {
    field.name for field in fields(Preprocessing) if field.default is MISSING
}
"""What a card must hold for its network to be built again."""


@dataclass(frozen=True)
class Teacher:
    """The original network of a run.

    Attributes:
        network: The network with its weights, in evaluation mode.
        preprocessing: How its images look.
        classes: The names of its classes in index order.
        card: What it is and how it was made.
    """

    network: nn.Module
    preprocessing: Preprocessing
    classes: tuple[str, ...]
    card: dict[str, Any]


def save_teacher(teacher: Teacher, weights: Path, card: Path, circumstances: dict[str, Any]) -> None:
    """Write a network's weights as safetensors and then its card, each atomically.

    Args:
        teacher: The network; its card must name `library` and `architecture`, and `options` if it was built
            with any.
        weights: Where the weights go.
        card: Where the card goes; it holds the hash of the weights, so that the two cannot be mixed up.
        circumstances: What the network was made with.
    """
    write_state(weights, teacher.network.state_dict())
    described = {
        **teacher.card,
        **teacher.preprocessing.describe(),
        "classes": list(teacher.classes),
        "num_classes": len(teacher.classes),
        "weights_sha256": sha256(weights),
    }
    write_result(card, "teacher", described, circumstances)


def load_teacher(weights: Path, card: Path | None = None) -> Teacher:
    """Return the network that `save_teacher` wrote.

    Args:
        weights: The safetensors file.
        card: Its card; None for the file of the same name that ends in `.json`.

    Raises:
        FileError: The card is missing, damaged or something else.
        CheckpointError: The weights are missing or not those that the card describes.
    """
    path = card or weights.with_suffix(".json")
    described = read_result(path, "teacher")
    incomplete = sorted(CARD_KEYS - described.keys())
    if incomplete:
        raise FileError(f"{path}: lacks '{incomplete[0]}', should be the card of an original network")
    if not weights.is_file():
        raise CheckpointError(f"no file '{weights}', should be the weights that {path} describes")
    if sha256(weights) != described["weights_sha256"]:
        raise CheckpointError(f"'{weights}' is not the file that {path} describes; make both again")
    library, architecture = described["library"], described["architecture"]
    network = LIBRARIES[library].build(
        architecture, False, described["num_classes"], described.get("options", {})
    )
    load_state_(network, read_state(weights), f"'{weights}'", f"{library}'s {architecture}")
    names = ("image_size", "interpolation", "crop_pct", "crop_mode")
    values = {name: described[name] for name in names if name in described}
    preprocessing = Preprocessing(mean=tuple(described["mean"]), std=tuple(described["std"]), **values)
    return Teacher(network.eval(), preprocessing, tuple(described["classes"]), described)
