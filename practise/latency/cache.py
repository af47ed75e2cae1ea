"""Measurements that this machine keeps in `.practise/`, so that it takes each of them once.

A latency is never the same twice, and choices follow from it. So as long as machine, networks and settings
are the same, results that were deleted come back with the same numbers, and networks of the same layers share
one measurement: what a pass takes follows from the layers, not from the weights in them. Where the code that
measures changes, what was measured by the old one no longer counts.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from practise.files import read_result, write_result
from practise.machine.code import protocol

FOLDER = Path(".practise", "latency")
"""Where this machine's measurements are kept, in the project's folder and out of git."""

ROOM = Path(__file__).parent
"""The folder with the code that measures."""
OTHER = ("__init__.py", "cache.py", "params.py")
"""Files in it that do not measure; the values of settings are part of what a measurement depends on."""


def measure_once(
    what: str,
    depends: Sequence[Any],
    measure: Callable[[], Mapping[str, Any]],
    made: Mapping[str, Any],
    *,
    again: bool = False,
) -> dict[str, Any]:
    """What was measured on this machine, now or before.

    Args:
        what: the measurement's name.
        depends: all else that it follows from than the code that measures, as JSON's types: machine,
            settings, layers, how often it is taken.
        measure: takes the measurement.
        made: the circumstances that are written beside it.
        again: measure, also when this machine's measurement was kept.
    """
    described = json.dumps([what, protocol(ROOM, without=OTHER), *depends], sort_keys=True)
    kept = FOLDER / f"{what}-{hashlib.sha256(described.encode()).hexdigest()[:16]}.json"
    if again or not kept.is_file():
        write_result(kept, "latency", measure(), made)
    return read_result(kept, "latency")
