"""How long measuring may take: on a busy machine it would go on for an hour, and be no better for it.

A budget has two parts. The first is for measuring everything once, and is all that a calm machine needs. The
second is for measuring again what other processes disturbed; when it is spent, a disturbed measurement stays
as it is and is told as such.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

CALM = 0.4
"""The part of a budget that a calm machine may take; the rest is for measuring again."""
UNFORESEEN = 2
"""A measurement that was not counted on gets this part of what is left: a half."""


class Budget:
    """Seconds for a number of measurements, which share them.

    Args:
        seconds: what all of them may take, repetitions included; infinite: as long as they need.
        measurements: how many are expected; more may come.
    """

    def __init__(self, seconds: float = math.inf, measurements: int = 1) -> None:
        self.once, self.again = CALM * seconds, (1 - CALM) * seconds
        self.expected = measurements

    @contextmanager
    def measuring(self) -> Iterator[float]:
        """Give the seconds for the next measurement, and count those that the block takes."""
        start = time.monotonic()
        yield self.once / self.parts
        self.once = max(0.0, self.once - (time.monotonic() - start))

    @contextmanager
    def measuring_again(self) -> Iterator[float]:
        """Give the seconds for a repetition of it, and count those that the block takes."""
        start = time.monotonic()
        yield self.again / self.parts
        self.again = max(0.0, self.again - (time.monotonic() - start))

    @property
    def parts(self) -> int:
        """In how many parts what is left has to go."""
        return self.expected if self.expected > 0 else UNFORESEEN

    def end_measurement(self) -> None:
        """Count a measurement, with its repetitions, as taken."""
        self.expected -= 1
