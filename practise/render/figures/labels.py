"""Names beside points, so that none covers a point, an error bar or another name; the same every time.

Each name takes the nearest of the places around its point that is free. One that finds none is left out: a
name that cannot be read says nothing.
"""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

HALO = [withStroke(linewidth=3, foreground="white")]
"""Keeps words readable where they cross a grid line."""

MOST_NAMES = 30
"""A panel with more blocks than this goes without their names."""
ANGLES = (0, 180, 90, 270, 45, 135, 315, 225, 20, 160, 340, 200, 70, 110, 290, 250)
"""The directions in which a place is looked for, in degrees, the best first."""
DISTANCES = (6.0, 9.0, 13.0, 18.0, 24.0, 32.0)
"""How far a name is from its point, in points (1/72 inch)."""
NEAR = 10.0
"""From here on a thin line leads from the name to its point."""


class Point(NamedTuple):
    """A point with its name, in the coordinates of the axes' data.

    Attributes:
        x: Where it is.
        y: Where it is.
        name: What to write; an empty one only keeps other names away.
        color: The name's colour.
        spread: How far an error bar reaches up and down.
    """

    x: float
    y: float
    name: str
    color: str
    spread: float = 0.0


def place_names(
    ax: Axes,
    points: Sequence[Point],
    lines: Sequence[Sequence[tuple[float, float]]] = (),
    *,
    size: float = 8.0,
    radius: float = 3.5,
) -> list[str]:
    """Write each point's name beside it; return the names that found no place.

    Call it when everything else is drawn: names are placed in the figure as it is.

    Args:
        ax: The axes.
        points: All points of the axes.
        lines: The corners of lines that no name should cross.
        size: Size of the letters in points.
        radius: Half the size of a point's marker in points.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None and isinstance(figure.canvas, FigureCanvasAgg)
    figure.draw_without_rendering()
    renderer, scale = figure.canvas.get_renderer(), figure.dpi / 72
    inside = ax.get_window_extent(renderer)
    taken = []
    for point in points:
        x, low = ax.transData.transform((point.x, point.y - point.spread))
        _, high = ax.transData.transform((point.x, point.y + point.spread))
        _, y = ax.transData.transform((point.x, point.y))
        reach = radius * scale
        taken += [Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)]
        taken += [Bbox.from_extents(x - 1, low, x + 1, high)] if point.spread else []
    taken += [box for line in lines for box in _along(ax.transData.transform(line))]
    left_out = []
    for point in points:
        if not point.name:
            continue
        text = ax.annotate(
            point.name,
            xy=(point.x, point.y),
            xytext=(0, 0),
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=size,
            color=point.color,
            path_effects=HALO,
            zorder=6,
        )
        text.set_in_layout(False)
        box = text.get_window_extent(renderer)
        found = _free_place(box, taken, inside, radius, scale)
        if found is None:
            text.remove()
            left_out.append(point.name)
            continue
        moved, distance = found
        x, y = ax.transData.transform((point.x, point.y))
        # held at the side of its point, because letters are a little wider in some formats than in others
        side = "left" if moved.x0 > x else "right" if moved.x1 < x else "center"
        edge = {"left": moved.x0, "right": moved.x1, "center": (moved.x0 + moved.x1) / 2}[side]
        text.set(ha=side, position=((edge - x) / scale, ((moved.y0 + moved.y1) / 2 - y) / scale))
        taken.append(moved.padded(0.5 * scale))
        if distance >= NEAR:
            _lead(ax, point, moved, radius * scale)
    return left_out


def _free_place(
    box: Bbox, taken: Sequence[Bbox], inside: Bbox, radius: float, scale: float
) -> tuple[Bbox, float] | None:
    """Return the nearest free place for a name that is centred on its point, and its distance in points."""
    for distance in DISTANCES:
        for angle in ANGLES:
            across, up = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            clear = (distance + radius - 3.5) * scale
            moved = box.translated(across * (clear + box.width / 2), up * (clear + 0.4 * box.height))
            fits = inside.x0 <= moved.x0 and moved.x1 <= inside.x1
            fits = fits and inside.y0 <= moved.y0 and moved.y1 <= inside.y1
            if fits and not moved.count_overlaps(taken):
                return moved, distance
    return None


def _along(corners: NDArray[np.float64]) -> list[Bbox]:
    """Return small boxes along a line, in pixels."""
    boxes = []
    for start, end in itertools.pairwise(corners):
        steps = max(2, int(np.hypot(*(end - start)) / 4))
        for x, y in start + np.linspace(0, 1, steps)[:, None] * (end - start):
            boxes.append(Bbox.from_extents(x - 1, y - 1, x + 1, y + 1))
    return boxes


def _lead(ax: Axes, point: Point, box: Bbox, reach: float) -> None:
    """Draw a thin line from a point to the nearest edge of its name."""
    x, y = ax.transData.transform((point.x, point.y))
    end_x, end_y = min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1)
    length = math.hypot(end_x - x, end_y - y)
    if length <= reach:
        return
    start = (x + reach * (end_x - x) / length, y + reach * (end_y - y) / length)
    (x0, y0), (x1, y1) = ax.transData.inverted().transform([start, (end_x, end_y)])
    ax.plot(
        [x0, x1], [y0, y1], color=point.color, linewidth=0.6, alpha=0.6, zorder=3, scalex=False, scaley=False
    )
