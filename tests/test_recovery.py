"""Recovery: it recovers, repeats bit by bit, and goes on after a kill as if nothing had happened."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch
from test_views import PREPROCESSING, pictures, tiny_set
from tiny import TinyNet, tiny_network, tiny_transformer
from torch import nn
from torch.utils.checkpoint import checkpoint

from practise.errors import NetworkError, RecoveryError
from practise.images.views import combine, draw_views, mix
from practise.networks.blocks import drop_blocks_
from practise.pruning.plan import Pruning
from practise.recovery import training
from practise.recovery.losses import distil
from practise.recovery.params import RecoveryRecipe
from practise.recovery.start import start_recovery
from practise.recovery.training import (
    Step,
    ViewBank,
    build_optimizer,
    check_learning,
    keeps_views,
    recover_,
    share_views,
)
from practise.resume import Resume
from practise.scoring.params import RidgeRecipe

RECIPE = RecoveryRecipe(
    steps=12, batch_size=8, lr=1e-3, views=4, smallest_crop=0.08, start="weights", dtype="fp32"
)
OFFICIAL = RecoveryRecipe.official()
RIDGE = RidgeRecipe(ridge=0.1, folds=2, most_images=64, memory_mb=1024, dtype="fp32")
OFFICIAL_SHORT = OFFICIAL.but(steps=6, batch_size=8)


def recover(
    recipe: RecoveryRecipe, loss: str = "mimic", resume: Resume | None = None
) -> tuple[nn.Module, list[Step]]:
    teacher = tiny_network()
    student = drop_blocks_(copy.deepcopy(teacher), ["stages.0.1"])
    history = recover_(student, teacher, tiny_set(8), loss, recipe, resume)
    return student, history


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    ("loss", "share"),
    [("mimic", 0.8), ("cross_entropy", 0.8), ("distil", 0.98)],  # the original knows nothing of these labels
)
def test_recovery_lowers_its_loss(loss, share, monkeypatch):
    monkeypatch.setattr(training, "MOST_LOOKS", 80)  # the same two views of each image, over and over
    _, history = recover(RECIPE.but(steps=80, lr=1e-2, views=2), loss)
    assert [row.step for row in history] == list(range(80))
    assert sum(row.loss for row in history[-5:]) < share * sum(row.loss for row in history[:5])


def test_a_transformer_is_recovered_too():
    teacher = tiny_transformer()
    recipe = RECIPE.but(steps=20, views=1, start="adaptors")
    start = start_recovery(teacher, Pruning(["blocks.1"]), tiny_set(8), recipe, RIDGE)
    history = recover_(start.student, start.teacher, tiny_set(8), "mimic", recipe)
    assert history[-1].loss < 0.8 * history[0].loss


def test_attention_that_keeps_its_biases_between_passes_learns_them():
    teacher = timm.create_model("levit_128s", img_size=64).eval()
    few = replace(tiny_set(4), preprocessing=replace(PREPROCESSING, image_size=64))
    student = drop_blocks_(copy.deepcopy(teacher), ["stages.0.blocks.1"])
    recover_(student, teacher, few, "distil", RECIPE.but(steps=2, views=1, batch_size=4))
    before, after = (net.stages[0].blocks[0].attn.attention_biases for net in (teacher, student))
    assert not torch.equal(before, after)


@pytest.mark.parametrize("recipe", [RECIPE, OFFICIAL_SHORT], ids=["default", "official"])
def test_the_same_seed_gives_the_same_bits(recipe):
    first, again = recover(recipe), recover(recipe)
    assert same(first[0], again[0])
    assert first[1] == again[1]


@pytest.mark.parametrize("views", [None, 2], ids=["afresh", "kept"])
def test_mimicking_with_no_filter_pruned_changes_nothing(views):
    network = tiny_network()
    recipe = RECIPE.but(steps=4, weight_decay=0.0, batch_norm="frozen", views=views)
    pruning = Pruning(filters_removed=0.0)
    start = start_recovery(network, pruning, tiny_set(8), recipe, RIDGE)
    history = recover_(start.student, start.teacher, tiny_set(8), "mimic", recipe)
    assert [row.loss for row in history] == [0.0] * 4
    assert start.student is not network
    assert same(start.student, tiny_network())
    assert same(network, tiny_network())


@pytest.mark.parametrize("mixing", [False, True])
def test_the_first_loss_is_the_distance_of_the_features(mixing):
    _, history = recover(RECIPE.but(views=1, steps=1, mixing=mixing))
    teacher = tiny_network()
    student = drop_blocks_(copy.deepcopy(teacher), ["stages.0.1"])
    drawn = draw_views(pictures(8), range(8), PREPROCESSING, combine(0, 0))
    views = PREPROCESSING.normalise(drawn)
    if mixing:
        views = mix(views, combine(0, 0))
    with torch.no_grad():
        ours, theirs = (net.run_stages(net.stem(views)) for net in (student, teacher))
    assert history[0].loss == pytest.approx(((ours - theirs) ** 2).mean().item(), rel=1e-4)


@pytest.mark.parametrize(
    ("steps", "every"), [(2000, 800), (16000, 6400), (7, 2), (5, 2), (4, 1), (3, 1), (2, 1), (1, 1)]
)
def test_the_official_learning_rate_falls_after_every_two_fifths_of_the_steps_rounded_down(steps, every):
    optimizer, schedule = build_optimizer(nn.Linear(1, 1), OFFICIAL.but(steps=steps))
    rates = []
    for _ in range(min(steps, 2 * every)):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[:every] == [0.02] * every
    assert rates[every:] == pytest.approx([0.002] * len(rates[every:]))


@pytest.mark.parametrize("views", [None, 3], ids=["afresh", "kept"])
def test_the_official_recovery_sees_no_image_twice_in_a_step(views):
    few, recipe = replace(tiny_set(8), labels=torch.arange(8)), OFFICIAL.but(views=views, steps=9)
    bank = ViewBank(few, recipe, "cross_entropy", nn.Identity(), torch.device("cpu"))
    batches = [bank.batch(step) for step in range(3)]
    assert [sorted(labels.tolist()) for *_, labels in batches] == [list(range(8))] * 3
    assert len({tuple(labels.tolist()) for *_, labels in batches}) == 3
    first = [views[labels.tolist().index(0)] for views, _, labels in batches]
    assert not torch.equal(first[0], first[1])  # another view of the same image


def test_views_are_not_kept_where_the_steps_end_before_all_images_have_been_seen():
    few, short = tiny_set(8), RECIPE.but(steps=3, batch_size=2)
    assert ViewBank(few, short, "cross_entropy", nn.Identity(), torch.device("cpu")).kept is None
    assert share_views(tiny_network(), few, "cross_entropy", short) is None
    bank = ViewBank(few, short.but(steps=4), "cross_entropy", nn.Identity(), torch.device("cpu"))
    assert len(bank.kept[0]) == 8


@pytest.mark.parametrize(("steps", "kept"), [(1, False), (2, True), (32, True), (33, False)])
def test_views_are_kept_for_a_training_that_looks_at_each_up_to_eight_times(steps, kept):
    recipe = RECIPE.but(steps=steps, batch_size=4, views=2)
    assert keeps_views(recipe, tiny_set(8)) == kept


@pytest.mark.parametrize("loss", ["cross_entropy", "distil"])
def test_views_with_labels_are_never_blended(loss):
    plain, mixed = (recover(RECIPE.but(mixing=mixing), loss) for mixing in (False, True))
    assert same(plain[0], mixed[0])


def test_distillation_is_a_tenth_of_cross_entropy_and_the_rest_divergence_of_softened_logits():
    ours, theirs = np.random.default_rng(0).normal(size=(2, 5, 3)) * 4
    labels = np.array([0, 2, 1, 1, 0])

    def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
        powers = np.exp(logits / temperature)
        return powers / powers.sum(axis=1, keepdims=True)

    hard = -np.log(probabilities(ours, 1)[np.arange(5), labels]).mean()
    soft, wanted = probabilities(ours, 4), probabilities(theirs, 4)
    kl = (wanted * np.log(wanted / soft)).sum(axis=1).mean()
    found = distil(*map(torch.tensor, (ours, theirs, labels)))
    assert found.item() == pytest.approx(0.1 * hard + 0.9 * 16 * kl)


@pytest.mark.parametrize("batch_norm", ["frozen", "adapted"])
def test_training_keeps_the_statistics_that_it_starts_with(batch_norm):
    student, _ = recover(RECIPE.but(batch_norm=batch_norm))
    original = tiny_network()
    assert torch.equal(student.stem[1].running_mean, original.stem[1].running_mean)
    assert torch.equal(student.stages[1][0].bn2.running_var, original.stages[1][0].bn2.running_var)


def test_training_takes_the_batches_statistics_where_it_is_told_to():
    student, _ = recover(RECIPE.but(batch_norm="train"))
    assert not torch.equal(student.stem[1].running_mean, tiny_network().stem[1].running_mean)
    assert not any(module.training for module in student.modules())


@pytest.mark.parametrize("recipe", [RECIPE, OFFICIAL_SHORT], ids=["default", "official"])
def test_a_killed_run_goes_on_and_ends_in_the_same_bits(recipe, tmp_path, monkeypatch):
    undisturbed = recover(recipe)
    monkeypatch.setattr("practise.resume.SECONDS_BETWEEN_SAVES", -1.0)
    out = tmp_path / "student.safetensors"

    class Killed(Exception):  # noqa: N818 - not an error
        pass

    class KilledAtStepThree(Resume):
        def save_now_and_then(self, state):
            super().save_now_and_then(state)
            if len(state()["history"]) == 3:
                raise Killed

    with pytest.raises(Killed):
        recover(recipe, resume=KilledAtStepThree(out, "key"))
    resumed = Resume(out, "key")
    assert len(resumed.load()["history"]) == 3
    network, history = recover(recipe, resume=resumed)
    assert same(network, undisturbed[0])
    assert history == undisturbed[1]
    resumed.finish()
    assert list(tmp_path.iterdir()) == []


def test_a_state_of_another_question_or_a_damaged_one_is_ignored(tmp_path, monkeypatch):
    monkeypatch.setattr("practise.resume.SECONDS_BETWEEN_SAVES", -1.0)
    resume = Resume(tmp_path / "result.json", {"seed": 1})
    resume.save_now_and_then(lambda: {"scores": 1.0})
    assert resume.load() == {"scores": 1.0}
    assert Resume(tmp_path / "result.json", {"seed": 2}).load() is None
    resume.path.write_bytes(resume.path.read_bytes()[:100])
    assert resume.load() is None


def test_the_official_schedule_is_the_authors():
    optimizer, schedule = build_optimizer(tiny_network(), OFFICIAL)
    rates = []
    for _ in range(2000):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert [rates[step] for step in (0, 799, 800, 1599, 1600)] == pytest.approx(
        [0.02, 0.02, 0.002, 0.002, 0.0002]
    )
    group = optimizer.param_groups[0]
    assert (type(optimizer), group["momentum"], group["weight_decay"]) == (torch.optim.SGD, 0.9, 1e-4)


def test_a_loss_that_is_not_finite_is_told_in_one_sentence():
    with pytest.raises(RecoveryError) as error:
        recover(OFFICIAL_SHORT.but(lr=1e20))
    assert str(error.value).endswith("lower the learning rate (recover.lr)")
    assert str(error.value).startswith("the loss became ")


def test_what_is_frozen_stays_as_it_is_and_flags_are_the_users():
    teacher = tiny_network()
    teacher.stem.requires_grad_(False)
    teacher.table = nn.Parameter(torch.arange(3), requires_grad=False)
    student = drop_blocks_(copy.deepcopy(teacher), ["stages.0.1"])
    recover_(student, teacher, tiny_set(8), "mimic", RECIPE)
    assert torch.equal(student.stem[0].weight, teacher.stem[0].weight)
    assert not torch.equal(student.stages[0][0].conv1.weight, teacher.stages[0][0].conv1.weight)
    assert not student.stem[0].weight.requires_grad and student.classifier.weight.requires_grad


def test_a_network_that_is_frozen_as_a_whole_is_trained_and_frozen_again():
    teacher = tiny_network().requires_grad_(False)
    student = drop_blocks_(copy.deepcopy(teacher), ["stages.0.1"])
    recover_(student, teacher, tiny_set(8), "mimic", RECIPE)
    assert not torch.equal(student.stem[0].weight, teacher.stem[0].weight)
    assert not any(weight.requires_grad for weight in student.parameters())


@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_hide_nothing_where_gradients_are_off_outside(reentrant):
    class Checkpointed(TinyNet):
        def run_stages(self, x):
            for block in [*self.stages[0], *self.stages[1]]:
                x = checkpoint(block, x, use_reentrant=reentrant)
            return x

    students = []
    for kind in (Checkpointed, TinyNet):
        teacher = tiny_network(kind=kind)
        student = drop_blocks_(copy.deepcopy(teacher), ["stages.0.1"])
        with torch.no_grad():
            recover_(student, teacher, tiny_set(8), "mimic", RECIPE)
        students.append(student)
    assert same(*students)


def test_a_step_whose_gradients_are_no_numbers_in_half_precision_is_taken_in_single():
    class Fragile(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * (torch.nan if gradient.dtype == torch.bfloat16 else 1)

    class Net(TinyNet):
        def run_stages(self, x):
            return super().run_stages(Fragile.apply(x))

    teacher = tiny_network(kind=Net)
    student = drop_blocks_(copy.deepcopy(teacher), ["stages.0.1"])
    history = recover_(student, teacher, tiny_set(8), "mimic", RECIPE.but(dtype="bf16"))
    assert len(history) == RECIPE.steps
    assert all(value.isfinite().all() for value in student.state_dict().values())


class Blind(TinyNet):
    """It computes its features without gradients."""

    @torch.no_grad()
    def run_stages(self, x):
        return super().run_stages(x)


def test_a_network_in_which_nothing_before_the_features_may_be_trained_is_refused():
    frozen = tiny_network().requires_grad_(False)
    check_learning(frozen, 16)
    frozen.classifier.requires_grad_(True)
    for network in (frozen, tiny_network(kind=Blind)):
        with pytest.raises(NetworkError, match="has no weight to train before its features \\('stages.1'\\)"):
            check_learning(network, 16)


def test_a_network_that_overwrites_what_gradients_need_is_refused():
    class Overwriting(TinyNet):
        def __init__(self, *args):
            super().__init__(*args)
            self.last = nn.ReLU(inplace=True)

        def classify(self, x):
            return super().classify(self.last(x))  # the output of a ReLU, which its gradient needs

    with pytest.raises(NetworkError, match="Overwriting cannot be trained to mimic its features"):
        check_learning(tiny_network(kind=Overwriting), 16)
