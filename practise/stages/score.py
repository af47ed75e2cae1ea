"""Score the droppable blocks by the method's criterion; no clock is looked at."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from practise.criteria import CRITERIA, Look, Question
from practise.files import read_result, sha256, write_result
from practise.hardware import circumstances
from practise.params import Params

OUTPUTS = ("out",)
USES_TORCH = False  # but for criteria that look at the network, which prepare torch themselves


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
    sections = ("score", f"methods.{method}", f"images.{images}", "device", f"networks.{network}")
    recipe, made = None, circumstances(params, *sections, seed=seed)
    if criterion.looks:
        scores, recipe, on_what = look_and_score(params, method, seed, blocks, teacher, sample, out)
        made = circumstances(params, *sections, seed=seed, **on_what)
    else:
        scores = dict(criterion.score(Question(blocks, seed)))
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
    from practise.hardware import prepare, resolve_device
    from practise.images.tiny import load_tiny_set
    from practise.networks import load_teacher
    from practise.presets import score_recipe
    from practise.resume import Resume

    prepare(params.device)
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    few = load_tiny_set(params, sample, original.preprocessing, seed)
    recipe = score_recipe(params, method)
    resume = Resume(out, [method, seed, asdict(recipe), sha256(teacher), sha256(sample)])
    scores: dict[str, float] = resume.load() or {}
    look = Look(original.network.to(device), few, recipe, dict(scores))
    for block, score in CRITERIA[params.methods[method].criterion].score(Question(blocks, seed, look)):
        scores[block] = score
        resume.save_now_and_then(lambda: scores)
    resume.finish()
    size = original.preprocessing.image_size
    return scores, asdict(recipe), {"device": device, "dtype": recipe.dtype, "image_size": size}
