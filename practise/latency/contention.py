"""How busy other processes keep our cores: a latency that was measured beside them is not the machine's."""

import os
import time
from types import TracebackType

import psutil


class OtherWork:
    """Watches the cores between entering and leaving a `with` block.

    Attributes:
        cores: how many cores other processes, or other guests of the same host, kept busy on average.
    """

    def __enter__(self) -> "OtherWork":
        self.cores = 0.0
        self.start, self.before = time.monotonic(), other_seconds()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        passed = time.monotonic() - self.start
        self.cores = max(0.0, (other_seconds() - self.before) / passed) if passed else 0.0


def other_seconds() -> float:
    """Seconds of computing that our cores have done for all but this process, since some time in the past."""
    cores = os.sched_getaffinity(0)
    every = [times for core, times in enumerate(psutil.cpu_times(percpu=True)) if core in cores]
    busy = sum(sum(times) - times.idle - times.iowait - times.guest - times.guest_nice for times in every)
    own = psutil.Process().cpu_times()
    return busy - own.user - own.system
