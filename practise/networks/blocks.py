"""Find the blocks of a residual network that can be dropped, and drop them in place.

The paper (section 3) drops a block whose output has the shape of its input. Shape alone also fits a plain
convolution, so we ask for more: **with every weight zero, a residual block passes its input through**
(up to the activation after the addition). That test needs no list of architectures: it finds `layerS.i`
of a ResNet, the stride-1 inverted residuals of a MobileNetV2, `blocks.i` of a transformer, and nothing in a
VGG. `tests/test_zoo.py` holds it against the architectures of torchvision and timm.
"""

import copy
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from practise.errors import NetworkError, guess, unknown
from practise.networks.size import count_params
from practise.networks.watching import watch_calls

# A block worth dropping does work of its own; a lone normalisation or layer scale does not.
WORKING_LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
FAR = 100.0
"""Where the activations that may follow an addition (ReLU, SiLU, GELU, hardswish) change nothing."""


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
        NetworkError: a block to keep does not exist, or no block is left.
    """
    found = find_blocks(network, image_size)
    for index, name in enumerate(keep):
        if name not in found:
            raise NetworkError(f"{where}.keep_blocks[{index}]: {unknown('block', name, found)}")
    left = [name for name in found if name not in keep]
    if not left:
        raise NetworkError(
            f"{where}: {type(network).__name__} has no block to drop: none is residual with an output of its "
            "input's shape, or all are kept"
        )
    return left


def alike_blocks(network: nn.Module, names: Iterable[str], image_size: int) -> list[list[str]]:
    """The blocks in groups of the same layers on inputs of the same shape, which take the same time.

    Args:
        network: as for `find_blocks`.
        names: blocks, in network order.
        image_size: as for `find_blocks`.
    """
    shapes = {module: call.x.shape for module, call in shape_preserving_calls(network, image_size)}
    groups: dict[tuple[str, torch.Size], list[str]] = {}
    for name in names:
        block = network.get_submodule(name)
        groups.setdefault((repr(block), shapes[block]), []).append(name)
    return list(groups.values())


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
        setattr(network.get_submodule(parent), child, Dropped())
    return network


class Dropped(nn.Identity):
    """What a dropped block leaves: its input, whatever else it is called with, such as a grid size."""

    def forward(self, input: Tensor, *others: object, **named: object) -> Tensor:
        """The first argument."""
        return input


@dataclass(frozen=True)
class Call:
    """What a module was called with.

    Attributes:
        x: the tensor that comes first.
        others: further arguments by place.
        named: further arguments by name.
    """

    x: Float[Tensor, "1 ..."]
    others: tuple
    named: dict


def shape_preserving_calls(network: nn.Module, image_size: int) -> Iterator[tuple[nn.Module, Call]]:
    """Every module that ran exactly once, a tensor first and one of the same shape out, with its call."""
    calls: dict[nn.Module, list[Call | None]] = {}

    def record(module: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        kept = None
        if args and isinstance(x := args[0], Tensor) and isinstance(output, Tensor):
            kept = Call(x, args[1:], kwargs) if x.shape == output.shape else None
        calls.setdefault(module, []).append(kept)

    works = [m for m in network.modules() if any(isinstance(inner, WORKING_LAYERS) for inner in m.modules())]
    watch_calls(network, works, record, image_size)
    for module, seen in calls.items():
        if len(seen) == 1 and seen[0] is not None:
            yield module, seen[0]


def passes_its_input_through(module: nn.Module, call: Call) -> bool:
    """Whether the module is the identity once all its weights are zero; seen through a final activation.

    Parameters that are neither weight nor bias scale a branch, which zero switches off, or the shortcut,
    which one leaves as it is: one of the two must do.
    """
    if isinstance(module, WORKING_LAYERS):
        return False
    emptied = copy.deepcopy(module)
    emptied.eval()  # not chained: where a library overrides it, it may return nothing
    x = call.x.abs() + FAR
    others = [x if other is call.x else other for other in call.others]
    with torch.no_grad():
        for scale in (0.0, 1.0):
            for name, weight in emptied.named_parameters():
                weight.fill_(0.0 if name.endswith(("weight", "bias")) else scale)
            if torch.equal(emptied(x.clone(), *others, **call.named), x):
                return True
    return False
