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
from practise.evaluation.lost import read_lost
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
from practise.recovery import recover
from practise.recovery.training import Step, recover_
from practise.scoring.criteria import SCORES
from practise.scoring.registry import CRITERIA
from practise.settings.params import Params
from practise.stages import rank
from practise.stages import recover as recover_stage
from practise.stages import score as score_stage

SMALL = {"library": "cifar", "architecture": "resnet20"}
ENTRY = {**SMALL, "weights": "none.pth", "image_size": 32, "head": None}
PREPROCESSING = Preprocessing(32, (0.5,) * 3, (0.25,) * 3, "bilinear", 1.0)
TAU = {"layer1.0": 0.05, "layer1.1": 0.06, "layer2.1": -0.01, "layer3.1": 0.1}
"""What each block saves; one costs time to drop."""
TARGETS = [1, 2]
LOOKED_AT = ["random", "first_blocks", "latency", "feature_change", "combined_recoverability"]
RECOVER = "practise.recovery.recover.recover_"
QUICK = {"steps": 2, "batch_size": 4, "views": 1, "dtype": "fp32"}
NUM_EVALUATION = 12


def make_photos(folder: Path) -> ImagesParams:
    return make_folder(folder / "photos", per_class=8)


def params_of(folder: Path, **changes: Any) -> Params:
    """A grid of one network, and a comparison of criteria on it."""
    grid = {"networks": ["small"], "images": ["photos"], "num_images": [6], "seeds": [0, 1]}
    committed = make_params(device={"name": "cpu", "threads": 1}).recover.model_dump()
    compared = {
        "criteria": LOOKED_AT,
        "targets": TARGETS,
        "searches": ["progressive", "lowest"],
        "sets": 2,
        "sets_per_target": 1,
        "most_images": NUM_EVALUATION,
        "method": "practise",
        **changes.pop("rank", {}),
    }
    return make_params(
        device={"name": "cpu", "threads": 1},
        grid={**grid, "methods": ["practise"], "targets": [1, 2, 4]},
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
    measured = {"blocks": blocks, "without_all": {"reduction": sum(TAU.values())}}
    write_result(folder / "latency.json", "latency", measured, {})
    return {
        "network": "small",
        "images": "photos",
        "seed": 0,
        "teacher": weights,
        "sample": folder / "sample.json",
        "listing": folder / "listing.json",
        "latency": folder / "latency.json",
        "out": folder / "rank.json",
        "lost": folder / "rank.safetensors",
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
    """The stage's arguments, with outputs of the test's own."""
    return {
        **write_inputs(folder),
        "out": tmp_path / "rank.json",
        "lost": tmp_path / "rank.safetensors",
    }


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    return read_result(folder / "rank.json", "rank")


def sets_in(result: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    """What is told of each set of blocks."""
    return {tuple(one["blocks"]): one for one in result["sets"]}


def outputs_of(arguments: dict[str, Any]) -> list[bytes]:
    return [arguments[name].read_bytes() for name in ("out", "lost")]


def test_every_set_is_there_once_and_says_why(result: dict[str, Any]) -> None:
    sets = sets_in(result)
    assert len(sets) == len(result["sets"])
    kinds = {kind: [blocks for blocks in sets if sets[blocks]["kind"] == kind] for kind in
             ("alone", "random", "chosen")}  # fmt: skip
    assert kinds["alone"] == [(block,) for block in TAU]
    assert len(kinds["random"]) <= 2 + len(TARGETS)
    assert all(2 <= len(blocks) <= 3 for blocks in kinds["random"])
    chosen = [tuple(choice["blocks"]) for choice in result["choices"]]
    assert set(kinds["chosen"]) == set(chosen) - set(kinds["alone"]) - set(kinds["random"])
    assert sum(map(len, kinds.values())) == len(sets)
    for blocks, one in sets.items():
        useful = all(TAU[block] > 0 for block in blocks)
        assert one["meets"] == [target for target in TARGETS if useful and len(blocks) >= target]
        assert list(blocks) == [block for block in TAU if block in blocks]


def test_every_criterion_chooses_for_every_target_by_each_search_that_it_can_do(
    result: dict[str, Any],
) -> None:
    told = {(one["criterion"], one["search"], one["target"]): one["blocks"] for one in result["choices"]}
    assert list(told) == [
        (name, search, target)
        for name in LOOKED_AT
        for target in TARGETS
        for search in (["progressive", "lowest"] if CRITERIA[name].per_latency else ["lowest"])
    ]
    for (_, _, target), blocks in told.items():
        assert len(blocks) == target
        assert "layer2.1" not in blocks
    assert told["first_blocks", "lowest", 2] == ["layer1.0", "layer1.1"]
    assert told["latency", "progressive", 2] == told["latency", "lowest", 2] == ["layer1.1", "layer3.1"]


def test_each_criterion_scores_every_set_as_the_stage_score_scores_blocks(
    folder: Path, tmp_path: Path, result: dict[str, Any]
) -> None:
    sets, given = sets_in(result), write_inputs(folder)
    for one in sets.values():
        assert list(one["scores"]) == sorted(LOOKED_AT)
    for name in ("random", "first_blocks", "latency"):
        for blocks, one in sets.items():
            assert one["scores"][name] == sum(sets[block,]["scores"][name] for block in blocks)
    methods = {**params_of(folder).model_dump(exclude_unset=True)["methods"]}
    for name in ("feature_change", "combined_recoverability"):
        params = params_of(
            folder, methods={**methods, "practise": {**methods["practise"], "criterion": name}}
        )
        score_stage.run(
            params,
            **{key: given[key] for key in ("network", "images", "seed", "teacher", "sample")},
            method="practise",
            out=tmp_path / "score.json",
        )
        scored = {
            one["name"]: one["score"] for one in read_result(tmp_path / "score.json", "score")["blocks"]
        }
        assert scored == pytest.approx({block: sets[block,]["scores"][name] for block in TAU}, rel=1e-6)


def test_losses_image_by_image_are_those_that_are_told(folder: Path, result: dict[str, Any]) -> None:
    lost = read_lost(folder / "rank.safetensors")
    assert lost.kl.shape == lost.right.shape == (len(result["sets"]), NUM_EVALUATION)
    assert result["num_evaluation"] == NUM_EVALUATION
    assert [one["kl"] for one in result["sets"]] == list(lost.kl.mean(1, dtype="float64"))
    assert [one["top1"] for one in result["sets"]] == list(100 * lost.right.mean(1))
    assert result["top1_original"] == 100 * lost.right_original.mean()
    assert lost.kl.min() > -1e-5
    assert len({one["kl"] for one in result["sets"]}) == len(result["sets"])


def test_an_accuracy_is_that_of_the_stages_recover_and_evaluate(folder: Path, tmp_path: Path) -> None:
    params, given = (
        params_of(folder, rank={"most_images": None, "criteria": ["latency"]}),
        write_inputs(folder),
    )
    made = {"out": tmp_path / "rank.json", "lost": tmp_path / "rank.safetensors"}
    rank.run(params, **{**given, **made})
    result = read_result(made["out"], "rank")
    original = load_teacher(given["teacher"])
    source = open_source("photos", params.images["photos"])
    views = load_images(source.root, source.evaluation, original.preprocessing)
    labels = torch.tensor([item.label for item in source.evaluation])
    device = torch.device("cpu")
    assert result["num_evaluation"] == len(labels) == 24
    as_it_is = evaluate_accuracy(original.network, [(views, labels)], device).top1
    assert result["top1_original"] == pytest.approx(as_it_is)
    for dropped, told in list(sets_in(result).items())[::2]:
        write_result(tmp_path / "select.json", "select", Pruning(dropped).describe(), {})
        student = {"student": tmp_path / "student.safetensors", "card": tmp_path / "student.json"}
        recover_stage.run(
            params,
            **{key: given[key] for key in ("network", "images", "seed", "teacher", "sample")},
            **student,
            method="practise",
            select=tmp_path / "select.json",
            history=tmp_path / "history.csv",
        )
        network = load_student(original, student["student"], student["card"]).network
        top1 = evaluate_accuracy(network, [(views, labels)], device).top1
        assert told["top1"] == pytest.approx(top1)


def test_each_set_of_blocks_is_recovered_once_and_all_share_their_views(
    folder: Path, arguments: dict[str, Any], result: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, drawn = Counted(), []
    share = recover.share_views
    monkeypatch.setattr(RECOVER, counted)
    monkeypatch.setattr(recover, "share_views", lambda *args: drawn.append(1) or share(*args))
    rank.run(params_of(folder), **arguments)
    whole = 3 * 6 + 1
    assert sorted(counted.depths) == sorted(whole - 2 * len(dropped) for dropped in sets_in(result))
    assert len(drawn) == 1


def test_the_same_bytes_come_again_and_other_criteria_change_no_loss(
    folder: Path, arguments: dict[str, Any], result: dict[str, Any]
) -> None:
    rank.run(params_of(folder, rank={"seeds": [0, 1]}), **arguments)
    assert outputs_of(arguments) == [
        (folder / name).read_bytes() for name in ("rank.json", "rank.safetensors")
    ]
    rank.run(params_of(folder, rank={"criteria": ["latency"], "targets": [2]}), **arguments)
    ours, theirs = sets_in(read_result(arguments["out"], "rank")), sets_in(result)
    assert ours
    for blocks in ours.keys() & theirs.keys():
        assert [ours[blocks][key] for key in ("kl", "top1")] == [
            theirs[blocks][key] for key in ("kl", "top1")
        ]


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
    looked: list[str] = []
    look = SCORES["feature_change"]

    def count(question: Any) -> Any:
        of_set = look(question)
        return lambda blocks: looked.append("set") or of_set(blocks)

    monkeypatch.setitem(SCORES, "feature_change", count)
    rank.run(params_of(folder), **arguments)
    assert len(again.depths) == len(result["sets"]) - recovered
    assert len(looked) < len(result["sets"])  # what choices had asked was known
    assert sorted(path.name for path in arguments["out"].parent.iterdir()) == [
        "rank.json",
        "rank.safetensors",
    ]
    assert outputs_of(arguments) == [
        (folder / name).read_bytes() for name in ("rank.json", "rank.safetensors")
    ]


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"recover": {"steps": 1}}, {"rank": {"method": "bp_blocks"}}, {"rank": {"most_images": 6}}],
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
    assert len(counted.depths) == len(read_result(arguments["out"], "rank")["sets"])


def test_more_blocks_than_save_time_are_out_of_reach_before_anything_is_recovered(
    folder: Path, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RECOVER, counted := Counted())
    with pytest.raises(
        SelectionError, match="dropping 4 blocks is out of reach: the network has 3 that save"
    ):
        rank.run(params_of(folder, rank={"targets": [4]}), **arguments)
    assert counted.depths == []
    assert not arguments["out"].exists()


def test_answers_are_found_by_their_words(tmp_path: Path) -> None:
    asked: list[str] = []

    def join(words: Any) -> str:
        asked.append("-".join(words))
        return asked[-1]

    answers = resume.Answers(resume.Resume(tmp_path / "out.json", "key"))
    one, other = answers.remember("one", join), answers.remember("other", join)
    found = [one(["a", "b"]), one(("a", "b")), other(["a", "b"]), one(["b", "a"]), one(["a"])]
    assert found == ["a-b", "a-b", "a-b", "b-a", "a"]
    assert asked == ["a-b", "a-b", "b-a", "a"]
