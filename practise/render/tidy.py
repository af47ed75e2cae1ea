"""Tidy frames on disk: one row per thing, one CSV file per frame, the same to the last digit when read back.

A table's CSV file is all that the rendered tables and the figures know.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from practise.errors import FileError

SETTING = ("network", "images", "num_images", "target_reduction")
"""The columns that make a setting, in which methods are compared."""

SAMPLE_SETTING = ("network", "images", "num_images")
"""The columns that make a setting, in which criteria are compared."""

DEVICE_COLUMNS = ("device_name", "device", "threads", "dtype", "batch_size", "image_size")
"""What a measured time depends on, in every latency result and in every frame that holds a time."""

REDUCTION_AT, UNSTABLE_AT = "measured_reduction_batch", "unstable_batch"
"""How columns of a further batch size begin; the size follows."""

BETWEEN_SEEDS = "; "
"""What stands between the `dropped_blocks` of several seeds, in frames with one row for all of them."""

LEAST_CEILING = 0.5
"""Where the oracle agrees less with itself, it says nothing of criteria."""

WORDS = (
    *("network", "images", "method", "style", "preset", "match", "criterion", "search", "loss", "pruned"),
    *("kind", "evaluation", "block", "dropped_block", "dropped_blocks", "best_known", "paper_source"),
    *("claim", "ours", "against", "device_name", "device", "dtype", "fit"),
)
"""The columns that hold words even where they look like numbers or are empty."""


def frame_csv(frame: pd.DataFrame) -> str:
    """Return the frame as CSV: shortest exact floats, a missing value as an empty cell."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def parse_frame(text: str) -> pd.DataFrame:
    """Return the frame that `frame_csv` wrote; an empty cell is a missing number or, among words, no word."""
    words = {column: str for column in WORDS}
    frame = pd.read_csv(StringIO(text), dtype=words, keep_default_na=False, na_values=[""])
    if "num_images" in frame and not is_numeric_dtype(frame["num_images"]):
        frame["num_images"] = pd.Series([how_many(text) for text in frame["num_images"]], dtype=object)
    return frame.fillna({column: "" for column in WORDS if column in frame})


def how_many(text: str) -> int | str:
    """Return a number of images that stood in a file, or `all`.

    >>> how_many("50"), how_many("all")
    (50, 'all')
    """
    return int(text) if text.isdecimal() else text


def by_size(counts: Iterable[Any]) -> list[Any]:
    """Return numbers of images from the smallest to the largest, and then all of them.

    >>> by_size(["all", 500, 50])
    [50, 500, 'all']
    """
    return sorted(counts, key=lambda count: math.inf if count == "all" else count)


def read_frame(path: Path) -> pd.DataFrame:
    """Return the frame of a table's CSV file.

    Raises:
        FileError: The file is missing or holds no table.
    """
    if not path.is_file():
        raise FileError(f"{path}: no such file, should be a table that `practise tables` writes")
    try:
        return parse_frame(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FileError(f"{path}: holds no table ({error})") from error


def further_batches(frame: pd.DataFrame) -> list[str]:
    """Return the further batch sizes at which latency was measured, in the order of the columns."""
    found = [str(column).removesuffix("_mean") for column in frame if str(column).startswith(REDUCTION_AT)]
    return [column.removeprefix(REDUCTION_AT) for column in found if not column.endswith("_std")]


def ahead(means: pd.Series, spreads: pd.Series) -> Any:
    """Return the name of the mean that is above every other by more than their difference spreads, or None.

    Args:
        means: Over seeds, by name.
        spreads: Their standard deviations; NaN for a single seed, which tells nothing of it.

    >>> ahead(pd.Series({"kd": 70.3, "cd": 69.9, "mir": 68.7}), pd.Series({"kd": 0.1, "cd": 0.2, "mir": 0.9}))
    'kd'
    >>> ahead(pd.Series({"kd": 70.3, "cd": 69.9}), pd.Series({"kd": 0.5, "cd": 0.2}))
    """
    first, *others = means.dropna().sort_values(ascending=False).index
    leads = [means[first] - means[other] > math.hypot(spreads[first], spreads[other]) for other in others]
    return first if others and all(leads) else None


def groups(frame: pd.DataFrame, keys: Sequence[str]) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Give the rows that share the values of `keys`, in the order in which the frame first names them."""
    yield from frame.groupby(list(keys), sort=False, dropna=False)
