"""Filter pruning, as the paper's rivals do it: residual blocks become thinner inside, their outputs stay.

The filters of least L1 norm (Li et al. 2017) go from the convolutions inside residual blocks; whatever hangs
on them (batch norm, depthwise and next convolutions, squeeze-and-excitation) shrinks along, which
torch-pruning (Fang et al. 2023) finds out. Nothing that is summed into a residual stream is touched.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from practise.errors import NetworkError
from practise.networks.blocks import find_blocks
from practise.networks.copies import able_to_learn, wanting_gradients
from practise.networks.watching import at_rest, probe_images, watch_calls, without_checkpoints

if TYPE_CHECKING:  # imported when filters are pruned
    from torch_pruning import DependencyGraph, Group

ROUND_TO = 8
"""Channel counts are multiples of this: what a vector unit computes at once; less would save nothing."""

Kept = dict[str, list[int]]
"""Which filters of a convolution are kept, by the convolution's name."""


def find_inner_convolutions(network: nn.Module, image_size: int) -> list[str]:
    """Names of the convolutions whose filters can go without changing any block's output.

    A convolution is inside a block when all layers that shrink along with it lie below one module that holds
    no droppable block itself: the stem, and convolutions that write to the stream, reach further. Those on a
    single pixel (squeeze-and-excitation) and those bound to a grouped convolution are left alone.

    Args:
        network: as for `find_blocks`; it is not changed.
        image_size: side of the square images in pixels.
    """
    blocks = find_blocks(network, image_size)
    if not blocks:
        return []
    single_pixel: set[nn.Module] = set()

    def note_single_pixel(module: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        if isinstance(output, Tensor) and output.shape[2:].numel() == 1:
            single_pixel.add(module)

    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    watch_calls(network, convolutions.values(), note_single_pixel, image_size)
    couplings = Couplings(network, image_size)
    names = {module: name for name, module in network.named_modules()}
    found = []
    for name, module in convolutions.items():
        if module.groups > 1 or module in single_pixel:
            continue
        shrinking = [layer for layer in couplings.layers(module) if layer in names]
        around = module_around([names[layer] for layer in shrinking])
        inside = around not in ("", name) and not any(block.startswith(f"{around}.") for block in blocks)
        if inside and not any(is_grouped(layer) for layer in shrinking):
            found.append(name)
    return found


def find_readers(network: nn.Module, convolutions: Sequence[str], image_size: int) -> dict[str, str]:
    """The convolutions over all channels that read what others give, and whose filters these are.

    Args:
        network: as for `find_blocks`.
        convolutions: names, as `find_inner_convolutions` gives them.
        image_size: as for `find_blocks`.

    Returns:
        Names of readers, in network order, each with that of the convolution that it reads.
    """
    couplings = Couplings(network, image_size)
    names = {module: name for name, module in network.named_modules()}
    read = {
        names[reader]: name
        for name in convolutions
        for reader in couplings.readers(network.get_submodule(name))
    }
    return {name: read[name] for name in names.values() if name in read}


def module_around(names: Sequence[str]) -> str:
    """Name of the innermost module that holds all the named ones; empty for the network itself.

    >>> module_around(["layer1.0.conv1", "layer1.0.bn1"]), module_around(["layer1.0", "layer10.0"])
    ('layer1.0', '')
    """
    return ".".join(os.path.commonprefix([name.split(".") for name in names]))


def is_grouped(layer: nn.Module) -> bool:
    """Whether a convolution has groups of several channels."""
    return isinstance(layer, nn.Conv2d) and 1 < layer.groups < layer.in_channels


def choose_filters(network: nn.Module, convolutions: Sequence[str], share: float) -> Kept:
    """The filters of largest L1 norm; about the same share of each convolution's goes.

    Counts are rounded, and what a convolution keeps too many is taken from the next ones: in a thin network,
    whose layers would all make their large steps at once, the whole still follows the share smoothly.

    Args:
        network: the original.
        convolutions: names of the convolutions to thin.
        share: of the filters that goes, from 0 to below 1.

    >>> conv = nn.Conv2d(1, 3, 1); conv.weight.data = torch.tensor([3.0, -1.0, -2.0])[:, None, None, None]
    >>> choose_filters(nn.Sequential(conv), ["0"], 1 / 3)
    {'0': [0, 2]}
    """
    kept, owed = {}, 0.0
    for name in convolutions:
        convolution = network.get_submodule(name)
        assert isinstance(convolution, nn.Conv2d)
        norms = convolution.weight.detach().abs().sum(dim=(1, 2, 3))
        count = count_kept(len(norms), min(max(share + owed, 0), 1))
        owed += count / len(norms) - (1 - share)
        kept[name] = sorted(norms.argsort(descending=True, stable=True)[:count].tolist())
    return kept


def count_kept(channels: int, share: float) -> int:
    """How many of a convolution's filters stay: a multiple of `ROUND_TO`, where there are as many.

    >>> [count_kept(channels, 0.4) for channels in (512, 64, 16, 3)]
    [304, 40, 8, 2]
    """
    step = ROUND_TO if channels >= ROUND_TO else 1
    return min(channels, max(1, round((1 - share) * channels / step)) * step)


def keep_filters_(network: nn.Module, kept: Mapping[str, Sequence[int]], image_size: int) -> nn.Module:
    """Remove all other filters of the named convolutions, in place; the result is a plain, thinner module.

    Args:
        network: the original.
        kept: which filters stay.
        image_size: side of the square images in pixels.

    Raises:
        NetworkError: the network has no convolution of that name, or not those filters.
    """
    couplings = Couplings(network, image_size)
    for name, filters in kept.items():
        module = dict(network.named_modules()).get(name)
        if not isinstance(module, nn.Conv2d) or not filters or max(filters) >= module.out_channels:
            raise NetworkError(f"the network has no convolution '{name}' with the filters that are to stay")
        gone = sorted(set(range(module.out_channels)) - set(filters))
        if gone:
            couplings.without(module, gone).prune()
    return network


class Couplings:
    """Which layers of a network shrink along with which, as torch-pruning finds by tracing gradients.

    Args:
        network: any network; its weights keep their wish for gradients.
        image_size: side of the square images in pixels.
    """

    def __init__(self, network: nn.Module, image_size: int) -> None:
        import torch_pruning

        self.library = torch_pruning
        self.graph: DependencyGraph = torch_pruning.DependencyGraph()
        with wanting_gradients(network, able_to_learn(network)), torch.enable_grad(), without_checkpoints():
            probe = probe_images(network, image_size)
            self.graph.build_dependency(at_rest(network), probe, verbose=False)

    def without(self, convolution: nn.Module, filters: Sequence[int]) -> "Group":
        """All that shrinks with the removal of some filters; `prune` on it removes them."""
        return self.graph.get_pruning_group(convolution, self.library.prune_conv_out_channels, list(filters))

    def layers(self, convolution: nn.Module) -> list[nn.Module]:
        """The layers that shrink along with a convolution's filters, itself among them."""
        return [item.dep.target.module for item in self.without(convolution, [0])]

    def readers(self, convolution: nn.Module) -> list[nn.Conv2d]:
        """The convolutions over all channels among these that have it as their input."""
        group, narrower = self.without(convolution, [0]), self.library.prune_conv_in_channels
        layers = [item.dep.target.module for item in group if item.dep.handler == narrower]
        return [layer for layer in layers if isinstance(layer, nn.Conv2d)]
