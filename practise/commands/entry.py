"""The command `practise`: a stage goes to a process that has torch loaded already, if there is one.

Importing torch and what stands on it takes longer than most jobs of a small study. So the first stage that
runs on a machine leaves a *fork server* behind (`practise.commands.forkserver`), which has imported
everything once; later stages are forked from it, with their own arguments, environment, working directory and
output, and end in the same results. The server ends after a minute without work. It is never used where a
batch system gave the job its resources, nor with `PRACTISE_FORK_SERVER=off`.

Nothing heavy is imported here: this is what each job waits for.
"""

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from practise.stages import STAGES

SWITCH = "PRACTISE_FORK_SERVER"
"""The environment variable that turns it off."""
BATCH = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
"""Set by batch systems in their jobs: a process that outlives a job would hold its resources."""
SHAPING = (
    *("ATEN", "BLAS", "CUDA", "GOMP", "KMP", "LANG", "LC_", "LD_", "MALLOC", "MKL", "NUM", "NVIDIA", "OMP"),
    *("OPENBLAS", "PATH", "PYTHON", "PYTORCH", "TMP", "TORCH", "VIRTUAL_ENV"),
)
"""How variables begin that libraries read when they are loaded: each setting of them has its own server."""
STARTED = b"+"
"""What a forked job says first; then it says its exit code."""
MOST_WAITED = 0.2
"""Seconds until a server must take a connection."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    Args:
        arguments: What follows `practise` on the command line; None: this process's.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    code = run_forked(words)
    if code is None:
        from practise.commands.cli import main as run

        code = run(words)
    return code


def run_forked(words: Sequence[str]) -> int | None:
    """Run a stage in a fork of the server and return its exit code; None: it has not run.

    Where no server answers, one is started for the stages to come. A stage that measures time waits for it,
    because what the server imports would disturb it.

    Args:
        words: What follows `practise` on the command line.
    """
    if sys.platform != "linux" or os.environ.get(SWITCH) == "off" or any(map(os.environ.get, BATCH)):
        return None
    if not words or words[0] not in STAGES or {"--help", "-h"}.intersection(words):
        return None
    threads = threads_of(words)
    if threads is None:
        return None
    timed = STAGES[words[0]].timed
    with suppress(OSError):
        address = find_address(threads, timed)
        connection = connect(address)
        if connection is None:
            server = start_server(address, threads, timed)
            if not timed:
                return None
            connection = wait_for(server, address)
        if connection is not None:
            with connection:
                return hand_over(connection, words)
    return None


def connect(address: Path) -> socket.socket | None:
    """A connection to the server of an address; None where there is none."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(MOST_WAITED)
    try:
        connection.connect(str(address))
    except OSError:
        connection.close()
        return None
    return connection


def wait_for(server: "subprocess.Popen[bytes]", address: Path) -> socket.socket | None:
    """A connection to a server that is just starting; None where it fails to, or another one is starting."""
    while server.poll() is None:
        if (connection := connect(address)) is not None:
            return connection
        time.sleep(0.05)
    return connect(address)


def threads_of(words: Sequence[str]) -> int | None:
    """How many threads the params file of a stage asks for; None where something is not as usual."""
    import yaml

    flags = dict(zip(words, words[1:], strict=False))
    try:
        text = Path(flags.get("--params-file", "params.yaml")).read_bytes()
        threads = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["device"]["threads"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return None  # the stage says what is wrong
    return threads if isinstance(threads, int) else None


def find_address(threads: int, timed: bool) -> Path:
    """Where the server listens that a stage can be forked from: another one for all that shapes its start.

    Args:
        threads: How many the stage computes with.
        timed: Whether it measures time.

    Raises:
        PermissionError: The folder is not ours alone.
    """
    folder = Path(tempfile.gettempdir(), f"practise-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise PermissionError(folder)
    room = Path(__file__).parents[1]
    sources = sorted((str(path), path.stat().st_mtime_ns) for path in room.rglob("*.py"))
    environment = sorted(item for item in os.environ.items() if item[0].startswith(SHAPING))
    place = Path("/proc/self/cgroup").read_text()
    shape = [sys.executable, sources, environment, place, sorted(os.sched_getaffinity(0)), threads, timed]
    return folder / hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:16]


def start_server(address: Path, threads: int, timed: bool) -> "subprocess.Popen[bytes]":
    """Start the server of an address in the background; where one is just starting, it ends at once."""
    return subprocess.Popen(
        [sys.executable, "-m", "practise.commands.forkserver", str(address), str(threads), str(int(timed))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def hand_over(connection: socket.socket, words: Sequence[str]) -> int | None:
    """Have a fork of the server run a stage, and return its exit code; None: it has not begun.

    Signals are passed on. When this process ends before the stage does, the stage is ended, too.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    order = {"words": list(words), "folder": os.getcwd(), "environment": dict(os.environ), "umask": umask}
    message = json.dumps(order).encode() + b"\n"
    socket.send_fds(connection, [message[:1]], [0, 1, 2])
    connection.sendall(message[1:])
    if connection.recv(1) != STARTED:
        return None
    connection.settimeout(None)
    with passing_on(connection):
        said = connection.makefile("rb").readline()
    if not said:
        print(
            f"practise: {words[0]}: was killed before it had ended, perhaps for lack of memory",
            file=sys.stderr,
        )
        return 1
    return int(said)


@contextmanager
def passing_on(connection: socket.socket) -> Iterator[None]:
    """Inside the block, signals that would end this process go to the stage, which ends in its own way."""

    def send(number: int, frame: object) -> None:
        with suppress(OSError):
            connection.sendall(bytes([number]))

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, send) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.exit(main())
