"""Locks and files that a killed engine leaves behind, and which of them are safe to clear.

DVC notes the process that reads or writes each path and forgets dead ones by itself; what it cannot mend is
a note that the kill cut in half, or whose process number the system has given to another program since.
Snakemake notes no process at all: its lock of a killed run stays until `snakemake --unlock`. Here each
Snakemake run of this project shares a lock that the kernel drops when the process ends, however it ends; who
gets it for itself alone knows that every other lock is stale.
"""

import fcntl
import json
import platform
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import psutil
import yaml

from practise.engines import EngineError

SNAKEMAKE = Path(".snakemake")
DVC = Path(".dvc", "tmp")

_held: list[IO[str]] = []
"""Open files whose locks last as long as this process."""


def clear_stale_snakemake_locks(folder: Path = SNAKEMAKE) -> bool:
    """Remove the locks of killed Snakemake runs and hold off others from doing so while this process lives.

    A lock that was set on another host (on a shared file system, where the kernel's locks may not reach) is
    left to `snakemake --unlock`.

    Args:
        folder: Snakemake's own folder in the working directory.

    Returns:
        Whether there was a lock to remove.
    """
    folder.mkdir(exist_ok=True)
    guard = open(folder / "practise.lock", "a+")  # noqa: SIM115 - stays open as long as this process
    _held.append(guard)
    locks = folder / "locks"
    removed = False
    with suppress(OSError):  # the file system knows no locks, or another run is alive: leave it to Snakemake
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        guard.seek(0)
        is_locked = locks.is_dir() and any(locks.iterdir())
        if not is_locked or guard.read() == platform.node():
            if is_locked:
                shutil.rmtree(locks)
                removed = True
            guard.truncate(0)
            guard.write(platform.node())
            guard.flush()
    with suppress(OSError):
        fcntl.flock(guard, fcntl.LOCK_SH)
    return removed


def mend_dvc(pipeline: Path, folder: Path = DVC) -> list[str]:
    """Remove what a killed DVC left half-written and what blocks the next one for no reason.

    Args:
        pipeline: The `dvc.yaml`; its `dvc.lock` is checked too.
        folder: DVC's folder for temporary files.

    Returns:
        A sentence for each thing that was mended.

    Raises:
        EngineError: Another DVC is at work on this pipeline's files.
    """
    return [*_mend_notes(folder / "rwlock"), *_mend_lock_file(pipeline.with_suffix(".lock"))]


def _mend_notes(file: Path) -> Iterator[str]:
    """Drop `rwlock`, DVC's notes of who reads and writes, when it is damaged or speaks of no live DVC."""
    entries = _read_notes(file)
    if entries is None:
        file.unlink()
        yield f"{file}: was cut short when DVC was killed; removed"
        return
    for entry in entries:
        if _is_dvc(entry["pid"], before=file.stat().st_mtime):
            raise EngineError(
                f"{file}: another DVC is at work here (process {entry['pid']}: {entry['cmd']}); "
                f"wait for it, or end it with `kill {entry['pid']}`"
            )
    if entries:
        file.unlink()
        yield f"{file}: held locks of a killed DVC; removed"


def _read_notes(file: Path) -> list[dict[str, Any]] | None:
    """Return who reads or writes any path, or None when the file stays unreadable: DVC writes it at once."""
    for _ in range(3):
        try:
            notes = json.loads(file.read_text())
            return [entry for kind in ("read", "write") for entry in _entries(notes.get(kind, {}))]
        except FileNotFoundError:
            return []
        except (ValueError, AttributeError):
            time.sleep(0.1)
    return None


def _entries(paths: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the notes of who reads or writes each path: one that writes, any number that read."""
    return [entry for found in paths.values() for entry in (found if isinstance(found, list) else [found])]


def _is_dvc(pid: int, before: float) -> bool:
    """Whether the process is a DVC from before the note was written; one with a reused number is not."""
    try:
        process = psutil.Process(pid)
        return process.create_time() <= before + 1 and any("dvc" in word for word in process.cmdline()[:3])
    except psutil.Error:
        return False


def _mend_lock_file(file: Path) -> Iterator[str]:
    """Drop a `dvc.lock` that was cut short; what it knew comes back from DVC's run cache."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    if not file.exists():
        return
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, Invalid, UnicodeDecodeError):
        file.unlink()
        yield f"{file}: was cut short when DVC was killed; removed, what ran comes back from DVC's cache"
