"""A process that has imported all that stages need, and forks one for each that is asked for.

`practise.commands.entry` starts it and says what for. It holds a lock beside its socket for as long as it
lives, so that there is one for an address; it ends after a minute without work, or when its socket is gone.
"""

import fcntl
import gc
import importlib
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from practise.commands.entry import STARTED
from practise.stages import STAGES

IDLE = 60.0
"""Seconds without work after which the server ends."""
LOOKING = 0.5
"""Seconds between two looks at whether jobs have ended."""
LARGEST = 1 << 20
"""Bytes of an order, at most."""


@dataclass(frozen=True)
class Device:
    """What `prepare_environment` asks for."""

    threads: int
    name: str = "auto"


class Job(socketserver.BaseRequestHandler):
    """One stage, in a process of its own."""

    request: socket.socket

    def handle(self) -> None:
        """Take an order, run it, and say how it ended."""
        from practise.commands.cli import main

        first, outputs, _, _ = socket.recv_fds(self.request, 1, 3)
        if len(outputs) != 3:
            return
        with self.request.makefile("rb", buffering=0) as lines:
            order = json.loads(first + lines.readline(LARGEST))
        put_in_place(order, outputs)
        self.request.sendall(STARTED)
        threading.Thread(target=self.listen, daemon=True).start()
        code = main(order["words"])
        sys.stdout.flush()
        sys.stderr.flush()
        with suppress(OSError):
            self.request.sendall(f"{code}\n".encode())

    def listen(self) -> None:
        """Take signals that are passed on; end at once when the process that asked is gone."""
        while passed_on := self.request.recv(1):
            os.kill(os.getpid(), passed_on[0])
        os.kill(os.getpid(), signal.SIGKILL)


def put_in_place(order: dict[str, Any], outputs: list[int]) -> None:
    """Make this process what the one that asked is: its output, folder, environment and umask."""
    for number, output in enumerate(outputs):
        os.dup2(output, number)
        os.close(output)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    os.umask(order["umask"])
    sys.argv = ["practise", *order["words"]]
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


class Server(socketserver.ForkingMixIn, socketserver.UnixStreamServer):
    """Forks a job for each connection."""

    timeout = LOOKING
    max_children = 1024

    def serve_until_idle(self, address: Path) -> None:
        """Take orders until nothing was asked for or ran for a minute, or the socket is gone."""
        busy = time.monotonic()
        while time.monotonic() - busy < IDLE and address.exists():
            self.handle_request()
            self.collect_children()
            if self.active_children:
                busy = time.monotonic()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the process that asked sees that its connection ends."""


def serve(address: Path, threads: int, timed: bool) -> None:
    """Import everything, then fork until there has been nothing to do for a minute.

    Args:
        address: Where to listen.
        threads: How many threads each stage computes with.
        timed: Whether the stages measure time.
    """
    lock = os.open(address.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    from practise.machine.devices import prepare_environment

    prepare_environment(Device(threads), timed)
    for stage in STAGES:
        importlib.import_module(f"practise.stages.{stage}")
    importlib.import_module("practise.commands.cli")
    gc.collect()
    gc.freeze()  # what is there stays, and is shared with the jobs
    address.unlink(missing_ok=True)
    with Server(str(address), Job) as server:
        server.serve_until_idle(address)
        address.unlink(missing_ok=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]), bool(int(sys.argv[3])))
