"""`dvc repro` with the progress of the whole pipeline and the time that is left.

DVC says which job starts, not how far the whole is. What the stages print goes to a log; when one fails, its
sentence or the end of its output is shown.
"""

import re
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
from rich.text import Text

from practise.engines import EngineError
from practise.engines.locks import mend_dvc
from practise.engines.pipeline import Pipeline
from practise.engines.processes import started
from practise.engines.studies import check_seen
from practise.machine.hardware import is_from_elsewhere
from practise.progress import describe_seconds
from practise.settings.grid import Paths
from practise.stages import STAGES

TRUST_SECONDS = 60
"""For how long a run weighs the typical times against its own."""

STARTS = re.compile(r"Running stage '(?:[^']*:)?([^':]+)':")
SKIPS = re.compile(r"Stage '(?:[^']*:)?([^':]+)' (?:didn't change|is cached)")
TAIL_LINES = 20


def reproduce(
    pipeline: Pipeline, log_file: Path, targets: Sequence[str] = (), options: Sequence[str] = ()
) -> int:
    """Run `dvc repro` and show how far the whole pipeline is.

    Args:
        pipeline: The pipeline.
        log_file: Where everything that DVC and the stages print goes.
        targets: Stages or jobs; none: the whole pipeline.
        options: More options of `dvc repro`.

    Returns:
        How many jobs ran; the others had not changed.

    Raises:
        EngineError: Another DVC is at work here, or a job failed.
    """
    check_seen(pipeline)
    for sentence in mend_dvc(pipeline.file):
        print(f"practise: {sentence}", file=sys.stderr)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    watch = Watch(pipeline)
    addresses = [f"{pipeline.file}:{target}" for target in targets] or [str(pipeline.file)]
    with (
        open(log_file, "w", encoding="utf-8") as log,
        shown(watch) as show,
        started("dvc", "repro", *options, *addresses) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            log.write(line)
            log.flush()
            if watch.read(line):
                show()
        code = process.wait()
    if code:
        if not watch.sentences:  # a defect: its traceback is all that there is to tell
            print(*watch.tail, sep="\n", file=sys.stderr)
        raise EngineError(watch.describe_failure(log_file))
    return watch.num_run


def refresh_hardware(pipeline: Pipeline, log_file: Path) -> bool:
    """Describe this machine anew where the results come from another one, so that times are measured again.

    Args:
        pipeline: The pipeline.
        log_file: Where the output goes.

    Returns:
        Whether that was so.
    """
    hardware_file = Paths.of(pipeline.params).hardware
    if not is_from_elsewhere(hardware_file):
        return False
    print(
        f"practise: {hardware_file} describes another machine; what depends on it is made again",
        file=sys.stderr,
    )
    reproduce(pipeline, log_file, targets=["hardware"], options=["--force", "--single-item"])
    return True


class Watch:
    """What DVC's output says about how far the pipeline is.

    Args:
        pipeline: The pipeline whose output will be read.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.stage_of = {job.name: job.stage for job in pipeline.jobs}
        self.left = Counter(self.stage_of.values())
        self.total = len(self.stage_of)
        self.job: str | None = None
        self.num_run = 0
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.sentences: list[str] = []
        self._start = self._job_start = time.monotonic()
        self._seconds: dict[str, list[float]] = defaultdict(list)

    @property
    def num_done(self) -> int:
        """How many jobs are over."""
        return self.total - self.left.total() - (self.job is not None)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    @property
    def seconds_left(self) -> float:
        """The guess at how many seconds the rest takes, if all of it runs."""
        current = 0.0
        if self.job is not None:
            current = max(0.0, self._typical(self.stage_of[self.job]) - (time.monotonic() - self._job_start))
        return current + sum(count * self._typical(stage) for stage, count in self.left.items())

    def read(self, line: str) -> bool:
        """Take in one line of output; whether another job has started."""
        started, skipped = STARTS.match(line), SKIPS.match(line)
        match = started or skipped
        if match is None or match[1] not in self.stage_of:
            if line.startswith("practise: "):
                self.sentences.append(line.removeprefix("practise: ").strip())
            if line.strip():
                self.tail.append(line.rstrip())
            return False
        self._end_job()
        stage = self.stage_of[match[1]]
        self.left[stage] -= 1
        if started:
            self.job, self._job_start = match[1], time.monotonic()
            self.num_run += 1
            self.tail.clear()
            self.sentences.clear()
        return started is not None

    def describe_failure(self, log_file: Path) -> str:
        """Return what to tell when DVC ended with an error: which job, and the sentences of its stage."""
        where = f"the stage {self.job} failed" if self.job else "DVC failed"
        return "\n".join([f"{where}; the whole output is in {log_file}", *self.sentences])

    def _end_job(self) -> None:
        if self.job is not None:
            self._seconds[self.stage_of[self.job]].append(time.monotonic() - self._job_start)
            self.job = None

    def _typical(self, stage: str) -> float:
        """Return a job's usual time: as its likes took in this run, else as typical, at this run's pace."""
        if times := self._seconds.get(stage):
            return sum(times) / len(times)
        runs = list(self._seconds.items())
        typical = TRUST_SECONDS + sum(STAGES[name].seconds * len(times) for name, times in runs)
        taken = TRUST_SECONDS + sum(sum(times) for _, times in runs)
        return STAGES[stage].seconds * taken / typical


class Remaining(ProgressColumn):
    """What runs now, and how long the whole takes yet."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch

    def render(self, task: Task) -> Text:
        """Return the text at the end of the line."""
        left = f"about {describe_seconds(self.watch.seconds_left)} left" if self.watch.num_run else ""
        return Text.assemble(f"{left:<22}", (self.watch.job or "", "bold"))


@contextmanager
def shown(watch: Watch) -> Iterator[Callable[[], None]]:
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
