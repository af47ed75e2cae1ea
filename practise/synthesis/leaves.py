"""Dead leaves: pictures of nothing, with the edges, hidden parts and scales that photographs have.

Discs and rectangles of all sizes fall on one another until they hide what was below (Lee, Mumford and Huang
2001). Networks that see such pictures learn features of photographs (Baradad et al. 2021), and images that
are made from a network keep the structure that they start with.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SHAPES = 400
"""Shapes in a picture; hardly any of the first is seen in the end."""
SMALLEST, LARGEST = 0.02, 0.4
"""Radii as shares of the side; between them there are as many of a size as its cube is small."""
COLOURED = 0.25
"""How far the most colourful picture's colours are from grey."""


def draw_leaves(count: int, side: int, generator: torch.Generator) -> Float[Tensor, "n 3 side side"]:
    """Pictures with values from 0 to 1.

    Args:
        count: how many.
        side: of the square pictures, in pixels.
        generator: draws everything.
    """
    line = (torch.arange(side) + 0.5) / side
    return torch.stack([_draw(line, generator) for _ in range(count)])


def _draw(line: Float[Tensor, " side"], generator: torch.Generator) -> Float[Tensor, "3 side side"]:
    def uniform(*shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    sizes, flatness, turns, x, y = (
        values[:, None, None]
        for values in (
            uniform(SHAPES, low=LARGEST**-2, high=SMALLEST**-2).rsqrt(),
            uniform(SHAPES, low=0.4),
            uniform(SHAPES, high=math.pi),
            uniform(SHAPES, low=-0.1, high=1.1),
            uniform(SHAPES, low=-0.1, high=1.1),
        )
    )
    across, down = line[None, :] - x, line[:, None] - y
    along = (across * turns.cos() + down * turns.sin()) / sizes
    aside = (down * turns.cos() - across * turns.sin()) / (sizes * flatness)
    discs = along.square() + aside.square() < 1
    rectangles = torch.maximum(along.abs(), aside.abs()) < 0.85
    inside = torch.where(uniform(SHAPES, 1, 1) < 0.6, discs, rectangles)

    places = torch.arange(1, SHAPES + 1, dtype=torch.int16)[:, None, None]
    highest = (inside * places).amax(dim=0).long()  # which shape each pixel shows; 0: none
    shown = (highest - 1).clamp(min=0)
    colours = uniform(SHAPES, 1) + uniform(1, high=COLOURED) * normal(SHAPES, 3)
    shading = 1 + 0.15 * normal(SHAPES)[shown] * along.gather(0, shown[None])[0]
    picture = colours[shown].permute(2, 0, 1) * shading
    background = uniform(3, low=0.2, high=0.8)[:, None, None]
    return torch.where(highest > 0, picture, background).clamp(0, 1)
