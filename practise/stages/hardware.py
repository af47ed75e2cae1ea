"""Say what this machine is: latencies are measured again when it is another one."""

from pathlib import Path

from practise.files import write_result
from practise.machine import hardware
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.settings.params import Params
from practise.stages import STAGES


def run(params: Params, *, out: Path) -> None:
    """Describe this machine.

    Args:
        params: The params of the run.
        out: The description, JSON.
    """
    resolve_device(params.device.name)
    write_result(out, "hardware", hardware.describe(), circumstances(params, *STAGES["hardware"].keys()))
