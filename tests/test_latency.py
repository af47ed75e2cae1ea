"""Latency: the arithmetic on known times, and the measurement on work of known size."""

import math
import random
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_images import BLOCKS_ALONE, make_params
from torch import nn

from practise.errors import SelectionError
from practise.files import read_result, write_result
from practise.images.preprocessing import Preprocessing
from practise.latency import budget as budgets
from practise.latency import measuring
from practise.latency.budget import CALM, Budget
from practise.latency.contention import OtherWork
from practise.latency.measuring import (
    MOST_COPIES,
    Latency,
    copy_networks,
    enough_rounds,
    measure_latency,
    part_of,
    pool,
    reduce,
    summarise,
)
from practise.machine import hardware
from practise.machine.code import protocol
from practise.networks.cifar import CifarResNet
from practise.networks.size import count_gmacs
from practise.networks.teacher import Teacher, save_teacher
from practise.pruning.measured import CONFIRMATIONS, POINT
from practise.pruning.plan import Pruning
from practise.pruning.shares import MOST_REMOVED
from practise.pruning.students import prune
from practise.stages import latency as stage
from practise.stages import timing


def test_a_reduction_is_the_median_of_paired_ratios():
    reference = [10.0, 20.0, 40.0]  # the machine slows down; the ratio stays
    found = summarise([9.0, 18.0, 36.0], reference, 0.0, 2.0)
    assert found.reduction == pytest.approx(0.1)
    assert found.median_ms == 18.0


def test_spread_is_the_interquartile_range_over_the_median():
    found = summarise([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [1.0] * 7, 0.0, 0.1)
    assert found.spread == pytest.approx((6 - 2) / 4)
    assert found.unstable
    assert not summarise([3.0, 3.0, 3.0], [3.0] * 3, 0.0, 0.1).unstable


def test_times_taken_beside_other_work_are_unstable_however_even():
    assert summarise([3.0, 3.0], [3.0, 3.0], 0.5, 0.1).unstable
    assert not summarise([3.0, 3.0], [3.0, 3.0], 0.1, 0.1).unstable


@pytest.mark.timed
@pytest.mark.parametrize("busy", [False, True])
def test_other_processes_that_compute_are_noticed(busy: bool) -> None:
    work = "while True: pass" if busy else "import time; time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", work])
    try:
        time.sleep(0.3)
        with OtherWork() as watched:
            spin(1.0)
    finally:
        other.kill()
    assert (watched.cores > 0.3) or not busy


def spin(seconds: float) -> None:
    """Compute for some time in this process, which is not other work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def test_one_of_several_blocks_that_take_the_same_time_gets_its_part_of_what_all_save():
    whole = Latency(20.0, 0.02, 0.0, 0.0, 60, 0.0, False)
    without_three = Latency(14.0, 0.05, 0.3, 0.006, 60, 0.1, True)
    assert part_of(without_three, whole, 3) == Latency(
        pytest.approx(18.0), 0.05, pytest.approx(0.1), pytest.approx(0.002), 60, 0.1, True
    )
    alone = Latency(pytest.approx(14.0), 0.05, 0.3, 0.006, 60, 0.1, True)
    assert part_of(without_three, whole, 1) == alone


def test_the_standard_error_is_that_of_the_median_of_many_independent_ratios() -> None:
    rng = np.random.default_rng(0)
    medians, errors = [], []
    for _ in range(400):
        reduction, error = reduce(list(rng.normal(0.8, 0.05, 101)), [1.0] * 101)
        medians.append(reduction)
        errors.append(error)
    assert np.mean(medians) == pytest.approx(0.2, abs=1e-3)
    assert np.mean(errors) == pytest.approx(np.std(medians), rel=0.1)


def test_rounds_go_on_until_every_reduction_is_as_precise_as_asked_for() -> None:
    calm, restless = [0.8] * 10, [0.6, 0.7, 0.8, 0.9, 1.0] * 2
    times = {"original": [1.0] * 10, "calm": calm, "restless": restless}
    error = reduce(restless, times["original"])[1]
    assert enough_rounds(times, 10, None) == 10
    assert enough_rounds(times, 10, 1.01 * error) == 10
    assert enough_rounds(times, 10, error / 2) == 40
    assert enough_rounds(times, 10, error / 100) == 100  # ten times what was asked for, and no more
    assert enough_rounds({"original": [1.0] * 10, "calm": calm}, 10, 1e-6) <= 10


def test_more_rounds_are_taken_of_a_restless_network(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = random.Random(0)
    monkeypatch.setattr(measuring, "time_on_cpu", lambda *_, **__: drawn.gauss(10, 1))
    networks = {"original": nn.Flatten(), "other": nn.Flatten()}
    shape = {"batch_size": 1, "image_size": 2, "device": torch.device("cpu"), "warmup": 0}
    measured = measure_latency(networks, **shape, rounds=30, precision=0.01)["other"]
    assert 60 < measured.rounds <= 300
    assert measured.standard_error <= 0.01 or measured.rounds == 300
    assert measure_latency(networks, **shape, rounds=30)["other"].rounds == 30


def test_measurements_of_one_network_are_pooled_by_their_rounds() -> None:
    pooled = pool(
        [Latency(10.0, 0.1, 0.3, 0.03, 100, 0.0, False), Latency(13.0, 0.4, 0.0, 0.0, 50, 0.3, True)]
    )
    expected = {
        "median_ms": 11,
        "spread": 0.2,
        "reduction": 0.2,
        "standard_error": 0.02,
        "rounds": 150,
        "others": 0.1,
    }
    assert asdict(pooled) == pytest.approx({**expected, "unstable": True})
    assert pool([pooled]) == pooled


@pytest.mark.parametrize(
    ("spreads", "taken"),
    [([0.02], 0.02), ([0.3, 0.05], 0.05), ([0.3, 0.2, 0.25], 0.2), ([0.2, 0.3, 0.3, 0.0], 0.2)],
)
def test_an_unstable_measurement_is_taken_again_and_the_calmest_counts(
    spreads: list[float], taken: float, monkeypatch: Any
) -> None:
    left = iter(spreads)

    def measure(networks: object, *, max_spread: float, **others: object) -> dict[str, Latency]:
        spread = next(left)
        return {
            "calm": Latency(10.0, 0.01, 0.0, 0.0, 60, 0.0, False),
            "disturbed": Latency(9.0, spread, 0.1, 0.0, 60, 0.0, spread > max_spread),
        }

    monkeypatch.setattr(measuring, "measure_latency", measure)
    settings = make_params().latency.model_copy(update={"max_spread": 0.2})
    measured = measuring.measure_with(settings, {}, 32, torch.device("cpu"))
    assert measured["disturbed"].spread == taken


BLOCKS = ["layer1.0", "layer1.1", "layer1.2", "layer2.1", "layer2.2", "layer3.1"]
"""Of a ResNet-20, all blocks of layer1 and layer2 that can be dropped and one of layer3."""


def count_weights(settings: object, networks: Mapping[str, nn.Module], *others: object) -> dict[str, Latency]:
    """What each network would take if every weight took a nanosecond."""
    times = {name: sum(w.numel() for w in net.parameters()) / 1e6 for name, net in networks.items()}
    whole = times["original"]
    return {name: Latency(ms, 0.0, 1 - ms / whole, 0.0, 60, 0.0, False) for name, ms in times.items()}


def write_inputs() -> Teacher:
    """Write what the stage reads, and return the network."""
    card = {"library": "cifar", "architecture": "resnet20", "blocks": BLOCKS}
    network, preprocessing = (
        CifarResNet(20).eval(),
        Preprocessing(32, (0.5,) * 3, (0.5,) * 3, "bilinear", 1.0),
    )
    teacher = Teacher(network, preprocessing, tuple("0123456789"), card)
    save_teacher(teacher, Path("teacher.safetensors"), Path("teacher.json"), {})
    write_result("hardware.json", "hardware", hardware.describe(), {})
    return teacher


def run_stage(out: Path = Path("latency.json"), **settings: object) -> dict[str, Any]:
    """What the stage writes with some settings of its section replaced."""
    section = {**make_params().latency.model_dump(), "thinner": None, **settings}
    stage.run(
        make_params(**BLOCKS_ALONE, latency=section),
        network="efficientnet_lite0",
        teacher=Path("teacher.safetensors"),
        hardware=Path("hardware.json"),
        out=out,
    )
    return read_result(out, "latency")


def test_a_block_measured_with_its_like_saves_what_it_saves_alone(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "measure_with", count_weights)
    network = write_inputs().network
    result = run_stage()
    assert result["thinner"] == []
    assert result["alike"] == [BLOCKS[:3], BLOCKS[3:5], BLOCKS[5:]]
    weights = {name: sum(w.numel() for w in network.get_submodule(name).parameters()) for name in BLOCKS}
    every = sum(w.numel() for w in network.parameters())
    assert list(result["blocks"]) == BLOCKS
    for name, measured in result["blocks"].items():
        assert measured["reduction"] == pytest.approx(weights[name] / every)
        assert measured["median_ms"] == pytest.approx((every - weights[name]) / 1e6)


def macs_of_a_block(name: str) -> float:
    """Two 3×3 convolutions at 32, 16 or 8 pixels, in billions."""
    place = int(name[len("layer")]) - 1
    return 2 * 9 * (16 * 2**place) ** 2 * (32 // 2**place) ** 2 / 1e9


def test_the_macs_that_a_block_saves_are_those_of_its_convolutions(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "measure_with", count_weights)
    whole = count_gmacs(write_inputs().network, 32)
    for name, measured in run_stage()["blocks"].items():
        assert measured["macs_reduction"] == pytest.approx(macs_of_a_block(name) / whole)


def test_thinner_networks_are_told_by_share_with_the_macs_of_what_filter_pruning_leaves(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    teacher = write_inputs()
    whole = count_gmacs(teacher.network, 32)
    monkeypatch.setattr(timing, "measure_with", count_weights)
    result = run_stage(thinner=[0.3, 0.1])
    points, original = result["thinner"], result["original"]
    shares = [point["share"] for point in points]
    assert shares == sorted(set(shares))
    assert shares
    for point in points:
        assert point.keys() == original.keys() | {"share", "macs_reduction"}
        assert 0 < point["share"] <= MOST_REMOVED
        assert point["median_ms"] > 0
        pruned = prune(teacher, Pruning(filters_removed=point["share"]))
        assert point["macs_reduction"] == 1 - count_gmacs(pruned, 32) / whole


def test_shares_of_filters_are_searched_from_both_sides_of_each_reduction(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "measure_with", count_weights)
    teacher = write_inputs()

    def weights_without(share: float) -> int:
        return sum(w.numel() for w in prune(teacher, Pruning(filters_removed=share)).parameters())

    targets = [0.3, 0.1, 0.2]
    points = run_stage(thinner=targets)["thinner"]
    for point in points:
        assert point["reduction"] == pytest.approx(1 - weights_without(point["share"]) / weights_without(0.0))
    for target in targets:  # filters of this network go by eights: not every reduction can be met
        errors = [point["reduction"] - target for point in points]
        assert min(map(abs, errors)) <= POINT or min(errors) < 0 < max(errors)
        assert min(map(abs, errors)) < 0.05


def test_the_share_of_filters_that_is_found_is_measured_again(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "measure_with", count_weights)
    teacher = write_inputs()
    halved, whole = prune(teacher, Pruning(filters_removed=0.5)), teacher.network
    target = count_weights(None, {"original": whole, "halved": halved})["halved"].reduction
    points = run_stage(thinner=[target])["thinner"]
    nearest = min(points, key=lambda point: abs(point["reduction"] - target))
    assert nearest["reduction"] == pytest.approx(target, abs=POINT)
    assert nearest["rounds"] == 60 * (1 + CONFIRMATIONS)


def test_the_first_blocks_give_the_reduction_that_filters_have_to_meet(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "measure_with", count_weights)
    teacher = write_inputs()
    result = run_stage(thinner=[4])
    (first,) = result["first_blocks"]
    assert (first["count"], first["dropped_blocks"]) == (4, BLOCKS[:4])
    without = count_weights(None, {"original": teacher.network, "w": prune(teacher, Pruning(BLOCKS[:4]))})[
        "w"
    ]
    assert first["reduction"] == pytest.approx(without.reduction)
    assert first["rounds"] == 60 * (1 + CONFIRMATIONS)
    misses = [abs(point["reduction"] - first["reduction"]) for point in result["thinner"]]
    assert min(misses) < 0.05


def test_more_blocks_than_there_are_cannot_say_what_filters_have_to_save(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(timing, "measure_with", count_weights)
    write_inputs()
    with pytest.raises(SelectionError) as error:
        run_stage(thinner=[7])
    assert str(error.value) == (
        "latency.thinner: asks for what 7 blocks save, but the network has 6 that can be dropped"
    )


def test_a_machine_measures_once_and_for_other_reductions_only_thinner_networks_again(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    measured: list[set[str]] = []

    def measure(settings: object, networks: Mapping[str, nn.Module], *others: object) -> dict[str, Latency]:
        measured.append(set(networks))
        return count_weights(settings, networks, *others)

    monkeypatch.setattr(timing, "measure_with", measure)
    write_inputs()
    first = run_stage(thinner=[0.1])
    assert measured[:4] == [{"original", "without"}] * 4  # three kinds of blocks, and all at once
    assert {frozenset(names) for names in measured[4:]} == {frozenset({"original", "pruned"})}
    measured.clear()
    assert run_stage(Path("again.json"), thinner=[0.1]) == first
    assert Path("again.json").read_bytes() == Path("latency.json").read_bytes()
    assert measured == []
    other = run_stage(thinner=[0.2])
    assert {frozenset(names) for names in measured} == {frozenset({"original", "pruned"})}
    assert other["blocks"] == first["blocks"]
    assert other["thinner"] != first["thinner"]


def test_what_another_code_measured_does_not_count_and_comments_are_no_code(tmp_path: Path) -> None:
    def of(name: str, source: str) -> str:
        (tmp_path / name).mkdir()
        (tmp_path / name / "measuring.py").write_text(source)
        return protocol(tmp_path / name, without=("params.py",))

    first = of("a", '"""One."""\nPASSES = 2\n\n\ndef f():\n    """Do."""\n    return 1\n')
    assert of("b", '"""Other."""\nPASSES = 2  # why\n"""Text."""\ndef f():\n    return 1\n') == first
    assert of("c", "PASSES = 3\ndef f():\n    return 1\n") != first
    assert of("d", "PASSES = 2\ndef f():\n    return 2\n") != first
    (tmp_path / "a" / "params.py").write_text("X = 1\n")
    protocol.cache_clear()
    assert protocol(tmp_path / "a", without=("params.py",)) == first
    assert protocol(tmp_path / "a") != first


class FakeClock:
    """A clock that goes on by what passes take, and by nothing else."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float, jitter: float = 0.0) -> None:
        self.now, self.seconds, self.drawn, self.jitter = 0.0, seconds, random.Random(0), jitter
        for module in (measuring, budgets):
            monkeypatch.setattr(module, "time", self)
        monkeypatch.setattr(measuring, "time_on_cpu", self.take)

    def monotonic(self) -> float:
        return self.now

    def take(self, *given: object, **named: object) -> float:
        self.now += self.seconds
        return self.drawn.gauss(10, self.jitter)


SHAPE = {"batch_size": 1, "image_size": 2, "device": torch.device("cpu"), "warmup": 0}


@pytest.mark.parametrize(
    ("seconds", "rounds"), [(100.0, 50), (60.0, 30), (7.0, measuring.FEWEST_ROUNDS), (math.inf, 100)]
)
def test_rounds_end_when_their_time_is_over_but_for_a_handful(
    seconds: float, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock(monkeypatch, seconds=1.0)
    networks = {"original": nn.Flatten(), "other": nn.Flatten()}
    measured = measure_latency(networks, **SHAPE, rounds=100, seconds=seconds)
    assert measured["other"].rounds == rounds
    assert clock.now == 2 * rounds


def test_time_ends_the_rounds_that_precision_asks_for_and_the_standard_error_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeClock(monkeypatch, seconds=1.0, jitter=1.0)
    networks = {"original": nn.Flatten(), "other": nn.Flatten()}
    measured = measure_latency(networks, **SHAPE, rounds=10, precision=0.01, seconds=40.0)["other"]
    assert measured.rounds == 20
    assert measured.standard_error > 0.01


def test_measurements_share_what_is_left_and_repetitions_have_a_part_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = FakeClock(monkeypatch, seconds=0.0)
    budget, granted = Budget(100.0, measurements=4), []
    for took in (10.0, 2.0, 0.0, 4.0, 12.0):
        with budget.measuring() as seconds:
            granted.append(seconds)
            clock.now += took
        budget.end_measurement()
    assert granted == [10.0, 10.0, 14.0, 28.0, 12.0]
    assert budget.once == pytest.approx(100 * CALM - 28)
    assert budget.again == pytest.approx(100 * (1 - CALM))


def test_a_busy_machine_is_measured_again_only_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every measurement is disturbed: the budget goes, little more, and all are told to be unstable."""
    clock = FakeClock(monkeypatch, seconds=0.1, jitter=5.0)
    settings = make_params().latency.but(rounds=60, precision=0.001, warmup=0, max_spread=0.01)
    networks = {"original": nn.Flatten(), "other": nn.Flatten()}
    budget = Budget(300.0, measurements=8)
    measured = [measuring.measure_with(settings, networks, 2, torch.device("cpu"), budget) for _ in range(8)]
    assert all(each["other"].unstable for each in measured)
    assert 200 < clock.now < 310


class Repeated(nn.Module):
    """A convolution applied a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 7, padding=3)
        self.times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            x = self.conv(x)
        return x


@pytest.mark.timed
def test_half_the_work_takes_about_half_the_time():
    networks = {"original": Repeated(8), "half": Repeated(4), "same": Repeated(8)}
    few_rounds = {"batch_size": 8, "rounds": 20, "warmup": 2, "dtype": "fp32"}
    settings = make_params().latency.model_copy(update=few_rounds)
    measured = measuring.measure_with(settings, networks, 64, torch.device("cpu"))
    assert measured["original"].reduction == 0
    if (others := measured["original"].others) > 0.5:
        pytest.skip(f"other processes keep {others:.1f} cores busy: times mean nothing")
    assert 0.3 < measured["half"].reduction < 0.7
    assert abs(measured["same"].reduction) < 0.25
    assert measured["original"].median_ms > measured["half"].median_ms > 0


@pytest.mark.gpu
@pytest.mark.timed
def test_a_gpu_is_timed_with_its_own_clock():
    networks = {"original": Repeated(64), "half": Repeated(32)}
    measured = measure_latency(
        networks, batch_size=64, image_size=224, device=torch.device("cuda"), rounds=20, warmup=3
    )
    assert 0.4 < measured["half"].reduction < 0.6


def test_each_turn_takes_another_copy_of_a_network_whose_weights_lie_elsewhere() -> None:
    networks = {"original": nn.Linear(3, 2), "faster": nn.Linear(2, 2)}
    copies = copy_networks(networks, torch.device("cpu"))
    for name, many in (("original", MOST_COPIES), ("faster", MOST_COPIES - 1)):
        taken = [next(copies[name]) for _ in range(2 * many)]
        assert taken[0] is networks[name]
        assert taken[:many] == taken[many:]
        assert len({one.weight.data_ptr() for one in taken}) == many
        assert all(torch.equal(one.weight, networks[name].weight) for one in taken)


def test_large_networks_and_those_on_a_gpu_are_not_copied(monkeypatch: Any) -> None:
    networks = {"original": nn.Linear(3, 2), "faster": nn.Linear(2, 2)}
    bytes_of_all = sum(value.nbytes for net in networks.values() for value in net.state_dict().values())
    for most, device, copied in ((3 * bytes_of_all, "cpu", 3), (0, "cpu", 1), (2**31, "cuda", 1)):
        monkeypatch.setattr(measuring, "MOST_COPIED", most)
        copies = copy_networks(networks, torch.device(device))
        assert len({next(copies["original"]) for _ in range(10)}) == copied
