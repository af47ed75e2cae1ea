"""Sources list the right images under the right labels; images open whole or are refused in one sentence."""

import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import elpv_dataset.utils
import numpy as np
import pytest
import torch
import torchvision.transforms.v2 as v2
from made_images import CLASSES, make_folder, make_image, make_params
from PIL import Image
from timm.data import ImageNetInfo
from timm.data.transforms_factory import create_transform
from torchvision.models import ResNet50_Weights

from practise.errors import ImageError, NetworkError
from practise.images import Item, Source, loading, open_source, tiny_set
from practise.images.folder import imagenet_classes, read_classes
from practise.images.loading import load_images, stream_batches
from practise.images.manifest import Listing, Sample, write_listing, write_sample
from practise.images.params import DataParams, ImagesParams, ViewsParams
from practise.images.preprocessing import Preprocessing, to_tensor
from practise.images.reading import hash_images, read_image
from practise.images.sampling import draw_sample
from practise.images.tiny_set import open_tiny_set
from practise.networks.libraries import timm_preprocessing
from practise.stages import images as images_stage
from practise.stages import opening
from practise.stages import sample as sample_stage
from practise.stages.opening import EvaluationImages, load_tiny_set

SHELF = DataParams(root="shelf", holds="my photos")
RELATIVE = ImagesParams(source="folder", train="train", evaluation="evaluation", class_list="classes.txt")
BICUBIC_128 = Preprocessing(128, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), "bicubic", 0.875)


@pytest.fixture(scope="module")
def elpv() -> Source:
    return open_source("elpv", ImagesParams(source="elpv"))


def refusal(spec: ImagesParams, **settings: DataParams) -> str:
    """The sentence with which a source is refused, at the latest when it is listed."""
    with pytest.raises(ImageError) as error:
        source = open_source("photos", spec, **settings)
        assert source.train and source.evaluation
    return str(error.value)


def with_keys(spec: ImagesParams, **keys: object) -> ImagesParams:
    return spec.model_copy(update=keys)


# The packaged set


def test_elpv_holds_out_a_quarter_of_each_class(elpv: Source) -> None:
    assert elpv.classes == ("mono_functional", "mono_defective", "poly_functional", "poly_defective")
    train, held_out = (Counter(item.label for item in items) for items in (elpv.train, elpv.evaluation))
    assert (train.total(), held_out.total()) == (1968, 656)
    for label in range(4):
        assert abs(held_out[label] - (train[label] + held_out[label]) / 4) < 1
    assert not {item.path for item in elpv.train} & {item.path for item in elpv.evaluation}


def test_elpv_labels_are_those_that_the_package_loads(elpv: Source, tmp_path: Path) -> None:
    listed = tmp_path / "labels.csv"
    some = elpv.evaluation[::40]
    lines = (elpv.root / "labels.csv").read_text().splitlines()
    listed.write_text("\n".join(line for line in lines if line.split()[0] in {item.path for item in some}))
    (tmp_path / "images").symlink_to(elpv.root / "images")
    pixels, probabilities, types = elpv_dataset.utils.load_dataset(str(listed))
    for item, grey, probability, cell_type in zip(some, pixels, probabilities, types, strict=True):
        assert elpv.classes[item.label] == f"{cell_type}_{'defective' if probability > 0.4 else 'functional'}"
        assert np.array_equal(np.asarray(read_image(elpv.root, item)), np.stack([grey] * 3, axis=-1))


def test_the_split_of_elpv_never_changes(elpv: Source) -> None:
    held_out = "\n".join(item.path for item in elpv.evaluation)
    assert hashlib.sha256(held_out.encode()).hexdigest().startswith("fb31c3dbddcd3f94")
    assert len({item.sha256 for item in hash_images(elpv.root, elpv.evaluation, decode=False)}) == 656


# Class folders


def test_the_index_of_a_class_comes_from_the_list_and_not_from_the_folders(tmp_path: Path) -> None:
    spec = make_folder(tmp_path)
    (tmp_path / "classes.txt").write_text("yak\nowl\n\ncat\nape\ndog\n")
    source = open_source("photos", spec)
    assert source.classes == ("yak", "owl", "cat", "ape", "dog")
    assert {(item.path.split("/")[1], item.label) for item in source.train} == {
        ("cat", 2),
        ("dog", 4),
        ("owl", 1),
    }


def test_the_shipped_list_is_imagenets() -> None:
    assert list(imagenet_classes()) == ImageNetInfo().label_names()
    assert len(set(imagenet_classes())) == 1000


def test_the_classes_of_cifar_10_are_in_the_order_of_its_labels() -> None:
    classes = read_classes("cifar10", "class_list")
    assert " ".join(classes) == "airplane automobile bird cat deer dog frog horse ship truck"


def test_imagenet_is_the_list_when_none_is_named(tmp_path: Path) -> None:
    spec = make_folder(tmp_path, classes=("n01443537", "n15075141"))
    for class_list in (None, "imagenet"):
        source = open_source("imagenet", with_keys(spec, class_list=class_list))
        assert {item.label for item in source.evaluation} == {1, 999}


def test_what_is_no_image_is_passed_over(tmp_path: Path) -> None:
    spec = make_folder(tmp_path, per_class=1)
    for extra in (
        "train/cat/notes.txt",
        "train/cat/._0.png",
        "train/.cache/0.png",
        "train/README.md",
        "train/cat/Thumbs.db",
    ):
        (tmp_path / extra).parent.mkdir(exist_ok=True)
        (tmp_path / extra).write_text("no image")
    make_image(tmp_path / "train/dog/more/IMG.JPEG", 77)
    paths = [item.path for item in open_source("photos", spec).train]
    assert paths == ["train/cat/0.png", "train/dog/0.png", "train/dog/more/IMG.JPEG", "train/owl/0.png"]


def test_splits_may_lie_far_apart(tmp_path: Path) -> None:
    spec = make_folder(tmp_path)
    (tmp_path / "train").rename(tmp_path / "elsewhere")
    source = open_source("photos", with_keys(spec, train=str(tmp_path / "elsewhere")))
    assert source.root == tmp_path
    assert all(
        read_image(source.root, item).size == (40, 32) for item in (source.train[0], source.evaluation[0])
    )


def test_relative_paths_start_from_the_datas_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "shelf")
    source = open_source("photos", RELATIVE, data=SHELF)
    assert source.classes == CLASSES
    assert read_image(source.root, source.train[0]).size == (40, 32)
    elsewhere = make_folder(tmp_path / "elsewhere")
    assert open_source("photos", elsewhere, data=SHELF).root == tmp_path / "elsewhere"


def test_no_manifest_depends_on_where_the_data_lies(tmp_path: Path) -> None:
    for shelf in ("one", "two"):
        make_folder(tmp_path / shelf)
        params = make_params(
            data={"root": str(tmp_path / shelf), "holds": shelf},
            images={"elpv": {"source": "elpv"}, "photos": RELATIVE.model_dump()},
        )
        listing = tmp_path / f"{shelf}-listing.json"
        images_stage.run(params, images="photos", out=listing)
        out = tmp_path / f"{shelf}-sample.json"
        sample_stage.run(params, images="photos", num_images=3, seed=0, listing=listing, out=out)
    for kind in ("listing", "sample"):
        assert (tmp_path / f"one-{kind}.json").read_bytes() == (tmp_path / f"two-{kind}.json").read_bytes()


def test_a_missing_folder_below_the_datas_root_says_what_that_should_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    advice = "set data.root to the folder that holds my photos"
    assert refusal(RELATIVE, data=SHELF) == (
        "params.yaml: images.photos.train: no folder 'shelf/train'; set it to a folder with one sub-folder "
        f"of images per class, named as in the class list; {advice}"
    )
    make_folder(tmp_path / "shelf")
    (tmp_path / "shelf" / "classes.txt").unlink()
    assert refusal(RELATIVE, data=SHELF) == (
        "params.yaml: images.photos.class_list: no text file 'shelf/classes.txt'; set it to a file with one "
        f"class folder's name a line, in index order, or to imagenet or cifar10; {advice}"
    )


@pytest.mark.parametrize("key", ["train", "evaluation"])
def test_a_missing_folder_says_which_key_to_set(tmp_path: Path, key: str) -> None:
    spec = with_keys(make_folder(tmp_path), **{key: "/data/photos"})
    assert refusal(spec) == (
        f"params.yaml: images.photos.{key}: no folder '/data/photos'; set it to a folder with one "
        "sub-folder of images per class, named as in the class list"
    )


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    spec = with_keys(make_folder(tmp_path), train=str(tmp_path / "empty"))
    (tmp_path / "empty" / "cat").mkdir(parents=True)
    (tmp_path / "empty" / "cat" / "notes.txt").write_text("nothing here")
    assert refusal(spec) == (
        f"params.yaml: images.photos.train: '{tmp_path}/empty' has no images (left out: 1 .txt); set it to a "
        "folder with one sub-folder of images per class, named as in the class list"
    )


def test_images_without_folders_of_classes_are_refused(tmp_path: Path) -> None:
    spec = with_keys(make_folder(tmp_path), train=str(tmp_path / "train" / "cat"))
    assert refusal(spec) == (
        f"params.yaml: images.photos.train: '{tmp_path}/train/cat' has images but no folders of classes; "
        "set it to a folder with one sub-folder of images per class, named as in the class list"
    )


def test_a_folder_that_the_class_list_does_not_name_is_refused(tmp_path: Path) -> None:
    spec = make_folder(tmp_path)
    (tmp_path / "train" / "owl").rename(tmp_path / "train" / "owls")
    assert refusal(spec) == (
        f"params.yaml: images.photos.train: '{tmp_path}/train' has a folder 'owls' that the class list "
        "does not name (3 names: cat, dog, owl). Did you mean 'owl'?"
    )
    assert refusal(with_keys(spec, class_list="imagenet")) == (
        f"params.yaml: images.photos.train: '{tmp_path}/train' has a folder 'cat' that the class list does "
        "not name (1000 names: n01440764, n01443537, n01484850, …)"
    )


def test_one_folder_cannot_be_both_splits(tmp_path: Path) -> None:
    spec = make_folder(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "train")
    assert refusal(with_keys(spec, evaluation=str(tmp_path / "again"))) == (
        f"params.yaml: images.photos.evaluation: '{tmp_path}/again' is also the folder of the training images"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            None,
            "no text file '{}'; set it to a file with one class folder's name a line, in index order, "
            "or to imagenet or cifar10",
        ),
        ("", "'{}' names no class, should be one class folder's name a line, in index order"),
        (
            "cat\ndog\ncat\n",
            "'{}' names 'cat' twice, should be one class folder's name a line, in index order",
        ),
    ],
)
def test_a_wrong_class_list_is_refused(tmp_path: Path, text: str | None, found: str) -> None:
    spec, path = make_folder(tmp_path), tmp_path / "classes.txt"
    path.unlink() if text is None else path.write_text(text)
    assert refusal(spec) == "params.yaml: images.photos.class_list: " + found.format(path)


# Opening images


def test_a_truncated_image_is_refused(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg"):
        path = make_image(tmp_path / name, 1, (200, 200))
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(ImageError) as error:
            read_image(tmp_path, Item(name, 0))
        assert str(error.value).startswith(f"{path}: is no image or a damaged one: ")
        assert "truncated" in str(error.value)


def test_what_only_looks_like_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("<html>404</html>")
    with pytest.raises(ImageError) as error:
        read_image(tmp_path, Item("a.png", 0))
    assert str(error.value) == f"{tmp_path}/a.png: is no image or a damaged one: its format is not known"


def test_a_missing_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as error:
        read_image(tmp_path, Item("gone.png", 0))
    assert str(error.value) == f"{tmp_path}/gone.png: cannot be read: No such file or directory"


def test_a_changed_image_is_refused(tmp_path: Path) -> None:
    make_image(tmp_path / "a.png", 1)
    hashed = hash_images(tmp_path, [Item("a.png", 0)])
    make_image(tmp_path / "a.png", 2)
    with pytest.raises(ImageError) as error:
        load_images(tmp_path, hashed, BICUBIC_128)
    assert str(error.value) == (
        f"{tmp_path}/a.png: has changed since it was listed; put the old image back or list the images again"
    )


def test_the_listing_refuses_a_damaged_image_and_leaves_the_old_one(tmp_path: Path) -> None:
    params = make_params(images={"elpv": {"source": "elpv"}, "photos": make_folder(tmp_path).model_dump()})
    out = tmp_path / "listing.json"
    images_stage.run(params, images="photos", out=out)
    before = out.read_bytes()
    (tmp_path / "evaluation" / "dog" / "2.png").write_bytes(b"")
    with pytest.raises(
        ImageError, match=r"evaluation/dog/2\.png: is no image or a damaged one: its format is not"
    ):
        images_stage.run(params, images="photos", out=out)
    assert out.read_bytes() == before


def test_sixteen_bit_grey_keeps_its_upper_bits(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 256, 32768, 65535]], dtype=np.uint16)).save(tmp_path / "deep.png")
    assert np.asarray(read_image(tmp_path, Item("deep.png", 0)))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_cmyk_and_palette_images_become_rgb(tmp_path: Path) -> None:
    image = Image.open(make_image(tmp_path / "a.png", 3))
    image.convert("CMYK").save(tmp_path / "b.jpg")
    image.convert("P").save(tmp_path / "c.png")
    assert all(read_image(tmp_path, Item(name, 0)).mode == "RGB" for name in ("b.jpg", "c.png"))


# The evaluation view


@pytest.mark.parametrize("size", [(300, 300), (500, 333), (167, 400), (128, 128)])
def test_the_view_is_timms(tmp_path: Path, size: tuple[int, int]) -> None:
    image = Image.open(make_image(tmp_path / "a.png", 5, size)).convert("RGB")
    theirs = create_transform(
        (3, 128, 128), interpolation="bicubic", crop_pct=0.875, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4)
    )
    ours = load_images(tmp_path, [Item("a.png", 0)], BICUBIC_128)
    torch.testing.assert_close(ours[0], theirs(image), atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [(300, 300), (500, 120), (167, 400), (20, 31)])
@pytest.mark.parametrize("crop_pct", [0.9, 1.0, 1.02])
@pytest.mark.parametrize("mode", ["center", "squash", "border"])
def test_the_view_is_timms_in_every_crop_mode(size: tuple[int, int], crop_pct: float, mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    named = {"input_size": (3, 96, 96), "mean": mean, "std": std, "crop_pct": crop_pct, "crop_mode": mode}
    theirs = create_transform(**named, interpolation="bicubic")  # type: ignore[arg-type]
    view = timm_preprocessing({**named, "interpolation": "bicubic"})
    ours = view.normalise(to_tensor([view.view(Image.fromarray(noise))]))
    torch.testing.assert_close(ours[0], theirs(Image.fromarray(noise)), atol=1e-5, rtol=0)


def test_views_that_there_are_none_of_are_refused() -> None:
    with pytest.raises(
        NetworkError, match="the network wants images of 64 × 128 pixels, but images are made"
    ):
        timm_preprocessing({"input_size": (3, 128, 64)})
    assert timm_preprocessing({"input_size": (3, 128, 64)}, 96).image_size == 96
    with pytest.raises(NetworkError, match="wants images of 1 channels, should take RGB images"):
        timm_preprocessing({"input_size": (1, 28, 28), "mean": (0.5,), "std": (0.5,)})
    with pytest.raises(NetworkError, match="crop mode 'center' and interpolation 'random' "):
        timm_preprocessing({"interpolation": "random"})


def test_the_view_is_torchvisions(tmp_path: Path) -> None:
    image = Image.open(make_image(tmp_path / "a.png", 6, (500, 333))).convert("RGB")
    theirs = ResNet50_Weights.IMAGENET1K_V2.transforms()
    ours = Preprocessing(224, tuple(theirs.mean), tuple(theirs.std), "bilinear", 224 / 232)
    assert ours.resize_size == 232
    torch.testing.assert_close(
        load_images(tmp_path, [Item("a.png", 0)], ours)[0], theirs(image), atol=1e-5, rtol=0
    )


def test_bytes_and_numbers_are_normalised_alike() -> None:
    images = torch.randint(0, 256, (2, 3, 4, 4), dtype=torch.uint8)
    expected = v2.Normalize(BICUBIC_128.mean, BICUBIC_128.std)(images / 255)
    torch.testing.assert_close(BICUBIC_128.normalise(images), expected)
    torch.testing.assert_close(BICUBIC_128.normalise(images / 255), expected)


def test_batches_hold_every_image_once_and_in_order(elpv: Source) -> None:
    items = elpv.evaluation[:23]
    batches = list(stream_batches(elpv.root, items, BICUBIC_128, 10))
    assert [len(labels) for _, labels in batches] == [10, 10, 3]
    assert torch.cat([labels for _, labels in batches]).tolist() == [item.label for item in items]
    whole = load_images(elpv.root, items, BICUBIC_128)
    assert torch.equal(torch.cat([images for images, _ in batches]), whole)


def open_evaluation(folder: Path) -> tuple[EvaluationImages, Source]:
    """Seven evaluation images, to be looked at three at a time, and their source."""
    spec = make_folder(folder / "photos", per_class=3)
    (folder / "photos/evaluation/dog/0.png").unlink()
    (folder / "photos/evaluation/dog/2.png").unlink()
    params = make_params(
        images={"elpv": {"source": "elpv"}, "photos": spec.model_dump()}, evaluate={"batch_size": 3}
    )
    source = open_source("photos", spec)
    listed = Listing("photos", source.classes, 9, hash_images(source.root, source.evaluation))
    write_listing(folder / "listing.json", listed, {})
    return EvaluationImages(params, folder / "listing.json", BICUBIC_128), source


@pytest.mark.parametrize("memory_mib", [opening.MOST_MIB, 0], ids=["kept", "streamed"])
def test_evaluation_images_come_alike_each_time_and_are_decoded_once_where_memory_allows_it(
    tmp_path: Path, memory_mib: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def read(root: Path, item: Item) -> Image.Image:
        opened.append(item.path)
        return read_image(root, item)

    monkeypatch.setattr(opening, "MOST_MIB", memory_mib)
    monkeypatch.setattr(loading, "read_image", read)
    evaluation, source = open_evaluation(tmp_path)
    assert opened == []
    first, again = (list(evaluation.batches()) for _ in range(2))
    assert len(evaluation) == 7
    assert len(opened) == (7 if memory_mib else 14)
    whole, labels = load_images(source.root, source.evaluation, BICUBIC_128), [0, 0, 0, 1, 2, 2, 2]
    for batches in (first, again):
        assert [len(part) for _, part in batches] == [3, 3, 1]
        assert torch.equal(torch.cat([images for images, _ in batches]), whole)
        assert torch.cat([part for _, part in batches]).tolist() == labels


@pytest.mark.parametrize("spare", [0, -1])
def test_evaluation_images_are_kept_up_to_the_memory_that_they_may_take(
    tmp_path: Path, spare: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mib = 7 * 3 * 128 * 128 * 4 / 2**20  # fp32
    monkeypatch.setattr(opening, "MOST_MIB", mib + spare)
    evaluation, _ = open_evaluation(tmp_path)
    assert (evaluation.batches() is evaluation.batches()) == (spare == 0)


def test_training_images_come_uncropped_with_their_labels(tmp_path: Path) -> None:
    spec = make_folder(tmp_path)
    make_image(tmp_path / "train" / "cat" / "large.png", 9, (900, 600))
    source = open_source("photos", spec)
    drawn = hash_images(
        source.root, [item for item in source.train if item.path[-9:] in ("large.png", "dog/1.png")]
    )
    write_sample(tmp_path / "sample.json", Sample("photos", 3, 0, drawn), {})
    params = make_params(images={"elpv": {"source": "elpv"}, "photos": spec.model_dump()})
    few = load_tiny_set(params, tmp_path / "sample.json", BICUBIC_128, seed=5)
    assert few.labels.tolist() == [CLASSES.index("cat"), CLASSES.index("dog")]
    assert [image.size for image in few.images] == [
        (438, 292),
        (40, 32),
    ]  # 292 is twice 146, the resized side


def test_very_many_training_images_stay_on_disk_and_look_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = open_source("photos", make_folder(tmp_path))
    items = draw_sample(source.train, "all", np.random.default_rng(0))
    kept = open_tiny_set(source.root, items, BICUBIC_128, seed=5)
    monkeypatch.setattr(tiny_set, "MOST_KEPT", len(items) - 1)
    on_disk = open_tiny_set(source.root, items, BICUBIC_128, seed=5)
    assert isinstance(kept.images, list)
    assert isinstance(on_disk.images, tiny_set.OnDisk)
    assert len(on_disk) == len(kept) == len(source.train)
    assert torch.equal(on_disk.centre_views([0, 2]), kept.centre_views([0, 2]))
    assert torch.equal(on_disk.random_views([1, 1], 3), kept.random_views([1, 1], 3))


def test_a_sources_views_reach_training(tmp_path: Path) -> None:
    spec = make_folder(tmp_path).model_dump() | {"views": {"crop": "place", "flip": False}}
    params = make_params(images={"elpv": {"source": "elpv"}, "photos": spec})
    source = open_source("photos", params.images["photos"])
    write_sample(
        tmp_path / "sample.json", Sample("photos", 3, 0, hash_images(source.root, source.train[:2])), {}
    )
    few = load_tiny_set(params, tmp_path / "sample.json", BICUBIC_128, seed=5)
    assert few.views == ViewsParams(crop="place", flip=False)


def test_a_manifest_of_an_unknown_source_is_refused(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample.json", Sample("elvp", 4, 0, []), {})
    with pytest.raises(ImageError) as error:
        load_tiny_set(make_params(), tmp_path / "sample.json", BICUBIC_128, seed=5)
    assert (
        str(error.value)
        == f"{tmp_path}/sample.json: unknown images 'elvp' (known: elpv, photographs, synthesized). "
        "Did you mean 'elpv'?"
    )


def test_listing_images_leaves_torch_alone() -> None:
    code = "import sys, practise.stages.images, practise.stages.sample; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
