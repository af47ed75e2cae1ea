"""The guard: how far a recovery goes, chosen on images that it was not trained on."""

import copy
from dataclasses import replace

import pytest
import torch
from test_views import tiny_set
from tiny import TinyNet, tiny_network
from torch import Tensor, nn

from practise.images.tiny_set import TinySet
from practise.pruning.plan import Pruning
from practise.recovery.guard import (
    FEWEST,
    HALF,
    SHARES,
    go_,
    guard_,
    hold_out,
    part_of,
    remember,
    usual_share,
)
from practise.recovery.params import RecoveryRecipe
from practise.recovery.recover import recover
from practise.recovery.referee import Referee
from practise.scoring.params import RidgeRecipe

RIDGE = RidgeRecipe(folds=2, most_images=64, dtype="fp32")
PLAIN = RecoveryRecipe(steps=2, batch_size=4, lr=1e-2, dtype="fp32", start="weights", guard=True)


def many(count: int = FEWEST, seed: int = 0) -> TinySet:
    few = tiny_set(8)
    images = [few.images[index % 8] for index in range(count)]
    return replace(few, images=images, labels=torch.arange(count), seed=seed)


def moved(network: nn.Module, by: float) -> nn.Module:
    network = copy.deepcopy(network)
    with torch.no_grad():
        for place, weight in enumerate(network.parameters()):
            noise = torch.Generator().manual_seed(place)
            weight += by * weight.std().nan_to_num() * torch.randn(weight.shape, generator=noise)
    return network


def values(network: nn.Module) -> Tensor:
    return torch.cat([value.double().flatten() for value in network.state_dict().values()])


def test_a_fifth_is_held_out_of_enough_images_and_nothing_of_fewer():
    training, held_out = hold_out(many())
    assert held_out is not None
    assert (len(training), len(held_out)) == (FEWEST - FEWEST // 5, FEWEST // 5)
    together = torch.cat([training.labels, held_out.labels]).sort().values
    assert torch.equal(together, torch.arange(FEWEST))
    _, others = hold_out(many(seed=1))
    assert others is not None and not torch.equal(others.labels, held_out.labels)
    few = many(FEWEST - 1)
    assert hold_out(few) == (few, None)


def test_a_part_has_the_images_and_classes_of_its_places():
    few = many(20)
    part = part_of(few, [3, 11, 4])
    assert part.labels.tolist() == [3, 11, 4]
    assert torch.equal(part.centre_views(), few.centre_views([3, 11, 4]))


def test_between_two_states_lie_those_of_the_straight_line():
    start, end = tiny_network(), moved(tiny_network(), 0.1)
    network = copy.deepcopy(end)
    for share in SHARES:
        go_(network, start.state_dict(), end.state_dict(), share)
        assert torch.allclose(values(network), values(start).lerp(values(end), share))


@pytest.mark.parametrize(("first", "last", "share"), [(0.0, 0.5, 0.0), (0.5, 0.0, 1.0)])
def test_it_goes_to_where_the_held_out_images_lose_least(first, last, share):
    teacher: TinyNet = tiny_network()
    start, student = moved(teacher, first), moved(teacher, last)
    guarded = guard_(student, start.state_dict(), HALF, Referee(teacher, many(40)))
    assert (guarded.share, guarded.held_out) == (share, 40)
    assert guarded.lost is not None and list(guarded.lost) == list(SHARES)
    assert guarded.lost[share] == min(guarded.lost.values()) < 1e-6
    assert torch.allclose(values(student), values(teacher))
    assert guarded.describe()["tried"][-1] == {"share": 1.0, "kl": guarded.lost[1.0]}


def test_without_images_to_judge_by_it_goes_half_the_way():
    teacher = tiny_network()
    start, student = moved(teacher, 0.5), moved(teacher, 0.1)
    half = values(start).lerp(values(student), HALF)
    guarded = guard_(student, start.state_dict(), HALF, None)
    assert guarded.describe() == {"share": HALF, "held_out": 0, "tried": []}
    assert torch.allclose(values(student), half)


def test_a_guarded_recovery_is_trained_on_the_rest_and_ends_half_way_with_few_images():
    few, network, pruning = tiny_set(8), tiny_network(), Pruning(["stages.0.1"])
    whole, guarded, none = (
        recover(network, pruning, few, "mimic", PLAIN.but(**changed), RIDGE)
        for changed in ({"guard": False}, {}, {"steps": 0})
    )
    assert whole.guard is None and none.guard is None
    assert guarded.guard == {"share": HALF, "held_out": 0, "tried": []}
    assert torch.allclose(values(guarded.network), values(none.network).lerp(values(whole.network), HALF))
    assert [step.loss for step in guarded.history] == [step.loss for step in whole.history]
    many_images = recover(network, pruning, many(), "mimic", PLAIN, RIDGE)
    assert many_images.guard is not None and many_images.guard["held_out"] == FEWEST // 5
    alone = recover(network, pruning, hold_out(many())[0], "mimic", PLAIN.but(guard=False), RIDGE)
    assert [step.loss for step in many_images.history] == [step.loss for step in alone.history]


def test_it_goes_another_share_than_half_only_where_that_is_clearly_better(monkeypatch):
    teacher: TinyNet = tiny_network()
    start, student = moved(teacher, 0.1), moved(teacher, 0.5)
    referee = Referee(teacher, many(40))
    for saved, share in ((torch.tensor([1.0, -0.9] * 20), HALF), (torch.tensor([1.0, 0.9] * 20), 0.25)):
        lost = {at: torch.full((40,), 2.0) - (saved if at == 0.25 else 0) for at in SHARES}
        told = iter(lost.values())
        monkeypatch.setattr(referee, "lost_by", lambda network, told=told: next(told))
        guarded = guard_(copy.deepcopy(student), start.state_dict(), HALF, referee)
        assert guarded.share == share
        assert guarded.lost == {at: one.mean().item() for at, one in lost.items()}


def test_what_is_remembered_is_left_alone_by_training():
    network = tiny_network()
    before, state = values(network), remember(network)
    nn.init.zeros_(network.stem[0].weight)
    assert torch.equal(torch.cat([value.double().flatten() for value in state.values()]), before)


@pytest.mark.parametrize("kind", ["own", "foreign", "made"])
def test_images_of_another_kind_say_too_little_where_classes_are_more(kind):
    network, few = tiny_network(), replace(tiny_set(8), kind=kind)
    classes = network(few.centre_views([0])).shape[1]
    assert 1 < classes <= len(few)
    assert usual_share(few, network) == HALF
    assert usual_share(part_of(few, range(classes - 1)), network) == (HALF if kind == "own" else 0.0)


def test_nothing_of_foreign_images_is_held_out_however_many_there_are():
    foreign = replace(many(), kind="foreign")
    assert hold_out(foreign) == (foreign, None)


@pytest.mark.parametrize("kind", ["foreign", "made"])
def test_the_referee_of_images_of_another_kind_judges_their_start_and_how_far_they_go(kind):
    network, pruning, referee = tiny_network(), Pruning(["stages.0.1"]), many(20, seed=5)
    few = replace(part_of(tiny_set(8), [0]), kind=kind, referee=referee)  # alone they would say too little
    assert hold_out(few) == (few, referee)
    recovered = recover(network, pruning, few, "mimic", PLAIN.but(start="fitted"), RIDGE)
    assert recovered.guard is not None and recovered.history
    assert recovered.guard["held_out"] == 20
    told = {tried["share"]: tried["kl"] for tried in recovered.guard["tried"]}
    judge = Referee(network, referee)
    share = recovered.guard["share"]
    assert share == 0.0 or told[share] < told[0.0]  # fewer images than classes: nothing is usual
    assert judge.lost_by(recovered.network).mean().item() == pytest.approx(told[share], rel=1e-4)
    if kind == "made":  # nothing is fitted to them
        assert recovered.start is None
        bare = pruning.apply_(copy.deepcopy(network), 32)
        assert judge.lost_by(bare).mean().item() == pytest.approx(told[0.0], rel=1e-4)
    else:
        assert recovered.start is not None
        assert recovered.start["tried"][0]["kl"] == pytest.approx(
            judge.lost_by(pruning.apply_(copy.deepcopy(network), 32)).mean().item(), rel=1e-4
        )


def test_where_no_step_would_do_good_none_is_taken():
    network, pruning = tiny_network(), Pruning(["stages.0.1"])
    few = replace(part_of(tiny_set(8), [0]), kind="foreign")  # fewer than classes
    recovered = recover(network, pruning, few, "mimic", PLAIN, RIDGE)
    assert (recovered.history, recovered.guard) == ([], {"share": 0.0, "held_out": 0, "tried": []})
    start = recover(network, pruning, few, "mimic", PLAIN.but(steps=0), RIDGE)
    assert torch.equal(values(recovered.network), values(start.network))
