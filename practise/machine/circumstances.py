"""What a result was made with, in the one shape that every result carries."""

from typing import TYPE_CHECKING, Any, Protocol

from practise.machine.hardware import device_name
from practise.version import __version__

if TYPE_CHECKING:
    import torch


class Sections(Protocol):
    """What `circumstances` asks of the params."""

    def section_sha256(self, *keys: str) -> str:
        """Return a hash of some of their parts."""


def circumstances(
    params: Sections, *sections: str, device: "torch.device | None" = None, **applicable: Any
) -> dict[str, Any]:
    """Return what a result was made with, in the one shape that every result carries.

    Args:
        params: The params of the run.
        sections: The dotted keys of the params that shaped the result, such as `score`, `methods.practise`.
        device: Where it was computed; None for a result that needs no torch.
        applicable: Whatever else applies: `dtype`, `batch_size`, `image_size`, `seed`, …
    """
    made = {"version": __version__, "params_sha256": params.section_sha256(*sections), **applicable}
    if device is not None:
        import torch

        made |= {"torch": str(torch.__version__), "device": device.type, "device_name": device_name(device)}
        made |= {"threads": torch.get_num_threads()}
    return made
