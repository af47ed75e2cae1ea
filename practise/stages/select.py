"""Choose the blocks to drop for a latency target, from scores and measured latencies."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from practise.errors import SelectionError
from practise.files import read_result, write_result
from practise.hardware import circumstances
from practise.params import Params
from practise.pruning import Pruning
from practise.selection import (
    select_knapsack,
    select_lowest,
    select_progressively,
    selection_recipe,
    set_goal,
)

OUTPUTS = ("out",)
USES_TORCH = False  # but for a progressive search, which prepares torch itself


def run(
    params: Params,
    *,
    method: str,
    seed: int,
    target_reduction: float,
    score: Path,
    latency: Path,
    teacher: Path,
    sample: Path,
    out: Path,
) -> None:
    """Choose the blocks to drop.

    Args:
        method: Name of an entry of the section methods.
        seed: Seed of folds, where blocks are scored again.
        target_reduction: Share of the original's latency to save; from 1 on, the number of blocks to drop.
        score: The blocks' scores, JSON.
        latency: The blocks' latencies, JSON.
        teacher: The original network's weights, safetensors.
        sample: The images that are handed over, JSON.
        out: The blocks to drop, JSON.
    """
    scored, measured = read_result(score, "score"), read_result(latency, "latency")
    scores = {block["name"]: block["score"] for block in scored["blocks"]}
    recipe = selection_recipe(params, method)
    unmeasured = [name for name in scores if name not in measured["blocks"]]
    if unmeasured:
        raise SelectionError(f"the latency of block '{unmeasured[0]}' was not measured; measure again")
    reductions = {name: measured["blocks"][name]["reduction"] for name in scores}
    goal = set_goal(reductions, target_reduction, recipe.tolerance)
    if not scored["per_latency"] or recipe.search == "lowest":
        dropped = select_lowest(scores, goal, per_latency=scored["per_latency"])
    elif recipe.search == "knapsack":
        dropped = select_knapsack(scores, goal)
    else:
        of_set = joint_recoverability(params, method, seed, teacher, sample)
        dropped = select_progressively(
            lambda blocks: scores[blocks[0]] if len(blocks) == 1 else of_set(blocks), goal
        )
    result = {
        "method": method,
        "target_reduction": target_reduction,
        "recipe": asdict(recipe),
        **Pruning(dropped).describe(),
    }
    write_result(out, "select", result, circumstances(params, "select", f"methods.{method}", "score"))


def joint_recoverability(
    params: Params, method: str, seed: int, teacher: Path, sample: Path
) -> Callable[[Sequence[str]], float]:
    """R of a set of blocks, as the method scores single ones."""
    from practise.hardware import prepare, resolve_device
    from practise.images.tiny import load_tiny_set
    from practise.networks import load_teacher
    from practise.presets import score_recipe
    from practise.recoverability import build_scorer

    prepare(params.device)
    original = load_teacher(teacher)
    few = load_tiny_set(params, sample, original.preprocessing, seed)
    network = original.network.to(resolve_device(params.device.name))
    return build_scorer(network, original.card["blocks"], few, score_recipe(params, method)).recoverability
