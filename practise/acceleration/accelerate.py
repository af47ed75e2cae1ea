"""Make a network of your own faster: from a module and a handful of images to a smaller module.

The pipeline's stages in one call, with nothing on disk: find the blocks, measure what dropping each saves,
choose the most recoverable ones, measure them together and choose again where they miss the target
(`practise.pruning.measured`), recover, measure once more: what chose the blocks would flatter them.
"""

import sys
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor, nn

from practise.acceleration.accelerated import DEFAULT, Accelerated, Recipe
from practise.acceleration.asked import check_numbers, count_classes, find_labels, find_view
from practise.acceleration.exports import export_plain
from practise.acceleration.given import Given, open_given
from practise.acceleration.graphs import GraphNetwork
from practise.errors import NetworkError
from practise.evaluation.decisions import Decisions, decide, read_label_sets, share
from practise.images.params import Kind
from practise.images.preprocessing import Preprocessing
from practise.images.tiny_set import TinySet
from practise.latency.budget import CALM, Budget
from practise.latency.measuring import Latency, describe_setting, measure_with, pool
from practise.latency.milliseconds import reduced_ms
from practise.latency.savings import measure_savings
from practise.machine.devices import resolve_device
from practise.machine.hardware import describe
from practise.networks.blocks import alike_blocks, drop_blocks_, droppable_blocks
from practise.networks.copies import copy_network, lay_out_, release_
from practise.networks.size import count_params
from practise.networks.taking import take_network, unwrap, usual_settings
from practise.networks.watching import at_rest
from practise.progress import describe_seconds
from practise.pruning.measured import Choice, choose_measured
from practise.pruning.plan import Pruning
from practise.pruning.selection import select_progressively
from practise.recovery.recover import recover
from practise.recovery.training import check_learning
from practise.scoring.recoverability import ClosedForm

MEASUREMENTS_OF_SETS = 4
"""Measurements, about, until a set of blocks is chosen and those are confirmed, and of what was recovered."""
MAX_MINUTES = 5.0
"""What measuring may take where nothing else is said."""
BATCH = 32
"""Images in a forward pass where classes are compared."""


@usual_settings()
def accelerate(
    model: nn.Module,
    images: Given,
    latency_reduction: float = 0.22,
    *,
    # what is known of the network and the images
    labels: Sequence[int] | Sequence[Sequence[int]] | str | None = None,
    multi_label: bool = False,
    foreign: bool = False,
    upright: bool = False,
    keep_blocks: Collection[str] = (),
    name: str | None = None,
    # how the network wants its images, where its weights do not say it
    image_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    preprocessing: Preprocessing | None = None,
    # whose latency counts
    batch_size: int = 1,
    latency_device: str | torch.device | None = None,
    # how it is done
    device: str | torch.device = "auto",
    steps: int | None = None,
    recover_minutes: float | None = None,
    seed: int = 0,
    max_minutes: float = MAX_MINUTES,
    recipe: Recipe = DEFAULT,
) -> Accelerated:
    """Return a network with fewer blocks that is faster on this machine by as much as asked for.

    Args:
        model: Any residual network that maps images to logits; it is not changed.
        images: A few dozen images like those that the network will see: a folder, below which every image
            counts, or pictures and paths. No labels are needed.
        latency_reduction: Share of the latency to save; the blocks are chosen by measuring, to within a point
            of it or, where no set of blocks comes as near, to the nearest.
        labels: The images' classes, by which accuracy is told and nothing else: indices, or `folders` for a
            folder with one folder of images for each class; 0 or 1 of a network with a single logit.
        multi_label: Whether each class is a yes or no of its own, as behind a sigmoid, so that an image may
            have several or none; labels are then a row of 0 and 1 for each image.
        foreign: Whether the images are of another kind than the network will see, such as photographs of
            anything for a network that sees X-rays: it is then changed more cautiously.
        upright: Whether pictures are turned as their EXIF data say, as cameras write them; timm and
            torchvision take them as they are stored.
        keep_blocks: Names of blocks that are never dropped.
        name: What to call the network on its card; None: its class.
        image_size: Side of the square input in pixels; None: as the network's weights say, else 224.
        mean: Of the channels of training images between 0 and 1; None: as the weights say, else ImageNet's.
        std: Likewise.
        preprocessing: All three at once, and how images are resized and cropped, where that is known.
        batch_size: Images in a forward pass whose latency counts.
        latency_device: Where the network will run, so what is timed: `cpu`, `cuda` or `auto`; None: `device`.
        device: What scores and recovers: `auto` (the GPU where there is one), `cpu` or `cuda`.
        steps: Optimisation steps of the recovery; None: the recipe's.
        recover_minutes: What the training may take instead: as many steps as fit.
        seed: Draws folds, views and batches.
        max_minutes: What measuring latency may take: two fifths of it on a calm machine, the rest for
            measuring again what other processes disturbed.
        recipe: Everything else: how latency is measured, blocks are scored and chosen, the network recovered.

    Raises:
        SelectionError: The blocks cannot save as much.
        NetworkError: No block can be dropped, or the network does not take such images.
        ImageError: Images are missing or damaged, or do not fit their labels.
        UsageError: A number is out of range.
        RecoveryError: The training diverged.
    """
    check_numbers(latency_reduction, batch_size, steps, max_minutes, recover_minutes)
    recipe = replace(recipe, latency=recipe.latency.but(batch_size=batch_size))
    if steps is not None:
        recipe = replace(recipe, recover=recipe.recover.but(steps=steps))
    if recover_minutes is not None:
        recipe = replace(recipe, recover=recipe.recover.but(minutes=recover_minutes))
    model = unwrap(model)
    if any(isinstance(module, GraphNetwork) for module in model.modules()):
        raise NetworkError(
            "a loaded network runs the operators that were saved, among which there are no blocks to find; "
            "give accelerate one of its class, which practise.load takes as into="
        )
    view, view_from = find_view(model, preprocessing, image_size, mean, std)
    where = resolve_device(device, "device")
    timed_on = where if latency_device is None else resolve_device(latency_device, "latency_device")
    original = take_network(model, view.image_size, where)
    num_classes = count_classes(original, view.image_size)
    pictures = open_given(images, view, upright)
    view_from += "; turned upright by their EXIF data" if upright else ""
    unread = torch.zeros(len(pictures), dtype=torch.long)  # no label is looked at
    kind: Kind = "foreign" if foreign else "own"
    few = TinySet(pictures, unread, view, seed, kind=kind, multi_label=multi_label)
    right = find_right(labels, images, len(few), num_classes, multi_label)
    kept = [keep_blocks] if isinstance(keep_blocks, str) else keep_blocks
    blocks = droppable_blocks(original, view.image_size, kept, "accelerate")
    if recipe.recover.steps:
        check_learning(original, view.image_size)

    for file, reason in export_plain(original, view.image_size).failed.items():
        print(f"{file}: will not be written: {reason}", file=sys.stderr, flush=True)

    measurements = len(alike_blocks(original, blocks, view.image_size)) + 1 + MEASUREMENTS_OF_SETS
    budget = Budget(60 * max_minutes, measurements)
    print(describe_cost(max_minutes, measurements), file=sys.stderr, flush=True)

    def measure(networks: Mapping[str, nn.Module]) -> dict[str, Latency]:
        networks = {name: copy_network(network) for name, network in networks.items()}  # timing moves them
        return measure_with(recipe.latency, networks, view.image_size, timed_on, budget)

    choice = choose_blocks(original, blocks, few, latency_reduction, recipe, measure)
    dropped = choice.chosen.dropped_blocks
    recovered = recover(original, Pruning(dropped), few, "mimic", recipe.recover, recipe.score)
    student = recovered.network
    measured = measure({"original": original, "faster": student})
    before, after = measured["original"], measured["faster"]
    views = few.centre_views()
    ours, theirs = (decide(ask(network, views), multi_label) for network in (student, original))
    return Accelerated(
        network=at_rest(lay_out_(release_(student), torch.device("cpu"), packed=False)),
        name=name or f"{type(model).__module__}.{type(model).__qualname__}",
        dropped_blocks=dropped,
        num_blocks=len(blocks),
        before=before,
        after=replace(after, median_ms=reduced_ms(before.median_ms, after.reduction)),
        choice=choice,
        start=recovered.start,
        steps=len(recovered.history),
        guard=recovered.guard,
        setting=describe_setting(recipe.latency, view.image_size, timed_on),
        params_before=count_params(original),
        params_after=count_params(student),
        num_images=len(few),
        agreement=share(ours, theirs),
        accuracy_before=None if right is None else 100 * share(theirs, right),
        accuracy_after=None if right is None else 100 * share(ours, right),
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
) -> Choice:
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
    alike = alike_blocks(network, blocks, size)
    savings = measure_savings(network, alike, blocks, size, measure)
    reductions = {name: saved["reduction"] for name, saved in savings["blocks"].items()}
    joint = cache(ClosedForm(network, blocks, few, recipe.score).combined)
    looks: defaultdict[tuple[str, ...], list[Latency]] = defaultdict(list)

    def measure_set(dropped: tuple[str, ...]) -> Latency:
        without = drop_blocks_(copy_network(network), dropped)
        looks[dropped].append(measure({"original": network, "chosen": without})["chosen"])
        return pool(looks[dropped])

    return choose_measured(
        lambda goal: select_progressively(lambda names: joint(tuple(names)), goal),
        reductions,
        savings["without_all"]["reduction"],
        alike,
        target,
        recipe.select,
        measure_set,
        confirmations=1,
    )


def describe_cost(max_minutes: float, measurements: int) -> str:
    """What measuring will cost at most, in a sentence.

    >>> describe_cost(5, 9)
    'latency is measured about 9 times: 2 min 0 s at most, 5 min 0 s on a busy machine (max_minutes)'
    """
    calm, busy = describe_seconds(60 * CALM * max_minutes), describe_seconds(60 * max_minutes)
    return (
        f"latency is measured about {measurements} times: {calm} at most, {busy} on a busy machine "
        "(max_minutes)"
    )


def find_right(
    labels: Sequence[int] | Sequence[Sequence[int]] | str | None,
    images: Given,
    num_images: int,
    num_classes: int,
    multi_label: bool,
) -> Decisions | None:
    """What is right of each image; arguments as for `accelerate`, errors as for `find_labels`."""
    if multi_label and labels is not None:
        return read_label_sets(labels, num_images, num_classes)  # type: ignore[arg-type]
    return find_labels(labels, images, num_images, max(num_classes, 2))  # type: ignore[arg-type]


def ask(network: nn.Module, views: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
    """A network's logits for each image.

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
    return logits
