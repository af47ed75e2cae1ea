"""Which layers write to a residual stream, and which read it: the seats of the paper's adaptors.

The paper (section 3.2) puts linear adaptors *after* the last convolution of every earlier block of the stage
(and its downsample convolution), and *before* the first convolution of every later block, of the next stage
and of its downsample path. Put structurally: around the tensor that enters a dropped block, the convolutions
whose outputs are summed into it are its *writers*, those that take it as input are its *readers*. In a
transformer both are linear layers: the projections of attention and MLP write, and what takes the layer norm
of the stream reads.

The autograd graph of one forward pass holds exactly this, for any eager network and without a list of
architectures: walk it backwards from the block's input and pass only through nodes that keep the channels
apart (additions, normalisations, activations); the layers where the walk ends are the writers.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from practise.networks.copies import able_to_learn, copy_network, trainable_weights, wanting_gradients
from practise.networks.watching import (
    Named,
    evaluating,
    first_tensor,
    probe_images,
    put_first,
    without_checkpoints,
)

LAYERS = {"ConvolutionBackward0": (0, 1), "AddmmBackward0": (1, 2), "MmBackward0": (0, 1)}
"""What a convolution and a linear layer leave in the graph, with the places of their input and weight."""
# Another order or grouping of the same values; a linear layer is one matrix product between two views.
LAYOUTS = (
    "ViewBackward", "UnsafeViewBackward", "ReshapeAliasBackward", "PermuteBackward", "TransposeBackward",
    "CloneBackward",
)  # fmt: skip
# What shifts pixels and tokens about or puts others beside them: windows, a class token.
MOVES = ("RollBackward", "SliceBackward", "CatBackward")
NORMS = (
    "NativeBatchNormBackward", "CudnnBatchNormBackward", "NativeLayerNormBackward", "NativeGroupNormBackward",
)  # fmt: skip
ACTIVATIONS = (
    "ReluBackward", "HardtanhBackward", "ThresholdBackward", "SiluBackward", "HardswishBackward",
    "GeluBackward",
)  # fmt: skip
CASTS = ("ToCopyBackward", "AliasBackward")
# Between a layer and the stream that it writes to: also layer scale and dropout.
TO_THE_STREAM = ("AddBackward", "MulBackward", *NORMS, *ACTIVATIONS, *CASTS, *LAYOUTS, *MOVES)
# Along the stream, from one block to the next, only what leaves a skip connection as it is.
ALONG_THE_STREAM = ("AddBackward", "ReluBackward", "HardtanhBackward", *CASTS, *LAYOUTS)
# Between the stream and a layer that reads it: a transformer normalises first, windows may be padded.
TO_THE_READER = (*NORMS, *ACTIVATIONS, *CASTS, *LAYOUTS, *MOVES, "ConstantPadNdBackward")


@dataclass(frozen=True)
class Seats:
    """Where the adaptors of one dropped block sit: names of convolutions and linear layers.

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
        Per block its seats. A convolution with groups cannot absorb a dense 1×1 and is left out, and so is a
        layer that computes with something else than its own weight, such as a standardised one, one whose
        weight is frozen, and one that runs twice or shares its weight with another.
    """
    network = copy_network(network)  # some keep what they computed, with its graph
    ours = set(map(id, trainable_weights(network)))
    ends: dict[str, tuple[Node, Node]] = {}
    logits = run_with_graph(network, block_names, image_size, ends)
    dense = {
        id(layer.weight): name
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv2d) and layer.groups == 1)
        if id(layer.weight) in ours
    }
    weights = {node: id(weight_of(node)) for node in every_node(logits.grad_fn) if node.name() in LAYERS}
    uses = Counter(weights.values())
    layers = {
        node: dense[weight] for node, weight in weights.items() if weight in dense and uses[weight] == 1
    }
    order = {name: rank for rank, name in enumerate(dense.values())}
    read = {node: stream_read_by(node) for node in layers}
    seats = dict.fromkeys(block_names, Seats((), ()))  # a block that keeps no gradients has none
    for block, (stream_in, stream_out) in ends.items():
        seats[block] = Seats(
            after=in_order((layers[n] for n in reachable([stream_in], TO_THE_STREAM) if n in layers), order),
            before=in_order((name for node, name in layers.items() if stream_out in read[node]), order),
        )
    return seats


def in_order(names: Iterable[str], order: Mapping[str, int]) -> tuple[str, ...]:
    """Each of the names once, in the network's order."""
    return tuple(sorted(set(names), key=order.__getitem__))


def stream_read_by(layer: Node) -> set[Node]:
    """The stream that a layer reads, back to where it begins."""
    fed_by = layer.next_functions[LAYERS[layer.name()][0]][0]
    near = reachable([] if fed_by is None else [fed_by], TO_THE_READER)
    return reachable(near, ALONG_THE_STREAM)


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

    def enter(block: nn.Module, args: tuple, named: Named) -> tuple[tuple, Named]:
        x = first_tensor(args, named)
        assert x is not None
        if x.grad_fn is None:  # the image, or what was computed without gradients
            x = x.detach().requires_grad_().clone()
            args, named = put_first(args, named, x)
        assert x.grad_fn is not None
        entered[block] = x.grad_fn  # now: an in-place ReLU would replace it
        return args, named

    def leave(block: nn.Module, args: tuple, output: Tensor) -> None:
        if output.grad_fn is not None:
            ends[names[block]] = (entered[block], output.grad_fn)

    hooks: list[RemovableHandle] = []
    hooks += [block.register_forward_pre_hook(enter, with_kwargs=True) for block in names]
    hooks += [block.register_forward_hook(leave) for block in names]
    try:
        learning = wanting_gradients(network, able_to_learn(network))
        with evaluating(network), learning, torch.enable_grad(), without_checkpoints():
            return network(probe_images(network, image_size))
    finally:
        for hook in hooks:
            hook.remove()


def reachable(start: Iterable[Node], through: tuple[str, ...]) -> set[Node]:
    """Nodes reached backwards from any of `start`, walking on only from nodes of the kinds in `through`."""
    seen: set[Node] = set()
    frontier = list(start)
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


def weight_of(layer: Node) -> Tensor | None:
    """The weight that a layer's node multiplies with, if it is one as it stands or transposed."""
    source = layer.next_functions[LAYERS[layer.name()][1]][0]
    if source is not None and source.name() == "TBackward0":
        source = source.next_functions[0][0]
    return getattr(source, "variable", None)
