"""Progress with the time left: a bar on a terminal, a plain line about every tenth in a log file."""

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(iterable: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Give the items of `iterable` and tell on stderr how far it is and how long the rest takes.

    Args:
        iterable: What to go through.
        description: What is being done, such as `recover efficientnet_lite0`.
        total: The number of items; taken from `iterable` when it has a length.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    if sys.stderr.isatty():
        yield from tqdm(iterable, desc=description, total=total, dynamic_ncols=True, leave=False)
    else:
        yield from _track_plainly(iterable, description, total)


def _track_plainly(iterable: Iterable[T], description: str, total: int | None) -> Iterator[T]:
    """Print one line at every tenth of `total`, at most one a second; every half minute without a total."""
    start = last = time.monotonic()
    tenths = 0
    for count, item in enumerate(iterable, start=1):
        yield item
        now = time.monotonic()
        if total:
            due = (count * 10 // total > tenths and now - last >= 1) or count == total
            left = (now - start) / count * (total - count)
            progress = f"{100 * count // total} % ({count}/{total}), {describe_seconds(left)} left"
        else:
            due, progress = now - last >= 30, f"{count} done"
        if due:
            done = count == total
            took = f"{count} done in {describe_seconds(now - start)}"
            print(f"{description}: {took if done else progress}", file=sys.stderr, flush=True)
            last, tenths = now, (count * 10 // total if total else 0)


def describe_seconds(seconds: float) -> str:
    """Return a duration as people say it.

    >>> describe_seconds(3.2), describe_seconds(75), describe_seconds(7260)
    ('3 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
