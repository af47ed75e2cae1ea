"""Which convolutions write to a residual stream, and which read it: the seats of the paper's adaptors.

The paper (section 3.2) puts linear adaptors *after* the last convolution of every earlier block of the stage
(and its downsample convolution), and *before* the first convolution of every later block, of the next stage
and of its downsample path. Put structurally: around the tensor that enters a dropped block, the convolutions
whose outputs are summed into it are its *writers*, those that take it as input are its *readers*.

The autograd graph of one forward pass holds exactly this, for any eager network and without a list of
architectures: walk it backwards from the block's input and pass only through nodes that keep the channels
apart (additions, normalisations, activations); the convolutions where the walk ends are the writers.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node

from practise.blocks import evaluating, probe_images

CONVOLUTION = "ConvolutionBackward0"
# Between a convolution and the stream: additions, normalisation, activations, layer scale, dropout, casts.
TO_THE_STREAM = (
    "AddBackward", "NativeBatchNormBackward", "CudnnBatchNormBackward", "ReluBackward", "HardtanhBackward",
    "ThresholdBackward", "SiluBackward", "HardswishBackward", "GeluBackward", "MulBackward", "ToCopyBackward",
    "AliasBackward",
)  # fmt: skip
# Along the stream, from one block to the next, only what leaves a skip connection as it is.
ALONG_THE_STREAM = ("AddBackward", "ReluBackward", "HardtanhBackward", "ToCopyBackward", "AliasBackward")


@dataclass(frozen=True)
class Seats:
    """Where the adaptors of one dropped block sit: names of convolutions.

    Attributes:
        after: writers; an adaptor follows their output, before batch norm.
        before: readers; an adaptor precedes their input.
    """

    after: tuple[str, ...]
    before: tuple[str, ...]


def find_seats(network: nn.Module, block_names: list[str], image_size: int) -> dict[str, Seats]:
    """The adaptor seats of each block, from one forward pass.

    Args:
        network: the original network, all blocks in place.
        block_names: droppable blocks, as `find_blocks` names them.
        image_size: side of the square images in pixels.

    Returns:
        Per block its seats; a convolution with groups cannot absorb a dense 1×1 and is left out.
    """
    ends: dict[str, tuple[Node, Node]] = {}
    logits = run_with_graph(network, block_names, image_size, ends)
    dense = {
        id(conv.weight): name
        for name, conv in network.named_modules()
        if isinstance(conv, nn.Conv2d) and conv.groups == 1
    }
    convolutions = {
        node: dense[weight]
        for node in every_node(logits.grad_fn)
        if node.name() == CONVOLUTION and (weight := id(weight_of(node))) in dense
    }
    order = {name: rank for rank, name in enumerate(dense.values())}
    seats = {}
    for block, (stream_in, stream_out) in ends.items():
        writers = {convolutions[n] for n in reachable(stream_in, TO_THE_STREAM) if n in convolutions}
        readers = {
            name
            for conv, name in convolutions.items()
            if (fed_by := conv.next_functions[0][0]) is not None
            and stream_out in reachable(fed_by, ALONG_THE_STREAM)
        }
        seats[block] = Seats(
            after=tuple(sorted(writers, key=order.__getitem__)),
            before=tuple(sorted(readers, key=order.__getitem__)),
        )
    return seats


def union(seats: Mapping[str, Seats], blocks: Collection[str]) -> Seats:
    """The seats around several dropped blocks, each once; those inside a dropped block are gone with it."""
    gone = tuple(f"{block}." for block in blocks)

    def of(side: str) -> tuple[str, ...]:
        every = (name for block in blocks for name in getattr(seats[block], side))
        return tuple(dict.fromkeys(name for name in every if not name.startswith(gone)))

    return Seats(of("after"), of("before"))


def run_with_graph(
    network: nn.Module, block_names: list[str], image_size: int, ends: dict[str, tuple[Node, Node]]
) -> Tensor:
    """Logits of one forward pass with gradients; fills `ends` with each block's input and output node."""
    entered: dict[nn.Module, Node] = {}
    names = {network.get_submodule(name): name for name in block_names}

    def enter(block: nn.Module, args: tuple[Tensor, ...]) -> None:
        entered[block] = args[0].grad_fn  # type: ignore[assignment]  # now: an in-place ReLU would replace it

    def leave(block: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        ends[names[block]] = (entered[block], output.grad_fn)  # type: ignore[assignment]

    hooks = [block.register_forward_pre_hook(enter) for block in names]
    hooks += [block.register_forward_hook(leave) for block in names]
    frozen = [p for p in network.parameters() if not p.requires_grad]
    try:
        for weight in frozen:
            weight.requires_grad_(True)
        with evaluating(network), torch.enable_grad():
            return network(probe_images(network, image_size))
    finally:
        for weight in frozen:
            weight.requires_grad_(False)
        for hook in hooks:
            hook.remove()


def reachable(start: Node, through: tuple[str, ...]) -> set[Node]:
    """Nodes reached backwards from `start`, walking on only from nodes of the kinds in `through`."""
    seen: set[Node] = set()
    frontier = [start]
    while frontier:
        node = frontier.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.name().startswith(through):
            frontier.extend(before for before, _ in node.next_functions if before is not None)
    return seen


def every_node(start: Node | None) -> Iterator[Node]:
    """All nodes behind `start`, each once."""
    seen: set[Node] = set()
    frontier = [start]
    while frontier:
        node = frontier.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        yield node
        frontier.extend(before for before, _ in node.next_functions)


def weight_of(convolution: Node) -> Tensor | None:
    """The weight that a convolution node multiplies with."""
    accumulate = convolution.next_functions[1][0]
    return getattr(accumulate, "variable", None)
