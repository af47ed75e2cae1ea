"""Pruned networks on disk: what is written is what is read, and nothing else is taken for it."""

from pathlib import Path

import pytest
import torch
from test_views import PREPROCESSING
from tiny import noise, tiny_network

from practise.errors import CheckpointError
from practise.networks.teacher import Teacher
from practise.pruning.plan import Pruning
from practise.pruning.students import load_student, prune, save_student


def saved(folder: Path, dropped: list[str]) -> Teacher:
    teacher = Teacher(tiny_network(), PREPROCESSING, ("a", "b", "c", "d"), {"network": "tiny"})
    described = {"network": "tiny", **Pruning(dropped).describe()}
    save_student(
        prune(teacher, Pruning(dropped)),
        described,
        folder / "student.safetensors",
        folder / "student.json",
        {},
    )
    return teacher


def test_a_student_computes_the_same_after_it_was_written_and_read(tmp_path):
    teacher = saved(tmp_path, ["stages.0.1"])
    student = load_student(teacher, tmp_path / "student.safetensors", tmp_path / "student.json")
    images = noise(2)
    assert torch.equal(student.network(images), prune(teacher, Pruning(["stages.0.1"]))(images))
    assert student.card["dropped_blocks"] == ["stages.0.1"]


def test_pruning_leaves_the_original_alone(tmp_path):
    teacher = saved(tmp_path, ["stages.0.1"])
    assert set(teacher.network.state_dict()) == set(tiny_network().state_dict())


def test_a_student_is_smaller_on_disk(tmp_path):
    for folder, dropped in (("all", []), ("pruned", ["stages.0.1", "stages.1.1"])):
        (tmp_path / folder).mkdir()
        saved(tmp_path / folder, dropped)
    sizes = [(tmp_path / folder / "student.safetensors").stat().st_size for folder in ("pruned", "all")]
    assert sizes[0] < 0.75 * sizes[1]


def test_weights_of_another_card_are_refused(tmp_path):
    teacher = saved(tmp_path, ["stages.0.1"])
    weights = tmp_path / "student.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(CheckpointError) as error:
        load_student(teacher, weights, tmp_path / "student.json")
    assert str(error.value) == (
        f"'{weights}' is not the file that {tmp_path / 'student.json'} describes; make both again"
    )
