"""Channel vectors at some pixels of a feature map: what least-squares fits of 1×1 maps are made from."""

import torch
from jaxtyping import Float
from torch import Tensor

MAX_ROWS = 16_384
"""Pixels of all images together that one regression sees: plenty for its at most 2048 channels."""


def draw_pixels(x: Float[Tensor, "n c h w"], seed: int) -> Float[Tensor, "n p c"]:
    """Channel vectors at the same random pixels of every image, at most `MAX_ROWS` in all, fp32.

    Args:
        x: a feature map.
        seed: the same seed draws the same pixels of every map of that size.
    """
    pixels = x.flatten(2)
    count = max(1, min(pixels.shape[2], MAX_ROWS // len(x)))
    order = torch.randperm(pixels.shape[2], generator=torch.Generator().manual_seed(seed))
    return pixels[:, :, order[:count].to(x.device)].transpose(1, 2).float()
