"""The one writer and the one reader of results.

A file appears under its final name complete or not at all: everything is written to a temporary name in the
same directory (`.<name>.<pid>.tmp`), flushed to the disk and renamed. What a killed run left behind is
ignored by every reader and swept away by the next run that writes the same name.
"""

import codecs
import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from practise.errors import FileError

LONE = re.compile("[\ud800-\udfff]")
"""What stands in Python's text for a byte of a file's name that is not UTF-8; JSON has a word for it."""


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Give a temporary path in the directory of `path` and rename it to `path` when the block succeeds.

    Args:
        path: The final name; its directory is made, and a file that is already there is replaced.

    Yields:
        The temporary path to write to. It ends in `.tmp`: tell the format to writers that go by the suffix.

    Raises:
        FileError: The directory or file cannot be written, or the block wrote nothing.
    """
    final = Path(path)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        _sweep(final)
        yield temporary
        _flush(temporary)
        os.replace(temporary, final)
        _flush(final.parent)
    except OSError as error:
        if error.filename is not None and Path(error.filename) not in (temporary, final, *final.parents):
            raise
        is_blocked = isinstance(error, FileExistsError | NotADirectoryError)
        reason = "a file is where its directory should be" if is_blocked else error.strerror or error
        raise FileError(f"{final}: cannot be written: {reason}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | Path, content: str) -> None:
    """Write `content` to `path` atomically, as UTF-8 with its line ends as they are."""
    write_bytes(path, content.encode())


def write_csv(path: str | Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with a header line atomically; None as an empty cell, floats in full."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_result(
    path: str | Path, kind: str, result: Mapping[str, Any], circumstances: Mapping[str, Any]
) -> None:
    """Write a result with its circumstances atomically, byte for byte the same for the same values.

    Args:
        path: The final name, ending in `.json`.
        kind: What the result is, such as `score`; `read_result` asks for the same word.
        result: Plain values: numbers, text, booleans, None, lists and mappings with text keys.
        circumstances: What the result was made with (see `practise.machine.circumstances`).

    Raises:
        FileError: A value is NaN or infinite, or the file cannot be written.
    """
    content = {"kind": kind, "result": dict(result), "circumstances": dict(circumstances)}
    try:
        text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
    except ValueError as error:
        where, value = next(_not_finite(content, ""), ("", None))
        if value is None:
            raise
        raise FileError(f"{path}: {where} is {value}, should be a finite number") from error
    write_text(path, LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def read_result(path: str | Path, kind: str) -> dict[str, Any]:
    """Return the result that `write_result` wrote.

    Args:
        path: The file.
        kind: The kind that the file must be of.

    Raises:
        FileError: The file is missing, damaged or of another kind.
    """
    content = _read_json(Path(path), kind)
    if not isinstance(content, dict) or not isinstance(content.get("result"), dict):
        raise FileError(f"{path}: is not a result of this project, should be of kind '{kind}'")
    if content.get("kind") != kind:
        raise FileError(f"{path}: is of kind '{content.get('kind')}', should be of kind '{kind}'")
    return dict(content["result"])


def read_circumstances(path: str | Path, kind: str) -> dict[str, Any]:
    """Return the circumstances that `write_result` wrote; raises as `read_result` does."""
    read_result(path, kind)
    return dict(_read_json(Path(path), kind).get("circumstances") or {})


def decode_text(content: bytes) -> str:
    """Return text that a person wrote: UTF-8, or UTF-16 that begins with its byte order mark, without it.

    Raises:
        UnicodeDecodeError: It is neither.
    """
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig")


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal.

    Raises:
        FileError: The file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error


def _read_json(path: Path, kind: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file, should be a result of kind '{kind}'") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise FileError(f"{path}: is damaged (not JSON), should be a result of kind '{kind}'") from error


def _not_finite(value: Any, where: str) -> Iterator[tuple[str, float]]:
    """Walk a result and give the dotted place and value of each float that JSON has no word for."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        yield where, value
    elif isinstance(value, Mapping):
        for key in value:
            yield from _not_finite(value[key], f"{where}.{key}" if where else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _not_finite(item, f"{where}[{index}]")


def _flush(path: Path) -> None:
    """Have the operating system put a file or directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(final: Path) -> None:
    """Remove the temporaries of `final` whose writers are dead."""
    pattern = re.compile(rf"\.{re.escape(final.name)}\.(\d+)\.tmp")
    for entry in os.scandir(final.parent):
        match = pattern.fullmatch(entry.name)
        if match and not _alive(int(match[1])):
            with suppress(OSError):
                os.unlink(entry.path)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
