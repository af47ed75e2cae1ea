"""How things are written: criteria and losses, means, percentages, block lists, the hardware line."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import Any

import pandas as pd

from practise.recovery.registry import LOSSES
from practise.render.formats import DASH
from practise.schema import HowMany
from practise.scoring.registry import CRITERIA

RECOVERABILITY = "recoverability"
"""The criterion whose score is R(B)."""

RECOVERABILITIES = (RECOVERABILITY, "combined_recoverability")
"""The criteria that look at what is left after a recovery by adaptors alone."""


def criterion_title(criterion: str) -> str:
    """Return how a criterion is called in tables and figures; one that is no entry, by its key."""
    return CRITERIA[criterion].title if criterion in CRITERIA else criterion.replace("_", " ")


def loss_title(loss: str) -> str:
    """Return how a loss is called in figures; one that is no entry, by its key."""
    return LOSSES[loss].title if loss in LOSSES else loss.replace("_", " ")


def loss_unit(loss: str) -> str:
    """Return what a loss is a number of, for axes."""
    return LOSSES[loss].unit if loss in LOSSES else loss_title(loss)


def mean_and_std(values: Iterable[float], digits: int) -> str:
    """Return "mean ± sample standard deviation", the mean alone for one value, a dash for none.

    >>> mean_and_std([1.0, 3.0], 1), mean_and_std([2.0], 1), mean_and_std([], 1)
    ('2.0 ± 1.4', '2.0', '—')
    """
    present = pd.Series(list(values), dtype=float).dropna()
    if present.empty:
        return DASH
    return plus_minus(present.mean(), present.std(ddof=1), digits)


def plus_minus(mean: float, std: float, digits: int) -> str:
    """Return "mean ± std", the mean alone where there is no standard deviation.

    >>> plus_minus(2.0, 1.414, 1), plus_minus(2.0, float("nan"), 1)
    ('2.0 ± 1.4', '2.0')
    """
    return number(mean, digits) if pd.isna(std) else f"{number(mean, digits)} ± {number(std, digits)}"


def plus_minus_time(mean: float, std: float, digits: int) -> str:
    """Return "mean ± std" of times or reductions, the mean alone where all are one and the same measurement.

    >>> plus_minus_time(2.0, 1.414, 1), plus_minus_time(2.0, 0.0, 1)
    ('2.0 ± 1.4', '2.0')
    """
    return plus_minus(mean, float("nan") if is_shared(std) else std, digits)


def is_shared(std: float) -> bool:
    """Whether times with this standard deviation are one and the same measurement."""
    return abs(std) < 1e-9


def number(value: float, digits: int, *, signed: bool = False) -> str:
    """Return `value` with fixed decimals and a true minus sign; a missing value is a dash, never 0.

    >>> number(-1.25, 1), number(float("nan"), 1), number(2, 1, signed=True), number(-0.01, 1)
    ('−1.2', '—', '+2.0', '0.0')
    """
    if pd.isna(value):
        return DASH
    return f"{value:{'+' if signed else ''}z.{digits}f}".replace("-", "−")


def with_interval(value: float, low: float, high: float, digits: int, *, signed: bool = False) -> str:
    """Return "value [low, high]"; a sign goes to the value alone.

    >>> with_interval(0.5, -0.25, 1, 2, signed=True)
    '+0.50 [−0.25, 1.00]'
    """
    return f"{number(value, digits, signed=signed)} [{number(low, digits)}, {number(high, digits)}]"


def scientific(values: Iterable[float]) -> str:
    """Return "mean ± std" of values that may span decades, with three significant digits of the mean.

    >>> scientific([0.01234, 0.01236]), scientific([1.5e-6])
    ('0.01235 ± 0.00001', '1.500e−06')
    """
    present = pd.Series(list(values), dtype=float).dropna()
    if present.empty:
        return DASH
    mean, spread = present.mean(), present.std(ddof=1)
    if mean != 0 and not 1e-4 <= abs(mean) < 1e4:
        texts = [f"{mean:.3e}"] + ([f"{spread:.0e}"] if len(present) > 1 else [])
    else:
        digits = 4 if mean == 0 else max(0, 3 - _decade(mean))
        texts = [f"{mean:.{digits}f}"] + ([f"{spread:.{digits}f}"] if len(present) > 1 else [])
    return " ± ".join(text.replace("-", "−") for text in texts)


def _decade(value: float) -> int:
    return int(f"{abs(value):e}".split("e")[1])


def target_title(target: float) -> str:
    """Return a latency target, a share of the original's latency, in percent; from 1 on, a number of blocks.

    >>> target_title(0.16)
    '16 %'
    """
    if target >= 1:
        return f"{target:g} block{'s' if target > 1 else ''}"
    return f"{100 * target:.4g} %"


def count_of(noun: str, count: HowMany) -> str:
    """Return the count with its noun.

    >>> count_of("seed", 1), count_of("image", 50), count_of("image", "all")
    ('1 seed', '50 images', 'all images')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def block_list(dropped: Sequence[str]) -> str:
    """Return which blocks were dropped, and how often where the seeds disagree.

    A prefix that all names share up to a dot is written once: `blocks.{1.1, 2.1 (2 of 3)}`.

    Args:
        dropped: One text per seed, block names separated by spaces, each in network order.

    >>> block_list(["blocks.1.1 blocks.2.1", "blocks.1.1"])
    'blocks.{1.1, 2.1 (1 of 2)}'
    """
    counts: dict[str, int] = {}
    for text in dropped:
        for name in text.split():
            counts[name] = counts.get(name, 0) + 1
    if not counts:
        return DASH
    shared = shared_prefix(list(counts))
    always = len(dropped)
    names = [
        name.removeprefix(shared) + ("" if count == always else f" ({count} of {always})")
        for name, count in sorted(counts.items(), key=lambda item: natural_order(item[0]))
    ]
    return f"{shared}{{{', '.join(names)}}}" if shared else ", ".join(names)


def fit_title(start: Mapping[str, Any] | None) -> str:
    """Return how the start of a recovery was fitted: an empty text where it fits nothing by itself.

    >>> fit_title({"pull": 0.1, "matched": True}), fit_title({"pull": None, "matched": False})
    ('pull 0.1, batch norm matched', 'no fit')
    """
    if start is None:
        return ""
    parts = [] if start["pull"] is None else [f"pull {start['pull']:g}"]
    parts += ["batch norm matched"] if start["matched"] else []
    return ", ".join(parts) or "no fit"


def choice_title(fits: Iterable[str], shares: Iterable[float]) -> str:
    """Return what recoveries chose by looking at images, and how often where the seeds disagree.

    Args:
        fits: how each start was fitted, by `fit_title`.
        shares: of the way from start to end that each went; missing where none was chosen.

    >>> choice_title(["no fit", "pull 0.1", "no fit"], [0.5, 0.5, 0.5])
    'no fit; 50 % (2 of 3), pull 0.1; 50 % (1 of 3)'
    """
    texts = [
        "; ".join(filter(None, (fit, "" if pd.isna(share) else f"{100 * share:.0f} %")))
        for fit, share in zip(fits, shares, strict=True)
    ]
    counts = Counter(texts)
    if len(counts) == 1:
        return texts[0] or DASH
    return ", ".join(f"{text or DASH} ({count} of {len(texts)})" for text, count in counts.most_common())


def shared_prefix(names: Sequence[str]) -> str:
    """Return what two or more block names all start with, up to and with the first dot; else an empty text.

    >>> shared_prefix(["blocks.1.1", "blocks.2.1"]), shared_prefix(["layer1.1", "layer2.1"])
    ('blocks.', '')
    """
    prefixes = {name.partition(".")[0] for name in names}
    alike = len(names) > 1 and len(prefixes) == 1 and all("." in name for name in names)
    return f"{prefixes.pop()}." if alike else ""


def shared_start(names: Sequence[str]) -> str:
    """Return the letters that two or more block names all start with, for figures, where every letter counts.

    >>> shared_start(["blocks.1.1", "blocks.1.2"]), shared_start(["layer1.1", "layer2.1"])
    ('blocks.', 'layer')
    """
    return re.split(r"\d", commonprefix(list(names)))[0] if len(names) > 1 else ""


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts block names as the network has them: `blocks.9` before `blocks.10`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in name.split(".")]


def hardware_line(frame: pd.DataFrame) -> str:
    """Return where the times were measured: device, threads, number type, batch and image size.

    Args:
        frame: Any frame with the columns `tidy.DEVICE_COLUMNS`; several values of one column are all named.
    """

    def values(column: str) -> list[str]:
        present = frame[column].dropna().unique()
        return [f"{value:g}" if isinstance(value, float) else str(value) for value in present]

    devices = values("device_name")
    threads = values("threads")
    parts = [" / ".join(devices) or DASH]
    if "cpu" in values("device"):
        parts.append("/".join(threads) + (" thread" if threads == ["1"] else " threads"))
    sizes = [f"{size} × {size}" for size in values("image_size")]
    parts += [
        "/".join(values("dtype")),
        f"batch {'/'.join(values('batch_size'))}",
        f"{' / '.join(sizes)} pixels",
    ]
    return ", ".join(parts)
