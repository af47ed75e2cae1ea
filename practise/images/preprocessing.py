"""How a network wants its images: side, crop, interpolation, normalisation; one view for all libraries.

Resize to `image_size / crop_pct`, cut the centre square out, normalise: what timm and torchvision do at
evaluation, pixel for pixel, in each of timm's crop modes.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

CropMode = Literal["center", "squash", "border"]
CROP_MODES: tuple[CropMode, ...] = get_args(CropMode)
MOST_SHAPE = 100
"""Sides: of a strip that is longer than so many of its shorter ones, only the middle is looked at."""


@dataclass(frozen=True)
class Preprocessing:
    """The evaluation view of one network.

    Attributes:
        image_size: Side of the square input in pixels.
        mean: Subtracted from each channel's values, which lie between 0 and 1.
        std: What the difference is divided by.
        interpolation: Pillow's name of the resampling filter in small letters: bilinear, bicubic, …
        crop_pct: Side of the centre crop as a share of the resized image's; above 1, the rest is black.
        crop_mode: What is resized to that side: center: the shorter one; squash: both; border: the longer
            one, and what the image does not cover has the colour of the mean.
    """

    image_size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    crop_pct: float
    crop_mode: CropMode = "center"

    @property
    def resize_size(self) -> int:
        """The resized image's side in pixels, rounded down as timm does."""
        return math.floor(self.image_size / self.crop_pct + 1e-6)

    def view(self, image: Image.Image) -> Image.Image:
        """Return the resized centre of an image, `image_size` pixels square."""
        side, size, ground = self.image_size, self.resize_size, (0, 0, 0)
        if self.crop_mode == "center":
            resized = resize_shorter_side(image, size, self.interpolation)
        elif self.crop_mode == "squash":
            resized = resize(image, (size, size), self.interpolation)
        else:
            ratio = max(image.size) / size
            width, height = (max(1, round(length / ratio)) for length in image.size)
            resized = resize(image, (width, height), self.interpolation)
            red, green, blue = (round(255 * value) for value in self.mean)
            ground = (red, green, blue)
        left, top = (
            round((length - side) / 2) if length >= side else -((side - length) // 2)
            for length in resized.size
        )
        cut = Image.new("RGB", (side, side), ground)
        cut.paste(resized, (-left, -top))
        return cut

    def describe(self) -> dict[str, Any]:
        """Return it as plain values; without the crop mode where that is the usual one."""
        return {key: value for key, value in asdict(self).items() if (key, value) != ("crop_mode", "center")}

    def tell(self) -> str:
        """Return what is done to an image, in words.

        >>> Preprocessing(224, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bicubic", 0.875).tell()
        'the shorter side resized to 256 pixels (bicubic), the centre of 224 × 224 pixels cut out'
        """
        resized = {
            "center": f"the shorter side resized to {self.resize_size} pixels",
            "squash": f"resized to {self.resize_size} × {self.resize_size} pixels whatever the shape",
            "border": f"the longer side resized to {self.resize_size} pixels, on ground of the mean's colour",
        }
        cut = f"the centre of {self.image_size} × {self.image_size} pixels cut out"
        around = ", with black around it" if self.crop_pct > 1 and self.crop_mode != "border" else ""
        return f"{resized[self.crop_mode]} ({self.interpolation}), {cut}{around}"

    def normalise(
        self, images: Float[Tensor, "*n 3 h w"] | UInt8[Tensor, "*n 3 h w"]
    ) -> Float[Tensor, "*n 3 h w"]:
        """Return images as the network wants them, from bytes or from values between 0 and 1."""
        values = images if images.is_floating_point() else images.float() / 255
        mean, std = (values.new_tensor(channel)[:, None, None] for channel in (self.mean, self.std))
        return (values - mean) / std


def resize_shorter_side(image: Image.Image, size: int, interpolation: str) -> Image.Image:
    """Return the image with its shorter side `size` pixels long, its shape kept; of a strip, the middle."""
    shorter, longer = sorted(image.size)
    if longer > MOST_SHAPE * shorter:
        apart = (longer - MOST_SHAPE * shorter) // 2
        across, down = (apart, 0) if image.width > image.height else (0, apart)
        image = image.crop((across, down, image.width - across, image.height - down))
        longer -= 2 * apart
    sides = (size, int(size * longer / shorter))
    return resize(image, sides if image.width <= image.height else sides[::-1], interpolation)


def resize(image: Image.Image, sides: tuple[int, int], interpolation: str) -> Image.Image:
    """Return the image resized to a width and a height."""
    return image if sides == image.size else image.resize(sides, Image.Resampling[interpolation.upper()])


def to_tensor(images: list[Image.Image]) -> UInt8[Tensor, "n 3 h w"]:
    """Return RGB images of one size as bytes."""
    return (
        torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2).contiguous()
    )
