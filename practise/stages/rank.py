"""Judge the criteria that rank blocks by the oracle: drop blocks, recover, and see what is lost."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from practise.evaluation.lost import Lost, write_lost
from practise.evaluation.oracle import Oracle, draw_sets, draw_sets_that_meet
from practise.evaluation.recovered import Recovering
from practise.files import read_result, sha256, write_result
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.progress import track
from practise.pruning.params import Search
from practise.pruning.selection import Goal, search_blocks, set_goal
from practise.resume import Answers, Resume
from practise.scoring.criteria import SCORES, Question
from practise.scoring.registry import CRITERIA, OfSet
from practise.settings.params import Params
from practise.settings.presets.recover import recovery_recipe
from practise.settings.presets.select import selection_recipe
from practise.stages import STAGES
from practise.stages.looking import show
from practise.stages.opening import EvaluationImages

Blocks = tuple[str, ...]


def run(
    params: Params,
    *,
    network: str,
    images: str,
    seed: int,
    teacher: Path,
    sample: Path,
    listing: Path,
    latency: Path,
    out: Path,
    lost: Path,
) -> None:
    """Judge the criteria that rank blocks.

    Args:
        network: Name of an entry of the section networks.
        images: Name of an entry of the section images.
        seed: Seed of folds, batches and random views.
        teacher: The original network's weights, safetensors.
        sample: The images that are handed over, JSON.
        listing: The evaluation images, JSON.
        latency: The blocks' latencies, JSON.
        out: What each criterion says of sets of blocks and chooses, and what is lost without them, JSON.
        lost: The same losses image by image, safetensors.
    """
    rank, method = params.rank, params.methods[params.rank.method]
    shown = show(params, rank.method, seed, teacher, sample)
    recipe, look = recovery_recipe(params, rank.method), shown.look
    way = Recovering(method.loss, recipe, look.ridge)
    preprocessing = shown.original.preprocessing
    evaluation = EvaluationImages(params, listing, preprocessing, rank.most_images)
    measured = read_result(latency, "latency")
    tau = {block: measured["blocks"][block]["reduction"] for block in look.blocks}
    goals = set_goals(params, tau, measured)
    resume = Resume(
        out,
        [
            seed,
            method.loss,
            [part.model_dump() for part in (look.recipe, recipe, look.ridge, shown.few.views)],
            rank.most_images,
        ]
        + [sha256(path) for path in (teacher, sample, listing)],
    )
    answers = Answers(resume)
    question = Question(look.blocks, seed, look)
    of_set = {
        name: answers.remember(name, SCORES[name](question))
        for name in track(rank.criteria, "look at the network")
    }
    choices = list(choose(of_set, goals, rank.searches))
    sets = gather(
        look.blocks, goals, rank.sets, rank.sets_per_target, [choice["blocks"] for choice in choices]
    )
    oracle = Oracle(look.network, look.blocks, shown.few, evaluation.batches, way)
    ask = answers.remember("lost", lambda blocks: tensors_of(oracle.lost_without(blocks)))
    found: dict[Blocks, Lost] = {}
    for blocks in track(sets, "drop blocks and recover", len(sets)):
        kl, right = ask(blocks)
        found[blocks] = Lost(kl.numpy(), right.numpy())
    as_it_is = oracle.judge.lost_by(oracle.mimicked)
    result = {
        "method": rank.method,
        "criterion": method.criterion,
        "preset": method.preset,
        "recipe": recipe.model_dump(),
        "num_evaluation": len(evaluation),
        "top1_original": 100 * float(as_it_is.right.mean()),
        "blocks": [{"name": block, "latency_reduction": saved} for block, saved in tau.items()],
        "sets": [
            {
                "blocks": list(blocks),
                "kind": kind,
                "meets": [target for target, goal in goals.items() if meets(goal, blocks)],
                "kl": float(found[blocks].kl.mean(dtype="float64")),
                "top1": 100 * float(found[blocks].right.mean()),
                "scores": {name: score(blocks) for name, score in of_set.items()},
            }
            for blocks, kind in sets.items()
        ],
        "choices": [{**choice, "blocks": list(choice["blocks"])} for choice in choices],
    }
    items = {"network": network, "images": images, "rank.method": rank.method}
    made = circumstances(
        params,
        *STAGES["rank"].keys(**items),
        device=resolve_device(params.device.name),
        dtype=recipe.dtype,
        image_size=preprocessing.image_size,
        seed=seed,
    )
    write_lost(lost, [found[blocks] for blocks in sets], as_it_is.right)
    write_result(out, "rank", result, made)
    resume.finish()


def set_goals(
    params: Params, reductions: Mapping[str, float], measured: Mapping[str, Any]
) -> dict[float, Goal]:
    """What the choices of each target of the comparison have to reach, by what is foretold."""
    recipe = selection_recipe(params, params.rank.method)
    together = measured["without_all"]["reduction"]
    return {
        target: set_goal(reductions, target, recipe.tolerance, recipe.overshoot, together)
        for target in params.rank.targets
    }


def choose(
    of_set: Mapping[str, OfSet], goals: Mapping[float, Goal], searches: Sequence[Search]
) -> Iterator[dict[str, Any]]:
    """The blocks that each criterion drops at each target, by each search that it can do."""
    for name, score in of_set.items():
        per_latency = CRITERIA[name].per_latency
        for target, goal in goals.items():
            for search in searches if per_latency else ("lowest",):
                blocks = search_blocks(search, score, goal, per_latency=per_latency)
                yield {"criterion": name, "search": search, "target": target, "blocks": tuple(blocks)}


def meets(goal: Goal, blocks: Blocks) -> bool:
    """Whether blocks reach a goal without exceeding its limit."""
    return (
        set(blocks) <= set(goal.worth) and goal.met_by(blocks) and goal.sum(blocks) <= goal.attainable().limit
    )


def gather(
    blocks: Sequence[str],
    goals: Mapping[float, Goal],
    count: int,
    per_target: int,
    chosen: Sequence[Blocks],
) -> dict[Blocks, str]:
    """The sets of blocks to ask the oracle for, each once, and why: alone, random or chosen."""
    sets: dict[Blocks, str] = {(block,): "alone" for block in blocks}
    drawn = draw_sets(blocks, count)
    for goal in goals.values():
        drawn += draw_sets_that_meet(goal, per_target)
    for kind, more in (("random", drawn), ("chosen", chosen)):
        for one in more:
            sets.setdefault(one, kind)
    return sets


def tensors_of(lost: Lost) -> tuple[Any, Any]:
    """The same as tensors, which an interrupted run keeps."""
    import torch

    return torch.from_numpy(lost.kl), torch.from_numpy(lost.right)
