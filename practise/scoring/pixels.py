"""Channel vectors at some pixels of a feature map: what least-squares fits of 1×1 maps are made from."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

MAX_ROWS = 16_384
"""Pixels of all images together that one regression sees: plenty for its at most 2048 channels."""


def channels_second(
    x: Float[Tensor, "n ..."], layer: nn.Module, num_images: int
) -> Float[Tensor, "images c ..."]:
    """What enters a layer, as a feature map: a linear layer has channels last, and may see parts of images.

    Args:
        x: the layer's input; windows of one image stand side by side.
        layer: a convolution or a linear layer.
        num_images: how many images went into the network.
    """
    if isinstance(layer, nn.Linear):
        return x.reshape(num_images, -1, x.shape[-1]).transpose(1, 2)
    return x


def draw_pixels(x: Float[Tensor, "n c ..."], seed: int) -> Float[Tensor, "n p c"]:
    """Channel vectors at the same random pixels of every image, at most `MAX_ROWS` in all, fp32.

    Args:
        x: a feature map.
        seed: the same seed draws the same pixels of every map of that size.
    """
    pixels = x.flatten(2)
    count = max(1, min(pixels.shape[2], MAX_ROWS // len(x)))
    order = torch.randperm(pixels.shape[2], generator=torch.Generator().manual_seed(seed))
    return pixels[:, :, order[:count].to(x.device)].transpose(1, 2).float()
