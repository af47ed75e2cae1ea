"""What this machine is: latency belongs to a machine.

`describe` says which one this is, `check` refuses measurements of another; `glance` says as much as can be
told at once, without torch.
"""

import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from practise.errors import FileError, HardwareError
from practise.files import read_result

if TYPE_CHECKING:
    import torch


def device_name(device: "torch.device") -> str:
    """Return the product name of the GPU or processor that a device is."""
    import torch

    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


def describe() -> dict[str, Any]:
    """Return what this machine is: all that a latency depends on and that stays the same for long."""
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        **glance(),
        "physical_cores": psutil.cpu_count(logical=False) or psutil.cpu_count() or 1,
        "gpu": gpu,
        "driver": _driver() if gpu else None,
        "os": _operating_system(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def glance() -> dict[str, Any]:
    """Return what can be told at once: enough to see that results were measured elsewhere."""
    return {
        "cpu": cpu_name(),
        "logical_cores": psutil.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }


def has_gpu() -> bool:
    """Whether the system has an NVIDIA GPU; torch may still not see it."""
    return any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg"))


def is_from_elsewhere(hardware_file: Path) -> bool:
    """Whether a hardware file describes another machine than this one, as far as a glance tells."""
    try:
        described = read_result(hardware_file, "hardware")
    except FileError:
        return False  # there is nothing to doubt: the stage will write it
    return any(described.get(key) != value for key, value in glance().items())


def check(path: str | Path) -> dict[str, Any]:
    """Return the description in a hardware file, made sure to be of this machine.

    Args:
        path: What the stage `hardware` wrote.

    Raises:
        FileError: The file is missing, damaged or of another kind.
        HardwareError: The file describes another machine, or this one with other software.
    """
    described, here = read_result(path, "hardware"), describe()
    other = [key for key in here if described.get(key) != here[key]]
    if other:
        raise HardwareError(
            f"{path}: describes {_summary(described, other)}, this machine is {_summary(here, other)}: "
            f"run `practise hardware --out {path}` (or `dvc repro -f hardware`) to measure again"
        )
    return described


def cpu_name() -> str:
    """Return the product name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].split())
    except OSError:
        pass
    if sys.platform == "darwin":
        return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    return platform.processor() or platform.machine()


def _summary(description: Mapping[str, Any], keys: list[str]) -> str:
    values = {key: "none" if description.get(key) is None else description[key] for key in keys}
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _driver() -> str | None:
    versions = _output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return versions.splitlines()[0].strip() if versions else None


def _operating_system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = f"{platform.system()} {platform.release()}"
    return f"{name} {platform.machine()}"


def _output(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
