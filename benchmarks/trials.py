"""Recoveries side by side in one process: the same images and evaluation, another recipe or set of blocks."""

import time
from collections.abc import Sequence
from functools import cache, cached_property

from torch import nn

from benchmarks.case import Case
from practise.evaluation.accuracy import evaluate_accuracy
from practise.evaluation.comparing import Judge
from practise.evaluation.logits import read_logits
from practise.images.tiny_set import TinySet
from practise.pruning.params import Search
from practise.pruning.plan import Pruning
from practise.pruning.selection import Goal, search_blocks, set_goal
from practise.recovery.params import RecoveryRecipe
from practise.recovery.recover import recover
from practise.schema import HowMany
from practise.scoring.params import RidgeRecipe, SgdRecipe
from practise.scoring.recoverability import ClosedForm, Trained, build_scorer
from practise.stages.opening import EvaluationImages, load_tiny_set, stream_evaluation
from practise.stages.sources import draw_images, open_images, open_referee


class Trials:
    """One network and its samples; choices of blocks are made once a seed.

    Args:
        case: a prepared study; the grid's first cell is tried.
    """

    def __init__(self, case: Case) -> None:
        self.case, self.params, self.cell = case, case.params, case.cell
        self.seeds = list(case.params.grid.seeds)
        case.prepare(self.seeds)
        select = self.params.select
        together = case.measured["without_all"]["reduction"]
        self.goal: Goal = set_goal(
            case.reductions, self.cell.target, select.tolerance, select.overshoot, together
        )
        self.teacher, self.device = case.open_original()
        self.network = self.teacher.network
        self.blocks: list[str] = self.teacher.card["blocks"]
        self.ridge = RidgeRecipe(**self.params.score.model_dump())
        self.few = cache(self._few)
        self.choose = cache(self._choose)

    @cached_property
    def judge(self) -> Judge:
        """Holds networks against the original, on the evaluation images."""
        logits = self.case.paths.logits(self.cell.network, self.cell.images)
        self.case.make(logits)
        listing = self.case.paths.images(self.cell.images)
        evaluation = EvaluationImages(self.params, listing, self.teacher.preprocessing)
        return Judge(*read_logits(logits), evaluation.batches, self.device)

    def open(self, images: str, count: HowMany, seed: int) -> TinySet:
        """Some images to recover with, opened as the pipeline's stages do.

        Args:
            images: an entry of the section images.
            count: how many.
            seed: which.
        """
        params, paths, preprocessing = self.params, self.case.paths, self.teacher.preprocessing
        if images == self.cell.images:
            sample = paths.sample(images, count, seed)
            self.case.make(sample)
            return load_tiny_set(params, sample, preprocessing, seed)
        made = paths.synthesized(self.cell.network)
        self.case.make(made)  # without them, photographs have no referee
        referee = open_referee(params, images, seed, made, preprocessing)
        root, items = draw_images(params, images, count, seed, made)
        return open_images(params, images, root, items, preprocessing, seed, referee)

    def _few(self, seed: int) -> TinySet:
        """The images that are handed over."""
        sample = self.case.paths.sample(self.cell.images, self.cell.num_images, seed)
        return load_tiny_set(self.params, sample, self.teacher.preprocessing, seed)

    def _choose(self, search: Search, seed: int, combined: bool = True) -> tuple[tuple[str, ...], float]:
        """The blocks that a search drops on a seed's images, and its seconds, scoring included.

        Args:
            search: its name.
            seed: the images'.
            combined: whether combined recoverability is searched, as by default, or R alone.
        """
        start = time.perf_counter()
        scorer = ClosedForm(self.network, self.blocks, self.few(seed), self.ridge)
        of_set = scorer.combined if combined else scorer.recoverability
        dropped = search_blocks(search, of_set, self.goal, per_latency=True)
        return tuple(dropped), time.perf_counter() - start

    def scorer(self, seed: int, recipe: RidgeRecipe | SgdRecipe | None = None) -> ClosedForm | Trained:
        """What finds R of any set of blocks on a seed's images, by the params' recipe or another."""
        return build_scorer(self.network, self.blocks, self.few(seed), recipe or self.ridge)

    def recover(self, dropped: Sequence[str], recipe: RecoveryRecipe, seed: int) -> tuple[nn.Module, float]:
        """The recovered network, and the seconds that it took."""
        few = self.few(seed)
        start = time.perf_counter()
        network = recover(self.network, Pruning(dropped), few, "mimic", recipe, self.ridge).network
        return network, time.perf_counter() - start

    def top1(self, network: nn.Module) -> float:
        """Accuracy on the evaluation images, in percent."""
        batches = stream_evaluation(
            self.params, self.case.paths.images(self.cell.images), self.teacher.preprocessing
        )
        return evaluate_accuracy(network, batches, self.device).top1

    def describe(self) -> str:
        """What is tried, as one sentence."""
        return (
            f"{self.cell.network} on {self.cell.images}, {self.cell.num_images} images, "
            f"{self.top1(self.teacher.network):.1f} % before pruning, target {self.cell.target:g}."
        )
