"""`dvc repro` with the progress of the whole pipeline and the time that is left.

DVC says which job starts, not how far the whole is. What the stages print goes to a log; when one fails, its
sentence or the end of its output is shown.
"""

import re
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path

from practise.engines import EngineError
from practise.engines.locks import mend_dvc
from practise.engines.pipeline import Pipeline
from practise.engines.studies import check_seen
from practise.engines.watching import Pace, follow
from practise.machine.hardware import is_from_elsewhere
from practise.settings.grid import Paths

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
    watch = Watch(pipeline)
    addresses = [f"{pipeline.file}:{target}" for target in targets] or [str(pipeline.file)]
    if follow(watch, log_file, "dvc", "repro", *options, *addresses):
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
        self._pace, self._job_start = Pace(), time.monotonic()

    @property
    def num_done(self) -> int:
        """How many jobs are over."""
        return self.total - self.left.total() - (self.job is not None)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._pace.elapsed

    @property
    def seconds_left(self) -> float:
        """The guess at how many seconds the rest takes, if all of it runs."""
        current = 0.0
        if self.job is not None:
            current = max(
                0.0, self._pace.typical(self.stage_of[self.job]) - (time.monotonic() - self._job_start)
            )
        return current + sum(count * self._pace.typical(stage) for stage, count in self.left.items())

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
            self._pace.note(self.stage_of[self.job], time.monotonic() - self._job_start)
            self.job = None
