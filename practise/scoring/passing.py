"""What a block does to what passes through it: criteria that need one pass of the original for all blocks.

Neither looks at what follows the block. What a set of blocks costs is the sum of what each costs alone.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from practise.networks.watching import entering, leaving

BATCH = 50
"""Images in a forward pass."""
SALIENT = 0.2
"""The share of a channel's pixels that its concept mask keeps, as in the authors' code."""

Difference = Callable[[Tensor, Tensor], float]


def block_influence(
    network: nn.Module, blocks: Sequence[str], views: Float[Tensor, "n 3 h w"]
) -> dict[str, float]:
    """One minus the cosine between a pixel's channels before and after the block, mean over the pixels.

    Source: ShortGPT (Men et al. 2024), where it ranks the layers of language models.

    Args:
        network: the original, in evaluation mode on its device.
        blocks: names of blocks.
        views: normalised images.
    """
    return differences(network, blocks, views, turned)


def concept_masks(
    network: nn.Module, blocks: Sequence[str], views: Float[Tensor, "n 3 h w"]
) -> dict[str, float]:
    """How far a block moves its channels' most active pixels: the share where the masks differ, summed.

    Source: CMa-FSMC (Neural Networks 204, 2026), whose code compares the masks after enlarging every map to
    the image's size; here they are compared pixel by pixel of the map itself. Arguments as for
    `block_influence`.
    """
    return differences(network, blocks, views, masks_differ)


def differences(
    network: nn.Module, blocks: Sequence[str], views: Float[Tensor, "n 3 h w"], difference: Difference
) -> dict[str, float]:
    """The difference between what enters and what leaves each block, mean over the images."""
    device = next(network.parameters()).device
    layers = {name: network.get_submodule(name) for name in blocks}
    entered: dict[str, Tensor] = {}
    found = dict.fromkeys(blocks, 0.0)

    def enter(name: str, x: Tensor) -> None:
        entered[name] = x.clone()  # an in-place activation may follow

    def leave(name: str, x: Tensor) -> None:
        before, after = (pixels_of(part, layers[name]) for part in (entered.pop(name), x))
        found[name] += difference(before, after) * len(x) / len(views)

    with torch.inference_mode(), entering(network, blocks, enter), leaving(network, blocks, leave):
        for batch in views.split(BATCH):
            network(batch.to(device, memory_format=torch.channels_last))
    return found


def pixels_of(x: Float[Tensor, "n ..."], block: nn.Module) -> Float[Tensor, "n pixels c"]:
    """A block's feature map, [n, c, y, x] or [n, y, x, c], tokens or pooled features, pixel by pixel."""
    if x.ndim == 2:
        x = x[:, None]
    elif x.ndim == 4:
        x = x.flatten(1, 2) if has_channels_last(block) else x.flatten(2).transpose(1, 2)
    return x.float()


def has_channels_last(block: nn.Module) -> bool:
    """Whether a block takes maps with their channels last: its first layer that has weights does."""
    first = next(
        layer for layer in block.modules() if next(layer.parameters(recurse=False), None) is not None
    )
    two_dimensional = type(first).__name__.endswith("2d")  # timm's layer norm of maps is a layer norm by type
    return isinstance(first, nn.LayerNorm | nn.Linear) and not two_dimensional


def turned(before: Float[Tensor, "n pixels c"], after: Float[Tensor, "n pixels c"]) -> float:
    """One minus the cosine, mean over images and pixels; nothing where a pixel stays as it is, also at 0."""
    cosine = functional.cosine_similarity(before.double(), after.double(), dim=2)
    return (1 - cosine).masked_fill((before == after).all(2), 0).mean().item()


def masks_differ(before: Float[Tensor, "n pixels c"], after: Float[Tensor, "n pixels c"]) -> float:
    """The share of pixels at which concept masks differ, mean over images, sum over channels."""
    masks = salient(before), salient(after)
    return torch.ne(*masks).double().mean((0, 1)).sum().item()


def salient(x: Float[Tensor, "n pixels c"]) -> Tensor:
    """Where each channel is among its largest values; where these are 0, wherever it is not 0."""
    place = int(SALIENT * (x.shape[1] - 1))
    least = x.sort(dim=1, descending=True).values[:, place : place + 1]
    return torch.where(least == 0, x != 0, x >= least)
