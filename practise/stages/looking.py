"""What stages show to criteria: the original network and the images that are handed over."""

from dataclasses import dataclass
from pathlib import Path

from practise.images.tiny_set import TinySet
from practise.machine.devices import resolve_device
from practise.networks.teacher import Teacher, load_teacher
from practise.scoring.criteria import Look
from practise.settings.params import Params
from practise.settings.presets.score import ridge_recipe, score_recipe
from practise.stages.opening import load_tiny_set


@dataclass(frozen=True)
class Shown:
    """What a method's criterion looks at.

    Attributes:
        original: The original network, on the device.
        few: The images that are handed over.
        look: Both, with the method's recipes of scoring.
    """

    original: Teacher
    few: TinySet
    look: Look


def show(params: Params, method: str, seed: int, teacher: Path, sample: Path) -> Shown:
    """Return what a method's criterion looks at.

    Args:
        params: The params.
        method: Name of an entry of the section methods.
        seed: The run's.
        teacher: The original network's weights.
        sample: What the stage `sample` wrote.
    """
    original = load_teacher(teacher)
    few = load_tiny_set(params, sample, original.preprocessing, seed)
    network = original.network.to(resolve_device(params.device.name))
    recipes = score_recipe(params, method), ridge_recipe(params, method)
    return Shown(original, few, Look(network, original.card["blocks"], few, *recipes))
