"""Score the droppable blocks by the method's criterion; no clock is looked at."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from practise.files import read_result, sha256, write_result
from practise.machine.circumstances import circumstances
from practise.scoring.criteria import SCORES, Look, Question
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
    if criterion.looks:
        scores, recipe, on_what = look_and_score(params, method, seed, blocks, teacher, sample, out)
        made = circumstances(params, *keys, seed=seed, **on_what)
    else:
        scores = dict(SCORES[chosen.criterion](Question(blocks, seed, given=chosen.blocks or ())))
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
    params: Params, method: str, seed: int, blocks: Sequence[str], teacher: Path, sample: Path, out: Path
) -> tuple[dict[str, float], dict[str, Any], dict[str, Any]]:
    """The scores of a criterion that looks at network and images, its recipe, and what it was computed on.

    A run that was killed goes on where it was.
    """
    from practise.machine.devices import prepare, resolve_device
    from practise.networks.teacher import load_teacher
    from practise.resume import Resume
    from practise.settings.presets.score import score_recipe
    from practise.stages.opening import load_tiny_set

    prepare(params.device)
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    few = load_tiny_set(params, sample, original.preprocessing, seed)
    recipe = score_recipe(params, method)
    shaping = [method, seed, recipe.model_dump(), few.views.model_dump(), sha256(teacher), sha256(sample)]
    resume = Resume(out, shaping)
    scores: dict[str, float] = resume.load() or {}
    look = Look(original.network.to(device), few, recipe, dict(scores))
    for block, score in SCORES[params.methods[method].criterion](Question(blocks, seed, look)):
        scores[block] = score
        resume.save_now_and_then(lambda: scores)
    resume.finish()
    size = original.preprocessing.image_size
    return scores, recipe.model_dump(), {"device": device, "dtype": recipe.dtype, "image_size": size}
