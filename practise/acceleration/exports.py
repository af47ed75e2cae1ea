"""A network in a folder: weights, graph, torch's and ONNX's formats, and a card; and back again.

==================== ========================================================================================
network.safetensors  the weights under the network's own names
graph.json           the operators that it runs (see `graphs`); `load` reads these two and the card
network.pt2          for torch's runtimes (torch.export)
network.onnx         for every other runtime
card.json, README.md what it is and how it was made, for programs and for people
==================== ========================================================================================

Weights and card come first. Then each format on its own: it appears once it was read back and found to
compute the same, and where it cannot be written, the card says why. A folder that is there is filled, never
replaced; nothing in it goes but what its card proves to be ours. Nothing that `load` reads can run code.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from practise.acceleration.formats import FORMATS, GRAPH, Exported, export, noting, write_format
from practise.acceleration.graphs import CONSTANT, GraphNetwork
from practise.errors import CheckpointError, FileError, NetworkError
from practise.files import atomic, read_result, sha256, write_result, write_text
from practise.networks.blocks import drop_blocks_
from practise.networks.checkpoints import State, load_state_, read_state, wrapping, write_state
from practise.networks.copies import copy_network, lay_out_, release_
from practise.networks.taking import usual_settings
from practise.networks.watching import at_rest
from practise.version import __version__

KIND = "accelerated"
"""The kind of result that the card is."""
WEIGHTS, CARD, README = "network.safetensors", "card.json", "README.md"
FILES = (WEIGHTS, *FORMATS)
"""The files that hold the network."""
UNSEEN = ("lost+found",)
"""What people call an empty folder may hold it, as it may hold hidden entries."""
EMPTY = "should be a folder that is empty or not there yet"
PACKAGES = ("torch", "onnx", "onnxruntime", "onnxscript", "safetensors")
"""Those whose versions stand on the card."""


def find_folder(folder: str | Path) -> Path:
    """The path of a folder as somebody writes it.

    Raises:
        FileError: it is empty text.
    """
    if not str(folder):
        raise FileError("'' names no folder, should be the path of one")
    return Path(folder).expanduser()


def check_free(folder: Path, force: bool) -> None:
    """Make sure that a network can be written to a folder, and that nothing of anybody's is lost by it.

    Args:
        folder: not there yet, or with nothing in it but hidden entries.
        force: it may hold a network that was saved before, as it was saved.

    Raises:
        FileError: it is in use or cannot be written.
    """
    if folder.is_symlink() and not folder.exists():
        raise FileError(f"'{folder}' is a link to '{os.readlink(folder)}', which is not there; {EMPTY}")
    if folder.exists() and not folder.is_dir():
        raise FileError(f"'{folder}' is a file, {EMPTY}")
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(place))
    try:
        found = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
        with tempfile.TemporaryDirectory(prefix=".practise.", dir=there):
            pass
    except OSError as error:
        raise FileError(f"'{folder}' cannot be written: {error.strerror or error}") from error
    seen = {name for name in found if name not in UNSEEN and not name.startswith(".")}
    other = sorted(seen - {*FILES, CARD, README} if CARD in seen else seen)
    if other:
        raise FileError(f"'{folder}' holds '{other[0]}', {EMPTY}")
    if not seen:
        return
    hashes = read_result(folder / CARD, KIND).get("sha256") or {}
    if not force:
        raise FileError(
            f"'{folder}' holds a network already; name another folder, or replace it with --force"
        )
    for name in sorted(seen - {CARD}):
        if sha256(folder / name) != hashes.get(name):
            raise FileError(
                f"'{folder / name}' is not as {CARD} says that it was saved; move it elsewhere first"
            )


@usual_settings()
def save(
    network: nn.Module,
    folder: Path,
    image_size: int,
    described: Mapping[str, Any],
    readme: Callable[[Mapping[str, Any]], str],
    force: bool = False,
) -> dict[str, str]:
    """Write a network to a folder with its card, in every format that it can be written in.

    Args:
        network: one batch of images in, logits out; it is not changed.
        folder: where to.
        image_size: side of the square images in pixels.
        described: the card: `dropped_blocks`, and whatever else is known.
        readme: from the card to the text for people.
        force: replace what an earlier call wrote.

    Returns:
        Why, for each format that could not be written; told on the card and on standard error, too.

    Raises:
        FileError: the folder is in use or cannot be written.
    """
    check_free(folder, force)
    exported = export_plain(network, image_size)
    whole = exported.network.state_dict()
    state = {name: value for name, value in whole.items() if isinstance(value, Tensor)}
    hashes: dict[str, str] = {}
    differences: dict[str, float] = {}
    card = {
        **described,
        "image_size": image_size,
        "differences": differences,
        "not_written": exported.failed,
        "left_out": sorted(whole.keys() - state),
        "sha256": hashes,
    }
    versions = {"practise": __version__, **{name: version(name) for name in PACKAGES}}

    def write_card() -> None:
        write_text(folder / README, readme(card))
        hashes[README] = sha256(folder / README)
        write_result(folder / CARD, KIND, card, versions)

    with atomic(folder / WEIGHTS) as temporary:
        write_state(temporary, {**state, **exported.constants})
        for name in (*FORMATS, README, CARD):
            (folder / name).unlink(missing_ok=True)
    hashes[WEIGHTS] = sha256(folder / WEIGHTS)
    write_card()
    for name in FORMATS:
        if name not in exported.failed:
            with noting(exported.failed, name):
                with atomic(folder / name) as temporary:
                    differences[name] = write_format(exported, name, temporary, folder / WEIGHTS)
                hashes[name] = sha256(folder / name)
        if name in exported.failed:
            print(f"{folder / name}: not written: {exported.failed[name]}", file=sys.stderr)
        write_card()
    return exported.failed


def export_plain(network: nn.Module, image_size: int) -> Exported:
    """What is known of the operators of a copy of a network, on the CPU, in fp32 and in evaluation mode."""
    plain = lay_out_(release_(copy_network(network)), torch.device("cpu"), torch.float32, packed=False)
    return export(at_rest(plain), image_size)


@usual_settings()
def load(folder: str | Path, *, into: nn.Module | None = None) -> nn.Module:
    """Return the network that `Accelerated.save` wrote, in evaluation mode; nothing is unpickled.

    Args:
        folder: the folder.
        into: a network as it was before blocks were dropped, built anew: its blocks are dropped and its
            weights loaded, in place, or nothing of it is changed where that cannot be. Without it, a module
            is made that runs the network's operators, always as in evaluation mode; its source is not needed.

    Raises:
        FileError: the card, or a file that is needed, is missing or damaged.
        CheckpointError: the weights do not fit `into`.
        NetworkError: `into` lacks a block that was dropped.
    """
    folder = find_folder(folder)
    if not folder.is_dir():
        raise FileError(f"no folder '{folder}', should be one that was saved")
    card = read_result(folder / CARD, KIND)
    check_files(folder, card)
    if into is None and GRAPH not in card["sha256"]:
        reason = card.get("not_written", {}).get(GRAPH, "saving it was interrupted")
        raise FileError(
            f"'{folder}' has weights but no {GRAPH} ({reason}); load them with into=, a new network of the "
            "class that they are from"
        )
    state = read_state(folder / WEIGHTS)
    if into is not None:
        own = {name: tensor for name, tensor in state.items() if not name.startswith(CONSTANT)}
        load_into_(into, card["dropped_blocks"], own, f"'{folder / WEIGHTS}'")
        return at_rest(into)
    try:
        return GraphNetwork(json.loads((folder / GRAPH).read_bytes()), state).eval()
    except (NetworkError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise FileError(f"{folder / GRAPH}: is no graph of a network: {error}") from error


def load_into_(network: nn.Module, dropped: Sequence[str], state: State, source: str) -> None:
    """Drop blocks of a network and load its weights in place; where that fails, it is as it was.

    Args:
        network: as before blocks were dropped; it may be wrapped, by `torch.compile` or `DataParallel`.
        dropped: names of the blocks.
        state: the weights that are left.
        source: what holds them, to begin messages with.

    Raises:
        CheckpointError: the weights do not fit.
        NetworkError: there is no such block.
    """
    saved = wrapping(state)
    state = {name.removeprefix(saved): tensor for name, tensor in state.items()}
    dropped = [name.removeprefix(saved) for name in dropped]
    inner = network.get_submodule(wrapping(network.state_dict()).removesuffix("."))
    known = dict(inner.named_modules(remove_duplicate=False))
    blocks = {name: known[name] for name in dropped if name in known}
    weights = {name: value.clone() for name, value in inner.state_dict().items() if isinstance(value, Tensor)}
    if any(weight.is_meta for weight in weights.values()):
        raise CheckpointError(
            f"{source} cannot be loaded into weights on the device 'meta', which holds none"
        )
    try:
        drop_blocks_(inner, dropped)
        load_state_(inner, state, source, f"{type(inner).__name__} without the dropped blocks")
    except BaseException as error:
        for name, block in blocks.items():
            inner.set_submodule(name, block)
        own = inner.state_dict()
        with torch.no_grad(), suppress(RuntimeError):
            for name, weight in weights.items():
                own[name].copy_(weight)
        if isinstance(error, RuntimeError):
            raise CheckpointError(f"{source} cannot be loaded: {' '.join(str(error).split())}") from error
        raise


def check_files(folder: Path, card: Mapping[str, Any]) -> None:
    """Make sure that the files are those of the card; what `load` does not read may be missing.

    Raises:
        FileError: the card is incomplete.
        CheckpointError: a file is missing or damaged.
    """
    hashes, dropped = card.get("sha256"), card.get("dropped_blocks")
    if not isinstance(hashes, dict) or WEIGHTS not in hashes or not isinstance(dropped, list):
        raise FileError(f"{folder / CARD}: is not the card of a saved network")
    for name in FILES:
        if (folder / name).is_file():
            if name in hashes and sha256(folder / name) != hashes[name]:
                raise CheckpointError(
                    f"'{folder / name}' is not the file that {folder / CARD} describes; save it again"
                )
        elif name in hashes and name in (WEIGHTS, GRAPH):
            raise CheckpointError(
                f"no file '{folder / name}', which {folder / CARD} describes; save it again"
            )
