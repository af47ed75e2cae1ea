"""Pictures as people have them: what counts in a folder, what is handed over, what the values mean."""

import struct
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from made_images import make_image
from PIL import ExifTags, Image
from test_views import PREPROCESSING, pictures

from practise.acceleration.given import label_folders, open_given
from practise.errors import ImageError
from practise.files import read_result, write_result
from practise.images.folder import list_images, read_classes, walk_images
from practise.images.preprocessing import Preprocessing
from practise.images.reading import hash_images, read_image, to_rgb
from practise.images.source import Item
from practise.images.unlabelled import list_unlabelled

# What counts in a folder


@pytest.fixture
def littered(tmp_path: Path) -> Path:
    """Two classes of two pictures, and what systems, notebooks and archives leave beside them."""
    root = tmp_path / "photos"
    for seed, path in enumerate(("cat/0.png", "cat/1.jfif", "dog/0.JPG", "dog/more/1.gif")):
        make_image(root / "a.png", seed)
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.open(root / "a.png").save(root / path, {"0.png": "PNG", "1.gif": "GIF"}.get(path[-5:], "JPEG"))
    (root / "a.png").unlink()
    for litter in (".ipynb_checkpoints", "cat/.cache", "__MACOSX/cat", "dog/@eaDir"):
        make_image(root / litter / "9.png", 9)
    for litter in ("cat/Thumbs.db", "dog/._0.JPG", "cat/notes.txt", "cat/old.heic", "dog/plain"):
        (root / litter).write_bytes(b"\0\5")
    return root


def test_all_listings_see_the_same_pictures(littered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = ["cat/0.png", "cat/1.jfif", "dog/0.JPG", "dog/more/1.gif"]
    assert walk_images(littered, littered) == expected
    assert [item.path for item in list_unlabelled(littered, "here")] == expected
    labelled = list_images(littered, littered.parent, ("cat", "dog"), "here")
    assert [(item.path, item.label) for item in labelled] == [
        (f"photos/{path}", int(path.startswith("dog"))) for path in expected
    ]
    assert label_folders(littered, 2) == [0, 0, 1, 1]
    capsys.readouterr()
    assert len(open_given(littered, PREPROCESSING)) == 4
    assert capsys.readouterr().err == (
        f"'{littered}' (left out: 6 hidden, 1 .txt, 1 .heic, 1 without a suffix)\n"
    )


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    make_image(tmp_path / "elsewhere" / "1.png", 1)
    make_image(tmp_path / "elsewhere" / "deeper" / "2.png", 2)
    root = tmp_path / "root"
    make_image(root / "real" / "0.png", 0)
    for name, target in {"dog": "../elsewhere", "back": "..", "copy": "real", "gone.png": "nowhere"}.items():
        (root / name).symlink_to(target)
    (tmp_path / "elsewhere" / "round").symlink_to(root)
    assert walk_images(root / "dog", root) == ["dog/1.png", "dog/deeper/2.png", "dog/round/real/0.png"]
    (root / "back").unlink()
    assert walk_images(root, root) == ["dog/1.png", "dog/deeper/2.png", "real/0.png"]


def test_names_are_the_same_however_their_letters_are_written(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Café")
    for seed, name in enumerate((decomposed, "dog")):
        make_image(tmp_path / "train" / name / "0.png", seed)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "classes.txt").write_bytes("dog\r\nCafé\r\n".encode(encoding))
        classes = read_classes(str(tmp_path / "classes.txt"), "here")
        found = list_images(tmp_path / "train", tmp_path / "train", classes, "here")
        assert [(item.path, item.label) for item in found] == [(f"{decomposed}/0.png", 1), ("dog/0.png", 0)]


def test_a_name_that_is_not_utf8_can_be_listed_opened_and_told(tmp_path: Path) -> None:
    make_image(tmp_path / "a.png", 0).rename(tmp_path / "gr\udcfc\udcdfe.png")
    (item,) = hash_images(tmp_path, list_unlabelled(tmp_path, "here"))
    write_result(tmp_path / "listed.json", "sample", {"path": item.path}, {})
    assert read_result(tmp_path / "listed.json", "sample") == {"path": item.path}
    (tmp_path / item.path).write_bytes(b"damaged")
    with pytest.raises(ImageError) as error:
        open_given(tmp_path, PREPROCESSING)
    assert str(error.value) == (
        rf"{tmp_path}/gr\udcfc\udcdfe.png: is no image or a damaged one: its format is not known"
    )


# What values mean


def grey(values: np.ndarray) -> list[int]:
    return np.asarray(to_rgb(Image.fromarray(values)))[0, :, 0].tolist()  # type: ignore[no-any-return]


def test_fractions_become_grey_and_not_black() -> None:
    assert grey(np.array([[0, 0.5, 1]], dtype=np.float32)) == [0, 128, 255]
    assert grey(np.array([[0, 100, 255]], dtype=np.float32)) == [0, 100, 255]
    assert grey(np.array([[0, 256, 65535]], dtype=np.int32)) == [0, 1, 255]
    assert grey(np.zeros((1, 2), dtype=np.uint16)) == [0, 0]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            np.array([[-1000, 3000]], dtype=np.int32),
            "its values go from -1000 to 3000, should be from 0 to 65535",
        ),
        (np.array([[0, 70000]], dtype=np.int32), "its values go from 0 to 70000, should be from 0 to 65535"),
        (
            np.array([[-1, 1]], dtype=np.float32),
            "its values go from -1 to 1, should be from 0 to 1 or from 0",
        ),
        (np.array([[0, np.nan]], dtype=np.float32), "its values go from nan to nan, should be from 0 to 1"),
        (
            np.array([[0, 4095]], dtype=np.uint16),
            "its values end at 4095 of 65535, as those of 12 bits or fewer",
        ),
        (
            np.array([[0, 200]], dtype=np.int32),
            "its values end at 200 of 65535, as those of 12 bits or fewer",
        ),
    ],
)
def test_values_that_could_mean_anything_are_refused(values: np.ndarray, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence):
        to_rgb(Image.fromarray(values))
    with pytest.raises(ImageError, match=rf"^images\[1\]: {sentence}"):
        open_given([*pictures(1), Image.fromarray(values)], PREPROCESSING)


def test_a_tiff_file_of_twelve_bits_is_as_bright_as_it_says(tmp_path: Path) -> None:
    packed = bytes([0x00, 0x07, 0xFF, 0xFF, 0xF0, 0x10])  # 0, 2047, 4095 and 16
    tags = {256: 4, 257: 1, 258: 12, 259: 1, 262: 1, 273: 134, 277: 1, 278: 1, 279: 6, 339: 1}
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in tags.items())
    content = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0) + packed
    (tmp_path / "a.tif").write_bytes(content)
    read = read_image(tmp_path, Item("a.tif", 0))
    assert np.asarray(read)[0, :, 0].tolist() == [0, 127, 255, 1]


def test_cameras_turn_pictures_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image, exif = pictures(1)[0].resize((40, 20)), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.save(tmp_path / "a.png", exif=exif)
    assert open_given(tmp_path, PREPROCESSING)[0].size == (40, 20)
    assert capsys.readouterr().err == (
        "1 of 1 images are turned by their EXIF data, and taken as they are stored, as timm and torchvision "
        "do; upright turns them\n"
    )
    turned = open_given([tmp_path / "a.png"], PREPROCESSING, upright=True)[0]
    assert np.array_equal(np.asarray(turned), np.asarray(image.transpose(Image.Transpose.ROTATE_270)))
    (item,) = hash_images(tmp_path, list_unlabelled(tmp_path, "here"))
    assert "1 of 1 images are turned by their EXIF data" in capsys.readouterr().err
    assert read_image(tmp_path, Item(item.path, 0, upright=True)).size == (20, 40)


# What is handed over


def test_pictures_of_any_kind_are_the_same_pictures(tmp_path: Path) -> None:
    made, wanted = pictures(3), [np.asarray(one) for one in open_given(pictures(3), PREPROCESSING)]
    for index, picture in enumerate(made):
        picture.save(tmp_path / f"{index}.png")
    paths = sorted(tmp_path.iterdir())
    for given in (
        tmp_path,
        str(tmp_path),
        set(paths),
        (path for path in paths),
        [str(paths[0]), paths[1], made[2]],
        [Image.open(path) for path in paths],
        [np.asarray(picture) for picture in made],
    ):
        found = open_given(given, PREPROCESSING)  # type: ignore[arg-type]
        assert all(np.array_equal(np.asarray(one), two) for one, two in zip(found, wanted, strict=True))


def closed(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image


def test_what_is_no_picture_is_refused_with_its_place(tmp_path: Path) -> None:
    path = make_image(tmp_path / "a.png", 0)
    (tmp_path / "cut.png").write_bytes(path.read_bytes()[:60])
    picture = pictures(1)[0]
    for given, sentence in (
        ("", "no folder '', should be a folder"),
        (path, "a.png' is a file, should be a folder"),
        ("~/nowhere", "no folder '~/nowhere', should be a folder"),
        (picture, "images: is of type Image, should be a folder, or a list of pictures and paths"),
        ({"a": picture}, "images: is of type dict, should be a folder"),
        ([], "no images were given"),
        (iter([]), "no images were given"),
        (
            [picture, (picture, 3)],
            r"images\[1\]: is of type tuple, should be a picture of Pillow's or a path",
        ),
        (torch.rand(2, 3, 8, 8), r"images\[0\]: is of type Tensor, .*to_pil_image makes one of it"),
        (
            np.zeros((2, 8, 8, 3)),
            r"images\[0\]: is an array of float64 of shape \(8, 8, 3\), should be",
        ),
        ([picture, closed(path)], r"images\[1\]: is no image or a damaged one: it was closed before"),
        ([Image.open(tmp_path / "cut.png")], r"images\[0\]: is no image or a damaged one: "),
    ):
        with pytest.raises(ImageError, match=sentence):
            open_given(given, PREPROCESSING)  # type: ignore[arg-type]


def test_a_strip_is_looked_at_in_the_middle() -> None:
    view = Preprocessing(32, (0.5,) * 3, (0.5,) * 3, "bilinear", 1.0)
    strip = np.zeros((20000, 2, 3), dtype=np.uint8)
    strip[9990:10010] = 255
    assert np.asarray(view.view(Image.fromarray(strip))).min() == 255
    assert np.asarray(view.view(Image.fromarray(strip.transpose(1, 0, 2)))).min() == 255
