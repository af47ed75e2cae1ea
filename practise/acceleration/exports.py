"""A network in a folder: weights, graph, torch's and ONNX's formats, and a card; and back again.

==================== ========================================================================================
network.safetensors  the weights under the network's own names
graph.json           the operators that it runs (see `graphs`); `load` reads these two and the card
network.pt2          for torch's runtimes (torch.export)
network.onnx         for every other runtime
card.json, README.md what it is and how it was made, for programs and for people
==================== ========================================================================================

Each format is read back and compared with the network before the folder appears, whole or not at all. Nothing
that `load` reads can run code.
"""

import copy
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from practise.acceleration.graphs import CONSTANT, GraphNetwork, write_graph
from practise.errors import CheckpointError, FileError, NetworkError
from practise.files import read_result, sha256, write_result, write_text
from practise.networks.blocks import drop_blocks_
from practise.networks.checkpoints import load_state_, read_state, write_state
from practise.version import __version__

KIND = "accelerated"
"""The kind of result that the card is."""
WEIGHTS, GRAPH, PT2, ONNX = "network.safetensors", "graph.json", "network.pt2", "network.onnx"
CARD, README = "card.json", "README.md"
FILES = (WEIGHTS, GRAPH, PT2, ONNX)
"""The files whose hashes stand on the card."""
TOLERANCE = 1e-4
"""How far a format's logits may be off, as a share of the largest; that is 0.001 where logits reach 10."""
BATCHES = (1, 3)
"""Numbers of images that the formats are compared on."""


def check_free(folder: Path, force: bool) -> None:
    """Make sure that a folder may be written: it is not there, is empty, or is one of ours to be replaced.

    Raises:
        FileError: it is in use.
    """
    if folder.exists() and not folder.is_dir():
        raise FileError(f"'{folder}' is a file, should be a folder that is empty or not there yet")
    found = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    other = sorted(found - {*FILES, CARD, README})
    if other:
        raise FileError(f"'{folder}' holds '{other[0]}', should be a folder that is empty or not there yet")
    if found and not force:
        raise FileError(
            f"'{folder}' holds a network already; name another folder, or replace it with --force"
        )


def save(
    network: nn.Module,
    folder: Path,
    image_size: int,
    described: Mapping[str, Any],
    readme: Callable[[Mapping[str, Any]], str],
    force: bool = False,
) -> None:
    """Write a network to a folder in every format, with its card.

    Args:
        network: one batch of images in, logits out; it is not changed.
        folder: where to; it appears when everything is written and was found to compute the same.
        image_size: side of the square images in pixels.
        described: the card: `dropped_blocks`, and whatever else is known.
        readme: from the card to the text for people.
        force: replace a folder that an earlier call wrote.

    Raises:
        FileError: the folder is in use or cannot be written.
        NetworkError: the network cannot be exported, or computes something else afterwards.
    """
    check_free(folder, force)
    plain = copy.deepcopy(network).to("cpu", torch.float32, memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    with new_folder(folder) as there:
        differences = write_formats(plain, there, image_size)
        card = {
            **described,
            "image_size": image_size,
            "differences": differences,
            "sha256": {name: sha256(there / name) for name in FILES},
        }
        packages = ("torch", "onnx", "onnxruntime", "onnxscript", "safetensors")
        versions = {"practise": __version__, **{name: version(name) for name in packages}}
        write_result(there / CARD, KIND, card, versions)
        write_text(there / README, readme(card))


def load(folder: str | Path, *, into: nn.Module | None = None) -> nn.Module:
    """Return the network that `Accelerated.save` wrote, in evaluation mode; nothing is unpickled.

    Args:
        folder: the folder.
        into: a network as it was before blocks were dropped, built anew: its blocks are dropped and its
            weights loaded, in place. Without it, a module is made that runs the network's operators, always
            as in evaluation mode; its source is not needed.

    Raises:
        FileError: the card, or a file that is needed, is missing or damaged.
        CheckpointError: the weights do not fit `into`.
        NetworkError: `into` lacks a block that was dropped.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileError(f"no folder '{folder}', should be one that was saved")
    card = read_result(folder / CARD, KIND)
    check_files(folder, card)
    state = read_state(folder / WEIGHTS)
    if into is not None:
        drop_blocks_(into, card["dropped_blocks"])
        own = {name: tensor for name, tensor in state.items() if not name.startswith(CONSTANT)}
        load_state_(into, own, f"'{folder / WEIGHTS}'", f"{type(into).__name__} without the dropped blocks")
        return into.eval()
    try:
        return GraphNetwork(json.loads((folder / GRAPH).read_bytes()), state).eval()
    except (NetworkError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise FileError(f"{folder / GRAPH}: is no graph of a network: {error}") from error


def check_files(folder: Path, card: Mapping[str, Any]) -> None:
    """Make sure that the files are those of the card; what `load` does not read may be missing.

    Raises:
        FileError: the card is incomplete.
        CheckpointError: a file is missing or damaged.
    """
    hashes, dropped = card.get("sha256"), card.get("dropped_blocks")
    if not isinstance(hashes, dict) or not {WEIGHTS, GRAPH} <= hashes.keys() or not isinstance(dropped, list):
        raise FileError(f"{folder / CARD}: is not the card of a saved network")
    for name in FILES:
        if (folder / name).is_file():
            if sha256(folder / name) != hashes.get(name):
                raise CheckpointError(
                    f"'{folder / name}' is not the file that {folder / CARD} describes; save it again"
                )
        elif name in (WEIGHTS, GRAPH):
            raise CheckpointError(
                f"no file '{folder / name}', which {folder / CARD} describes; save it again"
            )


def write_formats(network: nn.Module, folder: Path, image_size: int) -> dict[str, float]:
    """Write a network in every format, and return how far the logits of each are off at most.

    Args:
        network: on the CPU, in fp32, in evaluation mode.
        folder: where to.
        image_size: side of the square images in pixels.

    Raises:
        NetworkError: the network cannot be exported, or a format computes something else.
    """
    kind = type(network).__name__
    with refusing(f"{kind} cannot be exported by torch.export for any number of images"):
        program = export_program(network, image_size)
    with refusing(f"the operators of {kind} cannot be written to {GRAPH}"):
        graph, extra = write_graph(program)
        write_text(folder / GRAPH, json.dumps(graph) + "\n")
        write_state(folder / WEIGHTS, {**network.state_dict(), **extra})
        rebuilt = GraphNetwork(json.loads((folder / GRAPH).read_bytes()), read_state(folder / WEIGHTS))
        differences = {GRAPH: compare(network, rebuilt, image_size)}
    with refusing(f"{kind} cannot be written to {PT2}"):
        torch.export.save(program, folder / PT2)
        differences[PT2] = compare(network, torch.export.load(folder / PT2).module(), image_size)
    with refusing(f"{kind} cannot be written to {ONNX}"):
        torch.onnx.export(
            program,
            f=folder / ONNX,
            input_names=["images"],
            output_names=["logits"],
            external_data=False,
            verbose=False,
        )
        differences[ONNX] = compare(network, onnx_network(folder / ONNX), image_size)
    return differences


def export_program(network: nn.Module, image_size: int) -> torch.export.ExportedProgram:
    """The network's operators on batches of any size, without the lines of source that they come from."""
    images = draw_noise(BATCHES[-1], image_size)
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(network, (images,), dynamic_shapes=shapes, strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def compare(network: nn.Module, other: Callable[[Tensor], Tensor], image_size: int) -> float:
    """The largest difference between two networks' logits, on noise.

    Raises:
        NetworkError: it is above `TOLERANCE`.
    """
    worst = 0.0
    with torch.no_grad():
        for count in BATCHES:
            images = draw_noise(count, image_size)
            wanted, found = network(images), other(images)
            difference = (found - wanted).abs().max().item()
            most = TOLERANCE * wanted.abs().max().item()
            if not difference <= most:
                raise NetworkError(f"its logits are off by {difference:.2g}, may be by {most:.2g} at most")
            worst = max(worst, difference)
    return worst


def onnx_network(path: Path) -> Callable[[Tensor], Tensor]:
    """The network in an ONNX file, run by onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(["logits"], {"images": images.numpy()})[0])


def draw_noise(count: int, image_size: int) -> Tensor:
    """Some random images, always the same."""
    return torch.randn(count, 3, image_size, image_size, generator=torch.Generator().manual_seed(count))


@contextmanager
def refusing(sentence: str) -> Iterator[None]:
    """Inside the block, whatever an exporter raises becomes one sentence; its warnings are not shown."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except FileError:
        raise
    except Exception as error:  # exporters raise errors of many kinds
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise NetworkError(f"{sentence}: {reason}") from error


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside `folder`, and put it in its place when the block succeeds."""
    final = folder.absolute()
    temporary, replaced = (
        final.with_name(f".{final.name}.{os.getpid()}.{what}.tmp") for what in ("new", "old")
    )
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if final.exists():
            os.replace(final, replaced)
        os.replace(temporary, final)
    except OSError as error:
        raise FileError(f"'{folder}' cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if final.exists():
            shutil.rmtree(replaced, ignore_errors=True)
