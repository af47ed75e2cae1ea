"""Whether results were measured on this machine."""

from pathlib import Path

from practise.files import write_result
from practise.machine.hardware import glance, is_from_elsewhere


def test_results_of_this_machine_are_from_here(tmp_path: Path) -> None:
    write_result(tmp_path / "hardware.json", "hardware", glance(), {})
    assert not is_from_elsewhere(tmp_path / "hardware.json")


def test_results_of_another_machine_are_from_elsewhere(tmp_path: Path) -> None:
    write_result(tmp_path / "hardware.json", "hardware", {**glance(), "cpu": "Difference Engine"}, {})
    assert is_from_elsewhere(tmp_path / "hardware.json")


def test_no_results_are_from_nowhere(tmp_path: Path) -> None:
    assert not is_from_elsewhere(tmp_path / "hardware.json")
