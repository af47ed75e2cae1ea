"""A manifest says which images were used, comes back as written, and proves that splits are disjoint."""

import json
import shutil
from pathlib import Path

import pytest
from made_images import make_folder, make_image, make_params

from practise.errors import FileError, ImageError
from practise.files import sha256
from practise.images import open_source
from practise.images.manifest import (
    Listing,
    Sample,
    check_disjoint,
    read_listing,
    read_sample,
    write_listing,
    write_sample,
)
from practise.images.reading import hash_images
from practise.images.source import Item
from practise.settings.params import Params
from practise.stages import images as images_stage
from practise.stages import sample as sample_stage


@pytest.fixture
def params(tmp_path: Path) -> Params:
    spec = make_folder(tmp_path / "data")
    return make_params(images={"elpv": {"source": "elpv"}, "photos": spec.model_dump()})


def run_sample(params: Params, folder: Path, num_images: int = 5, seed: int = 0) -> Sample:
    images_stage.run(params, images="photos", out=folder / "listing.json")
    files = {"listing": folder / "listing.json", "out": folder / "sample.json"}
    sample_stage.run(params, images="photos", num_images=num_images, seed=seed, **files)
    return read_sample(folder / "sample.json")


def test_manifests_come_back_as_they_were_written(tmp_path: Path) -> None:
    items = [Item("train/cat/0.png", 0, "ab" * 32), Item("train/dog/ü.png", 1, "cd" * 32)]
    listing, sample = Listing("photos", ("cat", "dog"), 7, items), Sample("photos", 2, 3, items)
    write_listing(tmp_path / "listing.json", listing, {})
    write_sample(tmp_path / "sample.json", sample, {})
    assert read_listing(tmp_path / "listing.json") == listing
    assert read_sample(tmp_path / "sample.json") == sample


def test_the_stages_write_path_label_and_hash_of_each_image(params: Params, tmp_path: Path) -> None:
    sample = run_sample(params, tmp_path, num_images=5, seed=2)
    source = open_source("photos", params.images["photos"])
    labels = {item.path: item.label for item in source.train}
    assert (sample.source, sample.num_classes, sample.seed, len(sample.images)) == ("photos", 3, 2, 5)
    for item in sample.images:
        assert item.label == labels[item.path]
        assert item.sha256 == sha256(source.root / item.path)
    listing = read_listing(tmp_path / "listing.json")
    assert (listing.classes, listing.num_train) == (("cat", "dog", "owl"), 12)
    assert [item.path for item in listing.evaluation] == [item.path for item in source.evaluation]


def test_a_manifest_holds_no_path_of_this_machine(params: Params, tmp_path: Path) -> None:
    run_sample(params, tmp_path)
    for name in ("listing.json", "sample.json"):
        assert str(tmp_path) not in (tmp_path / name).read_text()


def test_the_shape_of_the_files_is_the_agreed_one(params: Params, tmp_path: Path) -> None:
    run_sample(params, tmp_path)
    listing, sample = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("listing", "sample"))
    assert (listing["kind"], sample["kind"]) == ("images", "sample")
    assert set(listing["result"]) == {"source", "classes", "num_train", "num_evaluation", "evaluation"}
    assert set(sample["result"]) == {"source", "classes", "seed", "num_images", "images"}
    assert set(sample["result"]["images"][0]) == {"path", "label", "sha256"}


def test_the_same_seed_writes_the_same_bytes(params: Params, tmp_path: Path) -> None:
    run_sample(params, tmp_path / "one", seed=4)
    run_sample(params, tmp_path / "two", seed=4)
    assert (tmp_path / "one" / "sample.json").read_bytes() == (tmp_path / "two" / "sample.json").read_bytes()


def test_a_sample_of_the_packaged_set_is_disjoint_from_its_held_out_quarter(tmp_path: Path) -> None:
    params = make_params()
    source = open_source("elpv", params.images["elpv"])
    held_out = hash_images(source.root, source.evaluation, decode=False)
    write_listing(tmp_path / "listing.json", Listing("elpv", source.classes, 1968, held_out), {})
    files = {"listing": tmp_path / "listing.json", "out": tmp_path / "sample.json"}
    sample_stage.run(params, images="elpv", num_images=50, seed=0, **files)
    drawn = read_sample(tmp_path / "sample.json").images
    assert len(drawn) == 50
    assert not {item.sha256 for item in drawn} & {item.sha256 for item in held_out}


def test_a_path_on_both_sides_is_found() -> None:
    with pytest.raises(ImageError) as error:
        check_disjoint(
            [Item("a.png", 0, "1")], [Item("b.png", 0, "2"), Item("a.png", 0, "3")], "images.photos"
        )
    assert str(error.value) == "images.photos: 'a.png' is among the training images and the evaluation images"


def test_a_copy_on_the_other_side_is_found(params: Params, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copy(data / "evaluation" / "dog" / "3.png", data / "train" / "cat" / "1.png")
    with pytest.raises(ImageError) as error:
        run_sample(params, tmp_path, num_images=12)
    assert str(error.value) == (
        "params.yaml: images.photos: the training image 'train/cat/1.png' and the evaluation image "
        "'evaluation/dog/3.png' are the same file; remove one of them"
    )
    assert not (tmp_path / "sample.json").exists()


def test_asking_for_more_than_there_is_names_the_key(params: Params, tmp_path: Path) -> None:
    with pytest.raises(ImageError) as error:
        run_sample(params, tmp_path, num_images=13)
    assert str(error.value) == (
        "params.yaml: grid.num_images: asks for 13 images, but there are only 12 training images"
    )


def test_an_image_that_changed_after_hashing_is_found(params: Params, tmp_path: Path) -> None:
    sample = run_sample(params, tmp_path)
    changed = tmp_path / "data" / sample.images[0].path
    make_image(changed, 9999)
    with pytest.raises(ImageError) as error:
        hash_images(tmp_path / "data", sample.images)
    assert str(error.value) == (
        f"{changed}: has changed since it was listed; put the old image back or list the images again"
    )


def test_an_incomplete_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "listing.json"
    path.write_text('{"kind": "images", "result": {"source": "elpv"}, "circumstances": {}}')
    with pytest.raises(FileError) as error:
        read_listing(path)
    assert (
        str(error.value) == f"{path}: is not a complete result of kind 'images'; delete it and make it again"
    )
