"""This machine, as far as it can be told at once: enough to see that results were measured elsewhere.

The stages themselves compare everything (`practise.hardware.check`).
"""

from pathlib import Path
from typing import Any

import psutil

from practise.errors import FileError
from practise.files import read_result
from practise.hardware import cpu_name


def machine() -> dict[str, Any]:
    """Return processor, cores and memory under the names that `practise.hardware.describe` gives them."""
    return {
        "cpu": cpu_name(),
        "logical_cores": psutil.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }


def has_gpu() -> bool:
    """Whether the system has an NVIDIA GPU; torch may still not see it."""
    return any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"))


def is_from_elsewhere(hardware_file: Path) -> bool:
    """Whether a hardware file describes another machine than this one."""
    try:
        described = read_result(hardware_file, "hardware")
    except FileError:
        return False  # there is nothing to doubt: the stage will write it
    return any(described.get(key) != value for key, value in machine().items())
