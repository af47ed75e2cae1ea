"""The stage `evaluate`: what a recovered network loses, image by image."""

from pathlib import Path
from typing import Any

import pytest
import torch
from made_images import BLOCKS_ALONE, make_folder, make_params

from practise.evaluation.accuracy import ask
from practise.evaluation.logits import write_logits
from practise.evaluation.lost import read_lost
from practise.files import read_result
from practise.images import open_source
from practise.images.manifest import Listing, write_listing
from practise.images.preprocessing import Preprocessing
from practise.images.reading import hash_images
from practise.networks.cifar import CifarResNet
from practise.networks.teacher import Teacher, load_teacher, save_teacher
from practise.pruning.plan import Pruning
from practise.pruning.students import load_student, prune, save_student
from practise.stages import evaluate
from practise.stages.opening import stream_evaluation

SMALL = {"library": "cifar", "architecture": "resnet20"}
ENTRY = {**SMALL, "weights": "none.pth", "image_size": 32, "head": None}


def write_inputs(folder: Path) -> dict[str, Any]:
    """Write what the stage reads; return its params and paths."""
    classes = tuple(f"class{index}" for index in range(10))
    images = make_folder(folder / "photos", per_class=1, classes=classes)
    params = make_params(
        **BLOCKS_ALONE,
        networks={"small": ENTRY, "efficientnet_lite0": ENTRY},
        images={"elpv": {"source": "elpv"}, "photos": images.model_dump()},
    )
    source = open_source("photos", images)
    evaluation = hash_images(source.root, source.evaluation)
    write_listing(folder / "listing.json", Listing("photos", classes, 10, evaluation), {})
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
        "out": folder / "accuracy.json",
        "lost": folder / "lost.safetensors",
    }


def test_what_is_lost_stands_beside_the_accuracy_and_image_by_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    values = write_inputs(tmp_path)
    evaluate.run(**values)
    result, lost = read_result(values["out"], "accuracy"), read_lost(values["lost"])
    assert result["num_images"] == 10
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
