"""Find the blocks of a residual network that can be dropped, and drop them in place.

The paper (section 3) drops a block whose output has the shape of its input. Shape alone also fits a plain
convolution, so we ask for more: **with every weight zero, a residual block passes its input through**
(up to the activation after the addition). That test needs no list of architectures: it finds `layerS.i`
of a ResNet, the stride-1 inverted residuals of a MobileNetV2, `blocks.i` of a transformer, and nothing in a
VGG. `tests/test_zoo.py` holds it against the architectures of torchvision and timm.
"""

import inspect
import itertools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from practise.errors import NetworkError, guess, reason_of, unknown
from practise.networks.copies import copy_network
from practise.networks.size import count_params
from practise.networks.watching import Named, at_rest, first_tensor, put_first, watch_calls

# A block worth dropping does work of its own; a lone normalisation or layer scale does not.
WORKING_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
FAR = 100.0
"""Where the activations that may follow an addition (ReLU, SiLU, GELU, hardswish) change nothing."""
BELOW_SIX = 4.0
"""Where those that are cut off at six change nothing either; up to one more."""
PLAIN = (bool, int, float, str, tuple, type(None))
"""Attributes of a block that a network may read when the block is gone."""


def find_blocks(network: nn.Module, image_size: int) -> list[str]:
    """Names of the droppable blocks, in the order in which the network runs them.

    Args:
        network: any network that maps images to logits; it is not changed.
        image_size: side of the square images in pixels.

    Returns:
        Qualified module names (`layer1.1`, `blocks.2.1`); empty for a network without residual blocks. Around
        smaller blocks stands the larger one where most weights are its own (a transformer block that holds a
        residual position encoding); otherwise it is a mere chain of them (a stage), and they are named.
    """
    names = {module: name for name, module in network.named_modules()}
    found: list[str] = []
    for module, call in shape_preserving_calls(network, image_size):  # inner modules come before outer ones
        name = names[module]
        inner = [block for block in found if block.startswith(f"{name}.")]
        inside = sum(count_params(network.get_submodule(block)) for block in inner)
        is_chain = name == "" or 2 * inside > count_params(module)
        if not is_chain and passes_its_input_through(module, call):
            found = [block for block in found if block not in inner] + [name]
    return found


def droppable_blocks(network: nn.Module, image_size: int, keep: Collection[str], where: str) -> list[str]:
    """The blocks that may be dropped: all that `find_blocks` finds but those to keep.

    Args:
        network: as for `find_blocks`.
        image_size: as for `find_blocks`.
        keep: names of blocks that are never dropped.
        where: the network's place in the params file, for messages.

    Raises:
        NetworkError: a block to keep does not exist, or no block is left, or the network does not run without
            its blocks.
    """
    found = find_blocks(network, image_size)
    for index, name in enumerate(keep):
        if name not in found:
            raise NetworkError(f"{where}.keep_blocks[{index}]: {unknown('block', name, found)}")
    left = [name for name in found if name not in keep]
    if not left:
        reason = f"all {len(found)} are kept" if found else explain_none(network, image_size)
        raise NetworkError(f"{where}: {type(network).__name__} has no block to drop: {reason}")
    check_running(network, left, image_size, where)
    return left


def explain_none(network: nn.Module, image_size: int) -> str:
    """Why a network has no block to drop, by what was seen of its modules in one pass."""
    seen: dict[nn.Module, list[bool]] = {}

    def record(module: nn.Module, args: tuple, named: Named, output: object) -> None:
        seen.setdefault(module, []).append(call_of(args, named, output) is not None)

    composite = [
        module
        for module in network.modules()
        if has_work(module) and not isinstance(module, WORKING_LAYERS) and module is not network
    ]
    watch_calls(network, composite, record, image_size)
    if composite and not seen:
        return (
            "it calls none of the modules that hold its layers, as after tracing or export; hand it over as "
            "it was before"
        )
    alike = [calls for calls in seen.values() if any(calls)]
    repeated = sum(len(calls) > 1 for calls in alike)
    if not alike:
        return "none of its modules of several layers gives one tensor of its input's shape"
    if repeated == len(alike):
        return f"all modules with an output of their input's shape, {repeated}, run several times in a pass"
    told = f"; {repeated} more run several times in a pass" if repeated else ""
    return (
        f"of {len(alike) - repeated} modules with an output of their input's shape, none is residual: with "
        f"its weights at zero, none passes its input through{told}"
    )


def check_running(network: nn.Module, blocks: Iterable[str], image_size: int, where: str) -> None:
    """Make sure that a network runs when all blocks are gone.

    Raises:
        NetworkError: it does not; the message names the first block that it cannot do without.
    """
    blocks = list(blocks)
    try:
        watch_calls(drop_blocks_(copy_network(network), blocks), (), lambda *_: None, image_size)
    except Exception as error:  # whatever somebody's forward raises
        if len(blocks) > 1:
            for block in blocks:
                check_running(network, [block], image_size, where)
        reason = reason_of(error)
        raise NetworkError(
            f"{where}: {type(network).__name__} does not run without {', '.join(blocks)} ({reason}); keep "
            "what it cannot do without (keep_blocks)"
        ) from error


def alike_blocks(network: nn.Module, names: Iterable[str], image_size: int) -> list[list[str]]:
    """The blocks in groups of the same operators on values of the same shapes, which take the same time.

    What does nothing in evaluation mode, such as stochastic depth, does not tell blocks apart.

    Args:
        network: as for `find_blocks`.
        names: blocks, in network order.
        image_size: as for `find_blocks`.
    """
    calls = dict(shape_preserving_calls(network, image_size))
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        block = network.get_submodule(name)
        groups.setdefault(operators_of(block, calls[block]), []).append(name)
    return list(groups.values())


def operators_of(module: nn.Module, call: "Call") -> tuple[str, ...]:
    """The operators that a module runs in evaluation mode, with the shapes and numbers that they get."""
    plain = at_rest(copy_network(module))
    with torch.no_grad(), Operators() as operators:
        call.run(plain, call.x.clone())
    return tuple(operators.seen)


class Operators(TorchDispatchMode):
    """Inside the block, `seen` lists the operators that run."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: Named | None = None) -> Any:
        self.seen.append(f"{func}{describe_values([*args, *(kwargs or {}).values()])}")
        return func(*args, **(kwargs or {}))


def describe_values(value: Any) -> Any:
    """An operator's arguments, as far as the time that it takes depends on them."""
    if isinstance(value, list | tuple):
        return [describe_values(item) for item in value]
    if isinstance(value, Tensor):
        return (*value.shape, str(value.dtype))
    return value if isinstance(value, int) else None


def drop_blocks_(network: nn.Module, names: Iterable[str]) -> nn.Module:
    """Let the named blocks return their input, in place; the result is a plain, smaller, faster module.

    Raises:
        NetworkError: the network has no module of that name.
    """
    known = dict(network.named_modules())
    for name in names:
        if name not in known:
            raise NetworkError(f"the network has no block '{name}'.{guess(name, known)}")
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, Dropped(known[name]))
    return network


class StandIn(nn.Module):
    """What stands in a module's place: it has the module's plain attributes, which the network may read.

    Args:
        module: what stood there; None: nothing that matters.
    """

    def __init__(self, module: nn.Module | None = None) -> None:
        super().__init__()
        taken = set(dir(self))
        for name, value in inspect.getmembers_static(module, lambda value: isinstance(value, PLAIN)):
            if name not in taken and not name.startswith("__"):
                setattr(self, name, value)


class Dropped(StandIn):
    """What a dropped block leaves: its input, whatever else it is called with, such as a grid size."""

    def forward(self, *args: object, **named: object) -> Tensor | None:
        """The first tensor."""
        return first_tensor(args, named)


@dataclass(frozen=True)
class Call:
    """What a module was called with.

    Attributes:
        x: the tensor that comes first.
        args: all arguments by place.
        named: those by name.
    """

    x: Float[Tensor, "1 ..."]
    args: tuple
    named: Named

    def run(self, module: nn.Module, x: Tensor) -> Any:
        """The output of a module that is called so, but with another tensor first."""
        args, named = put_first(self.args, self.named, x)
        return module(*args, **named)


def call_of(args: tuple, named: Named, output: object) -> Call | None:
    """A call whose output has the shape of the tensor that comes first; None for others."""
    x = first_tensor(args, named)
    same = x is not None and isinstance(output, Tensor) and x.shape == output.shape
    return Call(x, args, named) if same and x is not None else None


def has_work(module: nn.Module) -> bool:
    """Whether a module is or holds a layer that a block is worth dropping for."""
    return any(isinstance(inner, WORKING_LAYERS) for inner in module.modules())


def shape_preserving_calls(network: nn.Module, image_size: int) -> Iterator[tuple[nn.Module, Call]]:
    """Every module that ran exactly once, a tensor first and one of the same shape out, with its call."""
    calls: dict[nn.Module, list[Call | None]] = {}

    def record(module: nn.Module, args: tuple, named: Named, output: object) -> None:
        calls.setdefault(module, []).append(call_of(args, named, output))

    watch_calls(network, [module for module in network.modules() if has_work(module)], record, image_size)
    for module, seen in calls.items():
        if len(seen) == 1 and seen[0] is not None:
            yield module, seen[0]


def passes_its_input_through(module: nn.Module, call: Call) -> bool:
    """Whether the module is the identity once all its weights are zero; seen through a final activation.

    Parameters that are neither weight nor bias scale a branch, which zero switches off, or the shortcut,
    which one leaves as it is: one of the two must do. Weights may be kept in buffers, too, as in a frozen
    batch norm, and a norm without weights subtracts its running mean.
    """
    if isinstance(module, WORKING_LAYERS):
        return False
    emptied = at_rest(copy_network(module))
    below_six = BELOW_SIX + call.x.sigmoid()
    with torch.no_grad():
        for empty_buffers in (False, True):
            buffers = [value for value in emptied.buffers() if value.is_floating_point()]
            if empty_buffers and not buffers:
                break
            for value in buffers if empty_buffers else ():
                value.zero_()
            for x, scale in itertools.product((call.x.abs() + FAR, below_six), (0.0, 1.0)):
                for name, weight in emptied.named_parameters():
                    weight.fill_(0.0 if name.endswith(("weight", "bias")) else scale)
                if torch.equal(call.run(emptied, x.clone()), x):
                    return True
    return False
