"""A network as a list of operators in JSON, and the module that runs it.

`torch.export` finds out which of torch's operators a network runs, whoever wrote it. Its own archive (.pt2)
cannot be read without trust: torch/export/pt2_archive/_package.py unpickles whatever an archive says is
pickled, and torch/_export/serde evaluates the expressions of its shapes. So we write the operators down
ourselves. A file can name nothing but operators of torch's own library (ATen) and arithmetic on sizes, and
reading it runs no code but theirs: no pickle, no class of the user's, no generated source.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._ops import HigherOrderOperator, OpOverload
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import Node

from practise.errors import NetworkError

Graph = dict[str, Any]
"""Plain values: the weights and the steps by the names of what they give."""
State = dict[str, Tensor]

ARITHMETIC = (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "neg",
    "getitem",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
)
"""Python's operators on sizes and tuples, from the module `operator`."""
CHECKS = ("aten._assert", "aten.sym_constrain_range")
"""Operators that only check what torch.export has assumed."""
CONSTANT = "constants/"
"""What begins the name of a tensor that is none of the network's weights; theirs have no slash."""
NAMED = {torch.dtype: "dtype", torch.memory_format: "memory_format", torch.layout: "layout"}
"""Kinds of arguments that have a name in torch."""
DEVICE = "the images' device"
"""The value that stands for wherever the images are."""


def write_graph(program: ExportedProgram) -> tuple[Graph, State]:
    """The operators of an exported network, and the tensors that they read but its state dict lacks.

    Args:
        program: one tensor in, one tensor out.

    Raises:
        NetworkError: an operator or an argument is of a kind that cannot be written down, or there are
            several outputs.
    """
    weights, extra, inputs = {}, {}, []
    for spec in program.graph_signature.input_specs:
        place, name = spec.arg.name, spec.target
        if spec.kind == InputKind.USER_INPUT:
            inputs.append(place)
        elif spec.kind == InputKind.PARAMETER or name in program.state_dict:
            weights[place] = {"kind": spec.kind.name.lower(), "name": name}
        else:
            weights[place] = {"kind": "constant", "name": CONSTANT + place}
            extra[CONSTANT + place] = program.constants[name]
    outputs = [
        spec.arg.name for spec in program.graph_signature.output_specs if spec.kind == OutputKind.USER_OUTPUT
    ]
    if len(inputs) != 1 or len(outputs) != 1:
        raise NetworkError(f"it has {len(inputs)} inputs and {len(outputs)} outputs, should have one of each")
    steps = []
    for node in program.graph.nodes:
        if node.op == "call_function" and not str(node.target).startswith(CHECKS):
            arguments = [encode(argument) for argument in node.args]
            named = {name: encode(argument) for name, argument in node.kwargs.items()}
            steps.append([node.name, name_operator(node.target), arguments, named])
    return {"input": inputs[0], "output": outputs[0], "weights": weights, "steps": steps}, extra


def name_operator(target: Any) -> str:
    """The name by which `find_operator` finds an operator."""
    if isinstance(target, HigherOrderOperator):
        raise NetworkError(f"a part of it runs inside {target.name()}, which cannot be written down")
    name = (
        str(target) if isinstance(target, OpOverload) else f"operator.{getattr(target, '__name__', target)}"
    )
    if find_operator(name) is not target:
        raise NetworkError(f"it runs {target}, which is no operator of torch's own")
    return name


def find_operator(name: str) -> Callable[..., Any]:
    """The operator of a name such as `aten.conv2d.default` or `operator.mul`.

    Raises:
        NetworkError: there is none, or it may not be named: those that read or write files.
    """
    library, _, rest = name.partition(".")
    if library == "operator" and rest in ARITHMETIC:
        arithmetic: Callable[..., Any] = getattr(operator, rest)
        return arithmetic
    packet, _, overload = rest.partition(".")
    if library == "aten":
        found = getattr(getattr(torch.ops.aten, packet, None), overload, None)
        if isinstance(found, OpOverload) and all(part.name != "filename" for part in found._schema.arguments):
            return found
    raise NetworkError(f"it runs {name}, which is no operator of torch's own")


def encode(argument: Any) -> Any:
    """An operator's argument as plain values."""
    if isinstance(argument, Node):
        return {"value": argument.name}
    if isinstance(argument, torch.device):
        return {"value": DEVICE}
    if isinstance(argument, list | tuple):
        return [encode(item) for item in argument]
    if isinstance(argument, float) and not math.isfinite(argument):
        return {"float": str(argument)}
    if argument is None or isinstance(argument, bool | int | float | str):
        return argument
    if type(argument) in NAMED:
        return {NAMED[type(argument)]: str(argument).removeprefix("torch.")}
    raise NetworkError(
        f"an operator's argument is of type {type(argument).__name__}, which cannot be written down"
    )


@dataclass(frozen=True)
class Value:
    """What a step or an input gave."""

    name: str


def decode(argument: Any) -> Any:
    """What `encode` has encoded, values of other steps as `Value`."""
    if isinstance(argument, list):
        return [decode(item) for item in argument]
    if not isinstance(argument, dict):
        return argument
    ((kind, name),) = argument.items()
    if kind == "value":
        return Value(name)
    if kind == "float":
        return float(name)
    found = getattr(torch, name)
    if NAMED.get(type(found)) != kind:
        raise ValueError(f"torch has no {kind} {name}")
    return found


def values_in(argument: Any) -> set[str]:
    """Names of the values that an argument is made of."""
    if isinstance(argument, list):
        return set().union(*map(values_in, argument))
    return {argument.name} if isinstance(argument, Value) else set()


def fill(argument: Any, values: Mapping[str, Any]) -> Any:
    """An argument with its values in place."""
    if isinstance(argument, Value):
        return values[argument.name]
    return [fill(item, values) for item in argument] if isinstance(argument, list) else argument


@dataclass(frozen=True)
class Slot:
    """Where a weight is kept; `torch.export` would replace what is in a plain dict by copies.

    Attributes:
        kept: the parameters or buffers of its layer.
        name: its name there.
    """

    kept: dict[str, Any]
    name: str


@dataclass(frozen=True)
class Layer:
    """A layer that holds weights and nothing else.

    Attributes:
        name: in the network.
        above: the layers beside it.
        part: its name among them.
        module: the layer.
    """

    name: str
    above: dict[str, Any]
    part: str
    module: nn.Module


@dataclass(frozen=True)
class Step:
    """One operator; torch's cannot be pickled, but their names can.

    Attributes:
        name: of what it gives.
        operator: the operator's name.
        arguments: by place, with values of other steps as `Value`.
        named: by name.
        spent: values that no later step reads.
    """

    name: str
    operator: str
    arguments: list[Any]
    named: dict[str, Any]
    spent: list[str]
    run: Callable[..., Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", find_operator(self.operator))

    def __reduce__(self) -> tuple[Any, ...]:
        return Step, (self.name, self.operator, self.arguments, self.named, self.spent)


class GraphNetwork(nn.Module):
    """A network that runs the operators of a graph: trainable, but always as in evaluation mode.

    Its weights have the names that they have in the network that the graph was made of. They may be changed,
    but there are no layers to replace: they hold weights alone, and running it with another one is refused.

    Args:
        graph: what `write_graph` gave.
        state: the weights and further tensors by name.

    Raises:
        KeyError: a tensor is missing, or the graph is not one; also ValueError, TypeError, AttributeError.
        NetworkError: the graph names an unknown operator.
    """

    def __init__(self, graph: Graph, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._input, self._output = graph["input"], graph["output"]
        self._slots: dict[str, Slot] = {}
        self._layers: list[Layer] = []
        for place, weight in graph["weights"].items():
            self._slots[place] = self._hold(place, weight["kind"], weight["name"], state[weight["name"]])
        read_later = {self._output}
        self._steps: list[Step] = []
        for name, operator_name, arguments, named in reversed(graph["steps"]):
            arguments, named = decode(arguments), {key: decode(value) for key, value in named.items()}
            read = values_in([*arguments, *named.values()]) - {DEVICE}
            self._steps.append(Step(name, operator_name, arguments, named, sorted(read - read_later)))
            read_later |= read
        self._steps.reverse()

    def _hold(self, place: str, kind: str, name: str, tensor: Tensor) -> Slot:
        """Make a tensor the module's own, and say where it is kept."""
        if kind == "constant":
            self.register_buffer(place, tensor, persistent=False)
            return Slot(self._buffers, place)
        holder: nn.Module = self
        *path, last = name.split(".")
        for depth, part in enumerate(path, 1):
            if part not in holder._modules:
                holder.add_module(part, nn.Module())
                layer = holder.get_submodule(part)
                self._layers.append(Layer(".".join(path[:depth]), holder._modules, part, layer))
            holder = holder.get_submodule(part)
        if kind == "parameter":
            holder.register_parameter(last, nn.Parameter(tensor))
            return Slot(holder._parameters, last)
        holder.register_buffer(last, tensor)
        return Slot(holder._buffers, last)

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Logits of normalised images.

        Raises:
            NetworkError: a layer or a weight was replaced by something else.
        """
        replaced = [one.name for one in self._layers if one.above.get(one.part) is not one.module]
        replaced += [slot.name for slot in self._slots.values() if slot.name not in slot.kept]
        if replaced:
            raise NetworkError(
                f"'{replaced[0]}' was replaced, but a loaded network runs the operators that were saved; "
                "change layers in a network of its class, which practise.load takes as into="
            )
        values: dict[str, Any] = {place: slot.kept[slot.name] for place, slot in self._slots.items()}
        values |= {self._input: images, DEVICE: images.device}
        for step in self._steps:
            named = {name: fill(argument, values) for name, argument in step.named.items()}
            values[step.name] = step.run(*fill(step.arguments, values), **named)
            for name in step.spent:
                del values[name]
        logits: Tensor = values[self._output]
        return logits
