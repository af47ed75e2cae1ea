"""Views and batches follow from seed and step alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import v2

from practise.images.params import ViewsParams
from practise.images.preprocessing import Preprocessing, resize_shorter_side, to_tensor
from practise.images.tiny_set import TinySet
from practise.images.views import centre_views, draw_batch, draw_views, mix

PREPROCESSING = Preprocessing(32, (0.5,) * 3, (0.25,) * 3, "bilinear", 0.875)


def pictures(count: int) -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (count, 48, 40, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in noise]


def tiny_set(count: int) -> TinySet:
    return TinySet(pictures(count), torch.arange(count) % 4, PREPROCESSING, seed=0)


@given(num_images=st.integers(1, 20), batch_size=st.integers(1, 50), steps=st.integers(1, 10))
def test_every_image_comes_up_equally_often(num_images, batch_size, steps):
    drawn = torch.cat([draw_batch(num_images, batch_size, 5, step) for step in range(steps)])
    counts = torch.bincount(drawn, minlength=num_images)
    assert len(drawn) == steps * batch_size
    assert counts.max() - counts.min() <= 1


@given(num_images=st.integers(1, 40), batch_size=st.integers(1, 50), seed=st.integers(0, 3))
def test_batches_of_distinct_images_walk_through_permutations_and_drop_what_is_left(
    num_images, batch_size, seed
):
    size = min(num_images, batch_size)
    per_permutation = num_images // size
    for permutation in range(3):
        steps = range(permutation * per_permutation, (permutation + 1) * per_permutation)
        batches = [draw_batch(num_images, batch_size, seed, step, "distinct").tolist() for step in steps]
        assert [len(batch) for batch in batches] == [size] * per_permutation
        drawn = [index for batch in batches for index in batch]
        assert len(set(drawn)) == len(drawn)
        assert set(drawn) <= set(range(num_images))


def test_fewer_images_than_a_batch_come_in_a_new_order_at_each_step():
    batches = [tuple(draw_batch(50, 64, 0, step, "distinct").tolist()) for step in range(5)]
    assert {tuple(sorted(batch)) for batch in batches} == {tuple(range(50))}
    assert len(set(batches)) == 5


def test_the_same_seed_gives_the_same_views_and_another_seed_others():
    images = pictures(3)
    first, again, other = (draw_views(images, [0, 2, 2], PREPROCESSING, seed) for seed in (1, 1, 2))
    assert first.shape == (3, 3, 32, 32)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[1], first[2])  # two views of one image


def test_a_crop_of_all_is_the_whole_image_flipped_or_not():
    image = pictures(1)[0].resize((48, 48))
    whole = to_tensor([v2.functional.resize(image, [32, 32])])[0]
    for view in draw_views([image], [0] * 8, PREPROCESSING, seed=1, smallest=1.0):
        assert torch.equal(view, whole) or torch.equal(view.flip(2), whole)


@pytest.mark.parametrize("flip", [True, False])
def test_no_crop_is_the_whole_image_and_a_source_may_do_without_flips(flip):
    image = pictures(1)[0].resize((48, 48))
    whole = to_tensor([v2.functional.resize(image, [32, 32])])[0]
    kind = ViewsParams(crop="none", flip=flip)
    views = list(draw_views([image], [0] * 8, PREPROCESSING, seed=1, kind=kind))
    assert any(torch.equal(view, whole) for view in views)
    assert any(torch.equal(view.flip(2), whole) for view in views) == flip
    assert all(torch.equal(view, whole) or torch.equal(view.flip(2), whole) for view in views)


def test_a_crop_of_random_place_is_a_square_of_the_image_as_it_is_resized_for_evaluation():
    image = pictures(1)[0]
    assert PREPROCESSING.resize_size == 36
    resized = to_tensor([resize_shorter_side(image, 36, "bilinear")])[0]
    squares = resized.unfold(1, 32, 1).unfold(2, 32, 1).flatten(1, 2).movedim(1, 0)
    kind = ViewsParams(crop="place", flip=False)
    places = set()
    for view in draw_views([image], [0] * 8, PREPROCESSING, seed=1, kind=kind):
        (place,) = (squares == view).flatten(1).all(1).nonzero().flatten().tolist()
        places.add(place)
    assert len(places) > 3


def test_drawing_views_leaves_the_global_generator_alone():
    state = torch.random.get_rng_state()
    draw_views(pictures(1), [0], PREPROCESSING, 1)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_centre_views_are_the_evaluation_view():
    images = pictures(2)
    expected = (np.asarray(PREPROCESSING.view(images[1]), dtype=np.float64) / 255 - 0.5) / 0.25
    assert np.allclose(centre_views(images, PREPROCESSING)[1].permute(1, 2, 0), expected, atol=1e-5)


def test_a_blend_lies_between_two_views_at_one_share_for_all_pixels():
    views = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    mixed = mix(views, 3)
    assert torch.equal(mixed, mix(views, 3))
    assert not torch.equal(mixed, mix(views, 4))
    generator = torch.Generator().manual_seed(3)
    partners, shares = torch.randperm(6, generator=generator), torch.rand(6, 1, 1, 1, generator=generator)
    assert torch.allclose(mixed, shares * views + (1 - shares) * views[partners], atol=1e-6)
