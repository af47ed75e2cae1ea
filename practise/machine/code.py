"""What code does, as a hash: what a machine keeps of its work counts as long as that is the same."""

import ast
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path


@cache
def protocol(*rooms: Path, without: Sequence[str] = ()) -> str:
    """A hash of what the code in some folders does; comments, docstrings and layout do not count.

    Args:
        rooms: the folders.
        without: names of files in them that do not count.
    """
    said = {
        f"{place}/{path.relative_to(room)}": _statements(path.read_text(encoding="utf-8"))
        for place, room in enumerate(rooms)
        for path in sorted(room.rglob("*.py"))
        if path.name not in without
    }
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def _statements(source: str) -> str:
    """Code without the texts that stand alone in it."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [line for line in body if not _is_text(line)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(line: ast.AST) -> bool:
    said = line.value if isinstance(line, ast.Expr) else None
    return isinstance(said, ast.Constant) and isinstance(said.value, str)
