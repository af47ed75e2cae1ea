"""The stage `evaluate` measures the recovered network at every batch size that the params ask for."""

from pathlib import Path
from typing import Any

import pytest
import torch
from made_images import BLOCKS_ALONE, make_folder, make_params

from practise.evaluation.accuracy import ask
from practise.evaluation.logits import write_logits
from practise.evaluation.lost import read_lost
from practise.files import read_result, write_result
from practise.images import open_source
from practise.images.manifest import Listing, write_listing
from practise.images.preprocessing import Preprocessing
from practise.images.reading import hash_images
from practise.latency.measuring import Latency
from practise.machine import hardware
from practise.networks.cifar import CifarResNet
from practise.networks.teacher import Teacher, load_teacher, save_teacher
from practise.pruning.plan import Pruning
from practise.pruning.students import load_student, prune, save_student
from practise.stages import evaluate, timing
from practise.stages.opening import stream_evaluation

SMALL = {"library": "cifar", "architecture": "resnet20"}
ENTRY = {**SMALL, "weights": "none.pth", "image_size": 32, "head": None}
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


def write_inputs(folder: Path, also: list[int] | None) -> dict[str, Any]:
    """Write what the stage reads; return its params and paths."""
    classes = tuple(f"class{index}" for index in range(10))
    images = make_folder(folder / "photos", per_class=1, classes=classes)
    params = make_params(
        **BLOCKS_ALONE,
        networks={"small": ENTRY, "efficientnet_lite0": ENTRY},
        images={"elpv": {"source": "elpv"}, "photos": images.model_dump()},
        latency={**QUICK, "also": also},
    )
    source = open_source("photos", images)
    evaluation = hash_images(source.root, source.evaluation)
    write_listing(folder / "listing.json", Listing("photos", classes, 10, evaluation), {})
    write_result(folder / "hardware.json", "hardware", hardware.describe(), {})
    preprocessing = Preprocessing(32, (0.5,) * 3, (0.5,) * 3, "bilinear", 1.0)
    teacher = Teacher(CifarResNet(20).eval(), preprocessing, classes, {**SMALL, "blocks": ["layer1.1"]})
    weights = folder / "teacher.safetensors"
    save_teacher(teacher, weights, weights.with_suffix(".json"), {})
    batches = stream_evaluation(params, folder / "listing.json", preprocessing)
    write_logits(folder / "original.safetensors", *ask(teacher.network, batches, torch.device("cpu")))
    described = {"network": "small", **Pruning(["layer1.1"]).describe()}
    save_student(
        prune(teacher, Pruning(["layer1.1"])),
        described,
        folder / "student.safetensors",
        folder / "student.json",
        {},
    )
    return {
        "params": params,
        "network": "small",
        "images": "photos",
        "teacher": weights,
        "listing": folder / "listing.json",
        "student": folder / "student.safetensors",
        "card": folder / "student.json",
        "original": folder / "original.safetensors",
        "hardware": folder / "hardware.json",
        "out": folder / "accuracy.json",
        "lost": folder / "lost.safetensors",
        "latency": folder / "latency.json",
    }


@pytest.mark.parametrize("also", [None, [1, 3]])
def test_latency_is_measured_at_every_batch_size(
    tmp_path: Path, also: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluate.run(**write_inputs(tmp_path, also))
    result = read_result(tmp_path / "latency.json", "latency")
    assert result["batch_size"] == 2
    assert ("also" in result) == (also is not None)
    for batch_size, record in zip(also or (), result.get("also", ()), strict=True):
        assert record.keys() == {"batch_size", "original", "student"}
        assert record["batch_size"] == batch_size
        assert record["original"].keys() == record["student"].keys() == result["student"].keys()
        assert record["original"]["reduction"] == 0
        assert record["student"]["median_ms"] > 0
    assert read_result(tmp_path / "accuracy.json", "accuracy")["num_images"] == 10


def test_what_is_lost_stands_beside_the_accuracy_and_image_by_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = write_inputs(tmp_path, None)
    evaluate.run(**values)
    result, lost = read_result(values["out"], "accuracy"), read_lost(values["lost"])
    teacher = load_teacher(values["teacher"])
    student = load_student(teacher, values["student"], values["card"]).network
    batches = list(stream_evaluation(values["params"], values["listing"], teacher.preprocessing))
    views, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    with torch.no_grad():
        theirs, ours = (network(views).double() for network in (teacher.network, student))
    kl = (theirs.softmax(1) * (theirs.log_softmax(1) - ours.log_softmax(1))).sum(1)
    assert lost.kl[0] == pytest.approx(kl.numpy(), rel=1e-3, abs=1e-6)
    assert lost.right[0].tolist() == (ours.argmax(1) == labels).tolist()
    assert lost.right_original.tolist() == (theirs.argmax(1) == labels).tolist()
    assert result["kl"] == pytest.approx(kl.mean().item(), rel=1e-3)
    assert result["kl_standard_error"] == pytest.approx(kl.std().item() / 10**0.5, rel=1e-3)
    drop = 100 * (lost.right_original.astype(float) - lost.right[0])
    assert result["top1_lost"] == pytest.approx(drop.mean())
    assert result["top1_lost_standard_error"] == pytest.approx(drop.std(ddof=1) / 10**0.5)


def test_what_is_reported_is_the_mean_of_several_measurements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    taken: list[dict[str, Latency]] = []
    measure_with = timing.measure_with
    monkeypatch.setattr(
        timing, "measure_with", lambda *given: taken.append(measure_with(*given)) or taken[-1]
    )
    evaluate.run(**write_inputs(tmp_path, None))
    student = read_result(tmp_path / "latency.json", "latency")["student"]
    assert len(taken) == evaluate.LOOKS > 1
    assert student["rounds"] == sum(look["student"].rounds for look in taken)
    reductions = [look["student"].reduction for look in taken]
    assert min(reductions) <= student["reduction"] <= max(reductions)


def test_networks_of_the_same_layers_share_a_latency_and_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    taken: list[int] = []
    measure_with = timing.measure_with

    def measure(*values: Any) -> Any:
        taken.append(1)
        return measure_with(*values)

    monkeypatch.setattr(timing, "measure_with", measure)
    values, latency = write_inputs(tmp_path, None), tmp_path / "latency.json"

    def evaluate_without(pruning: Pruning, **flags: bool) -> bytes:
        teacher = load_teacher(values["teacher"])
        student = prune(teacher, pruning)
        torch.nn.init.ones_(next(student.parameters()))
        described = {"network": "small", **pruning.describe()}
        save_student(student, described, values["student"], values["card"], {})
        evaluate.run(**values, **flags)
        return latency.read_bytes()

    first = evaluate_without(Pruning(["layer1.1"]))
    assert evaluate_without(Pruning(["layer1.1"])) == first
    assert len(taken) == evaluate.LOOKS
    evaluate_without(Pruning(filters_removed=0.5))
    evaluate_without(Pruning(filters_removed=0.5))
    assert len(taken) == 2 * evaluate.LOOKS
    evaluate_without(Pruning(["layer1.1"]), again=True)
    assert len(taken) == 3 * evaluate.LOOKS
