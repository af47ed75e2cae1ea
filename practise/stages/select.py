"""Choose what to prune for a latency target, from scores and measured latencies: blocks, or filters."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from practise.errors import SelectionError
from practise.files import read_result, write_result
from practise.machine.circumstances import circumstances
from practise.pruning.params import SelectionRecipe
from practise.pruning.plan import Pruning
from practise.pruning.selection import select_knapsack, select_lowest, select_progressively, set_goal
from practise.pruning.shares import choose_share, search_share
from practise.settings.params import Params
from practise.settings.presets.select import selection_recipe
from practise.stages import STAGES

REDUCTION = {"latency": "reduction", "macs": "macs_reduction"}
"""What a measurement says about each kind of target."""


def run(
    params: Params,
    *,
    images: str,
    method: str,
    seed: int,
    target_reduction: float,
    score: Path,
    latency: Path,
    teacher: Path,
    sample: Path,
    out: Path,
) -> None:
    """Choose what to prune.

    Args:
        images: Name of an entry of the section images.
        method: Name of an entry of the section methods.
        seed: Seed of folds, where blocks are scored again.
        target_reduction: Share of the original's latency to save; from 1 on, the number of blocks to drop.
        score: The blocks' scores, JSON.
        latency: The blocks' latencies, JSON.
        teacher: The original network's weights, safetensors.
        sample: The images that are handed over, JSON.
        out: What to prune, JSON.
    """
    scored, measured = read_result(score, "score"), read_result(latency, "latency")
    recipe = selection_recipe(params, method)
    if scored["prunes"] == "filters":
        share = share_of_filters(params, measured, target_reduction, recipe, teacher)
        pruning = Pruning(filters_removed=share)
    else:
        of_set = joint_score(params, method, seed, teacher, sample)
        pruning = Pruning(choose_blocks(scored, measured, target_reduction, recipe, of_set))
    result = {
        "method": method,
        "target_reduction": target_reduction,
        "recipe": recipe.model_dump(),
        **pruning.describe(),
    }
    write_result(out, "select", result, circumstances(params, *STAGES["select"].keys(method=method)))


def choose_blocks(
    scored: dict[str, Any],
    measured: dict[str, Any],
    target: float,
    recipe: SelectionRecipe,
    of_set: Callable[[Sequence[str]], float],
) -> list[str]:
    """The blocks that the recipe's search drops.

    Args:
        scored: the result of `score`.
        measured: the result of `latency`.
        target: share of the latency, or number of blocks.
        recipe: how to search.
        of_set: what a set of blocks costs, where a search asks for it.

    Raises:
        SelectionError: a block was not measured, or the target is out of reach.
    """
    scores = {block["name"]: block["score"] for block in scored["blocks"]}
    unmeasured = [name for name in scores if name not in measured["blocks"]]
    if unmeasured:
        raise SelectionError(f"the latency of block '{unmeasured[0]}' was not measured; measure again")
    reductions = {name: measured["blocks"][name][REDUCTION[recipe.match]] for name in scores}
    together = measured["without_all"]["reduction"] if recipe.match == "latency" else None  # MACs add up
    goal = set_goal(reductions, target, recipe.tolerance, recipe.overshoot, together)
    if not scored["per_latency"] or recipe.search == "lowest":
        return select_lowest(scores, goal, per_latency=scored["per_latency"])
    if recipe.search == "knapsack":
        return select_knapsack(scores, goal)
    return select_progressively(
        lambda blocks: scores[blocks[0]] if len(blocks) == 1 else of_set(blocks), goal
    )


def share_of_filters(
    params: Params, measured: dict[str, Any], target: float, recipe: SelectionRecipe, teacher: Path
) -> float:
    """The share of filters that goes for the target.

    One for the latency was searched when it was measured; one for the MACs is searched here.
    """
    known: dict[float, float] = {}
    if recipe.match == "latency":
        known = {point["share"]: point["reduction"] for point in measured["thinner"]}
    elif target < 1:
        search_share(macs_without(params, teacher), target, known, recipe.tolerance)
    return choose_share(known, target, recipe)


def macs_without(params: Params, teacher: Path) -> Callable[[float], float]:
    """The MACs, as a share of the original's, that are saved without a share of its filters."""
    from practise.machine.devices import prepare
    from practise.networks.size import count_gmacs
    from practise.networks.teacher import load_teacher
    from practise.pruning.students import prune

    prepare(params.device)
    original = load_teacher(teacher)
    size = original.preprocessing.image_size
    whole = count_gmacs(original.network, size)
    return lambda share: 1 - count_gmacs(prune(original, Pruning(filters_removed=share)), size) / whole


def joint_score(
    params: Params, method: str, seed: int, teacher: Path, sample: Path
) -> Callable[[Sequence[str]], float]:
    """What a set of blocks costs by the method's criterion; images are opened when it is first asked."""

    @cache
    def of_set() -> Callable[[Sequence[str]], float]:
        from practise.machine.devices import prepare
        from practise.scoring.criteria import SCORES, Question
        from practise.stages.looking import show

        prepare(params.device)
        look = show(params, method, seed, teacher, sample).look
        return SCORES[params.methods[method].criterion](Question(look.blocks, seed, look))

    return lambda blocks: of_set()(blocks)
