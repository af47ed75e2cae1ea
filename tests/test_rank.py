"""The stage `rank` judges criteria by recoveries: each set of blocks once, as other stages would do it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from made_images import CLASSES, make_folder, make_params
from torch import nn

from practise import resume
from practise.errors import SelectionError
from practise.evaluation.accuracy import evaluate_accuracy
from practise.files import read_result, write_result
from practise.images import open_source
from practise.images.loading import load_images
from practise.images.manifest import Listing, Sample, write_listing, write_sample
from practise.images.params import ImagesParams
from practise.images.preprocessing import Preprocessing
from practise.images.reading import hash_images
from practise.networks.cifar import CifarResNet
from practise.networks.teacher import Teacher, load_teacher, save_teacher
from practise.pruning.plan import Pruning
from practise.pruning.students import load_student
from practise.recovery.training import Step, recover_
from practise.scoring.registry import CRITERIA
from practise.settings.params import Params
from practise.stages import rank
from practise.stages import recover as recover_stage

SMALL = {"library": "cifar", "architecture": "resnet20"}
ENTRY = {**SMALL, "weights": "none.pth", "image_size": 32, "head": None}
PREPROCESSING = Preprocessing(32, (0.5,) * 3, (0.25,) * 3, "bilinear", 1.0)
TAU = {"layer1.0": 0.05, "layer1.1": 0.06, "layer2.1": -0.01, "layer3.1": 0.1}
"""What each block saves; one costs time to drop."""
LOOKED_AT = ["random", "first_blocks", "latency", "feature_change", "recoverability"]
RECOVER = "practise.evaluation.recovered.recover_"
QUICK = {"steps": 2, "batch_size": 4, "views": 1, "dtype": "fp32"}


def make_photos(folder: Path) -> ImagesParams:
    return make_folder(folder / "photos", per_class=8)


def params_of(folder: Path, **changes: Any) -> Params:
    """A grid of one network, and a comparison of criteria on it."""
    grid = {"networks": ["small"], "images": ["photos"], "num_images": [6], "seeds": [0, 1]}
    committed = make_params().recover.model_dump()
    compared = {"criteria": LOOKED_AT, "counts": [1, 2], "method": "practise", **changes.pop("rank", {})}
    return make_params(
        device={"name": "cpu", "threads": 1},
        grid={**grid, "methods": ["practise"], "targets": [1]},
        networks={"small": ENTRY},
        images={"elpv": {"source": "elpv"}, "photos": make_photos(folder).model_dump()},
        recover={**committed, **QUICK, **changes.pop("recover", {})},
        rank={**grid, "seeds": [0], **compared},
        **changes,
    )


def write_inputs(folder: Path) -> dict[str, Any]:
    """Write what the stage reads; return its arguments but for the params."""
    source = open_source("photos", make_photos(folder))
    train, evaluation = (hash_images(source.root, items) for items in (source.train, source.evaluation))
    write_listing(folder / "listing.json", Listing("photos", CLASSES, len(train), evaluation), {})
    write_sample(folder / "sample.json", Sample("photos", len(CLASSES), 0, train[::4]), {})
    views = load_images(source.root, evaluation, PREPROCESSING)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3)
        network = CifarResNet(20, len(CLASSES)).train()
        network(views)  # batch norm sees the images
        network.eval().linear.bias -= network(views).mean(dim=0)  # no class is the first on all images
    card = {**SMALL, "blocks": list(TAU)}
    weights = folder / "teacher.safetensors"
    save_teacher(Teacher(network, PREPROCESSING, CLASSES, card), weights, weights.with_suffix(".json"), {})
    blocks = {block: {"reduction": saved} for block, saved in TAU.items()}
    write_result(folder / "latency.json", "latency", {"blocks": blocks}, {})
    return {
        "network": "small",
        "images": "photos",
        "seed": 0,
        "teacher": weights,
        "sample": folder / "sample.json",
        "listing": folder / "listing.json",
        "latency": folder / "latency.json",
        "out": folder / "rank.json",
    }


class Counted:
    """The recovery, counted; it is interrupted before one that is asked for."""

    def __init__(self, interrupted_at: int | None = None) -> None:
        self.depths: list[int] = []
        self.interrupted_at = interrupted_at

    def __call__(self, student: nn.Module, *others: Any, **named: Any) -> list[Step]:
        if len(self.depths) == self.interrupted_at:
            raise KeyboardInterrupt
        self.depths.append(sum(isinstance(module, nn.Conv2d) for module in student.modules()))
        return recover_(student, *others, **named)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of inputs in which the stage ran once."""
    folder = tmp_path_factory.mktemp("rank")
    rank.run(params_of(folder), **write_inputs(folder))
    return folder


@pytest.fixture
def arguments(folder: Path, tmp_path: Path) -> dict[str, Any]:
    """The stage's arguments, with an output of the test's own."""
    return {**write_inputs(folder), "out": tmp_path / "rank.json"}


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    return read_result(folder / "rank.json", "rank")


def sets_in(result: dict[str, Any]) -> set[tuple[str, ...]]:
    """The sets of blocks that had to be recovered."""
    choices = [choice for one in result["criteria"] for choice in one["choices"]]
    return {(block,) for block in TAU} | {tuple(choice["dropped_blocks"]) for choice in choices}


def test_every_criterion_is_followed_and_the_oracle_comes_last(result: dict[str, Any]) -> None:
    useful = [block for block, saved in TAU.items() if saved > 0]
    assert [one["criterion"] for one in result["criteria"]] == [*LOOKED_AT, "oracle"]
    for one in result["criteria"]:
        assert set(one["scores"]) == set(TAU)
        assert sorted(one["order"]) == sorted(useful)
        assert [choice["count"] for choice in one["choices"]] == [1, 2]
        for choice in one["choices"]:
            dropped = choice["dropped_blocks"]
            assert dropped == [block for block in useful if block in one["order"][: choice["count"]]]
            assert choice["latency_reduction"] == pytest.approx(sum(TAU[block] for block in dropped))


def test_criteria_that_look_at_no_network_order_blocks_as_their_names_say(result: dict[str, Any]) -> None:
    orders = {one["criterion"]: one["order"] for one in result["criteria"]}
    assert orders["first_blocks"] == ["layer1.0", "layer1.1", "layer3.1"]
    assert orders["latency"] == ["layer3.1", "layer1.1", "layer1.0"]
    weighed = {one["criterion"]: one["per_latency"] for one in result["criteria"]}
    assert weighed == {**{name: CRITERIA[name].per_latency for name in LOOKED_AT}, "oracle": True}


def test_the_oracles_scores_are_the_points_that_each_block_loses(result: dict[str, Any]) -> None:
    oracle = result["criteria"][-1]
    assert len(set(oracle["scores"].values())) > 1
    assert [block["name"] for block in result["blocks"]] == list(TAU)
    for block in result["blocks"]:
        assert block["latency_reduction"] == TAU[block["name"]]
        assert oracle["scores"][block["name"]] == result["top1_original"] - block["top1"]


def test_one_set_of_blocks_has_one_accuracy(result: dict[str, Any]) -> None:
    known: dict[tuple[str, ...], float] = {(one["name"],): one["top1"] for one in result["blocks"]}
    for one in result["criteria"]:
        for choice in one["choices"]:
            dropped = tuple(choice["dropped_blocks"])
            assert known.setdefault(dropped, choice["top1"]) == choice["top1"]


def test_an_accuracy_is_that_of_the_stages_recover_and_evaluate(
    folder: Path, tmp_path: Path, result: dict[str, Any]
) -> None:
    params, given = params_of(folder), write_inputs(folder)
    original = load_teacher(given["teacher"])
    source = open_source("photos", params.images["photos"])
    views = load_images(source.root, source.evaluation, original.preprocessing)
    labels = torch.tensor([item.label for item in source.evaluation])
    device = torch.device("cpu")
    assert result["num_evaluation"] == len(labels) == 24
    assert result["top1_original"] == evaluate_accuracy(original.network, [(views, labels)], device).top1
    for dropped in sets_in(result):
        write_result(tmp_path / "select.json", "select", Pruning(dropped).describe(), {})
        made = {"student": tmp_path / "student.safetensors", "card": tmp_path / "student.json"}
        recover_stage.run(
            params,
            **{key: given[key] for key in ("network", "images", "seed", "teacher", "sample")},
            **made,
            method="practise",
            select=tmp_path / "select.json",
            history=tmp_path / "history.csv",
        )
        student = load_student(original, made["student"], made["card"]).network
        top1 = evaluate_accuracy(student, [(views, labels)], device).top1
        told = [choice for one in result["criteria"] for choice in one["choices"]]
        told += [{"dropped_blocks": [one["name"]], "top1": one["top1"]} for one in result["blocks"]]
        assert {one["top1"] for one in told if tuple(one["dropped_blocks"]) == dropped} == {top1}


def test_each_set_of_blocks_is_recovered_once(
    folder: Path, arguments: dict[str, Any], result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted()
    monkeypatch.setattr(RECOVER, counted)
    rank.run(params_of(folder), **arguments)
    whole = 3 * 6 + 1
    assert sorted(counted.depths) == sorted(whole - 2 * len(dropped) for dropped in sets_in(result))


def test_the_same_bytes_come_again_and_other_criteria_change_no_accuracy(
    folder: Path, arguments: dict[str, Any], result: dict[str, Any]
) -> None:
    rank.run(params_of(folder), **arguments)
    assert arguments["out"].read_bytes() == (folder / "rank.json").read_bytes()
    rank.run(params_of(folder, rank={"criteria": ["latency"], "counts": [3]}), **arguments)
    changed = read_result(arguments["out"], "rank")
    assert changed["blocks"] == result["blocks"]
    assert [one["criterion"] for one in changed["criteria"]] == ["latency", "oracle"]
    assert changed["criteria"][-1]["scores"] == result["criteria"][-1]["scores"]


def test_a_trial_does_not_depend_on_which_others_there_are(folder: Path, arguments: dict[str, Any]) -> None:
    rank.run(params_of(folder, rank={"seeds": [0, 1]}), **arguments)
    assert arguments["out"].read_bytes() == (folder / "rank.json").read_bytes()


@pytest.mark.parametrize("recovered", [1, 3])
def test_a_killed_run_goes_on_with_the_sets_that_are_left(
    recovered: int,
    folder: Path,
    arguments: dict[str, Any],
    result: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resume, "SECONDS_BETWEEN_SAVES", 0)
    monkeypatch.setattr(RECOVER, Counted(interrupted_at=recovered))
    with pytest.raises(KeyboardInterrupt):
        rank.run(params_of(folder), **arguments)
    assert not arguments["out"].exists()
    monkeypatch.setattr(RECOVER, again := Counted())
    rank.run(params_of(folder), **arguments)
    assert len(again.depths) == len(sets_in(result)) - recovered
    assert [path.name for path in arguments["out"].parent.iterdir()] == ["rank.json"]
    assert arguments["out"].read_bytes() == (folder / "rank.json").read_bytes()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"recover": {"steps": 1}}, {"rank": {"method": "bp_blocks"}}]
)
def test_what_a_killed_run_left_is_no_answer_to_another_question(
    change: dict[str, Any], folder: Path, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resume, "SECONDS_BETWEEN_SAVES", 0)
    monkeypatch.setattr(RECOVER, Counted(interrupted_at=3))
    with pytest.raises(KeyboardInterrupt):
        rank.run(params_of(folder), **arguments)
    if "seed" in change:
        arguments |= change
        change = {}
    monkeypatch.setattr(RECOVER, counted := Counted())
    rank.run(params_of(folder, **change), **arguments)
    assert len(counted.depths) == len(sets_in(read_result(arguments["out"], "rank")))


def test_more_blocks_than_save_time_are_out_of_reach(folder: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(SelectionError, match="dropping 4 blocks is out of reach: 3 save time here"):
        rank.run(params_of(folder, rank={"counts": [4]}), **arguments)
    assert not arguments["out"].exists()
