"""A stage small enough to see through, run by the tests through the real command line."""

import signal
from pathlib import Path

from practise.errors import ImageError
from practise.files import write_result
from practise.settings.params import Params


def run(params: Params, *, network: str, seed: int, sample: Path, out: Path, mood: str = "good") -> None:
    """Write the seed.

    Args:
        params: The params of the run.
        network: The network's name.
        seed: What to write; a second
            line of help.
        sample: An input.
        out: The output.
        mood: How it goes.
    """
    if mood == "interrupted":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
        signal.raise_signal(signal.SIGINT)
    if mood == "mistaken":
        raise ImageError("images.elpv: first mistake\nimages.elpv: second mistake")
    if mood == "broken":
        raise RuntimeError("a defect")
    if mood == "hungry":
        raise MemoryError
    write_result(out, "toy", {"seed": seed, "network": network}, {})
