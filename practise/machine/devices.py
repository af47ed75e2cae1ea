"""What computes, in which number format, and how torch is set up for it.

Choices made here go by what the hardware can do, never by a clock, so that the same machine always chooses
the same.
"""

import ctypes
import os
import platform
from typing import TYPE_CHECKING, Protocol, get_args

from practise.errors import DeviceError, unknown
from practise.machine.params import DeviceName

if TYPE_CHECKING:
    import torch

DEVICES = get_args(DeviceName)

DTYPES = {"fp32": "float32", "bf16": "bfloat16"}
"""Our names of number formats and torch's."""


class DeviceSettings(Protocol):
    """What `prepare` needs to know; `params.device` has it."""

    @property
    def name(self) -> str:
        """One of `auto`, `cpu` and `cuda`."""

    @property
    def threads(self) -> int:
        """Number of CPU threads."""


def resolve_device(name: "str | torch.device", key: str = "device.name") -> "torch.device":
    """Return the device that a name stands for.

    Args:
        name: `auto` (the GPU where there is one), `cpu` or `cuda`, or torch's name of one such as `cuda:1`.
        key: Where it was asked for.

    Raises:
        DeviceError: The name is unknown, or `cuda` is asked for where torch sees no GPU.
    """
    import torch

    kind, _, index = str(name).partition(":")
    if kind not in DEVICES or not (index.isdecimal() or str(name) == kind):
        raise DeviceError(f"{key}: {unknown('device', name, DEVICES)}")
    if kind == "cpu":
        return torch.device("cpu")
    if torch.cuda.is_available():
        number, count = int(index or 0), torch.cuda.device_count()
        if number >= count:
            raise DeviceError(f"{key}: is '{name}', but torch sees {count} GPUs, numbered from 0")
        return torch.device("cuda", number)
    if kind == "cuda":
        raise DeviceError(
            f"{key}: '{name}' is asked for, but torch sees no GPU on this machine; set it to auto or cpu"
        )
    return torch.device("cpu")


def resolve_dtype(name: str, device: "torch.device") -> "torch.dtype":
    """Return the number format that a name stands for on a device.

    Args:
        name: `fp32`, `bf16`, or `auto`: bf16 where the device has instructions for it, else fp32.
        device: Where it is computed.

    Raises:
        DeviceError: The name is unknown, or the GPU cannot compute in bf16.
    """
    import torch

    if name == "auto":
        return torch.bfloat16 if _computes_bf16(device) else torch.float32
    if name not in DTYPES:
        raise DeviceError(unknown("dtype", name, ("auto", *DTYPES)))
    if name == "bf16" and device.type == "cuda" and not _computes_bf16(device):
        raise DeviceError(f"dtype: {torch.cuda.get_device_name(device)} has no bf16, should be auto or fp32")
    dtype: torch.dtype = getattr(torch, DTYPES[name])
    return dtype


def training_dtype(name: str, network: "torch.nn.Module", device: "torch.device") -> "torch.dtype":
    """Return the number format to train in: as `resolve_dtype`, but fp32 where bf16 is slower.

    On a CPU the backward pass of depthwise convolutions is slower in bf16 (`benchmarks/formats.py`).

    Args:
        name: `auto`, `fp32` or `bf16`.
        network: What is trained.
        device: Where it is computed.
    """
    import torch

    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    depthwise = any(conv.groups == conv.in_channels > 1 for conv in convolutions)
    return resolve_dtype("fp32" if name == "auto" and depthwise and device.type == "cpu" else name, device)


def dtype_name(dtype: "torch.dtype") -> str:
    """Return our name of a number format, such as `bf16`."""
    return next(name for name, torch_name in DTYPES.items() if str(dtype) == f"torch.{torch_name}")


def prepare_environment(device: DeviceSettings, timed: bool = False) -> None:
    """Set what numerical libraries read when they are imported; call it before torch or numpy is.

    An engine may set other numbers of threads for its jobs; sums, and so bits, would differ between engines.

    Args:
        device: The section `device` of the params.
        timed: Whether latency will be measured. Elsewhere idle threads sleep, because spinning ones slow
            other jobs on the same cores down tenfold.
    """
    keep_freed_memory()
    if not timed:
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(device.threads)
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS repeats its bits only with a fixed workspace


def prepare(device: DeviceSettings) -> None:
    """Set torch's threads and its deterministic algorithms, for the whole process, before any work.

    Args:
        device: The section `device` of the params.
    """
    prepare_environment(device, timed=True)
    import torch

    torch.set_num_threads(device.threads)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    # Filling fresh memory guards against reading it unwritten; its time would be measured as latency.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def keep_freed_memory() -> bool:
    """Have glibc keep freed memory for the next tensor, for as long as the process lives.

    Left alone it gives memory back to the kernel, which clears every page that it hands out anew. On a
    virtual machine that is up to half of a training step and a third of a pass; which passes it hits hangs
    on what was freed before, so on the networks that are measured beside.

    Returns:
        Whether memory is kept; where there is no glibc, nothing changes.
    """
    mmap_max, trim_threshold = -4, -1  # glibc's names of what mallopt sets, in malloc.h
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(mmap_max, 0) and libc.mallopt(trim_threshold, -1))


def _computes_bf16(device: "torch.device") -> bool:
    """Whether the device has instructions for products of bf16 numbers."""
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
