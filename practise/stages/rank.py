"""Judge the criteria that rank blocks by the oracle: drop blocks, recover, and measure the accuracy."""

import copy
from functools import cache
from pathlib import Path

from practise.evaluation.oracle import ask_oracle, check_counts, follow
from practise.evaluation.recovered import RecoveredAccuracy, Recovering
from practise.files import read_result, sha256, write_result
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.teacher import load_teacher
from practise.progress import track
from practise.pruning.plan import Pruning
from practise.resume import Answers, Resume
from practise.scoring.criteria import SCORES, Look, Question
from practise.scoring.registry import CRITERIA
from practise.settings.params import Params
from practise.settings.presets.recover import recovery_recipe
from practise.settings.presets.score import ridge_recipe, score_recipe
from practise.stages import STAGES
from practise.stages.opening import EvaluationImages, load_tiny_set


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
        out: What each criterion says of the blocks, and the accuracy that comes of it, JSON.
    """
    device = resolve_device(params.device.name)
    rank, method = params.rank, params.methods[params.rank.method]
    original = load_teacher(teacher)
    whole = original.network.to(device)
    few = load_tiny_set(params, sample, original.preprocessing, seed)
    evaluation = EvaluationImages(params, listing, original.preprocessing)
    scoring = score_recipe(params, rank.method)
    way = Recovering(method.loss, recovery_recipe(params, rank.method), ridge_recipe(params, rank.method))
    reductions = read_result(latency, "latency")["blocks"]
    tau = {block: reductions[block]["reduction"] for block in original.card["blocks"]}
    check_counts(rank.counts, tau)
    recipes = [recipe.model_dump() for recipe in (scoring, way.recipe, way.ridge, few.views)]
    resume = Resume(out, [seed, method.loss, recipes, *map(sha256, (teacher, sample, listing))])
    answers, accuracy = Answers(resume), RecoveredAccuracy(whole, few, evaluation.batches)
    bank = cache(lambda: accuracy.share(way))

    def top1(dropped: tuple[str, ...]) -> float:
        return answers.find(" ".join(dropped), lambda: accuracy.after(Pruning(dropped), way, bank()))

    original_top1 = accuracy.of(copy.deepcopy(whole))
    losses = ask_oracle(list(tau), original_top1, top1)
    question = Question(list(tau), seed, Look(whole, few, scoring))
    rankings = []
    for name in track(rank.criteria, "follow criteria"):
        scores = dict(SCORES[name](question))
        rankings.append(follow(name, scores, CRITERIA[name].per_latency, tau, rank.counts, top1))
    rankings.append(follow("oracle", losses, True, tau, rank.counts, top1))
    result = {
        "method": rank.method,
        "preset": method.preset,
        "recipe": way.recipe.model_dump(),
        "num_evaluation": len(evaluation),
        "top1_original": original_top1,
        "blocks": [{"name": block, "latency_reduction": tau[block], "top1": top1((block,))} for block in tau],
        "criteria": [ranking.describe() for ranking in rankings],
    }
    items = {"network": network, "images": images, "rank.method": rank.method}
    made = circumstances(
        params,
        *STAGES["rank"].keys(**items),
        device=device,
        dtype=way.recipe.dtype,
        image_size=original.preprocessing.image_size,
        seed=seed,
    )
    write_result(out, "rank", result, made)
    resume.finish()
