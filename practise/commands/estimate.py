"""How long a params file takes on this machine, foretold from a few measured steps of each of its networks.

Noise takes as long as photographs and random weights as long as trained ones, so nothing has to be there yet.
A step, of training or of making images, is counted by the images that go through it; everything else by
forward passes. What is left out (starting processes, reading images, layer-wise least squares) is small where
hours are at stake.
"""

import copy
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pandas as pd
import torch

from practise.errors import PractiseError
from practise.images import open_source
from practise.images.params import SOURCES, DataParams, ImagesParams
from practise.latency.measuring import PASSES
from practise.machine.devices import resolve_device
from practise.machine.hardware import device_name
from practise.networks.blocks import droppable_blocks
from practise.networks.building import build_untrained, find_preprocessing
from practise.recovery.fitting import MOST_TRIED
from practise.recovery.params import RecoveryRecipe
from practise.recovery.rivals.cd import OFFICIAL as CD_ADAM
from practise.schema import HowMany
from practise.scoring.params import SgdRecipe
from practise.scoring.registry import CRITERIA
from practise.settings.grid import Cell, Trial, cells, first_outputs, rank_trials, source_trials
from practise.settings.params import Params
from practise.settings.presets.recover import recovery_recipe
from practise.settings.presets.score import ridge_recipe, score_recipe
from practise.settings.presets.select import measures_time
from practise.stages.measure import LOOKS
from practise.stages.timing import timed_device

BATCH = {"cpu": 32, "cuda": 64}
"""Images in a measured step, by kind of device."""
STEPS = 3
"""Steps that are measured, after one that is not."""
ASSUMED = 50_000
"""Evaluation images where they are not there to be counted: ImageNet's."""
ASSUMED_TRAIN = 1_281_167
"""Training images, where all are handed over and not there to be counted: ImageNet's."""
THINNER_TRIES = 8
"""Measurements that the search for a share of filters takes, about."""
SETS_TRIED = 5
"""Measurements that the choice of blocks for a share of the latency takes, about."""
PRECISE = 3
"""Times as many rounds as are asked for, about, where a precision is asked for too."""
ONE_PASS = ("block_influence", "concept_masks")
"""Criteria that look at all blocks in one pass of the original."""


@dataclass(frozen=True)
class Pace:
    """What one image takes.

    Attributes:
        train: seconds in a training step: forward and backward pass, its share of the update, and a forward
            pass of the original.
        forward: seconds in a forward pass.
        blocks: droppable blocks of the network.
    """

    train: float
    forward: float
    blocks: int


@dataclass(frozen=True)
class Work:
    """Images that a run sends through a network: in training steps, in forward passes; and given seconds."""

    trained: float = 0.0
    passed: float = 0.0
    given: float = 0.0

    def __add__(self, other: "Work") -> "Work":
        return Work(self.trained + other.trained, self.passed + other.passed, self.given + other.given)

    def __mul__(self, times: float) -> "Work":
        return Work(self.trained * times, self.passed * times, self.given * times)

    def seconds(self, pace: Pace) -> float:
        """What it takes."""
        return self.trained * pace.train + self.passed * pace.forward + self.given


def estimate(params: Params) -> int:
    """Say how many hours the stages take on this machine, from a few measured steps."""
    device, timed = resolve_device(params.device.name), timed_device(params)
    paces = {name: measure_pace(params, name, device) for name in params.grid.networks}
    clocks = paces
    if timed != device:
        clocks = {name: measure_pace(params, name, timed) for name in params.grid.networks}
    evaluated = {name: count_evaluation(params, name) for name in params.grid.images}
    for name, pace in paces.items():
        print(
            f"{name}: {pace.blocks} blocks, {1e3 * pace.train:.3g} ms an image in training and "
            f"{1e3 * pace.forward:.3g} ms in passing, fp32 on {device_name(device)}"
        )
    for name, count in evaluated.items():
        if count is None:
            print(f"{name}: is missing, so {ASSUMED} evaluation images are assumed")
    hours = foretell(params, paces, clocks, {name: count or ASSUMED for name, count in evaluated.items()})
    runs = {stage: len(outputs) for stage, outputs in first_outputs(params).items()}
    frame = pd.DataFrame({"runs": {stage: runs[stage] for stage in hours}, "hours": hours})
    print(frame.to_string(float_format=lambda value: f"{value:.2f}"))
    print(f"total: {sum(hours.values()):.1f} {'GPU-hours' if device.type == 'cuda' else 'hours on this CPU'}")
    return 0


def measure_pace(params: Params, name: str, device: torch.device) -> Pace:
    """Time a few steps of a network, built with random weights.

    Args:
        params: the params.
        name: an entry of the section networks.
        device: where.
    """
    spec, where = params.networks[name], f"{params.study.file}: networks.{name}"
    size = find_preprocessing(spec, where).image_size
    network = build_untrained(spec, where).eval()
    blocks = droppable_blocks(network, size, spec.keep_blocks or (), where)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    student, count = copy.deepcopy(network), BATCH[device.type]
    student.train(params.recover.batch_norm == "train")
    images = torch.randn(count, 3, size, size, device=device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(student.parameters(), lr=0.0)

    def forward() -> None:
        with torch.no_grad():
            network(images)

    def train() -> None:
        forward()
        optimizer.zero_grad()
        student(images).square().mean().backward()
        optimizer.step()

    return Pace(_seconds(train, device) / count, _seconds(forward, device) / count, len(blocks))


def _seconds(step: Callable[[], None], device: torch.device) -> float:
    times = []
    for _ in range(STEPS + 1):
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def count_evaluation(params: Params, images: str) -> int | None:
    """How many evaluation images a source has; None where they are not there."""
    try:
        return len(open_source(images, params.images[images], params.study.file, params.data).evaluation)
    except PractiseError:
        return None


@cache
def count_train(name: str, spec: ImagesParams, data: DataParams) -> int:
    """How many training images a source has; ImageNet's number where they are not there."""
    try:
        return len(open_source(name, spec, data=data).train)
    except PractiseError:
        return ASSUMED_TRAIN


def count_handed_over(params: Params, images: str, num_images: HowMany) -> int:
    """How many images a method is given."""
    if not isinstance(num_images, str):
        return num_images
    if SOURCES[params.images[images].source].is_made:
        return params.synthesize.num_images
    return count_train(images, params.images[images], params.data)


def foretell(
    params: Params, paces: dict[str, Pace], clocks: dict[str, Pace], evaluated: dict[str, int]
) -> dict[str, float]:
    """Hours of each stage.

    Args:
        params: the params.
        paces: what an image takes, by network.
        clocks: the same where latency is measured.
        evaluated: evaluation images, by source.
    """
    seconds: defaultdict[str, float] = defaultdict(float)

    def spend(stage: str, network: str, work: Work) -> None:
        seconds[stage] += work.seconds(paces[network])

    def spend_timing(stage: str, network: str, pairs: float) -> None:
        seconds[stage] += pairs * timed.seconds(clocks[network])

    rounds = params.latency.rounds * (1 if params.latency.precision is None else PRECISE)
    timed = Work(passed=(PASSES + 1) * rounds * params.latency.batch_size)
    for network in params.grid.networks:
        wanted = params.latency.thinner or ()
        pairs = paces[network].blocks + 1 + THINNER_TRIES * len(wanted) + sum(one >= 1 for one in wanted)
        spend_timing("latency", network, 2 * pairs)
        for images in params.grid.images:
            spend("original", network, Work(passed=evaluated[images]))
    grid = cells(params)
    for cell in dict.fromkeys(replace(cell, target=0.0) for cell in grid):
        spend("score", cell.network, scoring(params, cell, paces[cell.network].blocks))
    for cell in grid:
        spend("recover", cell.network, recovering(params, cell.method, cell))
        spend("evaluate", cell.network, Work(passed=evaluated[cell.images]))
    for network, *_ in {layers_left(params, cell) for cell in grid}:
        spend_timing("measure", network, 2 * LOOKS)
    chosen = [cell for cell in grid if measures_time(params, cell.method, cell.target)]
    for network, *_ in {layers_left(params, cell) for cell in chosen}:
        spend_timing("select", network, 2 * SETS_TRIED)
    rank, sources, made = params.rank, params.sources, params.synthesize
    for trial in rank_trials(params):
        each = recovering(params, rank.method, trial)
        each += Work(passed=min(evaluated[trial.images], rank.most_images or math.inf))
        spend("rank", trial.network, each * count_sets(params, paces[trial.network].blocks))
    for network in sources.networks:
        spend("synthesize", network, Work(trained=made.steps * made.num_images))
    for trial in source_trials(params):
        passed = Work(passed=evaluated[sources.evaluation])
        for method in sources.methods:
            spend("sources", trial.network, recovering(params, method, trial) + passed)
        spend("sources", trial.network, passed)
    return {stage: seconds[stage] / 3600 for stage in first_outputs(params) if stage in seconds}


def count_sets(params: Params, blocks: int) -> int:
    """How many sets of blocks one comparison of criteria recovers, at most: choices may be the same.

    Args:
        params: the params.
        blocks: droppable blocks of the network.
    """
    rank = params.rank
    weighed = sum(CRITERIA[name].per_latency for name in rank.criteria)
    choices = weighed * len(rank.searches) + len(rank.criteria) - weighed
    return blocks + rank.sets + len(rank.targets) * (rank.sets_per_target + choices)


def layers_left(params: Params, cell: Cell) -> tuple[Any, ...]:
    """What decides which layers a cell's network keeps, about; cells where it is the same share a latency."""
    criterion = params.methods[cell.method].criterion
    if CRITERIA[criterion].looks:
        return cell.network, cell.target, cell
    return cell.network, cell.target, criterion, params.methods[cell.method].blocks


def scoring(params: Params, cell: Cell, blocks: int) -> Work:
    """What ranking a network's blocks takes."""
    criterion = params.methods[cell.method].criterion
    if not CRITERIA[criterion].looks:
        return Work()
    count = count_handed_over(params, cell.images, cell.num_images)
    recipe = score_recipe(params, cell.method)
    if criterion == "recoverability" and isinstance(recipe, SgdRecipe):
        return Work(trained=blocks * recipe.steps * images_in_step(recipe, count))
    if criterion in ("recoverability", "combined_recoverability"):
        most = ridge_recipe(params, cell.method).most_images
        return Work(passed=2 * blocks * min(count, most))
    return Work(passed=(1 if criterion in ONE_PASS else blocks) * count)


def recovering(params: Params, method: str, run: Cell | Trial) -> Work:
    """What one recovery takes, of a cell or trial."""
    count = count_handed_over(params, run.images, run.num_images)
    recipe = recovery_recipe(params, method)
    layerwise = CD_ADAM.steps if recipe.start == "cd_adam" else 0
    steps = recipe.steps if recipe.minutes is None else 0
    work = Work(trained=(steps + layerwise) * images_in_step(recipe, count), given=60 * (recipe.minutes or 0))
    if recipe.start == "fitted":
        ridge = ridge_recipe(params, method)
        work += Work(passed=(MOST_TRIED * ridge.folds + 1) * min(count, ridge.most_images))
    return work


def images_in_step(recipe: SgdRecipe | RecoveryRecipe, num_images: int) -> int:
    """How many images a training step sees."""
    distinct = recipe.batches == "distinct"
    return min(recipe.batch_size, num_images) if distinct else recipe.batch_size
