"""Recoverability: how near linear adaptors bring the network without a block to the original (section 3.2).

    R(B) = min over adaptors of the mean squared error between the two networks' features before pooling

measured on the few images, everything but the adaptors frozen, batch norm in evaluation mode.

`official` trains the adaptors as the authors do: thousands of SGD steps for each block, then measures on the
training images themselves. `default` differs twice. The adaptors before the readers of the residual stream
are solved for in closed form, one ridge regression towards the identity after the other, so a block takes
seconds. And R is measured on images that the fit has not seen, fold by fold: fitted and judged on the same
50 images, a wide late block looks recoverable because its adaptors can learn the images by heart.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from practise.adaptors import attach_adaptors_, multiply_before_
from practise.blocks import drop_blocks_
from practise.dataflow import Seats, find_seats
from practise.errors import RecoveryError
from practise.features import FeatureExtractor, feature_extractor, find_feature_layer, in_format
from practise.hardware import resolve_dtype
from practise.preprocessing import Preprocessing
from practise.progress import track
from practise.views import centre_views, combine, draw_batch, draw_views

MAX_ROWS = 16_384
"""Pixels of all images together that one ridge regression sees: plenty for its at most 2048 channels."""


@dataclass(frozen=True)
class RidgeRecipe:
    """The `default` preset.

    Attributes:
        ridge: strength of the pull towards the identity, as a share of the stream's mean power.
        folds: parts that the images are cut into; each is judged with adaptors fitted on the others.
        batch_size: images in a forward pass.
        dtype: number format of the forward passes.
    """

    ridge: float
    folds: int
    batch_size: int
    dtype: str


@dataclass(frozen=True)
class SgdRecipe:
    """The `official` preset: SGD with momentum on the adaptors, lr divided by ten every 40 % of the steps."""

    steps: int = 2000
    lr: float = 0.02
    momentum: float = 0.9
    weight_decay: float = 1e-4
    batch_size: int = 64
    dtype: str = "fp32"


@dataclass
class Scorer:
    """Scores the blocks of one network on one set of few images.

    Attributes:
        network: the original, in evaluation mode on its device.
        images: the few images, RGB, any size.
        preprocessing: the network's.
        recipe: how adaptors are found.
        seed: decides folds, pixels and random views.
    """

    network: nn.Module
    images: Sequence[Image.Image]
    preprocessing: Preprocessing
    recipe: RidgeRecipe | SgdRecipe
    seed: int

    def __post_init__(self) -> None:
        self.size = self.preprocessing.image_size
        self.layer = find_feature_layer(self.network, self.size)
        self.device = next(self.network.parameters()).device
        self.dtype = resolve_dtype(self.recipe.dtype, self.device)
        self.views = self.to_device(centre_views(self.images, self.preprocessing))

    def score(
        self, blocks: Sequence[str], done: Mapping[str, float] | None = None
    ) -> Iterator[tuple[str, float]]:
        """R(B) of each block in turn; those in `done` (of a run that was killed) are not computed again."""
        done = done or {}
        seats = find_seats(self.network, list(blocks), self.size)
        solve = self.by_ridge if isinstance(self.recipe, RidgeRecipe) else self.by_sgd
        for block in track(blocks, "score blocks"):
            yield block, done[block] if block in done else solve(block, seats[block])

    def by_ridge(self, block: str, seats: Seats) -> float:
        """R(B) with closed-form adaptors, each fold judged by adaptors fitted on the other folds."""
        assert isinstance(self.recipe, RidgeRecipe)
        order = torch.randperm(len(self.images), generator=torch.Generator().manual_seed(self.seed))
        folds = order.tensor_split(min(self.recipe.folds, len(order)))
        errors = []
        for held_out in folds:
            fitted_on = (
                torch.cat([fold for fold in folds if fold is not held_out]) if len(folds) > 1 else held_out
            )
            student = self.without(block)
            for reader in seats.before:
                multiply_before_(student, reader, self.solve_ridge(student, reader, self.views[fitted_on]))
            errors.append(self.distance(student, self.views[held_out]) * len(held_out))
        return sum(errors) / len(order)

    def solve_ridge(self, student: nn.Module, reader: str, views: Tensor) -> Float[Tensor, "c c"]:
        """The 1×1 map that brings the student's input of `reader` nearest to the original's.

        Minimises ‖B·s − t‖² + λ‖B − I‖² over the pixels s of the student's stream and t of the original's.
        """
        assert isinstance(self.recipe, RidgeRecipe)
        student_rows, teacher_rows = (
            self.stream_pixels(net, reader, views) for net in (student, self.network)
        )
        gram, cross = student_rows.T @ student_rows, teacher_rows.T @ student_rows
        identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        pull = (self.recipe.ridge * gram.trace() / len(gram) + torch.finfo(gram.dtype).tiny) * identity
        return torch.linalg.solve(gram + pull, cross + pull, left=False)

    def stream_pixels(self, network: nn.Module, reader: str, views: Tensor) -> Float[Tensor, "rows c"]:
        """Channel vectors at the same random pixels of what `reader` takes in, at most `MAX_ROWS` of them."""
        rows: list[Tensor] = []
        generator = torch.Generator().manual_seed(self.seed)

        def capture(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            pixels = args[0].flatten(2)
            kept = max(1, min(pixels.shape[2], MAX_ROWS // len(views)))
            picked = torch.randperm(pixels.shape[2], generator=generator)[:kept].to(pixels.device)
            rows.append(pixels[:, :, picked].transpose(1, 2).flatten(0, 1).double())

        hook = network.get_submodule(reader).register_forward_pre_hook(capture)
        try:
            self.features(network, views)
        finally:
            hook.remove()
        return torch.cat(rows)

    def by_sgd(self, block: str, seats: Seats) -> float:
        """R(B) with adaptors trained by SGD on random views, judged on the images' centre views."""
        recipe = self.recipe
        assert isinstance(recipe, SgdRecipe)
        student = self.without(block)
        adaptors = attach_adaptors_(student, seats)
        optimizer = torch.optim.SGD(
            adaptors, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, max(1, round(0.4 * recipe.steps)), gamma=0.1)
        with self.extractor(self.network) as original, self.extractor(student) as pruned:
            for step in track(range(recipe.steps), f"train adaptors around {block}"):
                batch = draw_batch(len(self.images), recipe.batch_size, self.seed, step).tolist()
                views = draw_views(self.images, batch, self.preprocessing, combine(self.seed, step))
                views = self.to_device(self.preprocessing.normalise(views))
                with torch.no_grad():
                    wanted = original(views)
                loss = functional.mse_loss(pruned(views), wanted)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        return self.distance(student, self.views)

    def distance(self, student: nn.Module, views: Tensor) -> float:
        """Mean squared error between the features of the two networks."""
        errors = functional.mse_loss(self.features(student, views), self.features(self.network, views)).item()
        if errors != errors or errors == float("inf"):
            raise RecoveryError("the adaptors diverged: the features are not finite; lower the learning rate")
        return errors

    def features(self, network: nn.Module, views: Tensor) -> Float[Tensor, "n c y x"]:
        """Features before pooling, in fp32."""
        with self.extractor(network) as extract, torch.no_grad():
            return torch.cat([extract(batch) for batch in views.split(self.recipe.batch_size)])

    def without(self, block: str) -> nn.Module:
        """A frozen copy of the original without the block."""
        return drop_blocks_(copy.deepcopy(self.network), [block]).requires_grad_(False)

    def to_device(self, views: Tensor) -> Tensor:
        """Channels last, where the network is."""
        return views.to(self.device, memory_format=torch.channels_last)

    @contextmanager
    def extractor(self, network: nn.Module) -> Iterator[FeatureExtractor]:
        """A function from images to fp32 features, computed in the recipe's number format."""
        with feature_extractor(network, self.layer) as extract:
            yield in_format(extract, self.device, self.dtype)
