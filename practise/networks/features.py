"""The features before global average pooling: what a pruned network is asked to mimic (section 3.2).

They are found by what flows into the classifier, not by shape and order: **with the features of another
image in their place, a network gives that image's logits**. Where that fails, something goes round them: the
weights of an attention pooling, say, come to pixels that do not flow through them.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from practise.errors import NetworkError
from practise.networks.blocks import Call, call_of, find_blocks, has_work, passes_its_input_through
from practise.networks.watching import at_call, evaluating, probe_images, watch_calls

FeatureExtractor = Callable[[Float[Tensor, "n 3 h w"]], Float[Tensor, "n ..."]]
LOGITS = ""
"""The feature layer where the logits are mimicked: the name of the network itself."""
FROM_END = re.compile(r"(.+)\[-(\d+)\]$")
"""A feature layer that is one of several calls of a module, counted from the last: `relu[-1]`."""
TOLERANCE = 1e-3
"""By how much logits may differ to be the same, as a share of what two images differ by."""
ROUNDING = 1e-7
"""By how much they may differ anyhow, as a share of their size."""


@dataclass(frozen=True)
class Visit:
    """One call of a module.

    Attributes:
        module: the module.
        number: which of its calls it is, from 0.
        shape: of its output.
        call: what it was called with, where the output has the shape of what came in.
    """

    module: nn.Module
    number: int
    shape: torch.Size
    call: Call | None

    @property
    def has_pixels(self) -> bool:
        """Whether the output is a map [n, c, y, x] or [n, y, x, c], or tokens [n, tokens, c], of several."""
        pixels = {3: self.shape[1:2], 4: self.shape[2:]}.get(len(self.shape), torch.Size([1]))
        return pixels.numel() > 1


def find_feature_layer(network: nn.Module, image_size: int) -> str:
    """Name of the layer whose output is the features: the last map of pixels that everything goes through.

    Blocks behind it, on maps of one pixel or after pooling, would go unseen; where there are any, the
    features are what leaves the last of them, or else the first layer behind it that everything goes through.
    Where there is none either, they are the logits.

    Args:
        network: any classifier; its maps are [n, c, y, x] or [n, y, x, c], a transformer's [n, tokens, c].
        image_size: side of the square images in pixels, large enough for a feature map of 2×2.

    Returns:
        A module's name, with `[-2]` behind it for the last call but one of a module that runs several times;
        `LOGITS` for the logits.

    Raises:
        NetworkError: no module gives a feature map of more than one pixel.
    """
    visits = list_visits(network, image_size)
    if not any(visit.has_pixels for visit in visits):
        raise NetworkError(
            f"{type(network).__name__} gives no feature map of more than one pixel at {image_size} px; "
            "choose a larger image_size"
        )
    carries = partial(carries_all, network, image_size=image_size)
    calls = Counter(visit.module for visit in visits)
    behind = 0
    for place, visit in reversed(list(enumerate(visits))):
        if visit.has_pixels and carries(visit):
            return name_visit(network, visit, calls[visit.module], image_size)
        if visit.call and calls[visit.module] == 1 and passes_its_input_through(visit.module, visit.call):
            behind = place
            break
    for visit in visits[behind:]:
        if carries(visit):
            is_last = gives_logits(network, visit, image_size)
            return LOGITS if is_last else name_visit(network, visit, calls[visit.module], image_size)
    return LOGITS


def list_visits(network: nn.Module, image_size: int) -> list[Visit]:
    """All calls of modules within the network that give a tensor, in the order in which they end."""
    visits: list[Visit] = []
    seen: Counter[nn.Module] = Counter()

    def record(module: nn.Module, args: tuple, named: dict, output: object) -> None:
        if isinstance(output, Tensor):
            call = call_of(args, named, output) if has_work(module) else None
            visits.append(Visit(module, seen[module], output.shape, call))
        seen[module] += 1

    inner = [module for module in network.modules() if module is not network]
    watch_calls(network, inner, record, image_size)
    return visits


def name_visit(network: nn.Module, visit: Visit, calls: int, image_size: int) -> str:
    """The name of a call as a feature layer, of a module that is called so often.

    A module of several names goes by one that is left when blocks are gone.
    """
    every = network.named_modules(remove_duplicate=False)
    name, *others = [name for name, module in every if module is visit.module]
    if others:
        gone = tuple(f"{block}." for block in find_blocks(network, image_size))
        name = next((one for one in (name, *others) if not one.startswith(gone)), name)
    return name if calls == 1 else f"{name}[-{calls - visit.number}]"


def carries_all(network: nn.Module, visit: Visit, image_size: int) -> bool:
    """Whether the logits follow from a call's output alone: with another image's, they are that image's."""
    ours, theirs = (probe_images(network, image_size, seed) for seed in (0, 1))
    kept: list[Tensor] = []
    with evaluating(network), torch.no_grad():
        before = network(ours)
        with at_call(visit.module, visit.number, lambda output: kept.append(output.clone())):
            wanted = network(theirs)
        if not kept or kept[0].shape != visit.shape:
            return False  # another image takes another way
        with at_call(visit.module, visit.number, lambda output: kept[0].clone()):
            found = network(ours)
    slack = TOLERANCE * difference(before, wanted) + ROUNDING * wanted.norm().item()
    return difference(found, wanted) <= slack


def difference(one: Tensor, other: Tensor) -> float:
    """How far two networks' logits are apart; infinite ones that are the same are not."""
    return torch.where(one == other, 0, one - other).norm().item()


def gives_logits(network: nn.Module, visit: Visit, image_size: int) -> bool:
    """Whether what a call gives is what the network gives."""
    kept: list[Tensor] = []
    keeping = at_call(visit.module, visit.number, lambda output: kept.append(output.clone()))
    with evaluating(network), torch.no_grad(), keeping:
        logits = network(probe_images(network, image_size))
    return torch.equal(kept[0], logits)


class Stop(Exception):  # noqa: N818 - a signal, not a mistake
    """Ends a forward pass at the feature layer; the classifier after it is not needed."""

    def __init__(self, features: Tensor) -> None:
        self.features = features


def read_layer(layer: str) -> tuple[str, int]:
    """The module of a feature layer, and which of its calls it is, counted from the last.

    >>> read_layer("layer4"), read_layer("relu[-2]")
    (('layer4', 1), ('relu', 2))
    """
    counted = FROM_END.match(layer)
    return (counted[1], int(counted[2])) if counted else (layer, 1)


@contextmanager
def feature_extractor(network: nn.Module, layer: str) -> Iterator[FeatureExtractor]:
    """Inside the block, a function from images to the features of `layer`; no hook is left behind.

    Args:
        network: the network, or one without some of its blocks: calls are counted from the last, and no block
            stands behind the features.
        layer: as `find_feature_layer` names it.
    """
    name, place = read_layer(layer)
    is_only = name == layer
    last: deque[Tensor] = deque(maxlen=place)

    def stop(module: nn.Module, args: tuple, output: Tensor) -> None:
        if is_only:
            raise Stop(output)
        last.append(output)

    def extract(images: Tensor) -> Tensor:
        try:
            network(images)
        except Stop as stopped:
            return stopped.features
        assert len(last) == place, f"the forward pass went round {layer}"
        features = last[0]
        last.clear()
        return features

    hook = network.get_submodule(name).register_forward_hook(stop)
    try:
        yield extract
    finally:
        hook.remove()


def in_format(
    run: Callable[[Tensor], Tensor], device: torch.device, dtype: torch.dtype
) -> Callable[[Tensor], Tensor]:
    """The function computed in a number format, with its output in fp32; fp32 is the weights' own."""

    def run_in_format(images: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype):
            return run(images).float()

    return run if dtype == torch.float32 else run_in_format
