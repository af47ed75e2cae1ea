"""The stage `measure`: how fast all is that was chosen for a network, each once, beside the original."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_images import BLOCKS_ALONE, make_params

from practise.errors import FileError
from practise.files import read_result, write_result
from practise.images.preprocessing import Preprocessing
from practise.latency.measuring import Latency
from practise.machine import hardware
from practise.networks.cifar import CifarResNet
from practise.networks.teacher import Teacher, save_teacher
from practise.pruning.plan import Pruning
from practise.settings.grid import Paths, cells
from practise.settings.params import Params
from practise.stages import measure, timing

ALIKE = ["layer1.1", "layer1.2"]
"""Blocks of a ResNet-20 that take the same time."""
QUICK = {
    "batch_size": 2,
    "thinner": None,
    "dtype": "fp32",
    "rounds": 2,
    "precision": None,
    "warmup": 1,
    "max_spread": 1.0,
}
"""Passes of a few milliseconds."""

Looks = list[dict[str, Latency]]


@pytest.fixture
def looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Looks:
    """A folder for everything, and the measurements that are taken there, as they come."""
    monkeypatch.chdir(tmp_path)
    taken: Looks = []
    really: Callable[..., dict[str, Latency]] = timing.measure_with
    monkeypatch.setattr(timing, "measure_with", lambda *given: taken.append(really(*given)) or taken[-1])
    return taken


def write_inputs(*chosen: Pruning, also: list[int] | None = None) -> Params:
    """Write what the stage reads; the grid has a seed for each choice, and a single method."""
    seeds = {"seeds": list(range(len(chosen))), "methods": ["practise"]}
    params = make_params(grid=BLOCKS_ALONE["grid"] | seeds, latency={**QUICK, "also": also})
    preprocessing = Preprocessing(32, (0.5,) * 3, (0.5,) * 3, "bilinear", 1.0)
    card = {"library": "cifar", "architecture": "resnet20", "blocks": ["layer1.0", *ALIKE]}
    teacher = Teacher(CifarResNet(20).eval(), preprocessing, tuple("0123456789"), card)
    save_teacher(teacher, Path("teacher.safetensors"), Path("teacher.json"), {})
    write_result("hardware.json", "hardware", hardware.describe(), {})
    for cell, pruning in zip(cells(params), chosen, strict=True):
        write_result(Paths.of(params).select(cell), "select", pruning.describe(), {})
    return params


def run_stage(params: Params, **flags: bool) -> dict[str, Any]:
    """What the stage writes."""
    names = {"teacher": Path("teacher.safetensors"), "hardware": Path("hardware.json")}
    measure.run(params, network="efficientnet_lite0", **names, out=Path("measured.json"), **flags)
    return read_result("measured.json", "latency")


@pytest.mark.parametrize("also", [None, [1, 3]])
def test_latency_is_measured_at_every_batch_size(also: list[int] | None, looks: Looks) -> None:
    result = run_stage(write_inputs(Pruning(["layer1.1"]), also=also))
    assert result["batch_size"] == 2
    (choice,) = result["choices"]
    assert choice["dropped_blocks"] == ["layer1.1"] and choice["filters_removed"] is None
    assert [record["batch_size"] for record in choice["also"]] == (also or [])
    for record in (choice, *choice["also"]):
        assert record["original"].keys() == record["student"].keys()
        assert record["original"]["reduction"] == 0
        assert record["student"]["median_ms"] > 0


def test_what_is_reported_is_the_mean_of_several_measurements(looks: Looks) -> None:
    (choice,) = run_stage(write_inputs(Pruning(["layer1.1"])))["choices"]
    assert len(looks) == measure.LOOKS > 1
    assert choice["student"]["rounds"] == sum(look["student"].rounds for look in looks)
    reductions = [look["student"].reduction for look in looks]
    assert min(reductions) <= choice["student"]["reduction"] <= max(reductions)


def test_a_choice_is_measured_once_and_shares_that_with_others_of_the_same_layers(looks: Looks) -> None:
    one, alike, thinner = Pruning(ALIKE[:1]), Pruning(ALIKE[1:]), Pruning(filters_removed=0.5)
    first = run_stage(write_inputs(one, one, alike, thinner))["choices"]
    assert [choice["dropped_blocks"] for choice in first] == [ALIKE[:1], ALIKE[1:], []]
    assert first[0]["student"] == first[1]["student"] != first[2]["student"]
    assert len(looks) == 2 * measure.LOOKS


def test_measurements_are_kept_until_others_are_asked_for(looks: Looks) -> None:
    first = run_stage(params := write_inputs(Pruning(["layer1.1"])))
    assert run_stage(params) == first
    assert len(looks) == measure.LOOKS
    run_stage(params, again=True)
    assert len(looks) == 2 * measure.LOOKS


def test_a_choice_that_is_missing_is_named(looks: Looks) -> None:
    params = write_inputs(Pruning(["layer1.1"]))
    missing = Paths.of(params).select(cells(params)[0])
    missing.unlink()
    with pytest.raises(FileError, match=str(missing)):
        run_stage(params)
    assert not looks and not Path("measured.json").exists()
