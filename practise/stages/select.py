"""Choose what to prune for a latency target, from scores and measured latencies: blocks, or filters.

A set of blocks for a share of the latency is measured before it is taken (`practise.pruning.measured`); this
machine keeps each measurement, so that deleted results come back with the same blocks. For a number of blocks
and for MACs, nothing is measured.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practise.errors import SelectionError
from practise.files import read_result, write_result
from practise.machine.circumstances import circumstances
from practise.pruning.measured import POINT, Reduction, choose_measured, foretell
from practise.pruning.params import SelectionRecipe
from practise.pruning.plan import Pruning
from practise.pruning.selection import Goal, search_blocks, set_goal
from practise.pruning.shares import choose_share, search_share
from practise.settings.params import Params
from practise.settings.presets.select import selection_recipe
from practise.stages import STAGES
from practise.stages.scores import kept_scores

if TYPE_CHECKING:
    from practise.latency.measuring import Latency
    from practise.stages.timing import Timing

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
    hardware: Path,
    out: Path,
    again: bool = False,
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
        hardware: The description of this machine, JSON.
        out: What to prune, JSON.
        again: Measure sets of blocks, also when this machine's measurements were kept.
    """
    scored, measured = read_result(score, "score"), read_result(latency, "latency")
    recipe = selection_recipe(params, method)
    if scored["prunes"] == "filters":
        chosen = choose_filters(params, measured, target_reduction, recipe, teacher)
    else:
        of_set = kept_scores(params, method, seed, teacher, sample)
        measure = measure_sets(params, teacher, hardware, again)
        chosen = choose_blocks(scored, measured, target_reduction, recipe, of_set, measure)
        of_set.save()
    result = {
        "method": method,
        "target_reduction": target_reduction,
        "recipe": recipe.model_dump(),
        **chosen,
    }
    write_result(out, "select", result, circumstances(params, *STAGES["select"].keys(method=method)))


NOTHING_MEASURED: Mapping[str, Any] = {
    **dict.fromkeys(["wanted_reduction", "measured_reduction", "standard_error", "is_near"]),
    "tried": [],
}
"""What is said of a choice for a number of blocks, or for MACs."""


def choose_blocks(
    scored: dict[str, Any],
    measured: dict[str, Any],
    target: float,
    recipe: SelectionRecipe,
    of_set: Callable[[Sequence[str]], float],
    measure: Callable[[tuple[str, ...]], Reduction],
) -> dict[str, Any]:
    """The blocks that the recipe's search drops, and what they are foretold and measured to save.

    Args:
        scored: the result of `score`.
        measured: the result of `latency`.
        target: share of the latency, or number of blocks.
        recipe: how to search.
        of_set: what a set of blocks costs, where a search asks for it.
        measure: what a set of blocks saves, where the target is a share of the latency.

    Raises:
        SelectionError: a block was not measured, or the target is out of reach.
    """
    scores = {block["name"]: block["score"] for block in scored["blocks"]}
    unmeasured = [name for name in scores if name not in measured["blocks"]]
    if unmeasured:
        raise SelectionError(f"the latency of block '{unmeasured[0]}' was not measured; measure again")
    kept = cache(lambda blocks: of_set(list(blocks)))

    def cost(blocks: Sequence[str]) -> float:
        return scores[blocks[0]] if len(blocks) == 1 else kept(tuple(blocks))

    def search(goal: Goal) -> list[str]:
        return search_blocks(recipe.search, cost, goal, per_latency=scored["per_latency"])

    latency = {name: measured["blocks"][name]["reduction"] for name in scores}
    together = measured["without_all"]["reduction"]
    if target < 1 and recipe.match == "latency":
        choice = choose_measured(search, latency, together, measured["alike"], target, recipe, measure)
        pruning = Pruning(list(choice.chosen.dropped_blocks))
        return {**pruning.describe(), "wanted_reduction": target, **choice.describe()}
    worth = {name: measured["blocks"][name][REDUCTION[recipe.match]] for name in scores}  # MACs add up
    dropped = search(set_goal(worth, target, recipe.tolerance, recipe.overshoot))
    foretold = foretell(dropped, latency, together)
    return {**Pruning(dropped).describe(), **NOTHING_MEASURED, "foretold_reduction": foretold}


def measure_sets(
    params: Params, teacher: Path, hardware: Path, again: bool
) -> Callable[[tuple[str, ...]], "Latency"]:
    """What a set of blocks saves; the network is opened when it is first asked, and each look is kept."""

    @cache
    def timing() -> "Timing":
        from practise.machine.devices import prepare
        from practise.networks.teacher import load_teacher
        from practise.stages.timing import Timing

        prepare(params.device)
        return Timing(params, load_teacher(teacher), hardware, ["latency", "device"], again=again)

    return lambda blocks: timing().look(Pruning(blocks))


def choose_filters(
    params: Params, measured: dict[str, Any], target: float, recipe: SelectionRecipe, teacher: Path
) -> dict[str, Any]:
    """The share of filters that goes for the target, and what it is measured to save.

    One for the latency was searched when it was measured; one for the MACs is searched here.

    Raises:
        SelectionError: the target is out of reach, or was not searched for.
    """
    if recipe.match == "macs":
        if target >= 1:
            raise SelectionError(
                f"filters are pruned for a share of the MACs, not for {target:g} blocks; change grid.targets"
            )
        known: dict[float, float] = {}
        search_share(macs_without(params, teacher), target, known, recipe.tolerance)
        pruning = Pruning(filters_removed=choose_share(known, target))
        return {**pruning.describe(), **NOTHING_MEASURED, "foretold_reduction": None}
    wanted = target if target < 1 else first_blocks_save(measured, target)
    points = {point["share"]: point for point in measured["thinner"]}
    point = points[choose_share({share: one["reduction"] for share, one in points.items()}, wanted)]
    return {
        **Pruning(filters_removed=point["share"]).describe(),
        "wanted_reduction": wanted,
        "foretold_reduction": None,
        "measured_reduction": point["reduction"],
        "standard_error": point["standard_error"],
        "is_near": round(abs(point["reduction"] - wanted), 9) <= POINT,
        "tried": [
            {"filters_removed": share, "foretold_reduction": None, "measured_reduction": one["reduction"],
             "standard_error": one["standard_error"]}
            for share, one in points.items()
        ],
    }  # fmt: skip


def first_blocks_save(measured: dict[str, Any], count: float) -> float:
    """The reduction that filters have to meet where the target is a number of blocks."""
    for first in measured["first_blocks"]:
        if first["count"] == count:
            return float(first["reduction"])
    raise SelectionError(f"what {count:g} blocks save was not measured; add {count:g} to latency.thinner")


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
