"""A network in a folder: every format computes the same, and what is damaged or dangerous is refused."""

import copy
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from test_views import PREPROCESSING
from tiny import noise, tiny_network
from torch import Tensor, nn

import practise
from practise.acceleration.exports import FILES, README, check_free, find_folder, load, save
from practise.acceleration.formats import compare, export_program
from practise.acceleration.graphs import find_operator
from practise.errors import CheckpointError, FileError, NetworkError, PractiseError
from practise.files import read_result, sha256, write_result
from practise.networks.blocks import drop_blocks_

DROPPED = ["stages.0.1", "stages.1.2"]
SIZE = PREPROCESSING.image_size


def faster() -> nn.Module:
    """What is saved: other weights than the original's, and fewer blocks."""
    return drop_blocks_(tiny_network(seed=5), DROPPED)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved network that no test changes."""
    return save_to(tmp_path_factory.mktemp("saved") / "fast")


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    copy = tmp_path / "fast"
    copy.mkdir()
    for path in kept.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


def save_to(folder: Path, network: nn.Module | None = None, force: bool = False) -> Path:
    save(network or faster(), folder, SIZE, {"dropped_blocks": DROPPED}, lambda card: "# Faster\n", force)
    return folder


def logits(network: Callable[[Tensor], Tensor], count: int) -> Tensor:
    with torch.no_grad():
        return network(noise(count, SIZE))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_format_computes_what_the_network_does_for_any_number_of_images(kept: Path, count: int) -> None:
    wanted = logits(faster(), count)
    assert torch.allclose(logits(load(kept), count), wanted, atol=1e-5)
    assert torch.allclose(logits(load(kept, into=tiny_network()), count), wanted, atol=1e-5)
    session = onnxruntime.InferenceSession(kept / "network.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"images": noise(count, SIZE).numpy()})
    assert np.abs(found - wanted.numpy()).max() < 1e-3
    program = torch.export.load(kept / "network.pt2")
    assert torch.allclose(logits(program.module(), count), wanted, atol=1e-4)


def test_another_process_without_the_class_computes_the_same(kept: Path, tmp_path: Path) -> None:
    code = (
        "import sys, torch, practise; network = practise.load(sys.argv[1]); "
        "images = torch.load(sys.argv[2], weights_only=True); "
        "torch.save(network(images).detach(), sys.argv[3]); sys.exit('tiny' in sys.modules)"
    )
    torch.save(noise(3, SIZE), tmp_path / "images.pt")
    words = [sys.executable, "-c", code, kept, tmp_path / "images.pt", tmp_path / "logits.pt"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert torch.allclose(torch.load(tmp_path / "logits.pt"), logits(faster(), 3), atol=1e-4)


def test_what_is_loaded_can_be_trained_and_has_the_networks_own_names(kept: Path) -> None:
    for network in (load(kept), load(kept, into=tiny_network())):
        assert set(network.state_dict()) == set(faster().state_dict())
        before = logits(network, 2)
        network(noise(2, SIZE)).square().sum().backward()
        assert all(weight.grad is not None for weight in network.parameters())
        torch.optim.SGD(network.parameters(), 0.1).step()
        assert not torch.equal(logits(network, 2), before)


def test_the_card_holds_hashes_versions_and_how_far_each_format_is_off(kept: Path) -> None:
    card = read_result(kept / "card.json", "accelerated")
    assert card["sha256"] == {name: sha256(kept / name) for name in (*FILES, README)}
    assert card["differences"].keys() == {"graph.json", "network.pt2", "network.onnx"}
    assert max(card["differences"].values()) <= 1e-3
    assert (kept / "README.md").read_text() == "# Faster\n"
    assert str(Path(__file__).parent).encode() not in (kept / "network.onnx").read_bytes()


class Odd(nn.Module):
    """Tuples, sizes, a constant of its own, an attention and an activation in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, 4)
        self.register_buffer("scale", torch.linspace(0.5, 1.5, 8), persistent=False)
        self.classifier = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.relu(self.conv(x), inplace=True)
        rows = y.flatten(2).transpose(1, 2) * self.scale
        query, key = rows.unsqueeze(1).chunk(2, dim=2)
        mask = torch.full((query.shape[2], key.shape[2]), -torch.inf, device=x.device).triu(1)
        rows = nn.functional.scaled_dot_product_attention(query, key, key, attn_mask=mask)
        return self.classifier(rows.reshape(x.shape[0], -1, 8).amax(1))


def test_unusual_networks_are_saved_as_well(tmp_path: Path) -> None:
    network = Odd().eval()
    save_to(tmp_path / "odd", network)
    assert torch.allclose(logits(load(tmp_path / "odd"), 3), logits(network, 3), atol=1e-5)


class Undecided(nn.Module):
    """What it does follows from the pixels, which no export can write down."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x).mean((2, 3))
        return y if y.sum() > 0 else -y


def test_what_cannot_be_exported_is_saved_with_its_weights_and_the_reasons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, folder = Undecided().eval(), tmp_path / "fast"
    save(network, folder, SIZE, {"dropped_blocks": []}, lambda card: "# Faster\n")
    assert {path.name for path in folder.iterdir()} == {"network.safetensors", "card.json", "README.md"}
    reasons = read_result(folder / "card.json", "accelerated")["not_written"]
    assert reasons.keys() == {"graph.json", "network.pt2", "network.onnx"}
    said = capsys.readouterr().err
    assert all(f"{name}: not written: {reason}\n" in said for name, reason in reasons.items())
    assert torch.equal(logits(load(folder, into=Undecided()), 1), logits(network, 1))
    told = r"has weights but no graph.json \(torch.export does not follow it .*\); load them with into="
    with pytest.raises(FileError, match=told):
        load(folder)


# Folders in use


def test_only_an_empty_folder_or_a_saved_network_is_written_over(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(
        FileError, match=r"holds a network already; name another folder, or replace it with --force"
    ):
        save_to(folder)
    (folder / "network.onnx").unlink()
    save_to(folder, force=True)
    assert (folder / "network.onnx").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["fast"]
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(
        FileError, match=r"holds 'mine.txt', should be a folder that is empty or not there yet"
    ):
        check_free(folder, force=True)


def test_a_folder_that_is_there_is_filled_and_keeps_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, link = tmp_path / "home", tmp_path / "link"
    home.mkdir()
    link.symlink_to(home)
    (home / ".gitkeep").write_text("mine")
    (home / "lost+found").mkdir()
    monkeypatch.chdir(home)
    number = home.stat().st_ino
    save_to(Path("."))
    save_to(link, force=True)
    assert (link.is_symlink(), home.stat().st_ino, Path.cwd()) == (True, number, home)
    assert {path.name for path in home.iterdir()} == {*FILES, "card.json", README, ".gitkeep", "lost+found"}


@pytest.mark.parametrize("name", ["README.md", "network.onnx", "card.json"])
def test_files_of_our_names_that_are_not_ours_stay(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(FileError):
        save_to(tmp_path, force=True)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "{}")]


def test_what_was_changed_in_a_saved_folder_is_not_replaced(folder: Path) -> None:
    (folder / README).write_text("my notes")
    with pytest.raises(FileError, match=r"README.md' is not as card.json says that it was saved; move it"):
        save_to(folder, force=True)
    (folder / README).unlink()
    save_to(folder, force=True)
    assert (folder / README).read_text() == "# Faster\n"


def test_a_place_that_cannot_be_written_is_told_beforehand(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").write_text("mine")
    for name, sentence in {
        "dangling": "is a link to '.*nowhere', which is not there",
        "file": "is a file, should be a folder",
        "file/below": "cannot be written: Not a directory",
    }.items():
        with pytest.raises(FileError, match=sentence):
            check_free(tmp_path / name, force=True)
    with pytest.raises(FileError, match="cannot be written: "):
        check_free(Path("/proc/1/faster"), force=False)
    with pytest.raises(FileError, match="'' names no folder"):
        find_folder("")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dangling", "file"]


def test_a_format_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Curved(Undecided):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.matrix_exp(self.conv(x).mean((2, 3)).view(-1, 2, 2)).flatten(1)

    network, folder = Curved().eval(), tmp_path / "fast"
    failed = save(network, folder, SIZE, {"dropped_blocks": []}, lambda card: "")
    assert failed.keys() == {"network.onnx"}
    assert torch.allclose(logits(load(folder), 2), logits(network, 2), atol=1e-5)
    assert f"{folder}/network.onnx: not written: " in capsys.readouterr().err


class Wrapped(nn.Module):
    """Any number of arguments, a part without autocast, one without gradients, a state that is no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_network()

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.inner.stem(inputs[0])
        x = self.inner.run_stages(x)
        with torch.autocast("cpu", enabled=False):
            return self.inner.classify(x.float())

    def get_extra_state(self) -> dict[str, int]:
        return {"version": 3}

    def set_extra_state(self, state: dict[str, int]) -> None:
        raise AssertionError("there is none to set")


def test_networks_as_they_are_served_are_saved_and_come_back(tmp_path: Path) -> None:
    network = nn.DataParallel(Wrapped().eval())
    torch.set_default_dtype(torch.float64)
    try:
        failed = save(network, tmp_path, SIZE, {"dropped_blocks": []}, lambda card: "")
    finally:
        torch.set_default_dtype(torch.float32)
    assert failed == {}
    wanted = logits(network, 3)
    assert torch.allclose(logits(load(tmp_path), 3), wanted, atol=1e-5)
    for other in (Wrapped(), nn.DataParallel(Wrapped()), torch.compile(Wrapped(), backend="eager")):
        assert torch.allclose(logits(load(tmp_path, into=other), 3), wanted, atol=1e-5)  # type: ignore[arg-type]


# What is damaged or dangerous


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        load(folder)
    assert str(error.value) == (
        f"'{path}' is not the file that {folder / 'card.json'} describes; save it again"
    )


def test_a_missing_file_is_refused_where_it_is_needed(folder: Path) -> None:
    (folder / "network.onnx").unlink()
    load(folder)
    (folder / "graph.json").unlink()
    with pytest.raises(CheckpointError, match=r"no file '.*graph.json', which .*card.json describes"):
        load(folder)
    (folder / "card.json").unlink()
    with pytest.raises(FileError, match="card.json: no such file"):
        load(folder)
    with pytest.raises(FileError, match="no folder '.*nowhere', should be one that was saved"):
        load(folder / "nowhere")


def test_another_network_is_refused(kept: Path) -> None:
    with pytest.raises(CheckpointError, match="does not fit TinyNet without the dropped blocks: "):
        load(kept, into=tiny_network(widths=(8, 16)))
    with pytest.raises(PractiseError, match="the network has no block 'stages.0.1'"):
        load(kept, into=tiny_network(widths=(8,), depths=(1,)))


@pytest.mark.parametrize("changed", [{"widths": (8, 16)}, {"widths": (8,), "depths": (1,)}])
def test_a_network_that_does_not_fit_is_as_it_was(kept: Path, changed: dict[str, tuple[int, ...]]) -> None:
    network = tiny_network(**changed).train()  # type: ignore[arg-type]
    modules, weights = list(network.modules()), copy.deepcopy(network.state_dict())
    with pytest.raises(PractiseError):
        load(kept, into=network)
    assert all(one is other for one, other in zip(network.modules(), modules, strict=True))
    assert all(torch.equal(weights[name], weight) for name, weight in network.state_dict().items())
    assert network.training


def test_weights_that_cannot_be_copied_leave_the_network_as_it_was(kept: Path) -> None:
    network = tiny_network()
    network.register_load_state_dict_pre_hook(lambda *args: args[7].append("something else"))
    before = set(network.state_dict())
    with pytest.raises(CheckpointError, match=r"cannot be loaded: .*something else"):
        load(kept, into=network)
    assert set(network.state_dict()) == before
    with pytest.raises(CheckpointError, match="on the device 'meta', which holds none"):
        load(kept, into=tiny_network().to("meta"))


def test_a_loaded_network_can_be_saved_pickled_and_exported_again(kept: Path, tmp_path: Path) -> None:
    network = load(kept)
    wanted = logits(network, 3)
    assert save(network, tmp_path / "again", SIZE, {"dropped_blocks": []}, lambda card: "") == {}
    export_program(network, SIZE)
    torch.save(network, tmp_path / "whole.pt")
    loaded = torch.load(tmp_path / "whole.pt", weights_only=False)
    for other in (network, load(tmp_path / "again"), loaded, copy.deepcopy(network)):
        assert torch.allclose(logits(other, 3), wanted, atol=1e-6)
        other.classifier = nn.Linear(12, 4)
        with pytest.raises(NetworkError, match="'classifier' was replaced"):
            logits(other, 1)


def test_complex_weights_keep_their_imaginary_part(tmp_path: Path) -> None:
    class Turning(Undecided):
        def __init__(self) -> None:
            super().__init__()
            self.turn = nn.Parameter(torch.tensor([1j, 1 + 1j, 2, -1j]))

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(x).mean((2, 3)) * self.turn.abs()

    network = Turning().eval()
    save(network, tmp_path, SIZE, {"dropped_blocks": []}, lambda card: "")
    assert torch.equal(load(tmp_path).get_parameter("turn"), network.turn)
    assert torch.allclose(logits(load(tmp_path), 2), logits(network, 2), atol=1e-6)


def test_a_loaded_network_does_not_run_with_another_layer(kept: Path) -> None:
    network = load(kept)
    network.classifier.weight = nn.Parameter(torch.zeros(7, 12))
    network.classifier.bias = nn.Parameter(torch.ones(7))
    assert torch.equal(logits(network, 2), torch.ones(2, 7))
    network.classifier = nn.Linear(12, 7)
    with pytest.raises(
        NetworkError, match="'classifier' was replaced, but a loaded network runs the operators"
    ):
        logits(network, 1)
    with pytest.raises(NetworkError, match="among which there are no blocks to find"):
        practise.accelerate(load(kept), [])


def forge(folder: Path, name: str, content: bytes) -> None:
    """Replace a file and its hash on the card, as somebody could who means harm."""
    (folder / name).write_bytes(content)
    card = read_result(folder / "card.json", "accelerated")
    card["sha256"][name] = sha256(folder / name)
    write_result(folder / "card.json", "accelerated", card, {})


class Harm:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        import os

        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", FILES)
def test_a_pickle_is_never_read(folder: Path, tmp_path: Path, name: str) -> None:
    harm = pickle.dumps(Harm(tmp_path / "harmed"))
    forge(folder, name, harm)
    if name in ("network.pt2", "network.onnx"):
        load(folder)
    else:
        with pytest.raises(PractiseError):
            load(folder)
    assert not (tmp_path / "harmed").exists()
    pickle.loads(harm)
    assert (tmp_path / "harmed").exists()  # it would have done harm


@pytest.mark.parametrize(
    "name",
    [
        "operator.attrgetter",
        "operator.__class__",
        "aten.save.default",
        "aten.from_file.default",
        "aten.__class__.mro",
        "aten.conv2d.no_such",
        "builtins.eval",
        "os.mkdir",
    ],
)
def test_a_graph_can_name_nothing_but_operators_that_compute(folder: Path, name: str) -> None:
    with pytest.raises(NetworkError, match=re.escape(f"it runs {name}, which is no operator of torch's own")):
        find_operator(name)
    graph = json.loads((folder / "graph.json").read_text())
    graph["steps"][0][1] = name
    forge(folder, "graph.json", json.dumps(graph).encode())
    with pytest.raises(FileError, match="graph.json: is no graph of a network: it runs"):
        load(folder)


@pytest.mark.parametrize(
    "content", [b"{}", b"[]", b"\x00", b'{"input": 1, "output": 2, "weights": {"a": 3}, "steps": 4}']
)
def test_a_graph_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    forge(folder, "graph.json", content)
    with pytest.raises(FileError, match="graph.json: is no graph of a network: "):
        load(folder)


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_a_format_that_computes_something_else_is_refused_whatever_the_size_of_logits(size: float) -> None:
    def network(images: Tensor) -> Tensor:
        return size * images.mean((2, 3))

    assert compare(network, lambda images: network(images) * (1 + 1e-6), SIZE) <= 1e-5 * size  # type: ignore[arg-type]
    with pytest.raises(NetworkError, match="its logits are off by .*, may be by .* at most"):
        compare(network, lambda images: network(images) * 1.001, SIZE)  # type: ignore[arg-type]
