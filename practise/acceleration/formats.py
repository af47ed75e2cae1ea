"""What a network's operators are written as: a graph in JSON, torch's format and ONNX.

What they are is found out once, by `torch.export`; each format stands on its own, is read back, and has to
compute what the network does.
"""

import inspect
import io
import json
import operator
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.fx import Node

from practise.acceleration.graphs import Graph, GraphNetwork, State, write_graph
from practise.errors import NetworkError, reason_of
from practise.networks.checkpoints import read_state

GRAPH, PT2, ONNX = "graph.json", "network.pt2", "network.onnx"
FORMATS = (GRAPH, PT2, ONNX)
TOLERANCE = 1e-4
"""How far a format's logits may be off, as a share of the largest; that is 0.001 where logits reach 10."""
BATCHES = (1, 3)
"""Numbers of images that the formats are compared on."""
MOST_SAID = 300
"""Characters of an exporter's message that are told; some hold every weight."""
AUTOCAST = torch.ops.higher_order.wrap_with_autocast


@dataclass(frozen=True)
class Exported:
    """What is known of a network's operators.

    Attributes:
        network: on the CPU, in fp32, in evaluation mode.
        image_size: side of the square images in pixels.
        program: the operators on batches of any size; None where they cannot be found out.
        graph: the same as plain values; None where they cannot be.
        constants: the tensors that the graph reads, but its state dict lacks.
        failed: why a format cannot be written, by its name.
    """

    network: nn.Module
    image_size: int
    program: ExportedProgram | None
    graph: Graph | None
    constants: State
    failed: dict[str, str]


def export(network: nn.Module, image_size: int) -> Exported:
    """Find out a network's operators, as far as they can be; arguments as for `Exported`."""
    failed: dict[str, str] = {}
    program, graph, constants = None, None, State()
    with noting(failed, *FORMATS):
        program = export_program(network, image_size)
    sentence = "torch.export does not follow it for any number of images"
    failed = {name: f"{sentence}: {reason}" for name, reason in failed.items()}
    if program is not None:
        with noting(failed, GRAPH):
            graph, constants = write_graph(program)
            compare(network, GraphNetwork(graph, {**network.state_dict(), **constants}), image_size)
    return Exported(network, image_size, program, graph, constants, failed)


def write_format(exported: Exported, name: str, path: Path, weights: Path) -> float:
    """Write a network in a format, and return how far the logits are off at most when it is read back.

    Args:
        exported: the network and its operators.
        name: the format.
        path: where to.
        weights: where the weights are that the graph reads.

    Raises:
        NetworkError: it computes something else; also whatever an exporter raises.
    """
    assert exported.program is not None
    other: Callable[[Tensor], Tensor]
    if name == GRAPH:
        path.write_text(json.dumps(exported.graph) + "\n")
        other = GraphNetwork(json.loads(path.read_bytes()), read_state(weights))
    elif name == PT2:
        written = io.BytesIO()  # torch ends the process where a disk is full
        torch.export.save(exported.program, written)
        path.write_bytes(written.getvalue())
        with path.open("rb") as file:
            other = torch.export.load(file).module()
    else:
        names = {"input_names": ["images"], "output_names": ["logits"]}
        made = torch.onnx.export(exported.program, verbose=False, **names)  # type: ignore[arg-type]
        assert made is not None
        made.save(path)
        other = onnx_network(path)
    return compare(exported.network, other, exported.image_size)


def export_program(network: nn.Module, image_size: int) -> ExportedProgram:
    """The network's operators on batches of any size, without the lines of source that they come from."""
    images, shapes = draw_noise(BATCHES[-1], image_size), {0: torch.export.Dim("batch")}
    first = next(iter(inspect.signature(network.forward).parameters.values()))
    takes_any = first.kind == inspect.Parameter.VAR_POSITIONAL
    with torch.no_grad():  # so that it does not matter where a network turns gradients off by itself
        program = torch.export.export(
            network,
            (images,),
            dynamic_shapes={first.name: (shapes,) if takes_any else shapes},
            strict=False,
        )
    inline_plain_(program)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)
    return program


def inline_plain_(program: ExportedProgram) -> None:
    """Put the operators where autocast is turned off among the others, which run without it anyway."""
    module = program.graph_module
    for node in list(module.graph.nodes):
        if node.target is not AUTOCAST or node.args[2]:
            continue
        place, *outer = node.args[4:]
        within, outer = module.get_submodule(place.target), iter(outer)
        copies: dict[Node, Node] = {}
        with module.graph.inserting_before(node):
            for inner in within.graph.nodes:
                if inner.op == "placeholder":
                    copies[inner] = next(outer)
                elif inner.op == "output":
                    given = torch.fx.map_arg(inner.args[0], copies.__getitem__)
                else:
                    copies[inner] = module.graph.node_copy(inner, copies.__getitem__)
        for user in list(node.users):
            assert user.target is operator.getitem
            value = given[user.args[1]]
            program.graph_signature.replace_all_uses(user.name, value.name)
            user.replace_all_uses_with(value)
            module.graph.erase_node(user)
        module.graph.erase_node(node)
        module.graph.erase_node(place)
    module.recompile()


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
    generator = torch.Generator().manual_seed(count)
    return torch.randn(
        count, 3, image_size, image_size, generator=generator, dtype=torch.float32, device="cpu"
    )


@contextmanager
def noting(failed: dict[str, str], *names: str) -> Iterator[None]:
    """Inside the block, whatever an exporter raises becomes a sentence's end; its warnings are not shown.

    Args:
        failed: gets the reason under each of the names.
        names: of the formats that the block is about.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:  # exporters raise errors of many kinds
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = reason_of(cause)
        reason = reason if len(reason) <= MOST_SAID else f"{reason[:MOST_SAID]} …"
        failed |= dict.fromkeys(names, reason)
