"""What tables have in common: which columns say the same in every row, and how captions say it instead."""

from collections.abc import Collection

import pandas as pd

from practise.render.names import count_of, target_title
from practise.render.tidy import SAMPLE_SETTING
from practise.schema import HowMany

SETTING_TITLES = {
    "Network": "network",
    "Images": "images",
    "Handed over": "num_images",
    "Target": "target_reduction",
}
"""The headings of the columns that make a setting, and the frame's columns behind them."""

SAMPLE_TITLES = {title: column for title, column in SETTING_TITLES.items() if column in SAMPLE_SETTING}
"""Those of a setting in which criteria are compared."""


KL = "KL: of the class probabilities from the original's, in nats, mean over the images."
"""What the column KL is."""


CHOSEN = (
    "Chosen: by looking at the images, how adaptors and batch norm are fitted where the recovery starts, and "
    "the share of the way from there to the end of its training that it goes."
)
"""What a column says that `choice_title` fills."""


def chosen_heading(count: HowMany) -> str:
    """Return the heading of what was chosen with so many images."""
    return f"Chosen, {count_of('image', count)}"


def kl_heading(count: HowMany) -> str:
    """Return the heading of the KL with so many images."""
    return f"KL, {count_of('image', count)}"


def constant_columns(frame: pd.DataFrame, columns: dict[str, str]) -> set[str]:
    """Return the headings whose column of the frame has one value, so that the caption can say it.

    Args:
        frame: A tidy frame.
        columns: The frame's column for each heading.
    """
    return {title for title, column in columns.items() if frame[column].nunique() == 1}


def setting_caption(frame: pd.DataFrame, hidden: Collection[str]) -> list[str]:
    """Return what hidden columns would have said, a phrase for each."""
    first = frame.iloc[0]
    phrases = {
        "Network": lambda: f"network {first['network']}",
        "Images": lambda: f"images {first['images']}",
        "Handed over": lambda: f"{count_of('image', first['num_images'])} handed over",
        "Target": lambda: f"target {target_title(first['target_reduction'])}",
        "Preset": lambda: f"preset {first['preset']}",
    }
    return [phrase() for title, phrase in phrases.items() if title in hidden]


def seeds_caption(counts: Collection[int]) -> str:
    """Return what the spread is over.

    Args:
        counts: The numbers of seeds that occur.
    """
    if max(counts) == 1:
        return "n = 1 seed"
    number = f"n = {min(counts)} " if len(set(counts)) == 1 else "the "
    return f"mean ± sample standard deviation over {number}seeds"


def sentence(phrases: Collection[str]) -> str:
    """Return phrases as one sentence."""
    text = ", ".join(phrases)
    return f"{text[:1].upper()}{text[1:]}."
