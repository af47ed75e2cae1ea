"""Images from a network alone: their parts against formulas, the whole on a tiny network."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from tiny import tiny_network
from torch import nn

from practise.errors import NetworkError
from practise.images.preprocessing import Preprocessing
from practise.synthesis.params import SynthesisRecipe
from practise.synthesis.synthesis import (
    Synthesizer,
    absolute_distance,
    blur,
    divergence,
    relative_distance,
    shifted_strides,
    total_variation,
)

PREPROCESSING = Preprocessing(16, (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), "bilinear", 1.0)
RECIPE = SynthesisRecipe(
    steps=60, batch_size=8, lr=0.1, classification=1.0, statistics=1.0, total_variation=0.1, competition=0.0,
    start="noise", coarse=0.5, jitter=0.1, dtype="fp32",
)  # fmt: skip


@pytest.fixture
def network() -> nn.Module:
    """A tiny network whose batch norms have seen images that are nothing like noise."""
    torch.manual_seed(0)
    network = tiny_network().train()
    with torch.no_grad():
        for _ in range(20):
            network(
                PREPROCESSING.normalise((torch.rand(16, 3, 1, 1) + 0.2 * torch.rand(16, 3, 16, 16)) / 1.2)
            )
    return network.eval()


def classes(network: nn.Module) -> int:
    return int(network(torch.zeros(1, 3, 16, 16)).shape[1])


def test_images_bring_batch_norm_nearer_to_what_it_knows(network):
    synthesizer = Synthesizer(network, PREPROCESSING, classes(network), RECIPE)
    made = synthesizer.make(8, seed=1)
    assert made.images.shape == (8, 3, 16, 16)
    assert made.images.dtype == torch.uint8
    assert made.distance_after < 0.7 * made.distance_before
    assert set(made.labels.tolist()) <= set(range(classes(network)))


def test_the_network_is_surer_of_images_that_were_made_to_show_a_class(network):
    def confidence(classification: float) -> float:
        recipe = RECIPE.but(classification=classification, statistics=0.01)
        return Synthesizer(network, PREPROCESSING, classes(network), recipe).make(8, seed=1).confidence

    assert confidence(10.0) > confidence(0.0) + 0.01


def test_what_is_said_of_the_images_holds_for_the_images_as_they_are_stored(network):
    made = Synthesizer(network, PREPROCESSING, classes(network), RECIPE).make(8, seed=1)
    with torch.no_grad():
        sure = network(PREPROCESSING.normalise(made.images)).softmax(dim=1)
    assert made.confidence == pytest.approx(sure[range(8), made.labels].mean().item(), rel=1e-4)


def test_a_seed_gives_the_same_images_and_another_gives_others(network):
    synthesizer = Synthesizer(network, PREPROCESSING, classes(network), RECIPE)
    first, again, other = (synthesizer.make(4, seed).images for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_class_has_its_turn(network):
    count = classes(network)
    labels = Synthesizer(network, PREPROCESSING, count, RECIPE).make(2 * count, seed=0).labels
    assert torch.bincount(labels).tolist() == [2] * count


def test_the_network_is_left_as_it_was(network):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    Synthesizer(network, PREPROCESSING, classes(network), RECIPE).make(4, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.training


def test_a_network_without_batch_norm_says_what_to_do_instead():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(NetworkError, match="has no batch norm.*photographs or unlabelled"):
        Synthesizer(network, PREPROCESSING, 4, RECIPE)


def test_the_distance_is_nothing_for_the_very_statistics_and_grows_with_a_shift():
    layer = nn.BatchNorm2d(3)
    x = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 2 + 1
    layer.running_mean, layer.running_var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    assert absolute_distance(x, layer).item() == pytest.approx(0, abs=1e-5)
    assert absolute_distance(x + 2, layer).item() == pytest.approx(2 * 3**0.5, rel=1e-4)
    assert relative_distance(x, layer).item() == pytest.approx(0, abs=1e-5)
    assert relative_distance(x + 2, layer).item() == pytest.approx(1, rel=0.1)  # a standard deviation is 2


def test_a_relative_distance_heeds_no_channel_more_for_its_scale():
    x = torch.randn(8, 2, 5, 5, generator=torch.Generator().manual_seed(0))
    scale = torch.tensor([1.0, 100.0])[:, None, None]
    layer, scaled = nn.BatchNorm2d(2, eps=0.0), nn.BatchNorm2d(2, eps=0.0)
    scaled.running_var = scale.flatten() ** 2
    assert relative_distance(x * scale, scaled).item() == pytest.approx(
        relative_distance(x, layer).item(), rel=1e-4
    )


def test_a_low_pass_filter_keeps_even_ground_and_takes_away_a_checkerboard():
    even = torch.full((1, 3, 6, 6), 0.7)
    assert torch.allclose(blur(even, 0.7), even)
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(1, 3, 3, 3)
    assert blur(board, 0.7).abs().max() < 0.2
    point = torch.zeros(1, 1, 8, 8)
    point[..., 0, 0] = 1
    spread = blur(point, 0.7)
    assert spread.sum().item() == pytest.approx(1)
    assert spread[0, 0, 0, -1] == spread[0, 0, 0, 1] > spread[0, 0, 1, 1] > 0


def test_strided_convolutions_start_elsewhere_in_the_block_alone():
    strided, whole = nn.Conv2d(3, 4, 1, stride=2), nn.Conv2d(3, 4, 1)
    x = torch.randn(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    straight, dense = strided(x), whole(x)
    starts = [strided(x.roll((down, right), (2, 3))) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    with shifted_strides(nn.Sequential(strided, whole), torch.Generator().manual_seed(1)):
        seen = [strided(x) for _ in range(20)]
        assert torch.equal(whole(x), dense)
    assert all(any(torch.equal(one, start) for start in starts) for one in seen)
    assert any(not torch.equal(one, straight) for one in seen)
    assert torch.equal(strided(x), straight)


def test_total_variation_is_the_mean_squared_difference_of_pixels_that_touch():
    image = np.random.default_rng(0).normal(size=(1, 1, 4, 5))
    expected = (
        sum(np.square(image[..., down:, 1:] - image[..., : 4 - down, :-1]).mean() for down in (0, 1))
        + np.square(image[..., 1:, :] - image[..., :-1, :]).mean()
        + np.square(image[..., 1:, :-1] - image[..., :-1, 1:]).mean()
    )
    assert total_variation(torch.from_numpy(image)).item() == pytest.approx(expected)


def test_divergence_is_that_of_jensen_and_shannon():
    ours, theirs = (torch.from_numpy(np.random.default_rng(seed).normal(size=(6, 4))) for seed in (0, 1))
    first, second = (logits.softmax(dim=1).numpy() for logits in (ours, theirs))
    expected = np.mean([jensenshannon(p, q) ** 2 for p, q in zip(first, second, strict=True)])
    assert divergence(ours, theirs).item() == pytest.approx(expected)
    assert divergence(ours, ours).item() == pytest.approx(0, abs=1e-12)


def test_a_competition_makes_images_on_which_the_student_disagrees_more(network):
    student = tiny_network(seed=5).eval()
    recipe = RECIPE.but(competition=30.0, statistics=0.1)
    alone = Synthesizer(network, PREPROCESSING, classes(network), recipe.but(competition=0.0))
    against = Synthesizer(network, PREPROCESSING, classes(network), recipe, student)

    def disagreement(images: torch.Tensor) -> float:
        views = PREPROCESSING.normalise(images)
        with torch.no_grad():
            return divergence(network(views), student(views)).item()

    assert disagreement(against.make(8, 0).images) > disagreement(alone.make(8, 0).images)
