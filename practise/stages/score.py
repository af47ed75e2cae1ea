"""Score the droppable blocks by the method's criterion; no clock is looked at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from practise.files import read_result, write_result
from practise.machine.circumstances import circumstances
from practise.scoring.criteria import SCORES, Question
from practise.scoring.registry import CRITERIA
from practise.settings.params import Params
from practise.stages import STAGES


def run(
    params: Params,
    *,
    network: str,
    images: str,
    method: str,
    seed: int,
    teacher: Path,
    sample: Path,
    out: Path,
) -> None:
    """Score the droppable blocks.

    Args:
        network: Name of an entry of the section networks.
        images: Name of an entry of the section images.
        method: Name of an entry of the section methods.
        seed: Seed of folds and random views.
        teacher: The original network's weights, safetensors.
        sample: The images that are handed over, JSON.
        out: The scores, JSON.
    """
    chosen = params.methods[method]
    criterion = CRITERIA[chosen.criterion]
    blocks = read_result(teacher.with_suffix(".json"), "teacher")["blocks"]
    keys = STAGES["score"].keys(network=network, images=images, method=method)
    recipe, made = None, circumstances(params, *keys, seed=seed)
    scores: dict[str, float] = {}
    if criterion.looks:
        scores, recipe, on_what = look_and_score(params, method, seed, blocks, teacher, sample)
        made = circumstances(params, *keys, seed=seed, **on_what)
    elif criterion.prunes == "blocks":
        of_set = SCORES[chosen.criterion](Question(blocks, seed, given=chosen.blocks or ()))
        scores = {block: of_set([block]) for block in chosen.blocks or blocks}
    result = {
        "criterion": chosen.criterion,
        "preset": chosen.preset,
        "per_latency": criterion.per_latency,
        "prunes": criterion.prunes,
        "recipe": recipe,
        "blocks": [{"name": name, "score": scores[name]} for name in blocks if name in scores],
    }
    write_result(out, "score", result, made)


def look_and_score(
    params: Params, method: str, seed: int, blocks: Sequence[str], teacher: Path, sample: Path
) -> tuple[dict[str, float], dict[str, Any], dict[str, Any]]:
    """The scores of a criterion that looks at network and images, its recipe, and what it was computed on.

    What this machine has found before, for another method or before a kill, is not found again.
    """
    from practise.machine.devices import prepare, resolve_device
    from practise.progress import track
    from practise.settings.presets.score import score_recipe
    from practise.stages.scores import kept_scores

    prepare(params.device)
    of_set, recipe = kept_scores(params, method, seed, teacher, sample), score_recipe(params, method)
    scores = {block: of_set([block]) for block in track(blocks, "score blocks")}
    of_set.save()
    on_what = {
        "device": resolve_device(params.device.name),
        "dtype": recipe.dtype,
        "image_size": read_result(teacher.with_suffix(".json"), "teacher")["image_size"],
    }
    return scores, recipe.model_dump(), on_what
