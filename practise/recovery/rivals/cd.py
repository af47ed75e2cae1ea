"""CD, cross distillation: refit each thinned layer to the original's, on both networks' inputs (AAAI 2020).

Bai et al. note that errors of early layers pile up in a few-shot student, and that a layer which only learns
to make up for them overfits. So each layer W_s, whose inputs have lost channels, minimises

    mu · ‖W_s X_t − W_t X_t‖² + (1 − mu) · ‖W_s X_s − W_t X_s‖²

over what enters it in the original (X_t) and in the student (X_s), layer after layer. `official` takes Adam
and lets the channels go one after the other; `default` solves the quadratic exactly, which is its limit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from practise.images.tiny_set import TinySet
from practise.images.views import draw_batch
from practise.networks.copies import copy_network
from practise.networks.watching import entering
from practise.progress import track
from practise.pruning.filters import keep_filters_
from practise.scoring.pixels import draw_pixels

PULL = 1e-6
"""How far an exact solution is drawn to the original's weight, as a share of the inputs' mean power."""


@dataclass(frozen=True)
class CrossDistillation:
    """How layers are refitted.

    Attributes:
        mu: share of the original's inputs; the authors take 0.6 in plain networks and 0.9 in residual ones.
        steps: of Adam for each layer; 0 solves exactly.
        lr: Adam's, a tenth of it after the first third of the steps, in which the channels go.
        batch_size: images in a step.
    """

    mu: float = 0.9
    steps: int = 0
    lr: float = 1e-3
    batch_size: int = 64


OFFICIAL = CrossDistillation(steps=2000)


def refit_layers(
    teacher: nn.Module,
    kept: Mapping[str, Sequence[int]],
    readers: Mapping[str, str],
    few: TinySet,
    recipe: CrossDistillation,
) -> nn.Module:
    """A copy of the original, thinner and with every layer behind a thinned one refitted.

    Args:
        teacher: the original, in evaluation mode on its device; it is not changed.
        kept: which filters stay, by convolution.
        readers: the convolutions that read what those filters give, and whose filters they are.
        few: the images.
        recipe: how to refit.
    """
    device = next(teacher.parameters()).device
    views = few.centre_views().to(device, memory_format=torch.channels_last)
    student = copy_network(teacher)
    entered: dict[str, Tensor] = {}

    def refit(name: str, x: Float[Tensor, "n c h w"]) -> None:
        layer = student.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        inputs = kept[readers[name]]
        if len(inputs) < layer.in_channels:
            layer.weight.data = refit_layer(layer, inputs, entered.pop(name), x, recipe, few.seed)

    for network, tell in ((teacher, entered.__setitem__), (student, refit)):
        with entering(network, readers, tell), torch.no_grad():
            network(views)
    return keep_filters_(student, kept, few.preprocessing.image_size)


def refit_layer(
    layer: nn.Conv2d,
    inputs: Sequence[int],
    original: Float[Tensor, "n c h w"],
    own: Float[Tensor, "n c h w"],
    recipe: CrossDistillation,
    seed: int,
) -> Float[Tensor, "o c kh kw"]:
    """The layer's weight, zero but for the inputs that stay, that minimises the two terms.

    Args:
        layer: the original's.
        inputs: the channels that stay.
        original: what enters the layer in the original.
        own: what enters it in the student, all channels.
        recipe: how to refit.
        seed: decides batches, and the pixels that an exact solution looks at.
    """
    if recipe.steps:
        return train_layer(layer, inputs, original, own, recipe, seed)
    theirs, ours = (draw_patches(layer, x, seed) for x in (original, own))
    gram = recipe.mu * theirs.T @ theirs + (1 - recipe.mu) * ours.T @ ours
    weight = layer.weight.detach().flatten(1).double()
    stays = mask_of(layer, inputs).flatten().bool()
    pull = PULL * gram.diagonal().mean() * torch.eye(int(stays.sum()), dtype=gram.dtype, device=gram.device)
    fitted = torch.zeros_like(weight)
    fitted[:, stays] = torch.linalg.solve(
        gram[stays][:, stays] + pull, weight @ gram[:, stays] + weight[:, stays] @ pull, left=False
    )
    return fitted.reshape(layer.weight.shape).to(layer.weight)


def draw_patches(layer: nn.Conv2d, x: Float[Tensor, "n c h w"], seed: int) -> Float[Tensor, "rows c_kh_kw"]:
    """What a convolution sees at some places, in the order of its weight, one place a row."""
    assert not isinstance(layer.padding, str)
    patches = functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return draw_pixels(patches[..., None], seed).flatten(0, 1).double()


def mask_of(layer: nn.Conv2d, inputs: Sequence[int]) -> Float[Tensor, "c kh kw"]:
    """One for every weight of a filter that reads an input which stays, else zero."""
    stays = torch.zeros_like(layer.weight[0])
    stays[list(inputs)] = 1
    return stays


def train_layer(
    layer: nn.Conv2d,
    inputs: Sequence[int],
    original: Float[Tensor, "n c h w"],
    own: Float[Tensor, "n c h w"],
    recipe: CrossDistillation,
    seed: int,
) -> Float[Tensor, "o c kh kw"]:
    """The same by Adam, while the inputs that are to go do so one after the other, the weakest first."""
    strength = layer.weight.abs().sum(dim=(0, 2, 3))
    going = [place for place in strength.argsort().tolist() if place not in set(inputs)]
    shrinking = max(1, recipe.steps // 3)
    with torch.enable_grad():
        weight = layer.weight.detach().clone().requires_grad_(True)
        optimizer = torch.optim.Adam([weight], recipe.lr)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, shrinking + 1, gamma=0.1)
        for step in track(range(recipe.steps), "refit a layer"):
            gone = going[: len(going) * min(step + 1, shrinking) // shrinking]
            stays = mask_of(layer, sorted(set(range(layer.in_channels)) - set(gone)))
            batch = draw_batch(len(own), min(recipe.batch_size, len(own)), seed, step).to(own.device)
            loss = two_terms(layer, weight * stays, original[batch], own[batch], recipe.mu)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return (weight * mask_of(layer, inputs)).detach()


def two_terms(
    layer: nn.Conv2d,
    weight: Float[Tensor, "o c kh kw"],
    original: Float[Tensor, "n c h w"],
    own: Float[Tensor, "n c h w"],
    mu: float,
) -> Float[Tensor, ""]:
    """The mean squares of both terms, mu of the one and 1 − mu of the other."""

    def error(x: Tensor) -> Tensor:
        difference = weight - layer.weight.detach()
        return (
            functional.conv2d(x, difference, None, layer.stride, layer.padding, layer.dilation)
            .square()
            .mean()
        )

    return mu * error(original) + (1 - mu) * error(own)
