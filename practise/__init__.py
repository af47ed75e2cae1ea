"""PRACTISE: make a trained network faster from a handful of images, by dropping the right blocks.

`practise.accelerate` does it to a network of your own, `practise.load` reads what it saved.
"""

import importlib
from typing import TYPE_CHECKING, Any

from practise.version import __version__

if TYPE_CHECKING:
    from practise.acceleration.accelerate import accelerate
    from practise.acceleration.accelerated import Accelerated
    from practise.acceleration.exports import load

__all__ = ["Accelerated", "__version__", "accelerate", "load"]

HOMES = {
    "Accelerated": "acceleration.accelerated",
    "accelerate": "acceleration.accelerate",
    "load": "acceleration.exports",
}
"""Where the names are that need torch: it is imported when one of them is first asked for."""


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'practise' has no attribute '{name}'")
    return getattr(importlib.import_module(f"practise.{HOMES[name]}"), name)
