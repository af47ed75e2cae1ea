"""Images from a trained network alone, for when not a single one may be had.

DeepInversion (Yin et al. 2020) optimises pixels until the network is sure of a class and every batch norm
sees the statistics that it saw in training; total variation keeps the pixels calm, random shifts and flips
keep them from fitting one position, and half of the way goes at half the resolution.

What helps is judged by what the images recover, never by how sure the network is of them
(`benchmarks/synthesis.py`). They start as dead leaves; noise, with which the authors of DeepInversion
start, is about as good. Statistics count in standard deviations of their channel. The network sees the
images through a low-pass filter (as in SynQ, Kim et al. 2025), so that fine patterns which only fool it do
not pay, and strided convolutions take turns with the pixels that they skip (Genie, Jeon et al. 2023), so
that no checkerboard does.

Adaptive DeepInversion rewards images on which a student disagrees with the network. Without the
classification what is left is the lighter variant that looks at batch norm alone. A network without batch
norm keeps no statistics to ask for.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from practise.errors import NetworkError
from practise.images.preprocessing import Preprocessing
from practise.machine.devices import training_dtype
from practise.networks.batch_norm import batch_norms
from practise.networks.features import in_format
from practise.networks.watching import entering
from practise.synthesis.leaves import draw_leaves
from practise.synthesis.params import SynthesisRecipe

FIRST = 10.0
"""Weight of the first batch norm, whose statistics are those of edges and colours."""


@dataclass(frozen=True)
class Synthesized:
    """A batch of images that was made, and how good they are.

    Attributes:
        images: as they are stored.
        labels: the class that each was made to show.
        distance_before: how far batch norm's statistics are from those of what the images started as.
        distance_after: the same of the images as they are stored.
        confidence: the network's mean probability of the labels, on the images as they are stored.
    """

    images: UInt8[Tensor, "n 3 h w"]
    labels: Int64[Tensor, " n"]
    distance_before: float
    distance_after: float
    confidence: float


class Synthesizer:
    """Makes images from one network.

    Args:
        network: the original, on its device and in evaluation mode.
        preprocessing: the network's.
        num_classes: how many classes its logits have.
        recipe: how images are made.
        student: a pruned network that the images are to be hard for, where the recipe has a competition.

    Raises:
        NetworkError: the network has no batch norm with statistics.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        num_classes: int,
        recipe: SynthesisRecipe,
        student: nn.Module | None = None,
    ) -> None:
        names = {module: name for name, module in network.named_modules()}
        self.layers = {names[layer]: layer for layer in batch_norms(network)}
        if not self.layers:
            raise NetworkError(
                f"{type(network).__name__} has no batch norm whose statistics images could be made from; use "
                "other images instead, from a source such as photographs or unlabelled"
            )
        self.network, self.preprocessing = network, preprocessing
        self.num_classes, self.recipe = num_classes, recipe
        self.device = next(network.parameters()).device
        dtype = training_dtype(recipe.dtype, network, self.device)
        self.ask = in_format(network, self.device, dtype)
        self.ask_student = in_format(student, self.device, dtype) if student and recipe.competition else None

    def make(self, count: int, seed: int) -> Synthesized:
        """One batch of images.

        Args:
            count: how many.
            seed: decides the start, the classes, the shifts and the flips.
        """
        generator = torch.Generator().manual_seed(seed)
        first = int(torch.randint(self.num_classes, (), generator=generator))
        order = torch.randperm(self.num_classes, generator=generator)
        labels = order[(first + torch.arange(count)) % self.num_classes].to(self.device)
        side, coarse = self.preprocessing.image_size, round(self.recipe.coarse * self.recipe.steps)
        start = pixels = self.begin(count, side, generator)
        if coarse:
            small = self.optimise(pixels[..., ::2, ::2], labels, coarse, generator)
            pixels = functional.interpolate(small, size=(side, side), mode="bilinear")
        images = self.to_bytes(self.optimise(pixels, labels, self.recipe.steps - coarse, generator))
        stored = self.preprocessing.normalise(images)
        with torch.no_grad():
            _, before = self.look(start)
            logits, after = self.look(stored)
            confidence = logits.softmax(dim=1).gather(1, labels[:, None]).mean().item()
        return Synthesized(images.cpu(), labels.cpu(), before.item(), after.item(), confidence)

    def begin(self, count: int, side: int, generator: torch.Generator) -> Float[Tensor, "n 3 h w"]:
        """Normalised pixels before the first step."""
        if self.recipe.start == "noise":
            pixels = torch.randn(count, 3, side, side, generator=generator)
        else:
            pixels = self.preprocessing.normalise(draw_leaves(count, side, generator))
        return pixels.to(self.device)

    def optimise(
        self,
        pixels: Float[Tensor, "n 3 h w"],
        labels: Int64[Tensor, " n"],
        steps: int,
        generator: torch.Generator,
    ) -> Float[Tensor, "n 3 h w"]:
        """Normalised pixels after some steps of Adam, never darker than black nor brighter than white."""
        pixels = pixels.detach().clone(memory_format=torch.channels_last).requires_grad_(True)
        optimizer = torch.optim.Adam([pixels], self.recipe.lr, betas=(0.5, 0.9))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1))
        black, white = (self.preprocessing.normalise(pixels.new_full((3, 1, 1), end)) for end in (0.0, 1.0))
        strides = shifted_strides(self.network, generator) if self.recipe.shifted_strides else nullcontext()
        with strides:
            for _ in range(steps):
                optimizer.zero_grad()
                self.loss(self.move(pixels, generator), labels).backward()
                optimizer.step()
                schedule.step()
                with torch.no_grad():
                    pixels.clamp_(black, white)
        return pixels.detach()

    def move(self, pixels: Float[Tensor, "n 3 h w"], generator: torch.Generator) -> Float[Tensor, "n 3 h w"]:
        """The images shifted a little, round the edges, and mirrored or not."""
        most = round(self.recipe.jitter * pixels.shape[-1])
        down, right = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
        moved = pixels.roll((down, right), dims=(2, 3))
        return moved.flip(3) if torch.randint(2, (), generator=generator) else moved

    def loss(self, images: Float[Tensor, "n 3 h w"], labels: Int64[Tensor, " n"]) -> Tensor:
        """What the images are to make small."""
        recipe = self.recipe
        seen = blur(images, recipe.low_pass) if recipe.low_pass else images
        logits, distance = self.look(seen)
        loss = recipe.statistics * distance + recipe.total_variation * total_variation(images)
        if recipe.classification:
            loss = loss + recipe.classification * functional.cross_entropy(logits, labels)
        if self.ask_student is not None:
            loss = loss - recipe.competition * divergence(logits, self.ask_student(seen))
        return loss

    def look(self, images: Float[Tensor, "n 3 h w"]) -> tuple[Float[Tensor, "n k"], Tensor]:
        """The network's logits, and how far the statistics of these images are from those that it knows."""
        distances: list[Tensor] = []
        tell_distance = DISTANCES[self.recipe.distance]

        def compare(name: str, x: Tensor) -> None:
            distances.append(tell_distance(x.float(), self.layers[name]))

        with entering(self.network, self.layers, compare):
            logits = self.ask(images)
        return logits, FIRST * distances[0] + sum(distances[1:], distances[0].new_zeros(()))

    def to_bytes(self, pixels: Float[Tensor, "n 3 h w"]) -> UInt8[Tensor, "n 3 h w"]:
        """The images as they are stored."""
        mean, std = (
            pixels.new_tensor(c)[:, None, None] for c in (self.preprocessing.mean, self.preprocessing.std)
        )
        return (255 * (pixels * std + mean)).round().clamp(0, 255).to(torch.uint8)


def absolute_distance(x: Float[Tensor, "n c ..."], layer: _BatchNorm) -> Tensor:
    """‖mean − running mean‖ + ‖variance − running variance‖ over the channels of what enters a batch norm."""
    assert layer.running_mean is not None and layer.running_var is not None
    mean, variance = mean_and_variance(x)
    return (mean - layer.running_mean).norm() + (variance - layer.running_var).norm()


def relative_distance(x: Float[Tensor, "n c ..."], layer: _BatchNorm) -> Tensor:
    """((mean − running mean) / σ)² + (standard deviation / σ − 1)² with σ the running one; channels' mean."""
    assert layer.running_mean is not None and layer.running_var is not None
    mean, variance = mean_and_variance(x)
    expected = (layer.running_var + layer.eps).sqrt()
    moved = (mean - layer.running_mean) / expected
    return (moved.square() + ((variance + layer.eps).sqrt() / expected - 1).square()).mean()


DISTANCES = {"absolute": absolute_distance, "relative": relative_distance}


def mean_and_variance(x: Float[Tensor, "n c ..."]) -> tuple[Float[Tensor, " c"], Float[Tensor, " c"]]:
    """Of each channel."""
    of_channels = [dimension for dimension in range(x.ndim) if dimension != 1]
    variance, mean = torch.var_mean(x, of_channels, correction=0)
    return mean, variance


def blur(images: Float[Tensor, "n c h w"], sigma: float) -> Float[Tensor, "n c h w"]:
    """The images after a Gaussian low-pass filter that goes round the edges, as shifts do.

    Args:
        images: the images.
        sigma: standard deviation of the filter, in pixels.
    """
    reach = math.ceil(2 * sigma)
    places = torch.arange(-reach, reach + 1, device=images.device)
    weights = torch.exp(-places.square() / (2 * sigma**2))
    weights, channels = (weights / weights.sum()).to(images.dtype), images.shape[1]
    for kernel in (weights.view(1, 1, -1, 1), weights.view(1, 1, 1, -1)):
        down, right = kernel.shape[2] // 2, kernel.shape[3] // 2
        padded = functional.pad(images, (right, right, down, down), mode="circular")
        images = functional.conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels)
    return images


@contextmanager
def shifted_strides(network: nn.Module, generator: torch.Generator) -> Iterator[None]:
    """Inside the block, what enters a strided convolution is shifted by less than a stride, at random.

    Args:
        network: has the convolutions.
        generator: draws the shifts.
    """

    def shift(layer: nn.Conv2d, args: tuple[Tensor]) -> tuple[Tensor]:
        shifts = [int(torch.randint(1 - step, step, (), generator=generator)) for step in layer.stride]
        return (args[0].roll(shifts, dims=(2, 3)),)

    with ExitStack() as hooks:
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d) and max(layer.stride) > 1:
                hooks.enter_context(layer.register_forward_pre_hook(shift))
        yield


def total_variation(images: Float[Tensor, "n c h w"]) -> Tensor:
    """The mean squared difference of pixels that touch, diagonally too (Yin et al. 2020)."""
    height, width = images.shape[2:]
    moves = ((0, 1), (1, 0), (1, 1), (1, -1))
    differences = [
        images[..., down:, max(right, 0) : width + min(right, 0)]
        - images[..., : height - down, max(-right, 0) : width - max(right, 0)]
        for down, right in moves
    ]
    return torch.stack([difference.square().mean() for difference in differences]).sum()


def divergence(ours: Float[Tensor, "n k"], theirs: Float[Tensor, "n k"]) -> Tensor:
    """The Jensen-Shannon divergence of two networks' predictions: 0 where they agree, ln 2 at most."""
    first, second = ours.log_softmax(dim=1), theirs.log_softmax(dim=1)
    middle = torch.stack([first, second]).logsumexp(dim=0) - torch.log(first.new_tensor(2.0))
    each = [functional.kl_div(middle, one, reduction="batchmean", log_target=True) for one in (first, second)]
    return (each[0] + each[1]) / 2
