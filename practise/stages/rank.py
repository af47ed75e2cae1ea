"""Judge the criteria that rank blocks by the oracle: drop blocks, recover, and measure the accuracy."""

import copy
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from practise.accuracy import evaluate_accuracy
from practise.criteria import CRITERIA, Look, Question
from practise.files import read_result, sha256, write_result
from practise.hardware import circumstances, resolve_device
from practise.images.loading import EvaluationImages
from practise.images.tiny import load_tiny_set
from practise.networks import load_teacher
from practise.oracle import ask_oracle, check_counts, follow
from practise.params import Params
from practise.presets import recovery_recipe, score_recipe
from practise.progress import track
from practise.pruning import Pruning
from practise.recoverability import RidgeRecipe
from practise.recovery import LOSSES, ViewBank, recover_, share_views
from practise.resume import Resume
from practise.start import start_recovery

if TYPE_CHECKING:
    from torch import nn

OUTPUTS = ("out",)


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
    scoring, recovery = score_recipe(params, rank.method), recovery_recipe(params, rank.method)
    ridge = RidgeRecipe(**params.score.model_dump())
    reductions = read_result(latency, "latency")["blocks"]
    tau = {block: reductions[block]["reduction"] for block in original.card["blocks"]}
    check_counts(rank.counts, tau)
    recipes = [asdict(recipe) for recipe in (scoring, recovery, ridge)]
    resume = Resume(out, [seed, method.loss, recipes, *map(sha256, (teacher, sample, listing))])
    known: dict[str, float] = resume.load() or {}

    def accuracy(pruned: "nn.Module") -> float:
        return evaluate_accuracy(pruned, evaluation.batches(), device).top1

    @cache
    def views() -> ViewBank | None:
        _, mimicked = start_recovery(whole, Pruning(()), few, replace(recovery, start="weights"), ridge)
        return share_views(mimicked, few, LOSSES[method.loss], recovery)

    def top1(dropped: tuple[str, ...]) -> float:
        key = " ".join(dropped)
        if key not in known:
            student, mimicked = start_recovery(whole, Pruning(dropped), few, recovery, ridge)
            recover_(student, mimicked, few, LOSSES[method.loss], recovery, bank=views())
            known[key] = accuracy(student)
            resume.save_now_and_then(lambda: known)
        return known[key]

    original_top1 = accuracy(copy.deepcopy(whole))
    losses = ask_oracle(list(tau), original_top1, top1)
    question = Question(list(tau), seed, Look(whole, few, scoring))
    rankings = []
    for name in track(rank.criteria, "follow criteria"):
        criterion = CRITERIA[name]
        scores = dict(criterion.score(question))
        rankings.append(follow(name, scores, criterion.per_latency, tau, rank.counts, top1))
    rankings.append(follow("oracle", losses, True, tau, rank.counts, top1))
    result = {
        "method": rank.method,
        "preset": method.preset,
        "recipe": asdict(recovery),
        "num_evaluation": len(evaluation),
        "top1_original": original_top1,
        "blocks": [{"name": block, "latency_reduction": tau[block], "top1": top1((block,))} for block in tau],
        "criteria": [ranking.describe() for ranking in rankings],
    }
    sections = (
        *("rank.criteria", "rank.counts", "rank.method"),
        f"methods.{rank.method}",
        "score",
        "recover",
        "evaluate",
        f"images.{images}",
        "device",
    )
    made = circumstances(
        params,
        *sections,
        f"networks.{network}",
        device=device,
        dtype=recovery.dtype,
        image_size=original.preprocessing.image_size,
        seed=seed,
    )
    write_result(out, "rank", result, made)
    resume.finish()
