"""A network of one's own, from module and images to a smaller module; every weight takes a nanosecond."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from made_images import make_image
from safetensors.torch import save_file
from test_latency import count_weights
from test_views import pictures
from tiny import TinyNet, tiny_network
from torch import Tensor, nn

import practise
from practise.acceleration import accelerate as acceleration
from practise.acceleration.accelerated import DEFAULT, Accelerated, summarise, tell_recovery
from practise.acceleration.asked import find_labels, find_view
from practise.commands.cli import main
from practise.errors import (
    DeviceError,
    ImageError,
    NetworkError,
    PractiseError,
    SelectionError,
    UsageError,
)
from practise.images.views import centre_views
from practise.latency.budget import Budget
from practise.latency.measuring import Latency
from practise.networks.cifar import CifarResNet
from practise.pruning.measured import POINT

QUICK = replace(DEFAULT, recover=DEFAULT.recover.but(steps=3, batch_size=4, views=2))


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Latency without a clock."""
    monkeypatch.setattr(acceleration, "measure_with", count_weights)
    yield


def quickly(
    model: nn.Module, images: object = None, reduction: float = 0.2, **options: object
) -> Accelerated:
    images = pictures(6) if images is None else images
    return practise.accelerate(model, images, reduction, **{"image_size": 16, "recipe": QUICK, **options})  # type: ignore[arg-type]


def share_of_weights(network: nn.Module, dropped: tuple[str, ...]) -> float:
    whole = sum(weight.numel() for weight in network.parameters())
    return sum(w.numel() for name in dropped for w in network.get_submodule(name).parameters()) / whole


@pytest.mark.usefixtures("counted")
def test_a_network_of_ones_own_loses_the_blocks_that_are_named_and_as_much_time_as_asked_for() -> None:
    network = tiny_network(depths=(4, 4))
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    faster = quickly(network, reduction=0.3)
    assert type(faster.network) is TinyNet
    dropped = [
        name for name in before if name.startswith(tuple(f"{block}." for block in faster.dropped_blocks))
    ]
    assert dropped
    assert set(faster.network.state_dict()) == set(before) - set(dropped)
    assert faster.after.reduction == pytest.approx(share_of_weights(network, faster.dropped_blocks))
    assert abs(faster.after.reduction - 0.3) <= 0.15 / 2  # no set of these blocks comes nearer
    assert all(torch.equal(before[name], weight) for name, weight in network.state_dict().items())


@pytest.mark.usefixtures("counted")
def test_the_same_seed_gives_the_same_network() -> None:
    first, second = (quickly(tiny_network(), seed=3).network.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.usefixtures("counted")
def test_agreement_and_accuracy_are_shares_of_the_images_handed_over() -> None:
    network, images = tiny_network(), pictures(6)
    first = quickly(network, images)
    ours, theirs = (
        [net(first.preprocessing.normalise(to_batch(first, image)))[0].argmax().item() for image in images]
        for net in (first.network, network)
    )
    assert first.agreement == pytest.approx(sum(a == b for a, b in zip(ours, theirs, strict=True)) / 6)
    assert first.accuracy_before is None
    second = quickly(network, images, labels=theirs)
    assert second.accuracy_before == 100
    assert second.accuracy_after == pytest.approx(100 * first.agreement)


def to_batch(made: Accelerated, image: object) -> Tensor:
    from practise.images.preprocessing import to_tensor

    return to_tensor([made.preprocessing.view(image)])  # type: ignore[arg-type]


def shrinking(more: float) -> object:
    """A clock by which sets of blocks save other than the sums of their single reductions say."""

    def measure(settings: object, networks: Mapping[str, nn.Module], *others: object) -> dict[str, Latency]:
        found = count_weights(settings, networks)
        return {
            name: replace(one, reduction=one.reduction * (more if name == "chosen" else 1))
            for name, one in found.items()
        }

    return measure


@pytest.mark.parametrize("more", [0.6, 1.0, 1.5])
def test_blocks_are_chosen_again_until_what_they_save_together_is_what_was_asked_for(
    more: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceleration, "measure_with", shrinking(more))
    network = tiny_network(widths=(8,), depths=(12,))
    each = more * share_of_weights(network, ("stages.0.0",))
    choice = quickly(network, reduction=0.3).choice
    assert len(choice.chosen.dropped_blocks) == round(0.3 / each)
    assert choice.is_near == (abs(round(0.3 / each) * each - 0.3) <= POINT)
    assert choice.chosen.measured_reduction == pytest.approx(len(choice.chosen.dropped_blocks) * each)


@pytest.mark.usefixtures("counted")
def test_the_card_says_target_foretold_and_measured_and_milliseconds_that_go_with_them() -> None:
    faster = quickly(tiny_network(depths=(4, 4)), reduction=0.3)
    card, summary = faster.describe(), faster.summary()
    assert card["choice"]["tried"][-1]["dropped_blocks"] == list(faster.choice.tried[-1].dropped_blocks)
    assert card["after"]["median_ms"] == pytest.approx(
        card["before"]["median_ms"] * (1 - card["after"]["reduction"])
    )
    assert (
        f"latency: {faster.after.reduction:.1%} less ± 0.0 (standard error), asked for 30.0%, foretold "
        f"{faster.choice.chosen.foretold_reduction:.1%}\n" in summary
    )
    off = abs(faster.after.reduction - 0.3) > POINT
    assert ("that is more than a point off: of the " in summary) == off
    card["after"] |= {"reduction": 0.2, "unstable": True, "spread": 0.4, "others": 1.5}
    card["choice"]["is_near"] = True
    chosen = f"{card['choice']['measured_reduction']:.1%}"
    assert summarise(card).splitlines()[-2:] == [
        f"that is more than a point off: when they were chosen, these blocks were measured to save {chosen}",
        "disturbed: times spread by 40%, others kept 1.5 cores busy; measure again when the machine is idle",
    ]
    card["after"]["standard_error"] = 0.035
    assert "more than a point off: the times varied too much to tell such a difference" in summarise(card)


@pytest.mark.usefixtures("counted")
def test_what_made_up_for_the_blocks_stands_in_the_card_and_in_the_summary() -> None:
    faster = quickly(tiny_network(depths=(4, 4)), reduction=0.3, steps=2)
    card = faster.describe()
    assert card["guard"] == {"share": 0.5, "held_out": 0, "tried": []}
    assert card["start"]["tried"][0].keys() == {"pull", "matched", "kl"}
    assert f"recovery: {tell_recovery(card)}\n" in faster.summary()
    assert tell_recovery(card).endswith("; 50 % of 2 steps")
    foreign = card | {"start": {"pull": 30.0, "matched": False, "tried": []}, "guard": None}
    assert tell_recovery(foreign) == "adaptors (pull 30); 2 steps"
    assert tell_recovery(foreign | {"steps": 0}) == "adaptors (pull 30); no training"
    bare = {"pull": None, "matched": False, "tried": [{"pull": None, "matched": False, "kl": 0.1}]}
    assert tell_recovery(card | {"start": bare}).startswith("no adaptors, which would do harm")


def test_measuring_costs_no_more_than_is_told_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    budgets: list[Budget] = []

    def measure(
        settings: object, networks: Mapping[str, nn.Module], size: int, where: object, budget: Budget
    ) -> dict[str, Latency]:
        budgets.append(budget)
        return count_weights(settings, networks)

    monkeypatch.setattr(acceleration, "measure_with", measure)
    quickly(tiny_network(widths=(8,), depths=(12,)), max_minutes=10)
    assert {id(budget) for budget in budgets} == {id(budgets[0])}  # one for all measurements
    assert budgets[0].once + budgets[0].again == 600
    assert capsys.readouterr().err.startswith(
        "latency is measured about 6 times: 4 min 0 s at most, 10 min 0 s on a busy machine (max_minutes)\n"
    )


@pytest.mark.usefixtures("counted")
def test_a_kept_block_stays() -> None:
    network = tiny_network(widths=(8,), depths=(4,))
    dropped = quickly(network).dropped_blocks
    assert set(quickly(network, keep_blocks=dropped).dropped_blocks).isdisjoint(dropped)


class Wordy(nn.Module):
    """Its output is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.network = tiny_network()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"logits": self.network(x)}


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (
            {"latency_reduction": 22},
            UsageError,
            "latency_reduction: is 22, should be a share between 0 and 1, such as 0.22",
        ),
        ({"batch_size": 0}, UsageError, "batch_size: is 0, should be at least 1"),
        (
            {"latency_device": "tpu"},
            DeviceError,
            "latency_device: unknown device 'tpu' (known: auto, cpu, cuda). Did you mean 'cpu'?",
        ),
        ({"steps": -1}, UsageError, "steps: is -1, should be at least 0"),
        ({"max_minutes": 0}, UsageError, "max_minutes: is 0, should be greater than 0"),
        ({"mean": [0.5]}, UsageError, "mean: has 1 values, should have one for each of three channels"),
        (
            {"images": []},
            ImageError,
            "no images were given; a few dozen like those that the network will see are enough",
        ),
        (
            {"labels": [0]},
            ImageError,
            "labels: there is 1 labels for 6 images; should be one below 4 for each",
        ),
        (
            {"labels": [4] * 6},
            ImageError,
            "labels: there is the label 4 for 6 images; should be one below 4 for each",
        ),
        (
            {"model": Wordy()},
            NetworkError,
            "Wordy does not give one row of logits for each of the RGB images of 16 × 16 pixels",
        ),
        (
            {"model": nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())},
            NetworkError,
            "accelerate: Sequential has no block to drop: none of its modules of several layers gives one "
            "tensor of its input's shape",
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    options: dict[str, object], kind: type[PractiseError], message: str
) -> None:
    given = {"model": tiny_network(), "images": pictures(6), "image_size": 16, "recipe": QUICK, **options}
    with pytest.raises(kind) as error:
        practise.accelerate(**given)  # type: ignore[arg-type]
    assert str(error.value) == message


@pytest.mark.usefixtures("counted")
def test_a_target_out_of_reach_says_how_far_the_blocks_go() -> None:
    with pytest.raises(
        SelectionError, match=r"95\.0% is out of reach: dropping all 5 blocks .* gives \d+\.\d% here"
    ):
        quickly(tiny_network(), reduction=0.95)


def test_the_networks_own_preprocessing_is_taken_and_what_is_told_goes_before_it() -> None:
    model = tiny_network()
    assert "assumed" in find_view(model, None, None, None, None)[1]
    model.pretrained_cfg = {"input_size": (3, 48, 48), "mean": (0.1,) * 3, "std": (0.2,) * 3}  # type: ignore[assignment]
    view, source = find_view(model, None, None, None, None)
    assert (view.image_size, view.mean, view.std, source) == (
        48,
        (0.1,) * 3,
        (0.2,) * 3,
        "as its weights want them",
    )
    view, source = find_view(model, None, 64, [0.3] * 3, None)
    assert (view.image_size, view.mean, view.std) == (64, (0.3,) * 3, (0.2,) * 3)
    assert source.endswith("image_size as told; mean as told")


def test_the_package_is_imported_without_torch() -> None:
    code = "import practise, sys; sys.exit('torch' in sys.modules or 'accelerate' not in practise.__all__)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    with pytest.raises(AttributeError, match="module 'practise' has no attribute 'acclerate'"):
        practise.acclerate  # noqa: B018


# Folders of images


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """Four folders of two images, one of them deeper."""
    for index in range(8):
        make_image(tmp_path / "shelf" / "abcd"[index // 2] / ("deep" * (index == 5)) / f"{index}.png", index)
    return tmp_path / "shelf"


@pytest.mark.usefixtures("counted")
def test_every_image_below_a_folder_counts_and_folders_are_labels_if_wanted(shelf: Path) -> None:
    (shelf / "notes.txt").write_text("no image")
    made = quickly(tiny_network(), shelf)
    assert (made.num_images, made.accuracy_before) == (8, None)
    assert quickly(tiny_network(), shelf, labels="folders").accuracy_before is not None
    assert find_labels("folders", shelf, 8, 4).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]  # type: ignore[union-attr]


def test_folders_that_are_no_labels_are_refused(shelf: Path) -> None:
    with pytest.raises(ImageError, match="has 4 folders, the network has 5 classes"):
        find_labels("folders", shelf, 8, 5)
    make_image(shelf / "loose.png", 9)
    with pytest.raises(ImageError, match=r"loose.png' lies in no class folder; labelled images should"):
        find_labels("folders", shelf, 9, 4)


# The command


def command(folder: Path, *words: str, **flags: object) -> list[str]:
    given = {
        "network": "cifar:resnet20",
        "weights": folder / "mine.safetensors",
        "images": folder / "shelf",
        "out": folder / "fast",
        **flags,
    }
    return ["accelerate", *(f"--{name.replace('_', '-')}={value}" for name, value in given.items()), *words]


def write_weights(folder: Path) -> CifarResNet:
    torch.manual_seed(0)
    network = CifarResNet(20).eval()
    save_file(network.state_dict(), folder / "mine.safetensors")
    return network


def test_the_command_makes_a_folder_that_loads_again(
    tmp_path: Path, shelf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    original = write_weights(tmp_path)
    quick = {"steps": 2, "max_minutes": 0.1, "threads": torch.get_num_threads()}
    try:
        assert main(command(tmp_path, latency_reduction=0.25, **quick)) == 0
    finally:
        torch.use_deterministic_algorithms(False)
    out = capsys.readouterr().out
    assert out.startswith("cifar:resnet20 without ")
    assert out.endswith(f'saved to {tmp_path}/fast: practise.load("{tmp_path}/fast")\n')
    assert sorted(path.name for path in (tmp_path / "fast").iterdir()) == [
        "README.md", "card.json", "graph.json", "network.onnx", "network.pt2", "network.safetensors",
    ]  # fmt: skip
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = practise.load(tmp_path / "fast")(images)
        assert torch.allclose(ours, practise.load(tmp_path / "fast", into=original)(images), atol=1e-4)


USED = "should be a folder that is empty or not there yet"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            {"network": "resnet20"},
            "accelerate: --network: is 'resnet20', should be LIBRARY:ARCHITECTURE such as timm:resnet18",
        ),
        (
            {"network": "tim:resnet18"},
            "accelerate: --network: unknown library 'tim' (known: cifar, timm, torchvision). "
            "Did you mean 'timm'?",
        ),
        (
            {"network": "cifar:resnet-20"},
            "accelerate.architecture: cifar has no classifier 'resnet-20'. Did you mean 'resnet20'?",
        ),
        (
            {"weights": "none.pth"},
            "accelerate.weights: no such file 'none.pth', should be own, package:NAME or the path of a "
            ".safetensors file or state dict",
        ),
        ({"images": "nowhere"}, "no folder 'nowhere', should be a folder with images in it"),
        ({"images": "empty"}, "'empty' has no images, should hold some in it or below it"),
        ({"out": "mine.safetensors"}, f"'mine.safetensors' is a file, {USED}"),
        ({"out": "shelf"}, f"'shelf' holds 'a', {USED}"),
        (
            {"device": "gpu"},
            "accelerate: --device: unknown device 'gpu' (known: auto, cpu, cuda). Did you mean 'cuda'?",
        ),
        ({"threads": "0"}, "accelerate: --threads: is 0, should be at least 1"),
        ({"image_size": "0"}, "accelerate: --image-size: is 0, should be at least 1"),
        ({"max_minutes": "0"}, "max_minutes: is 0, should be greater than 0"),
    ],
)
def test_a_mistake_on_the_command_line_is_a_sentence_and_exit_code_2(
    flags: dict[str, str],
    message: str,
    tmp_path: Path,
    shelf: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write_weights(tmp_path)
    try:
        assert main(command(tmp_path, **flags)) == 2
    finally:
        torch.use_deterministic_algorithms(False)
    assert capsys.readouterr().err == f"practise: {message}\n"
    assert not (tmp_path / "fast").exists()


@pytest.mark.gpu
@pytest.mark.usefixtures("counted")
def test_what_is_timed_on_the_cpu_is_recovered_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []

    def watched(*arguments: Any) -> dict[str, Latency]:
        timed.append(arguments[3].type)
        return count_weights(*arguments)

    monkeypatch.setattr(acceleration, "measure_with", watched)
    faster = quickly(tiny_network(), device="cuda", latency_device="cpu")
    assert set(timed) == {faster.setting["device"]} == {"cpu"}


@pytest.mark.usefixtures("counted")
def test_a_single_logit_and_independent_labels_are_judged_by_their_signs() -> None:
    for classes, options, right in (
        (1, {"labels": [0, 1] * 3}, torch.tensor([[0], [1]] * 3)),
        (4, {"labels": [[0, 1, 1, 0]] * 6, "multi_label": True}, torch.tensor([[0, 1, 1, 0]] * 6)),
    ):
        network = tiny_network()
        network.classifier = nn.Linear(12, classes)
        faster = quickly(network, **options)
        images = centre_views(pictures(6), faster.preprocessing)
        with torch.no_grad():
            ours, theirs = (net(images) > 0 for net in (faster.network, network))
        assert faster.agreement == pytest.approx((ours == theirs).double().mean().item())
        assert faster.accuracy_before == pytest.approx(100 * (theirs == right).double().mean().item())


@pytest.mark.usefixtures("counted")
def test_what_was_handed_over_in_a_wrapper_with_gradients_off_comes_back_plain() -> None:
    network = tiny_network()
    with torch.no_grad():
        faster = quickly(nn.DataParallel(network))
    assert type(faster.network) is TinyNet and not faster.dropped_blocks[0].startswith("module")
    assert not any(module._forward_pre_hooks for module in faster.network.modules())
    assert "tiny.TinyNet" in faster.name
