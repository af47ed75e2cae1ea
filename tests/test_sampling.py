"""Sampling follows the paper: class, then image, below 1000 images; equal shares from 1000 on."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from practise.errors import ImageError
from practise.images.sampling import draw_sample, share_out
from practise.images.source import Item


def make_items(counts: list[int]) -> list[Item]:
    return [Item(f"{label}/{index}", label) for label, count in enumerate(counts) for index in range(count)]


def draw(counts: list[int], num_images: int, seed: int = 0) -> list[Item]:
    return draw_sample(make_items(counts), num_images, np.random.default_rng(seed))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.data())
def test_a_sample_has_the_number_asked_for_and_no_image_twice(counts: list[int], data: st.DataObject) -> None:
    num_images = data.draw(st.integers(1, sum(counts)))
    sample = draw(counts, num_images, seed=data.draw(st.integers(0, 5)))
    assert len({item.path for item in sample}) == num_images
    assert set(sample) <= set(make_items(counts))


def test_a_seed_gives_the_same_sample_and_another_seed_another() -> None:
    assert draw([50, 60], 20, seed=3) == draw([50, 60], 20, seed=3)
    assert draw([50, 60], 20, seed=3) != draw([50, 60], 20, seed=4)


def test_the_order_of_a_small_sample_does_not_depend_on_its_size() -> None:
    assert draw([50, 60], 20)[:10] == draw([50, 60], 10)


def test_below_1000_images_classes_are_drawn_alike_however_large_they_are() -> None:
    drawn = Counter(item.label for seed in range(20) for item in draw([2000, 200, 200, 200], 50, seed))
    assert all(
        abs(drawn[label] / drawn.total() - 0.25) < 0.05 for label in range(4)
    )  # 3.6 standard deviations


def test_below_1000_images_shares_are_left_to_chance() -> None:
    shares = [Counter(item.label for item in draw([200] * 4, 100, seed))[0] for seed in range(20)]
    assert len(set(shares)) > 5


def test_from_1000_images_on_each_of_1000_classes_gives_the_same() -> None:
    for num_images in (1000, 3000):
        shares = Counter(item.label for item in draw([5] * 1000, num_images))
        assert shares == dict.fromkeys(range(1000), num_images // 1000)


def test_from_1000_images_on_the_share_goes_by_the_number_of_classes() -> None:
    assert Counter(item.label for item in draw([400] * 4, 1000)) == dict.fromkeys(range(4), 250)


def test_what_the_division_leaves_goes_to_different_classes() -> None:
    shares = Counter(item.label for item in draw([5] * 1000, 1500))
    assert Counter(shares.values()) == {1: 500, 2: 500}


@given(st.lists(st.integers(0, 20), min_size=1, max_size=8), st.data())
def test_shares_are_as_equal_as_the_classes_allow(counts: list[int], data: st.DataObject) -> None:
    num_images = data.draw(st.integers(0, sum(counts)))
    available = dict(enumerate(counts))
    shares = share_out(available, num_images, np.random.default_rng(0))
    assert sum(shares.values()) == num_images
    assert all(shares[label] <= available[label] for label in available)
    largest = max(shares.values())
    assert all(shares[label] >= largest - 1 or shares[label] == available[label] for label in available)


def test_all_images_are_all_in_their_own_order() -> None:
    items = make_items([3, 4])
    assert draw_sample(items, "all", np.random.default_rng(0)) == items


def test_asking_for_more_than_there_is_is_refused() -> None:
    with pytest.raises(ImageError) as error:
        draw_sample(make_items([3, 4]), 8, np.random.default_rng(0), "params.yaml: grid.num_images")
    assert str(error.value) == (
        "params.yaml: grid.num_images: asks for 8 images, but there are only 7 training images"
    )
