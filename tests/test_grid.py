"""The cells of the grid and the path of every result."""

from pathlib import Path

import pytest

from practise.settings.grid import Cell, Paths, Trial, cells, rank_trials
from practise.settings.reading import load_params

PATHS = Paths(Path("results/default"))
CELL = Cell("resnet34", "elpv", "practise", 50, 2021, 0.2)
TRIAL = Trial("resnet34", "elpv", 50, 2021)


def test_cells_are_every_combination_once_in_the_order_of_the_lists() -> None:
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    lists = {"num_images": (50, 100), "seeds": (2, 1), "targets": (0.16, 0.22)}
    params = params.model_copy(update={"grid": params.grid.model_copy(update=lists)})
    found = cells(params)
    assert len(found) == len(set(found)) == 2 * 2 * 2 * len(params.grid.methods)
    first = Cell(params.grid.networks[0], params.grid.images[0], params.grid.methods[0], 50, 2, 0.16)
    assert found[0] == first
    assert [cell.target for cell in found[:2]] == [0.16, 0.22]
    assert [cell.seed for cell in found[:4]] == [2, 2, 1, 1]


def test_criteria_are_compared_for_every_combination_of_the_section_ranks_lists() -> None:
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    lists = {"networks": ("b", "a"), "images": ("elpv",), "num_images": (50, 100), "seeds": (2, 1)}
    params = params.model_copy(update={"rank": params.rank.model_copy(update=lists)})
    assert rank_trials(params) == [
        Trial(network, "elpv", num_images, seed)
        for network in ("b", "a")
        for num_images in (50, 100)
        for seed in (2, 1)
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PATHS.hardware, "hardware.json"),
        (PATHS.images("elpv"), "images/elpv.json"),
        (PATHS.teacher("resnet34"), "teacher/resnet34.safetensors"),
        (PATHS.teacher_card("resnet34"), "teacher/resnet34.json"),
        (PATHS.original("resnet34", "elpv"), "original/resnet34/elpv.json"),
        (PATHS.sample("elpv", 50, 2021), "sample/elpv/n50/s2021.json"),
        (PATHS.latency("resnet34"), "latency/resnet34.json"),
        (PATHS.score(CELL), "score/resnet34/elpv/practise/n50/s2021.json"),
        (PATHS.select(CELL), "select/resnet34/elpv/practise/n50/s2021/t0.2.json"),
        (PATHS.student(CELL), "recover/resnet34/elpv/practise/n50/s2021/t0.2/student.safetensors"),
        (PATHS.student_card(CELL), "recover/resnet34/elpv/practise/n50/s2021/t0.2/student.json"),
        (PATHS.history(CELL), "recover/resnet34/elpv/practise/n50/s2021/t0.2/history.csv"),
        (PATHS.accuracy(CELL), "evaluate/resnet34/elpv/practise/n50/s2021/t0.2/accuracy.json"),
        (PATHS.measured("resnet34"), "measure/resnet34.json"),
        (PATHS.rank(TRIAL), "rank/resnet34/elpv/n50/s2021.json"),
        (PATHS.tables, "tables"),
        (PATHS.figures, "figures"),
    ],
)
def test_each_result_has_its_path(path: Path, expected: str) -> None:
    assert path == Path("results/default", expected)


@pytest.mark.parametrize(
    ("output", "note"),
    [
        (PATHS.hardware, "runs/hardware.volatile.json"),
        (PATHS.score(CELL), "runs/score/resnet34/elpv/practise/n50/s2021.volatile.json"),
        (PATHS.select(CELL), "runs/select/resnet34/elpv/practise/n50/s2021/t0.2.volatile.json"),
        (PATHS.student(CELL), "runs/recover/resnet34/elpv/practise/n50/s2021/t0.2/student.volatile.json"),
        (PATHS.tables, "runs/tables.volatile.json"),
        (Path.cwd() / PATHS.hardware, "runs/hardware.volatile.json"),
    ],
)
def test_what_changes_from_run_to_run_lies_apart(output: Path, note: str) -> None:
    assert PATHS.volatile(output) == Path("results/default", note)


@pytest.mark.parametrize(
    "output", ["/elsewhere/score.json", "results/paper/hardware.json", "results/default"]
)
def test_an_output_elsewhere_has_no_note(output: str) -> None:
    assert PATHS.volatile(Path(output)) is None
