"""The whole pipeline by Snakemake on all cores, with how far it is and the time that is left.

Snakemake says which rule starts and which job has ended. What measures time runs alone, as the rules say; the
rest share the cores. What Snakemake and the jobs print goes to a log; when a job fails, its sentence or the
end of the output is shown.
"""

import re
import time
from collections import Counter, defaultdict, deque
from pathlib import Path

from practise.engines import EngineError
from practise.engines.pipeline import Pipeline
from practise.engines.repro import TAIL_LINES
from practise.engines.watching import Pace, follow
from practise.machine.devices import num_cores
from practise.stages import STAGES

COUNTED = re.compile(r"(\w+)\s+(\d+)\s*")
STARTS = re.compile(r"(?:local)?(?:rule|checkpoint) (\w+):")
ENDS = re.compile(r"Finished jobid: \d+ \(Rule: (\w+)\)")


def make_side_by_side(pipeline: Pipeline, log_file: Path) -> int:
    """Run everything that is not up to date for Snakemake, on all cores.

    Args:
        pipeline: The pipeline.
        log_file: Where everything that Snakemake and the stages print goes.

    Returns:
        How many jobs ran.

    Raises:
        EngineError: A job failed, or another Snakemake is at work here.
    """
    watch = Watch(len(pipeline.jobs), num_cores())
    options = ("--configfile", str(pipeline.params_file), "--replace-workflow-config", "--cores", "all")
    command = ("snakemake", *options, "--rerun-incomplete", "--show-failed-logs", "--", "all")
    if follow(watch, log_file, *command):
        raise EngineError(
            "\n".join([f"Snakemake failed; the whole output is in {log_file}", *watch.sentences])
        )
    return watch.num_run


class Watch:
    """What Snakemake's output says about how far the pipeline is.

    Args:
        total: How many jobs the pipeline has.
        cores: How many jobs can run side by side.
    """

    def __init__(self, total: int, cores: int) -> None:
        self.total, self.cores = total, cores
        self.left: Counter[str] = Counter()
        self.running: dict[str, list[float]] = defaultdict(list)
        self.num_run = 0
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.sentences: list[str] = []
        self._pace = Pace()

    @property
    def job(self) -> str | None:
        """The stages that run now."""
        return ", ".join(stage for stage, begun in self.running.items() if begun) or None

    @property
    def num_done(self) -> int:
        """How many jobs are over."""
        return self.total - self.left.total() - sum(map(len, self.running.values()))

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._pace.elapsed

    @property
    def seconds_left(self) -> float:
        """The guess at how many seconds the rest takes: what measures time runs alone."""
        alone = shared = 0.0
        now = time.monotonic()
        for stage in STAGES:
            typical = self._pace.typical(stage)
            work = self.left[stage] * typical
            work += sum(max(0.0, typical - (now - begun)) for begun in self.running[stage])
            if STAGES[stage].timed:
                alone += work
            else:
                shared += work
        return alone + shared / self.cores

    def read(self, line: str) -> bool:
        """Take in one line of output; whether a job has started."""
        if (counted := COUNTED.fullmatch(line)) and counted[1] in STAGES and not self.num_run:
            self.left[counted[1]] = int(counted[2])
            return False
        if (starts := STARTS.fullmatch(line.rstrip())) and starts[1] in STAGES:
            self.left[starts[1]] -= 1
            self.running[starts[1]].append(time.monotonic())
            self.num_run += 1
            return True
        if (ends := ENDS.match(line)) and self.running[ends[1]]:
            self._pace.note(ends[1], time.monotonic() - self.running[ends[1]].pop(0))
            return False
        if line.startswith("practise: "):
            self.sentences.append(line.removeprefix("practise: ").strip())
        if line.strip():
            self.tail.append(line.rstrip())
        return False
