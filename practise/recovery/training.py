"""Recover a pruned network on the few images (section 3.3).

PRACTISE finetunes all weights to *mimic* the original's features before pooling, without labels; the paper's
baseline minimises cross-entropy instead. `official` is the authors' recipe: SGD, batch norm in training mode,
a fresh random view of each image at each step. `default` is ours: AdamW on a one-cycle schedule for a few
dozen steps, batch norm frozen (statistics of 50 images are worse than the original's), and a bank of random
views whose targets the original network computes only once.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int64
from torch import Tensor, nn

from practise.errors import NetworkError, RecoveryError, reason_of
from practise.images.tiny_set import TinySet
from practise.images.views import combine, draw_batch, mix
from practise.machine.devices import training_dtype
from practise.networks.copies import trainable_weights, wanting_gradients
from practise.networks.features import feature_extractor, find_feature_layer, in_format
from practise.networks.watching import evaluating, probe_images, without_checkpoints
from practise.progress import track
from practise.recovery.losses import COMPARE
from practise.recovery.params import RecoveryRecipe
from practise.recovery.registry import LOSSES
from practise.resume import Resume
from practise.scoring.recoverability import falling_in_steps

Run = Callable[[Tensor], Tensor]
"""From views to a network's output."""
MOST_LOOKS = 8
"""How often a view that is kept may be looked at, on average."""


@dataclass(frozen=True)
class Step:
    """One line of a recovery's history."""

    step: int
    loss: float
    lr: float


def recover_(
    student: nn.Module,
    teacher: nn.Module,
    few: TinySet,
    loss: str,
    recipe: RecoveryRecipe,
    resume: Resume | None = None,
    bank: "ViewBank | None" = None,
) -> list[Step]:
    """Finetune a pruned network on the few images, in place.

    Args:
        student: the pruned network, on its device.
        teacher: the original, on the same device, in evaluation mode.
        few: the images; only a loss that does not ask the teacher looks at their labels, and their seed
            decides batches and views.
        loss: what to minimise, a name in `LOSSES`.
        recipe: how to train.
        resume: where the state is kept so that a killed run can go on.
        bank: the training views, where several students share them (see `share_views`).

    Returns:
        The loss and learning rate of each step.

    Raises:
        RecoveryError: the loss became infinite or not a number.
    """
    if not recipe.steps:
        return []
    weights = trainable_weights(student)
    with wanting_gradients(student, weights), torch.enable_grad(), without_checkpoints():
        return train_(student, teacher, few, loss, recipe, resume, bank)


def check_learning(network: nn.Module, image_size: int) -> None:
    """Make sure that a network can be trained to mimic features, before hours are spent.

    Raises:
        NetworkError: nothing that its features follow from may be trained, or gradients do not get there.
    """
    kind, weights = type(network).__name__, trainable_weights(network)
    layer = find_feature_layer(network, image_size)
    learning = wanting_gradients(network, weights)
    extractor = feature_extractor(network, layer)
    with learning, torch.enable_grad(), without_checkpoints(), evaluating(network), extractor as extract:
        features = extract(probe_images(network, image_size))
        if not features.requires_grad:
            raise NetworkError(
                f"{kind} has no weight to train before its features ('{layer}'): they are frozen "
                "(requires_grad), or forward computes without gradients"
            )
        try:
            torch.autograd.grad(features.abs().sum(), weights, allow_unused=True)
        except RuntimeError as error:  # whatever somebody's layers do to what gradients need
            raise NetworkError(
                f"{kind} cannot be trained to mimic its features ('{layer}'): {reason_of(error)}"
            ) from error


def train_(
    student: nn.Module,
    teacher: nn.Module,
    few: TinySet,
    loss: str,
    recipe: RecoveryRecipe,
    resume: Resume | None,
    bank: "ViewBank | None",
) -> list[Step]:
    """Train all weights that want gradients; the rest as for `recover_`."""
    device = next(student.parameters()).device
    optimizer, schedule = build_optimizer(student, recipe)
    history: list[Step] = []
    if resume is not None and (state := resume.load()) is not None:
        student.load_state_dict(state["student"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        history = [Step(*row) for row in state["history"]]

    def learn(run: Run, batch: Batch) -> Tensor:
        views, theirs, labels = batch
        error = COMPARE[loss](run(views), theirs, labels)
        optimizer.zero_grad()
        error.backward()
        return error.detach()

    output, size = LOSSES[loss].output, few.preprocessing.image_size
    with run_to(output, student, teacher, size, recipe.dtype) as (run, ask, run_exactly):
        bank = bank or ViewBank(few, recipe, loss, ask, device)
        for step in track(range(len(history), recipe.steps), "recover"):
            batch = bank.batch(step)
            student.train()  # till then, some attentions keep what they made of their weights
            student.train(recipe.batch_norm == "train")
            error = learn(run, batch)
            if not is_sound(error, optimizer):  # of some layers, gradients are not numbers in half precision
                error = learn(run_exactly, batch)
            history.append(Step(step, error.item(), optimizer.param_groups[0]["lr"]))
            if not torch.isfinite(error):
                advice = "lower the learning rate (recover.lr)" if step else "the network's values overflow"
                raise RecoveryError(f"the loss became {error.item()} at step {step}; {advice}")
            optimizer.step()
            schedule.step()
            if resume is not None:
                resume.save_now_and_then(
                    lambda: {
                        "steps": recipe.steps,
                        "student": student.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "schedule": schedule.state_dict(),
                        "history": [(row.step, row.loss, row.lr) for row in history],
                    }
                )
    student.eval()
    return history


def is_sound(error: Tensor, optimizer: torch.optim.Optimizer) -> bool:
    """Whether a loss and its gradients are finite."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    return bool((error + nn.utils.get_total_norm(gradients)).isfinite())


def share_views(teacher: nn.Module, few: TinySet, loss: str, recipe: RecoveryRecipe) -> "ViewBank | None":
    """The training views of a recipe that keeps them, for all students that mimic one teacher; else None.

    Args: as for `recover_`.
    """
    if not keeps_views(recipe, few):
        return None
    device = next(teacher.parameters()).device
    with run_to(LOSSES[loss].output, teacher, teacher, few.preprocessing.image_size, recipe.dtype) as (
        _,
        ask,
        _,
    ):
        return ViewBank(few, recipe, loss, ask, device)


def keeps_views(recipe: RecoveryRecipe, few: TinySet) -> bool:
    """Whether views are kept: not where the steps are over before all images have been seen.

    Nor where each would be looked at more than `MOST_LOOKS` times: a long training would learn them by heart.
    """
    seen = recipe.steps * recipe.batch_size
    return recipe.views is not None and len(few) <= seen <= MOST_LOOKS * recipe.views * len(few)


def build_optimizer(
    student: nn.Module, recipe: RecoveryRecipe
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """The recipe's optimizer and learning rate schedule."""
    weights = [weight for weight in student.parameters() if weight.requires_grad]
    optimizer: torch.optim.Optimizer
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(weights, recipe.lr, momentum=0.9, weight_decay=recipe.weight_decay)
    else:
        optimizer = torch.optim.AdamW(weights, recipe.lr, weight_decay=recipe.weight_decay)
    if recipe.schedule == "steps":
        return optimizer, falling_in_steps(optimizer, recipe.steps)
    one_cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=recipe.steps + 1, pct_start=0.1
    )
    return optimizer, one_cycle


@contextlib.contextmanager
def run_to(
    output: str, student: nn.Module, teacher: nn.Module, image_size: int, dtype: str
) -> Iterator[tuple[Run, Run, Run]]:
    """Functions from views to fp32 outputs: the student's (with gradients), the teacher's, the student's.

    The last computes in fp32, too.
    """
    device = next(student.parameters()).device
    number_format = training_dtype(dtype, student, device)
    with contextlib.ExitStack() as stack:
        student_run: Run = student
        teacher_run: Run = teacher
        if output == "features":
            layer = find_feature_layer(teacher, image_size)
            student_run, teacher_run = (
                stack.enter_context(feature_extractor(net, layer)) for net in (student, teacher)
            )

        ask = torch.no_grad()(in_format(teacher_run, device, number_format))
        yield in_format(student_run, device, number_format), ask, student_run


Batch = tuple[Tensor, Tensor, Tensor]
"""Normalised views, the original's outputs for them, and their labels."""


class ViewBank:
    """The training views with their targets: drawn and asked for once, or afresh at every step."""

    def __init__(
        self,
        few: TinySet,
        recipe: RecoveryRecipe,
        loss: str,
        ask: Callable[[Tensor], Tensor],
        device: torch.device,
    ) -> None:
        self.few, self.recipe, self.loss, self.ask, self.device = few, recipe, LOSSES[loss], ask, device
        self.kept: Batch | None = None
        if recipe.views is not None and keeps_views(recipe, few):
            most = -(-recipe.steps * recipe.batch_size // len(few))  # more would never be looked at
            indices = torch.arange(len(few)).repeat(min(recipe.views, most))
            parts = [self.draw(part, place) for place, part in enumerate(indices.split(recipe.batch_size))]
            views, theirs, labels = (torch.cat(kind) for kind in zip(*parts, strict=True))
            self.kept = views, theirs, labels

    def batch(self, step: int) -> Batch:
        """Normalised views of one step, the original's outputs for them, and their labels."""
        if self.kept is None:
            return self.draw(self.pick(len(self.few), step), step)
        views, theirs, labels = self.kept
        if self.recipe.batches == "full":
            picked = self.pick(len(views), step)
        else:  # a view of each image, its next one at the next step
            rounds = len(views) // len(self.few)
            picked = self.pick(len(self.few), step) + len(self.few) * (step % rounds)
        picked = picked.to(self.device)
        return views[picked].contiguous(memory_format=torch.channels_last), theirs[picked], labels[picked]

    def pick(self, count: int, step: int) -> Int64[Tensor, " batch"]:
        """Places of one step's batch among so many images or views."""
        recipe = self.recipe
        return draw_batch(count, recipe.batch_size, self.few.seed, step, recipe.batches)

    def draw(self, indices: Int64[Tensor, " batch"], place: int) -> Batch:
        """New views of the indexed images, with what the original says to them, and their labels."""
        few, seed = self.few, combine(self.few.seed, place)
        drawn = few.random_views(indices.tolist(), seed, self.recipe.smallest_crop)
        views = few.preprocessing.normalise(drawn.to(self.device))
        if self.recipe.mixing and not self.loss.reads_labels:
            views = mix(views, seed)
        views = views.contiguous(memory_format=torch.channels_last)
        theirs = self.ask(views) if self.loss.asks_teacher else views.new_empty(len(views), 0)
        return views, theirs, few.labels[indices].to(self.device)
