"""How a network wants its images: side, crop, interpolation, normalisation; one view for all libraries.

Resize the shorter side to `image_size / crop_pct`, cut the centre square out, normalise: what timm and
torchvision do at evaluation, pixel for pixel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """The evaluation view of one network.

    Attributes:
        image_size: Side of the square input in pixels.
        mean: Subtracted from each channel's values, which lie between 0 and 1.
        std: What the difference is divided by.
        interpolation: Pillow's name of the resampling filter in small letters: bilinear, bicubic, …
        crop_pct: Side of the centre crop as a share of the resized image's shorter side.
    """

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    crop_pct: float

    @property
    def resize_size(self) -> int:
        """The shorter side of the resized image in pixels, rounded down as timm does."""
        return max(self.image_size, math.floor(self.image_size / self.crop_pct + 1e-6))

    def view(self, image: Image.Image) -> Image.Image:
        """Return the resized centre of an image, `image_size` pixels square."""
        resized = resize_shorter_side(image, self.resize_size, self.interpolation)
        left, top = (round((side - self.image_size) / 2) for side in resized.size)
        return resized.crop((left, top, left + self.image_size, top + self.image_size))

    def normalise(
        self, images: Float[Tensor, "*n 3 h w"] | UInt8[Tensor, "*n 3 h w"]
    ) -> Float[Tensor, "*n 3 h w"]:
        """Return images as the network wants them, from bytes or from values between 0 and 1."""
        values = images if images.is_floating_point() else images.float() / 255
        mean, std = (values.new_tensor(channel)[:, None, None] for channel in (self.mean, self.std))
        return (values - mean) / std


def resize_shorter_side(image: Image.Image, size: int, interpolation: str) -> Image.Image:
    """Return the image with its shorter side `size` pixels long and its shape kept."""
    shorter, longer = sorted(image.size)
    sides = (size, int(size * longer / shorter))
    width, height = sides if image.width <= image.height else sides[::-1]
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling[interpolation.upper()])


def to_tensor(images: "Sequence[Image.Image | UInt8[np.ndarray, 'h w 3']]") -> UInt8[Tensor, "n 3 h w"]:
    """Return RGB images of one size as bytes."""
    return (
        torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2).contiguous()
    )
