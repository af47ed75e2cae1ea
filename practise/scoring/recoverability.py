"""Recoverability: how near linear adaptors bring the network without a block to the original (section 3.2).

    R(B) = min over adaptors of the mean squared error between the two networks' features before pooling

measured on the few images, everything but the adaptors frozen, batch norm in evaluation mode.

`official` trains the adaptors as the authors do: thousands of SGD steps for each block, then measures on the
training images themselves. `default` differs twice. The adaptors before the readers of the residual stream
are solved for in closed form, one ridge regression towards the identity after the other, each inside the very
forward pass that it changes: a candidate costs one pass from its block on. And R is measured on images that
the fit has not seen, fold by fold: fitted and judged on the same 50 images, a wide late block looks
recoverable because its adaptors can learn the images by heart.
"""

import math
import statistics
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from practise.errors import NetworkError, RecoveryError
from practise.images.tiny_set import TinySet
from practise.images.views import combine, draw_batch
from practise.machine.devices import resolve_dtype
from practise.networks.batch_norm import Moments, matching_, watch_moments
from practise.networks.blocks import drop_blocks_
from practise.networks.copies import copy_network
from practise.networks.features import (
    LOGITS,
    FeatureExtractor,
    feature_extractor,
    find_feature_layer,
    in_format,
)
from practise.networks.watching import entering
from practise.progress import track
from practise.scoring.adaptors import attach_adaptors_, multiply_before_
from practise.scoring.divergence import divergence
from practise.scoring.params import RidgeRecipe, SgdRecipe
from practise.scoring.passing import block_influence
from practise.scoring.pixels import channels_second, draw_pixels
from practise.scoring.reference import PROBED, Reference
from practise.scoring.seats import find_seats, union

MOST_OFF = 0.02
"""By how much of their size features may be off in another pass: what half precision and other kernels do."""


def build_scorer(
    network: nn.Module, blocks: Sequence[str], few: TinySet, recipe: RidgeRecipe | SgdRecipe
) -> "ClosedForm | Trained":
    """What finds R of any set of the blocks.

    Args:
        network: the original, in evaluation mode on its device.
        blocks: names of droppable blocks; around some, such as the last, no layer may be able to absorb an
            adaptor: that is told on stderr.
        few: the images; their seed decides folds, pixels and random views.
        recipe: how adaptors are found.
    """
    if isinstance(recipe, RidgeRecipe):
        return ClosedForm(network, blocks, few, recipe)
    return Trained(network, blocks, few, recipe)


@dataclass(frozen=True)
class Fit:
    """How a network without blocks is fitted to the original, in one pass.

    Attributes:
        pull: of the adaptors towards the identity, as a share of the features' mean power; None: no adaptors.
        matched: whether each batch norm's statistics are then matched to the original's on the same images.
    """

    pull: float | None
    matched: bool = False


@dataclass(frozen=True)
class Missed:
    """What the best adaptors miss, on images that they were not fitted on.

    Attributes:
        features: mean squared error of the features before pooling: R.
        stream: error of the residual stream as a share of its power, mean over the layers that read it and
            the features.
    """

    features: float
    stream: float


class ClosedForm:
    """Recoverability with ridge regressions, for one network on one set of images.

    Args: as for `build_scorer`.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[str], few: TinySet, recipe: RidgeRecipe) -> None:
        self.network, self.recipe, self.seed = network, recipe, few.seed
        self.multi_label = few.multi_label
        device = next(network.parameters()).device
        size = few.preprocessing.image_size
        order = torch.randperm(len(few), generator=torch.Generator().manual_seed(few.seed))
        order = order[: recipe.most_images]
        views = few.centre_views(order.tolist()).to(device, memory_format=torch.channels_last)
        places = torch.arange(len(order), device=device)
        self.folds = places.tensor_split(min(recipe.folds, len(order)))
        self.places = places
        self.wanted: dict[str, Tensor] = {}
        self.known: dict[tuple[str, ...], Missed] = {}
        seats = find_seats(network, list(blocks), size)
        readers = {reader for one in seats.values() for reader in one.before}
        self.reference = Reference(
            network,
            find_feature_layer(network, size),
            views,
            blocks,
            resolve_dtype(recipe.dtype, device),
            recipe.memory_mb,
            watch=self.rows_of(network, readers, self.wanted.__setitem__),
        )
        self.seats = {  # without what reads the features, not what leads to them
            block: replace(one, before=tuple(reader for reader in one.before if reader in self.wanted))
            for block, one in seats.items()
        }
        tell_features(self.reference.layer)
        tell_plain_drops(block for block, one in self.seats.items() if not one.before)

    def recoverability(self, dropped: Sequence[str]) -> float:
        """R of a set of blocks: each fold judged by adaptors fitted on the other folds.

        Raises:
            RecoveryError: the features are not finite.
        """
        return self.missed_without(tuple(dropped)).features

    def combined(self, dropped: Sequence[str]) -> float:
        """The geometric mean of R, of what is missed of the residual stream, and of the blocks' influence.

        R alone says little of late blocks, behind which hardly anything happens before the features; the
        stream does. Influence says how much there was to lose, also where adaptors fit the few images well.

        Raises:
            RecoveryError: the features are not finite.
        """
        missed = self.missed_without(tuple(dropped))
        influence = math.fsum(self.influence[block] for block in dropped)
        return math.cbrt(missed.features * missed.stream * influence)

    @cached_property
    def influence(self) -> dict[str, float]:
        """How far each block turns what passes through it."""
        return block_influence(self.network, list(self.seats), self.reference.views)

    def missed_without(self, dropped: tuple[str, ...]) -> Missed:
        """What adaptors around the blocks miss, mean over all images; found once for each set."""
        if dropped not in self.known:
            found = [
                (self.missed_on(held_out, dropped), len(held_out) / len(self.places))
                for held_out in self.folds
            ]
            features = sum(missed.features * share for missed, share in found)
            stream = sum(missed.stream * share for missed, share in found)
            if not features:
                self.check_seen(dropped)
            self.known[dropped] = Missed(finite(features), finite(stream))
        return self.known[dropped]

    def check_seen(self, dropped: tuple[str, ...]) -> None:
        """Make sure that blocks without which the features stay the same do nothing to the logits, either.

        Raises:
            NetworkError: they do, so that R says nothing of them.
        """
        without = drop_blocks_(copy_network(self.network), dropped)
        if not torch.equal(self.reference.classify(without), self.logits):
            raise NetworkError(
                f"the features of {type(self.network).__name__} "
                f"('{self.reference.layer}') do not depend on {', '.join(dropped)}, but its logits do; keep "
                "what goes round the features (keep_blocks)"
            )

    def missed_on(self, held_out: Int64[Tensor, " k"], dropped: Sequence[str]) -> Missed:
        """What is missed on some images by adaptors that were fitted on the others."""
        student = drop_blocks_(copy_network(self.network), dropped)
        first = min(dropped, key=list(self.seats).index)
        self.reference.resume_at_(student, first)
        shares: list[float] = []

        def judge(rows: Float[Tensor, "n p c"], wanted: Float[Tensor, "n p c"], adaptor: Tensor) -> None:
            seen, truth = (part[held_out].flatten(0, 1).double() for part in (rows, wanted))
            shares.append(share_missed(seen @ adaptor.T, truth))

        with self.fitting(student, dropped, self.others(held_out), judge=judge):
            features = self.reference.run(student)[held_out]
        truth = self.reference.features[held_out]
        shares.append(share_missed(features, truth))
        return Missed((features - truth).square().mean().item(), statistics.fmean(shares))

    @contextmanager
    def fitting(
        self,
        student: nn.Module,
        dropped: Sequence[str],
        fitted_on: Int64[Tensor, " m"],
        fit: Fit | None = None,
        judge: Callable[[Tensor, Tensor, Tensor], None] | None = None,
    ) -> Iterator[None]:
        """Inside the block, a pass of the student over all images fits it: each layer just before it runs.

        Args:
            student: the network without the blocks; adaptors are absorbed into it.
            dropped: the blocks.
            fitted_on: places of the images that it is fitted on.
            fit: how; None: adaptors with the recipe's pull.
            judge: gets what enters a reader, what should, and the adaptor that was fitted.
        """
        fit = fit or Fit(self.recipe.ridge)
        pull = fit.pull

        def adapt(reader: str, rows: Float[Tensor, "n p c"]) -> None:
            assert pull is not None
            wanted = self.wanted[reader]
            seen, truth = (part[fitted_on].flatten(0, 1).double() for part in (rows, wanted))
            adaptor = solve_ridge(seen, truth, pull)
            multiply_before_(student, reader, adaptor)
            if judge is not None:
                judge(rows, wanted, adaptor)

        with ExitStack() as hooks:
            if pull is not None:
                hooks.enter_context(self.rows_of(student, union(self.seats, dropped).before, adapt))
            if fit.matched:
                hooks.enter_context(matching_(student, self.network, self.moments, fitted_on))
            yield

    @cached_property
    def moments(self) -> dict[str, Moments]:
        """What enters each of the original's batch norms."""
        found: dict[str, Moments] = {}
        with watch_moments(self.network, found):
            self.reference.run(self.network)
        return found

    def absorb(self, dropped: Sequence[str], fit: Fit | None = None) -> nn.Module:
        """The network without the blocks, fitted on all images; adaptors are in its weights.

        Args:
            dropped: the blocks.
            fit: how; None: adaptors with the recipe's pull.
        """
        student = drop_blocks_(copy_network(self.network), dropped)
        with self.fitting(student, dropped, self.places, fit):
            fitted = self.reference.run(student)
        self.check_absorbed(student, fitted)
        return student

    def check_absorbed(self, student: nn.Module, fitted: Tensor) -> None:
        """Make sure that a fitted network gives the features that it gave while it was fitted.

        Raises:
            NetworkError: it does not: a layer that was changed is used elsewhere, too.
        """
        few = self.reference.views[:PROBED]
        off = (self.reference.run(student, few) - fitted[: len(few)]).norm().item()
        if off > MOST_OFF * fitted[: len(few)].norm().item():
            raise NetworkError(
                f"{type(student).__name__} gives other features after it was fitted than meanwhile; do "
                "without adaptors (recover.start: weights)"
            )

    def lost_by(self, fit: Fit, dropped: Sequence[str]) -> Float[Tensor, " n"]:
        """KL(original ‖ student) of the class probabilities of each image, fitted on the other folds' images.

        Args:
            fit: how.
            dropped: the blocks.
        """
        lost = torch.empty(len(self.places), dtype=torch.float64, device=self.places.device)
        for held_out in self.folds:
            student = drop_blocks_(copy_network(self.network), dropped)
            self.reference.resume_at_(student, min(dropped, key=list(self.seats).index))
            with self.fitting(student, dropped, self.others(held_out), fit):
                logits = self.reference.classify(student)
            lost[held_out] = divergence(self.logits, logits, self.multi_label)[held_out]
        return lost

    @cached_property
    def logits(self) -> Float[Tensor, "n classes"]:
        """The original's."""
        return self.reference.classify(self.network)

    def others(self, held_out: Int64[Tensor, " k"]) -> Int64[Tensor, " m"]:
        """The images of the other folds; with a single fold, its own."""
        rest = self.places[~torch.isin(self.places, held_out)]
        return rest if len(rest) else held_out

    def rows_of(
        self, network: nn.Module, readers: Iterable[str], tell: Callable[[str, Tensor], None]
    ) -> AbstractContextManager[None]:
        """Inside the block, `tell` gets what enters each reader just before it runs.

        It gets channel vectors at the same random pixels for every network.
        """

        def draw_and_tell(name: str, x: Tensor) -> None:
            pixels = channels_second(x, network.get_submodule(name), len(self.places))
            tell(name, draw_pixels(pixels, self.seed))

        return entering(network, readers, draw_and_tell)


def solve_ridge(
    rows: Float[Tensor, "rows c"], wanted: Float[Tensor, "rows c"], ridge: float
) -> Float[Tensor, "c c"]:
    """The linear map that brings a stream's pixels, or tokens, nearest to the wanted ones.

    Minimises ‖B·s − t‖² + λ‖B − I‖² over the pixels s of the stream and t wanted, with λ = ridge · mean ‖s‖².

    Args:
        rows: s, one pixel a row.
        wanted: t, likewise.
        ridge: λ as a share of the channels' mean power.
    """
    gram, cross = rows.T @ rows, wanted.T @ rows
    identity = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    pull = (ridge * gram.trace() / len(gram) + torch.finfo(gram.dtype).tiny) * identity
    return torch.linalg.solve(gram + pull, cross + pull, left=False)


def share_missed(ours: Tensor, truth: Tensor) -> float:
    """The squared error as a share of the truth's power."""
    power = truth.square().sum().clamp_min(torch.finfo(truth.dtype).tiny)
    return ((ours - truth).square().sum() / power).item()


class Trained:
    """Recoverability as the authors find it: adaptors trained by SGD, judged on the training images.

    Args: as for `build_scorer`.
    """

    def __init__(self, network: nn.Module, blocks: Sequence[str], few: TinySet, recipe: SgdRecipe) -> None:
        self.network, self.few, self.recipe = network, few, recipe
        self.device = next(network.parameters()).device
        self.dtype = resolve_dtype(recipe.dtype, self.device)
        self.layer = find_feature_layer(network, few.preprocessing.image_size)
        self.seats = find_seats(network, list(blocks), few.preprocessing.image_size)
        tell_plain_drops(block for block, seats in self.seats.items() if not (seats.before or seats.after))

    def recoverability(self, dropped: Sequence[str]) -> float:
        """R of a set of blocks, with adaptors trained around them on random views, judged on centre views."""
        few = self.few
        student = drop_blocks_(copy_network(self.network), dropped).requires_grad_(False)
        adaptors = attach_adaptors_(student, union(self.seats, dropped))
        with (
            feature_extractor(self.network, self.layer) as teach,
            feature_extractor(student, self.layer) as run,
        ):
            original, pruned = (in_format(extract, self.device, self.dtype) for extract in (teach, run))
            if adaptors:
                self.train(adaptors, pruned, original, f"train adaptors around {', '.join(dropped)}")
            total = 0.0
            with torch.no_grad():
                for part in torch.arange(len(few)).split(self.recipe.batch_size):
                    views = self.to_device(few.centre_views(part.tolist()))
                    total += functional.mse_loss(pruned(views), original(views)).item() * len(part)
        return finite(total / len(few))

    def train(
        self,
        adaptors: Sequence[nn.Parameter],
        pruned: FeatureExtractor,
        original: FeatureExtractor,
        description: str,
    ) -> None:
        """Bring the pruned network's features near the original's, by the adaptors alone."""
        few, recipe = self.few, self.recipe
        optimizer = torch.optim.SGD(
            adaptors, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        schedule = falling_in_steps(optimizer, recipe.steps)
        for step in track(range(recipe.steps), description):
            batch = draw_batch(len(few), recipe.batch_size, few.seed, step, recipe.batches).tolist()
            views = few.random_views(batch, combine(few.seed, step))
            views = self.to_device(few.preprocessing.normalise(views))
            with torch.no_grad():
                wanted = original(views)
            loss = functional.mse_loss(pruned(views), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()

    def to_device(self, views: Tensor) -> Tensor:
        """Channels last, where the network is."""
        return views.to(self.device, memory_format=torch.channels_last)


def falling_in_steps(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LRScheduler:
    """The authors' schedule: the learning rate is divided by ten after every 40 % of the steps, rounded down.

    With one or two steps, for which 40 % are none, it falls after each.
    """
    return torch.optim.lr_scheduler.StepLR(optimizer, max(1, int(0.4 * steps)), gamma=0.1)


def tell_features(layer: str) -> None:
    """Say on stderr where there are no features that everything goes through."""
    if layer == LOGITS:
        print(
            "no features hold all that logits follow from: logits are mimicked", file=sys.stderr, flush=True
        )


def tell_plain_drops(blocks: Iterable[str]) -> None:
    """Say on stderr which blocks are scored and dropped as they are."""
    if names := ", ".join(blocks):
        print(f"no layer can absorb an adaptor for {names}: dropped without one", file=sys.stderr, flush=True)


def finite(distance: float) -> float:
    """The distance, unless the adaptors diverged.

    Raises:
        RecoveryError: the distance is infinite or not a number.
    """
    if not math.isfinite(distance):
        raise RecoveryError("the adaptors diverged: the features are not finite; lower the learning rate")
    return distance
