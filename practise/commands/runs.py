"""What changes from run to run, kept out of the results: date, host, duration, commit.

It lies under `results/<study>/runs/`, which no engine tracks, so that the results themselves stay
byte-stable.
"""

import json
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from practise.files import write_text
from practise.settings.grid import Paths
from practise.settings.params import Params


def write_volatile(params: Params, output: Path, start: float, command: Sequence[str]) -> None:
    """Note the run that made `output`; an output outside the study's results is not noted.

    Args:
        params: The params of the run.
        output: The run's first output.
        start: When the run started, in seconds since the epoch.
        command: The words of the command line.
    """
    path = Paths.of(params).volatile(output)
    if path is None:
        return
    note = {
        "date": datetime.fromtimestamp(start, UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "seconds": round(time.time() - start, 3),
        "peak_memory_mib": round(_peak_memory_bytes() / 2**20),
        "commit": _commit(),
        "command": list(command),
    }
    write_text(path, json.dumps(note, indent=2, sort_keys=True) + "\n")


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _commit() -> str | None:
    """Return the commit that is checked out here, with `+` when tracked files differ; None outside git."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip() or None
