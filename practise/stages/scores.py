"""What a method's criterion says of sets of blocks; the network is opened where it was not asked before."""

from pathlib import Path
from typing import Any

from practise.files import sha256
from practise.images.manifest import read_sample
from practise.scoring.criteria import SCORES, Question
from practise.scoring.kept import KeptScores
from practise.scoring.registry import OfSet
from practise.settings.params import Params
from practise.settings.presets.score import ridge_recipe, score_recipe


def kept_scores(params: Params, method: str, seed: int, teacher: Path, sample: Path) -> KeptScores:
    """What a method's criterion says of sets of blocks.

    Args:
        params: The params.
        method: Name of an entry of the section methods.
        seed: The run's.
        teacher: The original network's weights.
        sample: What the stage `sample` wrote.
    """
    chosen = params.methods[method]

    def depends() -> list[Any]:
        views = params.images[read_sample(sample).source].views
        recipes = score_recipe(params, method), ridge_recipe(params, method)
        described = [part.model_dump() for part in (*recipes, views, params.device)]
        files = [sha256(path) for path in (teacher, teacher.with_suffix(".json"), sample)]
        return [chosen.criterion, chosen.blocks, seed, described, files]

    def build() -> OfSet:
        from practise.machine.devices import prepare
        from practise.stages.looking import show

        prepare(params.device)
        look = show(params, method, seed, teacher, sample).look
        return SCORES[chosen.criterion](Question(look.blocks, seed, look, chosen.blocks or ()))

    return KeptScores(depends, build)
