"""Images without labels, of packages and of networks; the stages that make them and recover with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_images import make_image, make_params
from PIL import Image
from test_rank import QUICK, params_of, write_inputs

from practise import resume
from practise.errors import ImageError, NetworkError, ParamsError
from practise.evaluation.accuracy import ask
from practise.evaluation.logits import write_logits
from practise.files import read_result
from practise.images import open_source
from practise.images.manifest import describe_item, read_item
from practise.images.params import ImagesParams
from practise.images.photographs import PICTURES, find_pictures
from practise.images.reading import read_image
from practise.images.synthesized import read_synthesized
from practise.networks.teacher import load_teacher
from practise.schema import HowMany
from practise.settings.params import Params
from practise.stages import sources, synthesize
from practise.stages.opening import stream_evaluation
from practise.synthesis.synthesis import Synthesizer

MADE = {
    **{"num_images": 10, "seed": 0, "steps": 3, "batch_size": 4, "lr": 0.1, "classification": 1.0},
    **{
        "statistics": 1.0,
        "total_variation": 0.1,
        "competition": 0.0,
        "start": "leaves",
        "coarse": 0.0,
        "jitter": 0.1,
    },
    "dtype": "fp32",
}


def test_photographs_are_hundreds_of_squares_inside_their_pictures() -> None:
    source = open_source("photos", ImagesParams(source="photographs"))
    assert source.evaluation == []
    assert len(source.train) >= 500
    assert len(set(source.train)) == len(source.train)
    sizes = {picture: Image.open(source.root / picture).size for picture in PICTURES}
    for item in source.train:
        assert item.box is not None
        left, top, right, bottom = item.box
        assert right - left == bottom - top >= 64
        assert 0 <= left < right <= sizes[item.path][0]
        assert 0 <= top < bottom <= sizes[item.path][1]


def test_a_box_is_that_part_of_the_picture() -> None:
    folder = find_pictures("images.photos")
    item = next(item for item in open_source("photos", ImagesParams(source="photographs")).train if item.box)
    whole = np.asarray(Image.open(folder / item.path).convert("RGB"))
    left, top, right, bottom = item.box
    assert np.array_equal(np.asarray(read_image(folder, item)), whole[top:bottom, left:right])
    assert read_item(describe_item(item)) == item


def test_unlabelled_images_are_all_that_lie_below_a_folder(tmp_path: Path) -> None:
    for path in ("b.png", "deep/er/a.jpg", "deep/.hidden.png"):
        make_image(tmp_path / path, 0)
    (tmp_path / "notes.txt").write_text("no image")
    source = open_source("birds", ImagesParams(source="unlabelled", train=str(tmp_path)))
    assert [item.path for item in source.train] == ["b.png", "deep/er/a.jpg"]
    assert source.classes == ()


def make_birds(folder: Path) -> Path:
    """A folder such as CUB-200's archive unpacks to."""
    paths = ["002.Gull/a.jpg", "001.Crow/b.jpg", "002.Gull/c.jpg", "001.Crow/d.jpg"]
    for path in paths:
        make_image(folder / "images" / path, 0)
    (folder / "images.txt").write_text("".join(f"{n} {path}\n" for n, path in enumerate(paths, 1)))
    (folder / "train_test_split.txt").write_text("1 1\n2 0\n3 1\n4 1\n")
    return folder


def test_birds_are_those_of_the_training_split_grouped_by_kind(tmp_path: Path) -> None:
    spec = ImagesParams(source="cub200", train=str(make_birds(tmp_path)))
    source = open_source("birds", spec)
    assert [(item.path, item.label) for item in source.train] == [
        ("002.Gull/a.jpg", 1),
        ("002.Gull/c.jpg", 1),
        ("001.Crow/d.jpg", 0),
    ]
    assert all(read_image(source.root, item) for item in source.train)
    assert (source.evaluation, source.classes) == ([], ())


@pytest.mark.parametrize("lists", [{"images.txt": "1\n"}, {"train_test_split.txt": "9 1\n"}])
def test_lists_that_are_not_those_of_the_birds_are_told(lists: dict[str, str], tmp_path: Path) -> None:
    make_birds(tmp_path)
    for file, text in lists.items():
        (tmp_path / file).write_text(text)
    source = open_source("birds", ImagesParams(source="cub200", train=str(tmp_path)))
    with pytest.raises(ImageError, match="are not the lists of CUB-200"):
        source.train  # noqa: B018


def test_a_missing_folder_of_birds_says_what_it_should_be() -> None:
    with pytest.raises(ImageError, match=r"images\.birds\.train: no file 'no/images\.txt'; set it to the"):
        open_source("birds", ImagesParams(source="cub200", train="no"), "params.yaml")


def test_a_folder_without_images_says_what_it_should_be(tmp_path: Path) -> None:
    source = open_source("birds", ImagesParams(source="unlabelled", train=str(tmp_path)))
    with pytest.raises(ImageError, match="has no images; set it to a folder with images"):
        assert source.train


def test_a_missing_folder_says_where_data_should_lie(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"images\.birds\.train: no folder 'nowhere'"):
        open_source("birds", ImagesParams(source="unlabelled", train="nowhere"), "params.yaml")


def params_with(folder: Path, **changes: Any) -> Params:
    """The small study of `test_rank`, with sources of images."""
    small = params_of(folder)
    images = {name: entry.model_dump() for name, entry in small.images.items()}
    images |= {"anything": {"source": "photographs"}, "made": {"source": "synthesized"}}
    chosen = {
        **{"networks": ["small"], "images": ["photos", "anything", "made"], "evaluation": "photos"},
        **{"num_images": [4], "seeds": [0], "methods": ["practise"], "blocks": ["layer1.1"]},
    }
    values = {**small.model_dump(mode="json", exclude_unset=True), "images": images}
    values["recover"] = {**values["recover"], **QUICK}
    return make_params(
        **{**values, "synthesize": MADE | changes.pop("synthesize", {}), "sources": chosen | changes}
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What both stages read, synthesized images among them."""
    folder = tmp_path_factory.mktemp("sources")
    given = write_inputs(folder)
    make(folder, given, folder / "made" / "manifest.json")
    teacher = load_teacher(given["teacher"])
    batches = stream_evaluation(params_with(folder), given["listing"], teacher.preprocessing)
    write_logits(folder / "original.safetensors", *ask(teacher.network, batches, torch.device("cpu")))
    made = {"synthesized": folder / "made" / "manifest.json", "original": folder / "original.safetensors"}
    return {"folder": folder, **given, **made}


def make(folder: Path, given: dict[str, Any], out: Path, **settings: Any) -> dict[str, Any]:
    params = params_with(folder, synthesize=settings)
    sheet = out.with_name("sheet.png")
    synthesize.run(params, network="small", teacher=given["teacher"], out=out, sheet=sheet)
    return read_result(out, "synthesize")


def recover(
    inputs: dict[str, Any], images: str, out: Path, count: HowMany = 4, **changes: Any
) -> dict[str, Any]:
    params = params_with(inputs["folder"], **changes)
    given = {key: inputs[key] for key in ("network", "teacher", "listing", "original", "synthesized")}
    sources.run(params, **given, images=images, num_images=count, seed=0, out=out)
    return read_result(out, "sources")


def test_as_many_images_are_made_as_asked_for_and_stored_without_loss(inputs: dict[str, Any]) -> None:
    source = read_synthesized(inputs["synthesized"])
    assert len(source.train) == 10
    assert {item.label for item in source.train} == {0, 1, 2}
    assert all(read_image(source.root, item).size == (32, 32) for item in source.train)
    result = read_result(inputs["synthesized"], "synthesize")
    assert result["distance_after"] < result["distance_before"]
    with Image.open(inputs["synthesized"].with_name("sheet.png")) as sheet:
        assert sheet.size == (8 * 36 + 4, 2 * 36 + 4)


def test_a_run_that_was_killed_ends_in_the_same_images(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, original = 0, Synthesizer.make

    def interrupted(self: Synthesizer, count: int, seed: int) -> Any:
        nonlocal made
        if made == 2:
            made += 1
            raise KeyboardInterrupt
        made += 1
        return original(self, count, seed)

    monkeypatch.setattr(resume, "SECONDS_BETWEEN_SAVES", -1.0)
    monkeypatch.setattr(Synthesizer, "make", interrupted)
    out = tmp_path / "manifest.json"
    with pytest.raises(KeyboardInterrupt):
        make(inputs["folder"], inputs, out)
    again = make(inputs["folder"], inputs, out)
    assert made == 4  # two before, one that was interrupted, one after
    assert again["images"] == read_result(inputs["synthesized"], "synthesize")["images"]


def test_nothing_is_made_where_no_comparison_asks_for_it_whatever_the_network(
    inputs: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(synthesize, "Synthesizer", None)  # which refuses a network without batch norm
    params = params_with(inputs["folder"], images=["photos", "anything"])
    out, sheet = tmp_path / "manifest.json", tmp_path / "sheet.png"
    synthesize.run(params, network="small", teacher=inputs["teacher"], out=out, sheet=sheet)
    assert read_result(out, "synthesize")["images"] == []
    assert (tmp_path / "images").is_dir()
    with Image.open(sheet) as picture:
        assert picture.convert("RGB").getextrema() == ((255, 255),) * 3


@pytest.mark.parametrize("images", ["photos", "anything", "made"])
def test_every_source_recovers_the_same_drop(inputs: dict[str, Any], images: str, tmp_path: Path) -> None:
    result = recover(inputs, images, tmp_path / "out.json")
    assert result["dropped_blocks"] == ["layer1.1"]
    assert [one["method"] for one in result["methods"]] == ["practise"]
    assert len(result["images"]) == 4
    again = recover(inputs, images, tmp_path / "again.json")
    assert again == result


def test_all_images_of_a_source_may_be_recovered_with(inputs: dict[str, Any], tmp_path: Path) -> None:
    result = recover(inputs, "made", tmp_path / "out.json", count="all")
    manifest = read_result(inputs["synthesized"], "synthesize")
    assert [image["sha256"] for image in result["images"]] == [
        image["sha256"] for image in manifest["images"]
    ]


def test_what_comes_before_the_recovery_is_the_same_for_all_sources(
    inputs: dict[str, Any], tmp_path: Path
) -> None:
    results = [recover(inputs, name, tmp_path / f"{name}.json") for name in ("photos", "made")]
    assert results[0]["before"] == results[1]["before"]
    assert results[0]["before"]["kl"] > 0
    assert all(one["kl"] > 0 for result in results for one in result["methods"])


def test_a_block_that_is_not_there_is_named(inputs: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"no block 'layer1\.9'"):
        recover(inputs, "photos", tmp_path / "out.json", blocks=["layer1.9"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"methods": ["bp_blocks"]}, "reads labels, but 'anything' has none"),
        ({"methods": ["cd"]}, "prunes filters"),
        ({"num_images": [11]}, "is 11, but synthesize.num_images makes 10"),
        ({"evaluation": "made"}, "made is not in grid.images"),
        ({"images": ["nothing"]}, "unknown images 'nothing'"),
    ],
)
def test_what_cannot_run_is_said_before_anything_runs(
    changes: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(ParamsError, match=sentence):
        params_with(tmp_path, **changes)
