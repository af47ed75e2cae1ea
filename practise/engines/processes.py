"""Tools that run beside us: found without an activated environment, and never left running behind us."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from practise.engines import EngineError

END_WITH_PARENT = 1
"""Linux's PR_SET_PDEATHSIG."""


def tool(name: str) -> str:
    """Return the path of a tool that was installed together with this package, such as `dvc`."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise EngineError(
            f"{name}: is not installed in {sys.prefix}; run `make setup` or `pip install -r requirements.txt`"
        )
    return found


def environment() -> dict[str, str]:
    """Return the environment in which tools find `practise`, also where none is activated."""
    return {
        **os.environ,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONUNBUFFERED": "1",
    }


def output_of(*command: str) -> str:
    """Run a tool and return what it prints; what it says goes into the error when it fails."""
    done = subprocess.run(
        [tool(command[0]), *command[1:]],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise EngineError(
            "\n".join([f"`{' '.join(command)}` failed with code {done.returncode}", *said[-12:]])
        )
    return done.stdout


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Start a tool and give the process, its output in one pipe; nothing of it is left running afterwards."""
    process = subprocess.Popen(
        [tool(command[0]), *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(),
        preexec_fn=_end_with_parent,
    )
    try:
        yield process
    except KeyboardInterrupt:  # a terminal interrupts all its processes: let the tool end in its own way
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
        raise
    finally:
        _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started, by force after ten seconds."""
    with suppress(psutil.NoSuchProcess):
        family = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        for member in psutil.wait_procs(family, timeout=10)[1]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
    process.wait()


def _end_with_parent() -> None:
    """Have Linux end this process when the one that started it is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(END_WITH_PARENT, signal.SIGKILL)
