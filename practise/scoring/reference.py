"""What the original network does on the few images, computed once for all candidates.

A network without a block differs from the original only from that block on. So one pass of the original, in
which we note what enters each block, spares every candidate the layers before it: `resume_at_` makes them
return zeros that take no memory, and the block's place return what entered it. Networks with longer
connections, around the block, are recognised by running both ways once, and run whole.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from practise.networks.blocks import StandIn
from practise.networks.copies import copy_network
from practise.networks.features import feature_extractor, in_format
from practise.networks.watching import Named, first_tensor, put_first

PROBED = 2
"""Images on which resuming at a block is compared with running the whole network."""
TOLERANCE = 1e-3
"""By how much of the features' size the two may differ."""


@dataclass
class Calls:
    """When the modules of a network ran in one pass, and the shape of what they returned.

    Attributes:
        entered: place of a module's call in the order of all calls and returns, by name.
        left: place of its return.
        shapes: shape of its output without the batch; only of modules that ran once and returned a tensor.
    """

    entered: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def finished_before(self, block: str) -> list[str]:
        """Names of the outermost modules that had returned when the block was called."""
        done = [name for name in self.shapes if self.left[name] < self.entered[block]]
        return [name for name in done if not any(name.startswith(f"{other}.") for other in done)]


class Reference:
    """The original network's features on the few images, and what enters its blocks.

    Args:
        network: the original, in evaluation mode.
        layer: the feature layer's name.
        views: normalised images on the network's device.
        blocks: names of the droppable blocks.
        dtype: number format of the passes.
        memory_mb: what the inputs of blocks may take; blocks beyond it are run from the start.
        watch: entered for the one pass of the original over all views.
    """

    def __init__(
        self,
        network: nn.Module,
        layer: str,
        views: Float[Tensor, "n 3 h w"],
        blocks: Sequence[str],
        dtype: torch.dtype,
        memory_mb: float,
        watch: AbstractContextManager[None],
    ) -> None:
        self.network, self.layer, self.views, self.dtype = network, layer, views, dtype
        self.inputs: dict[str, Tensor] = {}
        self.calls = Calls()
        self.free = memory_mb * 2**20
        with watch, watched(network, self, blocks):
            self.features = self.run(network)
        self.inputs = {block: x for block, x in self.inputs.items() if self.can_resume_at(block)}

    def run(self, network: nn.Module, views: Tensor | None = None) -> Float[Tensor, "n ..."]:
        """Features of a network on the views, fp32."""
        views = self.views if views is None else views
        with feature_extractor(network, self.layer) as extract, torch.no_grad():
            return in_format(extract, views.device, self.dtype)(views)

    def classify(self, network: nn.Module) -> Float[Tensor, "n classes"]:
        """Logits of a network for the views, fp32."""
        with torch.no_grad():
            return in_format(network, self.views.device, self.dtype)(self.views)

    def resume_at_(self, student: nn.Module, block: str) -> nn.Module:
        """Let a pass of the student begin where the dropped block was, in place; a no-op where that fails."""
        if block in self.inputs:
            self.skip_before_(student, block)
            student.set_submodule(block, Constant(self.inputs[block], student.get_submodule(block)))
        return student

    def can_resume_at(self, block: str) -> bool:
        """Whether the network, begun at the block with what enters it, gives the features of the whole."""
        resumed = self.skip_before_(copy_network(self.network), block)
        x = self.inputs[block][:PROBED]
        resumed.get_submodule(block).register_forward_pre_hook(
            lambda _, args, named: put_first(args, named, x.clone()), with_kwargs=True
        )
        try:
            found = self.run(resumed, self.views[:PROBED])
        except (RuntimeError, TypeError, AttributeError):  # zeros cannot be written to, nor made of no tensor
            return False
        whole = self.run(self.network, self.views[:PROBED])
        return (found - whole).norm().item() <= TOLERANCE * whole.norm().item()

    def skip_before_(self, network: nn.Module, block: str) -> nn.Module:
        """Replace all that runs before the block by zeros of the right shapes, in place."""
        for name in self.calls.finished_before(block):
            network.set_submodule(name, Zeros(self.calls.shapes[name], network.get_submodule(name)))
        return network


class Constant(StandIn):
    """Returns a given tensor, whatever comes in."""

    def __init__(self, value: Tensor, module: nn.Module | None = None) -> None:
        super().__init__(module)
        self.constant = value

    def forward(self, *args: object, **named: object) -> Tensor:
        """The given tensor, a copy: an in-place activation may follow."""
        return self.constant.clone()


class Zeros(StandIn):
    """Returns zeros that share one element, so that they cost nothing."""

    def __init__(self, shape: Iterable[int], module: nn.Module | None = None) -> None:
        super().__init__(module)
        self.zeros_shape = tuple(shape)

    def forward(self, *args: object, **named: object) -> Tensor:
        """Zeros for each image of the batch."""
        x = first_tensor(args, named)
        if x is None:
            raise TypeError("there is no tensor that says how many images there are")
        return x.new_zeros(()).expand(len(x), *self.zeros_shape)


@contextmanager
def watched(network: nn.Module, reference: Reference, blocks: Sequence[str]) -> Iterator[None]:
    """Inside the block, one pass of the network fills `reference.calls` and `reference.inputs`."""
    calls, wanted = reference.calls, set(blocks)
    repeated: set[str] = set()
    clock = itertools.count()
    hooks: list[RemovableHandle] = []
    for name, module in network.named_modules():
        if name == "":
            continue

        def enter(module: nn.Module, args: tuple, named: Named, name: str = name) -> None:
            if name in calls.entered:
                repeated.add(name)
            calls.entered[name] = next(clock)
            x = first_tensor(args, named)
            if name in wanted and x is not None and x.nbytes <= reference.free:
                reference.inputs[name] = x.clone()  # an in-place activation may follow
                reference.free -= x.nbytes

        def leave(module: nn.Module, args: tuple, output: object, name: str = name) -> None:
            calls.left[name] = next(clock)
            if isinstance(output, Tensor):
                calls.shapes[name] = tuple(output.shape[1:])

        hooks.append(module.register_forward_pre_hook(enter, with_kwargs=True))
        hooks.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
        for name in repeated:
            calls.shapes.pop(name, None)
