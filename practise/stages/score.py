"""Score the droppable blocks by the method's criterion; no clock is looked at."""

from dataclasses import asdict
from pathlib import Path

from practise.criteria import CRITERIA, Question
from practise.files import sha256, write_result
from practise.hardware import circumstances, resolve_device
from practise.images.tiny import load_tiny_set
from practise.networks import load_teacher
from practise.params import Params
from practise.presets import score_recipe
from practise.resume import Resume

OUTPUTS = ("out",)


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
    device = resolve_device(params.device.name)
    chosen = params.methods[method]
    original = load_teacher(teacher)
    few = load_tiny_set(params, sample, original.preprocessing, seed)
    recipe = score_recipe(params, method)
    resume = Resume(out, [method, seed, asdict(recipe), sha256(teacher), sha256(sample)])
    scores: dict[str, float] = resume.load() or {}
    blocks = original.card["blocks"]
    question = Question(original.network.to(device), blocks, few, recipe, dict(scores))
    criterion = CRITERIA[chosen.criterion]
    for block, score in criterion.score(question):
        scores[block] = score
        resume.save_now_and_then(lambda: scores)
    result = {
        "criterion": chosen.criterion,
        "preset": chosen.preset,
        "per_latency": criterion.per_latency,
        "prunes": criterion.prunes,
        "recipe": asdict(recipe),
        "blocks": [{"name": name, "score": scores[name]} for name in blocks if name in scores],
    }
    sections = ("score", f"methods.{method}", f"images.{images}", "device", f"networks.{network}")
    made = circumstances(
        params,
        *sections,
        device=device,
        dtype=recipe.dtype,
        image_size=original.preprocessing.image_size,
        seed=seed,
    )
    write_result(out, "score", result, made)
    resume.finish()
