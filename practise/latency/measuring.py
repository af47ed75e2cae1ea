"""The one latency function: forward passes of several networks, taken in turn so that drift cancels.

A machine's speed drifts by more than the few percent that a block is worth. So every round times each network
once, in an order that turns round by round, and a reduction is the median over rounds of a *ratio* within the
round. Before its timed passes a network runs once untimed: caches then hold its weights, as they do on a
device that serves one network. Of a few timed passes the fastest counts; others may have had the core.

Where in memory activations and weights come to lie is chance, but it stays for as long as a process lives,
and addresses that collide in the cache make the same network up to half slower. So each turn on a CPU holds
some memory of random size, which moves the activations elsewhere, and takes another of several copies of the
network, whose weights lie elsewhere; the median is over many layouts (cf. Curtsinger and Berger, Stabilizer,
2013). And the process keeps the memory that a pass frees, as a runtime that serves one network does: to fetch
it anew took some passes a third longer, whichever network's turn it was.

How many rounds it takes depends on how calm the machine is. So every reduction has a standard error, and
rounds go on until it is as small as asked for, or until the time that they may take is over
(`practise.latency.budget`): the standard error then says how far they came.
"""

import itertools
import math
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from practise.latency.budget import Budget
from practise.latency.contention import OtherWork
from practise.latency.milliseconds import reduced_ms
from practise.latency.params import LatencyParams
from practise.machine.devices import dtype_name, keep_freed_memory, resolve_dtype
from practise.machine.hardware import device_name
from practise.networks.copies import copy_network, lay_out_
from practise.networks.watching import at_rest
from practise.progress import track

PASSES = 2
"""Timed passes in a turn; the fastest counts."""
ATTEMPTS = 3
"""How often an unstable measurement is taken at most; the calmest counts."""
HELD, MOST_HELD = 3, 2**20
"""Blocks of memory that are held in a turn, and how many fp32 numbers one may have."""
MOST_COPIES, MOST_COPIED = 8, 2**31
"""Copies of each network, at most, and the bytes that all of them may take."""
MOST_ROUNDS = 10
"""Times as many rounds as are asked for, at most, are taken for the sake of precision."""
FEWEST_ROUNDS = 5
"""Rounds that are taken however long they take: fewer would say nothing of how far they can be trusted."""
WARMING = 0.1
"""The part of the time that untimed passes may take."""
MOST_OTHERS = 0.2
"""Cores that other processes may keep busy meanwhile; above that a measurement is unstable."""


@dataclass(frozen=True)
class Latency:
    """What one network takes for one batch.

    Attributes:
        median_ms: median over the rounds, in milliseconds.
        spread: interquartile range divided by the median.
        reduction: share of the reference's latency that is saved, the median of paired ratios.
        standard_error: of the reduction.
        rounds: turns that it took.
        others: cores that other processes kept busy meanwhile; 0 on a GPU, which has a clock of its own.
        unstable: whether spread or others are above their limits, so that the numbers should not be trusted.
    """

    median_ms: float
    spread: float
    reduction: float
    standard_error: float
    rounds: int
    others: float
    unstable: bool

    def disturbance(self, max_spread: float) -> float:
        """How far spread or others are towards their limits; above 1, the measurement is unstable."""
        return max(self.spread / max_spread, self.others / MOST_OTHERS)


def measure_latency(
    networks: Mapping[str, nn.Module],
    *,
    batch_size: int,
    image_size: int,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    rounds: int = 100,
    precision: float | None = None,
    warmup: int = 10,
    max_spread: float = 0.1,
    seconds: float = math.inf,
    description: str = "measure latency",
) -> dict[str, Latency]:
    """Latency of each network, side by side; the first is the reference for reductions.

    From then on the process keeps the memory that it frees (`keep_freed_memory`).

    Args:
        networks: networks by name; they are moved to the device and number format, channels last.
        batch_size: images in a forward pass.
        image_size: side of the square images in pixels.
        device: a GPU is timed with events, a CPU with the wall clock.
        dtype: number format of weights and images.
        rounds: turns of each network, at least.
        precision: standard error of a reduction above which more rounds are taken, up to ten times as many;
            None: the rounds are all.
        warmup: untimed passes of each network before the first round.
        max_spread: spread above which a network's measurement is called unstable.
        seconds: what it may take; a round that would end later is not begun, but `FEWEST_ROUNDS` are.
        description: what progress is told of.
    """
    start = time.monotonic()
    keep_freed_memory()
    noise = torch.randn(batch_size, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    images = noise.to(device, dtype, memory_format=torch.channels_last)
    ready = {name: at_rest(lay_out_(network, device, dtype)) for name, network in networks.items()}
    clock = time_on_gpu if device.type == "cuda" else partial(time_on_cpu, sizes=random.Random(0))
    times: dict[str, list[float]] = {name: [] for name in ready}
    copies = copy_networks(ready, device)
    with torch.inference_mode():
        for place, network in enumerate(ready.values(), start=1):
            until = start + WARMING * seconds * place / len(ready)
            for passed in range(warmup):
                if passed and time.monotonic() > until:
                    break
                network(images)
        order = list(ready)
        with OtherWork() as other:
            taken, wanted = 0, rounds
            while taken < wanted:
                for _ in track(within(start + seconds, taken, wanted), description, wanted - taken):
                    for name in order:
                        times[name].append(clock(next(copies[name]), images))
                    order.reverse()  # A B C, C B A: a steady drift falls on all alike
                taken = len(times[order[0]])
                wanted = enough_rounds(times, rounds, precision) if taken == wanted else taken
    reference, others = times[next(iter(times))], 0.0 if device.type == "cuda" else other.cores
    return {name: summarise(own, reference, others, max_spread) for name, own in times.items()}


def copy_networks(networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, Iterator[nn.Module]]:
    """For each network its copies, in turn and without end: as many as memory allows; on a GPU, itself alone.

    Each has one copy fewer than the one before it, so that the same copies do not always meet.
    """
    size = sum(value.nbytes for network in networks.values() for value in network.state_dict().values())
    most = 1 if device.type == "cuda" else min(MOST_COPIES, MOST_COPIED // max(size, 1))
    return {
        name: itertools.cycle([network, *(copy_network(network) for _ in range(place + 1, most))])
        for place, (name, network) in enumerate(networks.items())
    }


def within(end: float, taken: int, wanted: int) -> Iterator[int]:
    """The rounds from those taken to those wanted, while the next, as long as the longest, ends in time.

    Args:
        end: on the monotonic clock.
        taken: rounds so far.
        wanted: rounds in the end.
    """
    longest, last = 0.0, time.monotonic()
    for number in range(taken, wanted):
        if number >= FEWEST_ROUNDS and last + longest > end:
            return
        yield number
        now = time.monotonic()
        longest, last = max(longest, now - last), now


def enough_rounds(times: Mapping[str, list[float]], rounds: int, precision: float | None) -> int:
    """How many rounds it takes until every reduction is as precise as asked for, by those taken so far.

    Args:
        times: of each network in every round so far, the reference first.
        rounds: asked for.
        precision: as for `measure_latency`.
    """
    taken = len(reference := times[next(iter(times))])
    if precision is None:
        return taken
    error = max(reduce(own, reference)[1] for own in times.values())
    return min(math.ceil(taken * (error / precision) ** 2), MOST_ROUNDS * rounds)


def reduce(times: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    """The reduction that a network's times and the reference's (of the same rounds) say; its standard error.

    The error is that of a median of independent, normal ratios whose interquartile range is theirs.

    >>> reduce([3, 3, 3], [4, 4, 4])
    (0.25, 0.0)
    """
    ratios = [own / theirs for own, theirs in zip(times, reference, strict=True)]
    deviation = interquartile_range(ratios) / (2 * statistics.NormalDist().inv_cdf(0.75))
    return 1 - statistics.median(ratios), math.sqrt(math.pi / 2 / len(ratios)) * deviation


def interquartile_range(values: Sequence[float]) -> float:
    """The width of the middle half of some values; 0 of one."""
    if len(values) < 2:
        return 0.0
    quarters = statistics.quantiles(values, n=4)
    return quarters[2] - quarters[0]


def summarise(
    times: Sequence[float], reference: Sequence[float], others: float, max_spread: float
) -> Latency:
    """What a network's times and the reference's of the same rounds (ms) say.

    Args:
        times: the network's.
        reference: what reductions are against.
        others: cores that other processes kept busy.
        max_spread: spread above which they are unstable.
    """
    median = statistics.median(times)
    spread, rounds = interquartile_range(times) / median, len(times)
    found = Latency(median, spread, *reduce(times, reference), rounds, others, unstable=False)
    return replace(found, unstable=found.disturbance(max_spread) > 1)


def part_of(without_all: Latency, whole: Latency, count: int) -> Latency:
    """The network without one of several blocks that take the same time, from the one without all of them."""
    reduction = without_all.reduction / count
    error = without_all.standard_error / count
    median_ms = reduced_ms(whole.median_ms, reduction)
    return replace(without_all, median_ms=median_ms, reduction=reduction, standard_error=error)


def pool(looks: Sequence[Latency]) -> Latency:
    """One latency from several measurements of the same network; each counts by its rounds."""
    rounds = sum(look.rounds for look in looks)

    def mean(values: Iterable[float]) -> float:
        return sum(value * look.rounds for value, look in zip(values, looks, strict=True)) / rounds

    return Latency(
        median_ms=mean(look.median_ms for look in looks),
        spread=mean(look.spread for look in looks),
        reduction=mean(look.reduction for look in looks),
        standard_error=math.hypot(*(look.standard_error * look.rounds for look in looks)) / rounds,
        rounds=rounds,
        others=mean(look.others for look in looks),
        unstable=any(look.unstable for look in looks),
    )


def time_on_cpu(network: Callable[[Tensor], Tensor], images: Tensor, sizes: random.Random) -> float:
    """Milliseconds of one pass by the wall clock: after an untimed pass, the fastest of a few.

    Args:
        network: what to time.
        images: its input.
        sizes: draws how much memory is held meanwhile.
    """
    held = [torch.empty(sizes.randrange(MOST_HELD)) for _ in range(HELD)]
    network(images)
    times = []
    for _ in range(PASSES):
        start = time.perf_counter()
        network(images)
        times.append((time.perf_counter() - start) * 1e3)
    del held
    return min(times)


def time_on_gpu(network: Callable[[Tensor], Tensor], images: Tensor) -> float:
    """Milliseconds of one pass by events on the GPU's own clock: the fastest of a few."""
    network(images)
    times = []
    for _ in range(PASSES):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        start.record()
        network(images)
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return min(times)


def measure_with(
    settings: LatencyParams,
    networks: Mapping[str, nn.Module],
    image_size: int,
    device: torch.device,
    budget: Budget | None = None,
) -> dict[str, Latency]:
    """`measure_latency` with the section `latency` of the params, again where something disturbed it.

    Args:
        settings: the section.
        networks: as for `measure_latency`.
        image_size: likewise.
        device: likewise.
        budget: what all measurements of a run may take; None: what the section grants this one.
    """
    if budget is None:
        budget = Budget(math.inf if settings.max_seconds is None else settings.max_seconds)

    def measure(seconds: float, description: str) -> dict[str, Latency]:
        return measure_latency(
            networks,
            batch_size=settings.batch_size,
            image_size=image_size,
            device=device,
            dtype=resolve_dtype(settings.dtype, device),
            rounds=settings.rounds,
            precision=settings.precision,
            warmup=settings.warmup,
            max_spread=settings.max_spread,
            seconds=seconds,
            description=description,
        )

    def disturbance(measured: dict[str, Latency]) -> float:
        return max(latency.disturbance(settings.max_spread) for latency in measured.values())

    with budget.measuring() as seconds:
        attempts = [measure(seconds, "measure latency")]
    while disturbance(attempts[-1]) > 1 and len(attempts) < ATTEMPTS and budget.again > 0:
        with budget.measuring_again() as seconds:
            attempts.append(measure(seconds, f"measure latency again ({describe_disturbance(attempts[-1])})"))
    budget.end_measurement()
    return min(attempts, key=disturbance)


def describe_disturbance(measured: Mapping[str, Latency]) -> str:
    """What kept a measurement from being stable, in words."""
    spread = max(latency.spread for latency in measured.values())
    others = max(latency.others for latency in measured.values())
    return f"times spread by {spread:.0%}, other processes kept {others:.1f} cores busy"


def measure_also(
    settings: LatencyParams, networks: Mapping[str, nn.Module], image_size: int, device: torch.device
) -> list[dict[str, Any]]:
    """The same at each of `latency.also`: a record of its batch size and, by name, of every network."""
    records = []
    for batch_size in settings.also or ():
        at_that_size = settings.but(batch_size=batch_size)
        measured = measure_with(at_that_size, networks, image_size, device)
        times = {name: asdict(latency) for name, latency in measured.items()}
        records.append({"batch_size": batch_size, **times})
    return records


def describe_setting(settings: LatencyParams, image_size: int, device: torch.device) -> dict[str, Any]:
    """What a latency belongs to: device, threads, number format, batch and image size, how it is taken."""
    return {
        "batch_size": settings.batch_size,
        "image_size": image_size,
        "dtype": dtype_name(resolve_dtype(settings.dtype, device)),
        "threads": torch.get_num_threads(),
        "device": device.type,
        "device_name": device_name(device),
        "rounds": settings.rounds,
        "precision": settings.precision,
        "warmup": settings.warmup,
        "max_spread": settings.max_spread,
        "max_seconds": settings.max_seconds,
        "memory": "kept" if keep_freed_memory() else "returned",
    }
