"""IDX files give the images and labels that were put into them, or are refused in one sentence."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from made_images import make_params

from practise.errors import ImageError, ParamsError
from practise.images import Item, Source, idx, open_source
from practise.images.idx import open_idx
from practise.images.manifest import check_disjoint, describe_item, read_item
from practise.images.params import DataParams, ImagesParams
from practise.images.reading import hash_images, read_image
from practise.stages import images as images_stage
from practise.stages import sample as sample_stage

SPEC = ImagesParams(source="idx", folder="mnist")
TRAIN, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
FOUR = (
    "a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
    "t10k-labels-idx1-ubyte, each gzipped (.gz) or not"
)


def encode(values: np.ndarray) -> bytes:
    """An IDX file of bytes, as http://yann.lecun.com/exdb/mnist describes it."""
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()


def make_idx(folder: Path, zipped: bool = False) -> dict[str, np.ndarray]:
    """Write 7 and 5 images of 4 rows and 3 columns, of three classes; return the arrays."""
    folder.mkdir(parents=True)
    random, arrays = np.random.default_rng(0), {}
    for prefix, count in (("train", 7), ("t10k", 5)):
        arrays[f"{prefix}-images-idx3-ubyte"] = random.integers(0, 256, (count, 4, 3), dtype=np.uint8)
        arrays[f"{prefix}-labels-idx1-ubyte"] = (np.arange(count) % 3).astype(np.uint8)
    for name, array in arrays.items():
        content = encode(array)
        path = folder / (f"{name}.gz" if zipped else name)
        path.write_bytes(gzip.compress(content) if zipped else content)
    return arrays


def open_mnist(root: Path, **keys: str) -> Source:
    data = DataParams(root=str(root), holds="mnist")
    return open_source("mnist", SPEC.model_copy(update=keys), data=data)


def refusal(root: Path, **keys: str) -> str:
    """The sentence with which a source is refused, at the latest when it is listed."""
    with pytest.raises(ImageError) as error:
        source = open_mnist(root, **keys)
        assert source.train and source.evaluation
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzipped"])
def test_images_are_those_in_the_files(tmp_path: Path, zipped: bool) -> None:
    arrays = make_idx(tmp_path / "mnist", zipped)
    source = open_mnist(tmp_path)
    for items, prefix in ((source.train, "train"), (source.evaluation, "t10k")):
        assert [item.label for item in items] == arrays[f"{prefix}-labels-idx1-ubyte"].tolist()
        for item, grey in zip(items, arrays[f"{prefix}-images-idx3-ubyte"], strict=True):
            image = read_image(source.root, item)
            assert image.mode == "RGB"
            assert np.array_equal(np.asarray(image), np.stack([grey] * 3, axis=-1))


def test_images_go_by_file_and_index_whether_gzipped_or_not(tmp_path: Path) -> None:
    make_idx(tmp_path / "plain" / "mnist")
    make_idx(tmp_path / "zipped" / "mnist", zipped=True)
    plain, zipped = (open_mnist(tmp_path / name) for name in ("plain", "zipped"))
    assert [item.path for item in plain.train[:2]] == [f"{TRAIN}/0", f"{TRAIN}/1"]
    assert hash_images(plain.root, plain.train) == hash_images(zipped.root, zipped.train)


def test_each_image_has_a_hash_of_its_own(tmp_path: Path) -> None:
    make_idx(tmp_path / "mnist")
    source = open_mnist(tmp_path)
    train, evaluation = (hash_images(source.root, items) for items in (source.train, source.evaluation))
    assert len({item.sha256 for item in (*train, *evaluation)}) == 12
    check_disjoint(train, evaluation, "mnist")
    assert [read_item(describe_item(item)) for item in train] == train


def test_a_changed_image_is_refused_and_its_neighbour_is_not(tmp_path: Path) -> None:
    arrays = make_idx(tmp_path / "mnist")
    source = open_mnist(tmp_path)
    hashed = hash_images(source.root, source.train)
    arrays[TRAIN][3, 0, 0] ^= 1
    (tmp_path / "mnist" / TRAIN).write_bytes(encode(arrays[TRAIN]))
    assert read_image(source.root, hashed[2]).size == (3, 4)
    with pytest.raises(ImageError) as error:
        read_image(source.root, hashed[3])
    assert str(error.value) == (
        f"{tmp_path}/mnist/{TRAIN}/3: has changed since it was listed; put the old image back or list the "
        "images again"
    )


def test_a_file_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_idx(tmp_path / "mnist", zipped=True)
    decompressed: list[int] = []
    really = gzip.decompress

    def decompress(content: bytes) -> bytes:
        decompressed.append(len(content))
        return really(content)

    monkeypatch.setattr(idx.gzip, "decompress", decompress)
    source = open_mnist(tmp_path)
    for items in (source.train, source.evaluation):
        hash_images(source.root, items)
    assert len(decompressed) == 4


def test_classes_go_by_number_or_as_a_list_names_them(tmp_path: Path) -> None:
    make_idx(tmp_path / "mnist")
    assert open_mnist(tmp_path).classes == ("0", "1", "2")
    (tmp_path / "names.txt").write_text("T-shirt\nAnkle boot\nBag\nDress\n")
    assert open_mnist(tmp_path, class_list="names.txt").classes == ("T-shirt", "Ankle boot", "Bag", "Dress")
    (tmp_path / "names.txt").write_text("T-shirt\nBag\n")
    assert refusal(tmp_path, class_list="names.txt") == (
        "params.yaml: images.mnist.class_list: 'names.txt' names 2 classes, but there is a label 2"
    )


def test_the_stages_list_and_draw_them(tmp_path: Path) -> None:
    make_idx(tmp_path / "mnist")
    params = make_params(
        data={"root": str(tmp_path), "holds": None},
        images={"elpv": {"source": "elpv"}, "mnist": SPEC.model_dump()},
    )
    listing, out = tmp_path / "listing.json", tmp_path / "sample.json"
    images_stage.run(params, images="mnist", out=listing)
    sample_stage.run(params, images="mnist", num_images=4, seed=0, listing=listing, out=out)
    assert out.read_text().count(f'"path": "{TRAIN}/') == 4


def test_a_missing_folder_or_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"params.yaml: images.mnist.folder: no folder '{tmp_path}/mnist'; set it to {FOUR}; set data.root to "
        "the folder that holds mnist"
    )
    make_idx(tmp_path / "mnist")
    (tmp_path / "mnist" / LABELS).unlink()
    assert refusal(tmp_path) == (
        f"params.yaml: images.mnist.folder: '{tmp_path}/mnist' has no file '{LABELS}'; set it to {FOUR}"
    )


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "is truncated: it has 0 bytes, fewer than its header of 16"),
        (
            encode(np.zeros((7, 4, 3), np.uint8))[:-1],
            "is truncated: it has 99 bytes, should have 100 for 7 × 4 × 3 values",
        ),
        (
            encode(np.zeros((7, 4, 3), np.uint8)) + b"x",
            "is damaged: it has 101 bytes, should have 100 for 7 × 4 × 3 values",
        ),
        (
            encode(np.zeros(70, np.uint8)),
            "begins with 0x0801, should begin with 0x0803 as IDX files of images do",
        ),
    ],
    ids=["empty", "truncated", "too long", "labels"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes, found: str) -> None:
    make_idx(tmp_path / "mnist")
    path = tmp_path / "mnist" / TRAIN
    path.write_bytes(content)
    assert refusal(tmp_path) == f"{path}: {found}"


def test_a_damaged_gzip_file_is_refused(tmp_path: Path) -> None:
    make_idx(tmp_path / "mnist", zipped=True)
    path = tmp_path / "mnist" / f"{TRAIN}.gz"
    for content in (path.read_bytes()[:-9], b"<html>404</html>"):
        path.write_bytes(content)
        assert refusal(tmp_path) == f"{path}: is truncated or no gzip file"


def test_labels_that_are_not_as_many_as_the_images_are_refused(tmp_path: Path) -> None:
    make_idx(tmp_path / "mnist")
    (tmp_path / "mnist" / LABELS).write_bytes(encode(np.zeros(6, np.uint8)))
    assert refusal(tmp_path) == (
        f"params.yaml: images.mnist.folder: '{tmp_path}/mnist' has 7 images in '{TRAIN}', but 6 labels"
    )


def test_a_file_without_images_is_refused(tmp_path: Path) -> None:
    make_idx(tmp_path / "mnist")
    (tmp_path / "mnist" / TRAIN).write_bytes(encode(np.zeros((0, 4, 3), np.uint8)))
    (tmp_path / "mnist" / LABELS).write_bytes(encode(np.zeros(0, np.uint8)))
    assert refusal(tmp_path) == (
        f"params.yaml: images.mnist.folder: '{tmp_path}/mnist' has no images in '{TRAIN}'"
    )


def test_an_image_that_the_file_lacks_is_refused(tmp_path: Path) -> None:
    make_idx(tmp_path / "mnist")
    for index in ("7", "x"):
        with pytest.raises(ImageError) as error:
            read_image(tmp_path / "mnist", Item(f"{TRAIN}/{index}", 0))
        assert str(error.value) == f"{tmp_path}/mnist/{TRAIN}: has 7 images, but no image {index}"


def test_a_params_file_has_to_name_the_folder_and_nothing_of_other_sources() -> None:
    with pytest.raises(ParamsError) as error:
        make_params(images={"elpv": {"source": "elpv"}, "mnist": {"source": "idx", "train": "mnist"}})
    assert str(error.value).splitlines() == [
        "params.yaml: images.mnist.train: does not belong to source idx, should be left out",
        "params.yaml: images.mnist.folder: is missing; it should be the directory of the images",
    ]
    with pytest.raises(ImageError) as refused:
        open_idx("mnist", ImagesParams(source="idx"), "images.mnist")
    assert str(refused.value) == f"images.mnist.folder: is missing; set it to {FOUR}"
