"""A pruned network on disk: a card that says what was pruned, and weights as safetensors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from practise.errors import CheckpointError
from practise.files import read_result, sha256, write_result
from practise.networks.checkpoints import load_state_, read_state, write_state
from practise.networks.copies import copy_network
from practise.networks.teacher import Teacher
from practise.networks.watching import at_rest
from practise.pruning.plan import Pruning


@dataclass(frozen=True)
class Student:
    """A pruned network.

    Attributes:
        network: a plain module, in evaluation mode.
        card: what it is and how it was made.
    """

    network: nn.Module
    card: dict[str, Any]


def prune(teacher: Teacher, pruning: Pruning) -> nn.Module:
    """A pruned copy of the original."""
    return pruning.apply_(copy_network(teacher.network), teacher.preprocessing.image_size)


def save_student(
    network: nn.Module, described: Mapping[str, Any], weights: Path, card: Path, circumstances: dict[str, Any]
) -> None:
    """Write a pruned network's weights and then its card, each atomically.

    Args:
        network: the pruned network.
        described: the card; it must say what was pruned, as `Pruning.describe` does.
        weights: where the weights go, safetensors.
        card: where the card goes; it holds the hash of the weights.
        circumstances: what the network was made with.
    """
    write_state(weights, network.state_dict())
    write_result(card, "student", {**described, "weights_sha256": sha256(weights)}, circumstances)


def load_student(teacher: Teacher, weights: Path, card: Path) -> Student:
    """The pruned network that `save_student` wrote.

    Raises:
        FileError: the card is missing, damaged or something else.
        CheckpointError: the weights are missing or not those that the card describes.
    """
    described = read_result(card, "student")
    if not weights.is_file() or sha256(weights) != described["weights_sha256"]:
        raise CheckpointError(f"'{weights}' is not the file that {card} describes; make both again")
    network = prune(teacher, Pruning.of(described))
    load_state_(network, read_state(weights), f"'{weights}'", f"{described['network']}, pruned")
    return Student(at_rest(network), described)
