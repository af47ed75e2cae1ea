"""Say what this machine is: latencies are measured again when it is another one."""

from pathlib import Path

from practise import hardware
from practise.files import write_result
from practise.params import Params

OUTPUTS = ("out",)


def run(params: Params, *, out: Path) -> None:
    """Describe this machine.

    Args:
        params: The params of the run.
        out: The description, JSON.
    """
    hardware.resolve_device(params.device.name)
    write_result(out, "hardware", hardware.describe(), hardware.circumstances(params, "device"))
