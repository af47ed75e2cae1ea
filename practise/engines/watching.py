"""How far a run of the pipeline is, and how long the rest takes, on one line."""

import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
from rich.text import Text

from practise.engines.processes import started
from practise.progress import describe_seconds
from practise.stages import STAGES

TRUST_SECONDS = 60
"""For how long a run weighs the typical times against its own."""


class Pace:
    """How long jobs take: as their likes took in this run, else as is typical, at the pace of this run."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.seconds: dict[str, list[float]] = defaultdict(list)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    def note(self, stage: str, seconds: float) -> None:
        """Take in what a job took."""
        self.seconds[stage].append(seconds)

    def typical(self, stage: str) -> float:
        """The guess at what a job takes."""
        if times := self.seconds.get(stage):
            return sum(times) / len(times)
        runs = list(self.seconds.items())
        typical = TRUST_SECONDS + sum(STAGES[name].seconds * len(times) for name, times in runs)
        taken = TRUST_SECONDS + sum(sum(times) for _, times in runs)
        return STAGES[stage].seconds * taken / typical


class Watched(Protocol):
    """What is known of a run while it goes on.

    Attributes:
        total: How many jobs there are.
        num_run: How many have been started.
        tail: The last lines that were printed.
        sentences: What the stages said of mistakes.
    """

    total: int
    num_run: int
    tail: deque[str]
    sentences: list[str]

    def read(self, line: str) -> bool:
        """Take in one line of output; whether a job has started."""

    @property
    def job(self) -> str | None:
        """What runs now."""

    @property
    def num_done(self) -> int:
        """How many jobs are over."""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""

    @property
    def seconds_left(self) -> float:
        """The guess at how many seconds the rest takes."""


def follow(watch: Watched, log_file: Path, *command: str) -> int:
    """Run a tool, keep what it prints in a log, show how far it is, and return its exit code.

    Where it fails without a sentence, which is a defect, the end of its output is printed.

    Args:
        watch: Reads the output.
        log_file: The log.
        command: The tool and its arguments.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(log_file, "w", encoding="utf-8") as log,
        shown(watch) as show,
        started(*command) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            if watch.read(line):
                show()
        code = process.wait()
    if code and not watch.sentences:
        print(*watch.tail, sep="\n", file=sys.stderr)
    return code


class Remaining(ProgressColumn):
    """What runs now, and how long the whole takes yet."""

    def __init__(self, watch: Watched) -> None:
        super().__init__()
        self.watch = watch

    def render(self, task: Task) -> Text:
        """Return the text at the end of the line."""
        left = f"about {describe_seconds(self.watch.seconds_left)} left" if self.watch.num_run else ""
        return Text.assemble(f"{left:<22}", (self.watch.job or "", "bold"))


@contextmanager
def shown(watch: Watched) -> Iterator[Callable[[], None]]:
    """Give a function to call when a job starts: it moves a bar on a terminal, elsewhere it prints a line."""
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (MofNCompleteColumn(), BarColumn(), TimeElapsedColumn(), Remaining(watch))
        with Progress(*columns, console=console, transient=True, refresh_per_second=2) as progress:
            bar = progress.add_task("", total=watch.total)
            yield lambda: progress.update(bar, completed=watch.num_done)
    else:
        width = len(str(watch.total))
        yield lambda: print(
            f"[{watch.num_done + 1:>{width}}/{watch.total}] {watch.job}: {describe_seconds(watch.elapsed)} "
            f"so far, about {describe_seconds(watch.seconds_left)} left",
            file=sys.stderr,
            flush=True,
        )
