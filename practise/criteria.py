"""The criteria that rank blocks, by name. A new criterion is one function and one line in `CRITERIA`.

A criterion gives every block a score; the lowest is dropped first. Where the score is a cost, it is weighed
against the latency that the block saves, as in the paper's s = R / tau; others are an order in themselves.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from practise.blocks import drop_blocks_
from practise.features import feature_extractor, find_feature_layer
from practise.progress import track
from practise.recoverability import RidgeRecipe, SgdRecipe, score_blocks
from practise.tiny_set import TinySet
from practise.views import combine

BATCH = 50
"""Images in a forward pass."""

Scores = Iterator[tuple[str, float]]


@dataclass(frozen=True)
class Question:
    """What a criterion may look at.

    Attributes:
        network: the original, in evaluation mode on its device.
        blocks: names of the droppable blocks in network order.
        few: the images.
        recipe: how recoverability is found.
        done: scores that a killed run has left.
    """

    network: nn.Module
    blocks: Sequence[str]
    few: TinySet
    recipe: RidgeRecipe | SgdRecipe
    done: Mapping[str, float]


@dataclass(frozen=True)
class Criterion:
    """A way to choose what goes.

    Attributes:
        score: scores blocks.
        per_latency: whether a score is to be divided by the reduction.
        prunes: `blocks`, or `filters`: no block is scored, filters go by their norm.
    """

    score: Callable[[Question], Scores]
    per_latency: bool
    prunes: str = "blocks"


def score_recoverability(question: Question) -> Scores:
    """R(B): the paper's."""
    return score_blocks(question.network, question.blocks, question.few, question.recipe, question.done)


def score_first_blocks(question: Question) -> Scores:
    """The place in the network: the paper's baseline drops the first blocks."""
    for place, block in enumerate(question.blocks):
        yield block, float(place)


def score_at_random(question: Question) -> Scores:
    """Places in an order that the seed draws: what any criterion should beat."""
    generator = torch.Generator().manual_seed(combine(question.few.seed, 0))
    places = torch.randperm(len(question.blocks), generator=generator)
    yield from zip(question.blocks, map(float, places), strict=True)


def score_latency_alone(question: Question) -> Scores:
    """The same cost for each block, so that the one which saves most goes first."""
    for block in question.blocks:
        yield block, 1.0


def score_feature_change(question: Question) -> Scores:
    """Mean squared change of the features before pooling when the block is gone and nothing is adapted."""
    layer = find_feature_layer(question.network, question.few.preprocessing.image_size)

    def run(network: nn.Module, views: Tensor) -> Tensor:
        with feature_extractor(network, layer) as extract:
            return extract(views)

    yield from compare_without(question, run, functional.mse_loss)


def score_output_divergence(question: Question) -> Scores:
    """KL divergence of the class probabilities when the block is gone (CURL: Luo and Wu 2020)."""
    yield from compare_without(question, lambda network, views: network(views), divergence)


def score_no_block(question: Question) -> Scores:
    """Nothing: filters are chosen by their weights alone, when the target is known."""
    yield from ()


def compare_without(
    question: Question,
    run: Callable[[nn.Module, Float[Tensor, "n 3 h w"]], Tensor],
    distance: Callable[[Tensor, Tensor], Tensor],
) -> Scores:
    """The distance, averaged over the images, from the original's output to that without each block."""
    device = next(question.network.parameters()).device
    views = question.few.centre_views().to(device, memory_format=torch.channels_last).split(BATCH)
    with torch.inference_mode():
        originals = [run(question.network, batch) for batch in views]
        for block in track(question.blocks, "score blocks"):
            without = drop_blocks_(copy.deepcopy(question.network), [block])
            total = sum(
                distance(run(without, batch), original).item() * len(batch)
                for batch, original in zip(views, originals, strict=True)
            )
            yield block, total / len(question.few)


def divergence(ours: Float[Tensor, "n classes"], theirs: Float[Tensor, "n classes"]) -> Float[Tensor, ""]:
    """KL(original ‖ ours) of the class probabilities, mean over the images, in nats."""
    return functional.kl_div(
        ours.log_softmax(1), theirs.log_softmax(1), reduction="batchmean", log_target=True
    )


CRITERIA: dict[str, Criterion] = {
    "random": Criterion(score_at_random, per_latency=False),
    "first_blocks": Criterion(score_first_blocks, per_latency=False),
    "latency": Criterion(score_latency_alone, per_latency=True),
    "feature_change": Criterion(score_feature_change, per_latency=True),
    "output_divergence": Criterion(score_output_divergence, per_latency=True),
    "recoverability": Criterion(score_recoverability, per_latency=True),
    "l1_filters": Criterion(score_no_block, per_latency=False, prunes="filters"),
}
