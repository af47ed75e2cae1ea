"""Measurements that this machine keeps in `.practise/`, so that it takes each of them once.

A latency is never the same twice, and choices follow from it. So as long as machine, networks and settings
are the same, results that were deleted come back with the same numbers, and networks of the same layers share
one measurement: what a pass takes follows from the layers, not from the weights in them.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from practise.files import read_result, write_result

FOLDER = Path(".practise", "latency")
"""Where this machine's measurements are kept, in the project's folder and out of git."""


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
        depends: all that it follows from, as JSON's types: machine, settings, layers.
        measure: takes the measurement.
        made: the circumstances that are written beside it.
        again: measure, also when this machine's measurement was kept.
    """
    digest = hashlib.sha256(json.dumps([what, *depends], sort_keys=True).encode()).hexdigest()[:16]
    kept = FOLDER / f"{what}-{digest}.json"
    if again or not kept.is_file():
        write_result(kept, "latency", measure(), made)
    return read_result(kept, "latency")
