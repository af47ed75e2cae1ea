"""What all figures share: the style, one colour and marker per method, panels, head and foot, saving.

The same frame gives the same bytes: no dates, no random identifiers, no interactive backend.
"""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import matplotlib.style
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from practise.files import atomic
from practise.render.methods import METHODS, MethodStyle, base_method, method_title
from practise.render.names import count_of, criterion_title, loss_title, target_title
from practise.render.tidy import groups

STYLE = Path(__file__).with_name("style.mplstyle")
INK, QUIET = "#222222", "#777777"

FORMATS: Mapping[str, Mapping[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
"""The formats of every figure, each without the metadata that changes from day to day."""


OTHER_STYLES = tuple(
    map(
        MethodStyle,
        ("#666666", "#228833", "#66CCEE", "#AA3377", "#004488", "#882255"),
        ("h", "<", ">", "*", "d", "p"),
    )
)
VARIANTS = ((0.45, "d"), (-0.4, "p"), (0.65, "h"), (-0.6, "<"))
"""How variants of a method differ from it: the share of white, or of black, in the colour; the marker."""


def method_styles(frame: pd.DataFrame) -> dict[str, MethodStyle]:
    """Return the style of each method in `frame`, in its order.

    A variant of a known method has its colour, lighter or darker; unknown methods take spare styles in turn.
    """
    styles: dict[str, MethodStyle] = {}
    used: Counter[str | None] = Counter()
    for method in frame["method"].unique():
        base = base_method(method)
        if method in METHODS:
            styles[method] = METHODS[method].style
        elif base is not None:
            share, marker = VARIANTS[used[base] % len(VARIANTS)]
            styles[method] = MethodStyle(shaded(METHODS[base].color, share), marker)
        else:
            styles[method] = OTHER_STYLES[used[None] % len(OTHER_STYLES)]
        if method not in METHODS:
            used[base] += 1
    return styles


def shaded(color: str, share: float) -> str:
    """Return a colour with a share of white mixed in, or of black where the share is negative.

    >>> shaded("#204060", 0.5), shaded("#204060", -0.5)
    ('#90a0b0', '#102030')
    """
    other = 1.0 if share > 0 else 0.0
    red, green, blue = ((1 - abs(share)) * part + abs(share) * other for part in to_rgb(color))
    return to_hex((red, green, blue))


@contextmanager
def project_style() -> Iterator[None]:
    """Draw in the project's style and in no other, whatever the user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        matplotlib.style.use(STYLE)
        yield


class Panel(NamedTuple):
    """One axes with the rows that belong in it.

    Attributes:
        ax: The axes.
        setting: The values of the panel's keys.
        rows: The rows of the frame that have these values.
        width: The panel's width in inches.
    """

    ax: Axes
    setting: tuple[Any, ...]
    rows: pd.DataFrame
    width: float


def draw_panels(
    frame: pd.DataFrame,
    keys: Sequence[str],
    title: str,
    note: str,
    *,
    legend: Sequence[Artist] = (),
    panel_height: float = 3.9,
    always: Sequence[str] = (),
    columns: int = 2,
) -> tuple[Figure, list[Panel]]:
    """Return a figure with title, legend and note, and one empty panel for each setting of the frame.

    Args:
        frame: A tidy frame; one without rows gives a single panel that says so, and no panels to fill.
        keys: The columns that make a panel, such as `tidy.SETTING`.
        title: The figure's title.
        note: What is below the panels: what was measured, and where.
        legend: The handles of a legend above the panels.
        panel_height: Height of a panel in inches.
        always: Which of `keys` a panel's title names even when there is only one value.
        columns: How many panels stand side by side, at most.
    """
    settings = _settings(frame, keys)
    columns = max(1, min(columns, len(settings)))
    lines = max(1, -(-len(settings) // columns))
    width = {1: 7.0, 2: 8.4}.get(columns, 9.9)
    note = textwrap.fill(note, int(14.5 * width))  # as many characters as fit
    legend_columns = 4 if columns == 1 else 5
    head = 0.38 + 0.24 * -(-len(legend) // legend_columns)
    foot = 0.12 + 0.17 * len(note.splitlines())
    height = head + panel_height * lines + foot
    layout = ConstrainedLayoutEngine(
        w_pad=0.09, h_pad=0.07, rect=(0, foot / height, 1, 1 - (head + foot) / height)
    )
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    edge = 0.09 / width
    texts: list[Artist] = [
        figure.text(edge, 1 - 0.1 / height, title, va="top", fontsize="large", fontweight="bold", color=INK),
        figure.text(edge, 0.09 / height, note, va="bottom", fontsize=8.5, color=QUIET, linespacing=1.3),
    ]
    if legend:
        anchor = (edge, 1 - 0.33 / height)
        texts.append(
            figure.legend(
                handles=list(legend),
                ncols=legend_columns,
                loc="upper left",
                bbox_to_anchor=anchor,
                borderaxespad=0,
            )
        )
    for text in texts:
        text.set_in_layout(False)
    axes = figure.subplots(lines, columns, squeeze=False).ravel().tolist()
    for ax in axes[max(1, len(settings)) :]:
        ax.set_axis_off()
    if not settings:
        say_nothing(axes[0], "nothing to draw: the grid holds no such cell")
    named = [key for key in keys if key in always or frame[key].nunique() > 1]
    titles = [setting_words(dict(zip(keys, setting, strict=True)), named) for setting, _ in settings]
    too_long = any(len(" · ".join(words)) > 8.5 * width / columns for words in titles)
    panels = []
    for ax, (setting, rows), words in zip(axes, settings, titles, strict=False):
        ax.set_title("\n".join([" · ".join(words[:-1]), words[-1]]) if too_long else " · ".join(words))
        panels.append(Panel(ax, setting, rows, width / columns))
    return figure, panels


def _settings(frame: pd.DataFrame, keys: Sequence[str]) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Return the settings with their rows; keys in turn, each key's values in the order of the frame."""
    ranks = {key: {value: rank for rank, value in enumerate(frame[key].unique())} for key in keys}
    return sorted(
        groups(frame, keys) if len(frame) else (),
        key=lambda item: [ranks[key][value] for key, value in zip(keys, item[0], strict=True)],
    )


def setting_words(setting: Mapping[str, Any], shown: Sequence[str]) -> list[str]:
    """Return a setting in words, naming only the given columns."""
    words: Mapping[str, Callable[[Any], str]] = {
        "network": str,
        "images": str,
        "num_images": lambda value: count_of("image", value),
        "target_reduction": lambda value: f"target {target_title(value)}",
        "method": method_title,
        "loss": loss_title,
        "criterion": criterion_title,
    }
    return [words[key](value) for key, value in setting.items() if key in shown]


DECADE = 10.0
"""Scores whose largest is this many times the smallest are drawn on a logarithmic axis."""


def plain_log_axis(ax: Axes, which: Literal["x", "y"] = "y") -> None:
    """Make an axis logarithmic, labelled with plain numbers: 0.02, not 2 × 10⁻²."""
    ax.set(**{f"{which}scale": "log"})
    axis = {"x": ax.xaxis, "y": ax.yaxis}[which]
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def say_nothing(ax: Axes, sentence: str) -> None:
    """Turn an axes into a panel that says why it is empty."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, sentence, transform=ax.transAxes, ha="center", va="center", color=QUIET)


def save(figure: Figure, folder: Path, name: str, formats: Sequence[str] = tuple(FORMATS)) -> None:
    """Write the figure to `folder/name.<format>` in each format, atomically and byte for byte repeatable."""
    for ending in formats:
        with atomic(folder / f"{name}.{ending}") as temporary:
            figure.savefig(temporary, format=ending, metadata=dict(FORMATS[ending]))
