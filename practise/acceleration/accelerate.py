"""Make a network of your own faster: from a module and a handful of images to a smaller module.

The pipeline's stages in one call, with nothing on disk: find the blocks, measure what dropping each saves,
choose the most recoverable ones, recover, measure again. What is saved follows from single measurements only
roughly, so the chosen set is measured before it is recovered, and where it misses the target the choice is
made again with the goal moved in proportion.
"""

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from practise.acceleration.accelerated import DEFAULT, Accelerated, Recipe
from practise.acceleration.asked import check_numbers, count_classes, find_labels, find_view
from practise.acceleration.given import Given, open_given
from practise.errors import NetworkError, SelectionError
from practise.images.preprocessing import Preprocessing
from practise.images.tiny_set import TinySet
from practise.latency.measuring import Latency, describe_setting, measure_with
from practise.latency.savings import measure_savings
from practise.machine.devices import resolve_device
from practise.machine.hardware import describe
from practise.networks.blocks import alike_blocks, drop_blocks_, droppable_blocks
from practise.networks.size import count_params
from practise.pruning.plan import Pruning
from practise.pruning.selection import select_progressively, set_goal
from practise.recovery.start import start_recovery
from practise.recovery.training import recover_
from practise.scoring.recoverability import build_scorer

MOST_CHOICES = 4
"""How often blocks are chosen at most until their measured latency meets the target."""
NEAR = 0.015
"""How near the target a chosen set has to come, or the choice is made again with another goal."""
SHORTFALL = 0.02
"""How far below the target a choice may stay."""
BATCH = 32
"""Images in a forward pass where classes are compared."""


def accelerate(
    model: nn.Module,
    images: Given,
    latency_reduction: float = 0.22,
    *,
    # what is known of the network and the images
    labels: Sequence[int] | str | None = None,
    keep_blocks: Collection[str] = (),
    name: str | None = None,
    # how the network wants its images, where its weights do not say it
    image_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    preprocessing: Preprocessing | None = None,
    # whose latency counts
    batch_size: int = 1,
    device: str = "auto",
    # how it is done
    steps: int | None = None,
    seed: int = 0,
    recipe: Recipe = DEFAULT,
) -> Accelerated:
    """Return a network with fewer blocks that is faster on this machine by as much as asked for.

    Args:
        model: Any residual network that maps images to logits; it is not changed.
        images: A few dozen images like those that the network will see: a folder, below which every image
            counts, or pictures and paths. No labels are needed.
        latency_reduction: Share of the latency to save; what is measured comes within two points of it, where
            the blocks allow that.
        labels: The images' classes, by which accuracy is told and nothing else: indices, or `folders` for a
            folder with one folder of images for each class.
        keep_blocks: Names of blocks that are never dropped.
        name: What to call the network on its card; None: its class.
        image_size: Side of the square input in pixels; None: as the network's weights say, else 224.
        mean: Of the channels of training images between 0 and 1; None: as the weights say, else ImageNet's.
        std: Likewise.
        preprocessing: All three at once, and how images are resized and cropped, where that is known.
        batch_size: Images in a forward pass whose latency counts.
        device: `auto` (the GPU where there is one), `cpu` or `cuda`.
        steps: Optimisation steps of the recovery; None: the recipe's.
        seed: Draws folds, views and batches.
        recipe: Everything else: how latency is measured, blocks are scored and chosen, the network recovered.

    Raises:
        SelectionError: The blocks cannot save as much.
        NetworkError: No block can be dropped, or the network does not take such images.
        ImageError: Images are missing or damaged, or do not fit their labels.
        UsageError: A number is out of range.
        RecoveryError: The training diverged.
    """
    check_numbers(latency_reduction, batch_size, steps)
    recipe = replace(recipe, latency=recipe.latency.but(batch_size=batch_size))
    if steps is not None:
        recipe = replace(recipe, recover=recipe.recover.but(steps=steps))
    view, view_from = find_view(model, preprocessing, image_size, mean, std)
    where = resolve_device(device)
    original = copy.deepcopy(model).to(where, torch.float32, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    num_classes = count_classes(original, view.image_size)
    pictures = open_given(images, view)
    few = TinySet(
        pictures, torch.zeros(len(pictures), dtype=torch.long), view, seed
    )  # nothing reads its labels
    classes = find_labels(labels, images, len(few), num_classes)
    blocks = droppable_blocks(original, view.image_size, keep_blocks, "accelerate")

    def measure(networks: Mapping[str, nn.Module]) -> dict[str, Latency]:
        return measure_with(recipe.latency, networks, view.image_size, where)

    chosen = choose_blocks(original, blocks, few, latency_reduction, recipe, measure)
    student, teacher = start_recovery(original, Pruning(chosen), few, recipe.recover, recipe.score)
    recover_(student, teacher, few, "mimic", recipe.recover)
    measured = measure({"original": original, "faster": student})
    ours, theirs = (classify(network, few.centre_views()) for network in (student, original))
    return Accelerated(
        network=student.to("cpu", memory_format=torch.contiguous_format).eval(),  # type: ignore[call-overload]
        name=name or f"{type(model).__module__}.{type(model).__qualname__}",
        dropped_blocks=tuple(chosen),
        num_blocks=len(blocks),
        before=measured["original"],
        after=measured["faster"],
        setting=describe_setting(recipe.latency, view.image_size, where),
        params_before=count_params(original),
        params_after=count_params(student),
        num_images=len(few),
        agreement=share(ours, theirs),
        accuracy_before=None if classes is None else 100 * share(theirs, classes),
        accuracy_after=None if classes is None else 100 * share(ours, classes),
        preprocessing=view,
        preprocessing_from=view_from,
        machine=describe(),
        target=latency_reduction,
        seed=seed,
        recipe=recipe,
    )


def choose_blocks(
    network: nn.Module,
    blocks: Sequence[str],
    few: TinySet,
    target: float,
    recipe: Recipe,
    measure: Callable[[Mapping[str, nn.Module]], dict[str, Latency]],
) -> list[str]:
    """The most recoverable blocks that save what is asked for when they are dropped together.

    Args:
        network: the original on its device, in evaluation mode.
        blocks: those that may be dropped, in network order.
        few: the images.
        target: share of the latency to save.
        recipe: how to measure, score and choose.
        measure: times networks, the reference first.

    Raises:
        SelectionError: the target is out of reach.
    """
    size = few.preprocessing.image_size
    savings = measure_savings(network, alike_blocks(network, blocks, size), blocks, size, measure)
    reductions = {name: saved["reduction"] for name, saved in savings["blocks"].items()}
    together = savings["without_all"]["reduction"]
    scorer = build_scorer(network, blocks, few, recipe.score)
    joint = cache(scorer.recoverability)
    measured: dict[tuple[str, ...], float] = {}
    wanted = target
    while len(measured) < MOST_CHOICES:
        try:
            goal = set_goal(reductions, wanted, recipe.select.tolerance, recipe.select.overshoot, together)
        except SelectionError:
            if any(reached >= target - SHORTFALL for reached in measured.values()):
                break
            raise
        chosen = tuple(select_progressively(lambda blocks: joint(tuple(blocks)), goal))
        if chosen in measured:
            break
        without = drop_blocks_(copy.deepcopy(network), chosen)
        measured[chosen] = measure({"original": network, "chosen": without})["chosen"].reduction
        if abs(measured[chosen] - target) <= NEAR:
            break
        wanted = min(wanted * target / max(measured[chosen], target / 4), 0.99)
    enough = [chosen for chosen, reached in measured.items() if reached >= target - SHORTFALL]
    return list(min(enough or measured, key=lambda chosen: abs(measured[chosen] - target)))


def classify(network: nn.Module, views: Float[Tensor, "n 3 h w"]) -> Tensor:
    """The class that a network names on each image.

    Raises:
        NetworkError: a logit is not finite.
    """
    where = next(network.parameters()).device
    with torch.inference_mode():
        logits = torch.cat([network(batch.to(where)).cpu() for batch in views.split(BATCH)])
    if not logits.isfinite().all():
        raise NetworkError(
            f"{type(network).__name__} gives logits that are not finite; its weights are damaged"
        )
    return logits.argmax(1)


def share(ours: Tensor, theirs: Tensor) -> float:
    """The share of images with the same class."""
    return (ours == theirs).double().mean().item()
