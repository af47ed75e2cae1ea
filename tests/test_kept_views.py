"""Evaluation views that a machine keeps: the same bytes, each image decoded once, changes still found out."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from practise.errors import ImageError
from practise.images.kept import FOLDER, find_path, keep_views
from practise.images.preprocessing import Preprocessing
from practise.images.reading import hash_images, read_image
from practise.images.source import Item
from tests.made_images import make_image

SMALL = Preprocessing(8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear", 0.8)


@pytest.fixture
def items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    """Three listed pictures in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        make_image(tmp_path / f"{name}.png", seed=ord(name))
    return hash_images(tmp_path, [Item(f"{name}.png", 0) for name in "abc"])


def test_views_are_decoded_once(items: list[Item], tmp_path: Path) -> None:
    decoded = [np.asarray(SMALL.view(read_image(tmp_path, item))) for item in items]
    first = list(islice(keep_views(tmp_path, items, SMALL), len(items)))  # asks for no more than there are
    path = find_path(items, SMALL)
    assert path.read_bytes() == b"".join(view.tobytes() for view in decoded)
    path.write_bytes(bytes(path.stat().st_size))
    again = list(keep_views(tmp_path, items, SMALL))
    assert np.array_equal(first, decoded)
    assert not np.any(again), "the kept views are given"


def test_another_size_or_another_crop_has_views_of_its_own(items: list[Item]) -> None:
    other = Preprocessing(8, SMALL.mean, SMALL.std, "bilinear", 1.0)
    assert len({find_path(items, SMALL), find_path(items, other), find_path(items[:2], SMALL)}) == 3


def test_an_image_that_changed_is_found_out_although_its_view_was_kept(
    items: list[Item], tmp_path: Path
) -> None:
    list(keep_views(tmp_path, items, SMALL))
    Image.new("RGB", (9, 9)).save(tmp_path / "b.png")
    with pytest.raises(ImageError, match=r"b\.png: has changed"):
        list(keep_views(tmp_path, items, SMALL))


def test_a_look_that_is_broken_off_leaves_nothing(items: list[Item], tmp_path: Path) -> None:
    views = keep_views(tmp_path, items, SMALL)
    next(views)
    views.close()  # type: ignore[attr-defined]
    assert list(FOLDER.iterdir()) == []


def test_where_nothing_can_be_written_all_views_are_given(items: list[Item], tmp_path: Path) -> None:
    FOLDER.parent.write_text("a file where the folder should be")
    assert len(list(keep_views(tmp_path, items, SMALL))) == len(items)
