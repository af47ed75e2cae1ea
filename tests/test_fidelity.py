"""The preset `official` against the authors' recipe: in plain PyTorch, and in numbers of their own code.

All in float64 and without random views, so that nothing but the recipe is compared.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_views import tiny_set
from tiny import TinyNet, tiny_network
from torch import Tensor, nn
from torch.nn import functional

from practise.images.params import ViewsParams
from practise.images.preprocessing import Preprocessing
from practise.images.source import Item
from practise.images.tiny_set import TinySet, open_tiny_set
from practise.images.views import draw_batch
from practise.networks.blocks import drop_blocks_
from practise.networks.building import build_network, find_preprocessing
from practise.networks.params import NetworkParams
from practise.recovery.params import RecoveryRecipe
from practise.recovery.training import recover_
from practise.scoring.params import SgdRecipe
from practise.scoring.recoverability import build_scorer

DATA = Path(__file__).parents[1] / "data"
WEIGHTS = DATA / "weights" / "cifar10-resnet20-12fca82f.th"
PICTURES = DATA / "cifar10" / "test" / "airplane"
PLAIN = ViewsParams(crop="none", flip=False)
"""No augmentation."""


class Exact(Preprocessing):
    """Images in float64."""

    def normalise(self, images: Tensor) -> Tensor:
        mean, std = (
            torch.tensor(values, dtype=torch.float64)[:, None, None] for values in (self.mean, self.std)
        )
        return (images.double() / 255 - mean) / std


# In plain PyTorch


def images(count: int) -> TinySet:
    """A few images that look the same in training and in evaluation."""
    few = tiny_set(count)
    preprocessing = Exact(**{**vars(few.preprocessing), "crop_pct": 1.0})
    return replace(few, preprocessing=preprocessing, views=PLAIN)


def beside(width: int) -> nn.Conv2d:
    """A 1×1 convolution that changes nothing yet."""
    adaptor = nn.Conv2d(width, width, 1, bias=False, dtype=torch.float64)
    nn.init.dirac_(adaptor.weight)
    return adaptor


def insert_adaptors_(network: TinyNet, after: Sequence[str], before: Sequence[str]) -> list[nn.Parameter]:
    """Put a real 1×1 convolution after and before convolutions."""
    adaptors = []
    for name in after:
        layer = network.get_submodule(name)
        adaptors.append(beside(layer.out_channels))
        network.set_submodule(name, nn.Sequential(layer, adaptors[-1]))
    for name in before:
        layer = network.get_submodule(name)
        adaptors.append(beside(layer.in_channels))
        network.set_submodule(name, nn.Sequential(adaptors[-1], layer))
    return [adaptor.weight for adaptor in adaptors]


def features(network: TinyNet, views: Tensor) -> Tensor:
    return network.run_stages(network.stem(views))


def train_(
    student: TinyNet, teacher: TinyNet, weights: list[nn.Parameter], few: TinySet, steps: int, batch: int
) -> None:
    """SGD on the features' mean squared error, divided by ten after every int(0.4 · steps) steps."""
    views = few.centre_views()
    momentum = [torch.zeros_like(weight) for weight in weights]
    for step in range(steps):
        rate = 0.02 * 0.1 ** (step // int(0.4 * steps))
        picked = draw_batch(len(few), batch, few.seed, step, "distinct")
        with torch.no_grad():
            wanted = features(teacher, views[picked])
        loss = functional.mse_loss(features(student, views[picked]), wanted)
        gradients = torch.autograd.grad(loss, weights)
        with torch.no_grad():
            for weight, speed, gradient in zip(weights, momentum, gradients, strict=True):
                speed.mul_(0.9).add_(gradient + 1e-4 * weight)
                weight.sub_(rate * speed)


@pytest.mark.parametrize(("count", "batch"), [(8, 64), (8, 3)], ids=["all in a step", "three in a step"])
@pytest.mark.parametrize(
    ("block", "after", "before"),
    [
        (
            "stages.0.1",
            ["stem.0", "stages.0.0.conv2"],
            ["stages.0.2.conv1", "stages.1.0.conv1", "stages.1.0.shortcut.0"],
        ),
        ("stages.1.1", ["stages.1.0.conv2", "stages.1.0.shortcut.0"], ["stages.1.2.conv1"]),
    ],
)
def test_scores_are_those_of_inserted_adaptors_trained_by_hand(block, after, before, count, batch):
    network, few = tiny_network().double(), images(count)
    student = drop_blocks_(copy.deepcopy(network), [block]).requires_grad_(False)
    adaptors = insert_adaptors_(student, after, before)
    for adaptor in adaptors:
        adaptor.requires_grad_(True)
    train_(student, network, adaptors, few, 10, batch)
    views = few.centre_views()
    with torch.no_grad():
        expected = functional.mse_loss(features(student, views), features(network, views)).item()
    recipe = SgdRecipe(steps=10, batch_size=batch)
    found = build_scorer(network, [block], few, recipe).recoverability([block])
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_recovery_is_the_one_by_hand():
    network, few = tiny_network().double(), images(8)
    ours, student = (drop_blocks_(copy.deepcopy(network), ["stages.0.1"]) for _ in range(2))
    recover_(ours, network, few, "mimic", RecoveryRecipe.official().but(steps=10))
    trained = [weight for name, weight in student.named_parameters() if not name.startswith("classifier")]
    train_(student.train(), network, trained, few, 10, 64)
    for found, expected in zip(ours.parameters(), student.parameters(), strict=True):
        assert torch.allclose(found, expected, rtol=0, atol=1e-9)


# In numbers of the authors' own code


@pytest.mark.skipif(
    not (WEIGHTS.is_file() and PICTURES.is_dir()),
    reason="the weights of ResNet-20 and the images of CIFAR-10 are not in the folder `data`",
)
@pytest.mark.parametrize(
    ("block", "steps", "expected"),
    [
        ("layer2.1", 0, 0.784268907),
        ("layer2.1", 5, 0.492413113),
        ("layer2.1", 20, 0.301438678),
        ("layer3.2", 0, 1.40229163),
        ("layer3.2", 5, 1.38699042),
        ("layer3.2", 20, 1.26280015),
    ],
)
def test_scores_of_resnet20_are_those_of_the_authors_code(block, steps, expected):
    spec = NetworkParams(
        library="cifar", architecture="resnet20", weights=str(WEIGHTS), image_size=None, head=None
    )
    network, preprocessing = build_network(spec).double(), find_preprocessing(spec)
    items = [Item(path.name, 0) for path in sorted(PICTURES.iterdir())[:8]]
    few = open_tiny_set(PICTURES, items, Exact(**vars(preprocessing)), seed=0, views=PLAIN)
    recipe = SgdRecipe(steps=max(1, steps), lr=0.02)
    found = build_scorer(network, [block], few, recipe if steps else recipe.but(lr=0.0))
    assert found.recoverability([block]) == pytest.approx(expected, rel=4e-9)
