"""Which modules and data files of ours a stage's result depends on, found by reading the imports.

Neither engine follows Python's imports: both rerun a stage when a file that dvc.yaml lists for it changes.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "practise"

PLUMBING = {
    "__init__": "holds the version",
    "errors": "words of messages",
    "files": "how bytes get to the disk",
    "params": "what a params file may say; the values that a stage reads are dependencies of their own",
    "problems": "words of messages",
    "progress": "what is shown meanwhile",
    "runs": "date, host and duration, which no engine tracks",
}
"""Modules that shape no result, with the reason; a change of theirs makes no stage run again."""

DATA_SUFFIXES = (".csv", ".mplstyle", ".txt", ".json", ".yaml")


def code_of(stage: str, root: Path) -> list[str]:
    """Return the files that a stage's result depends on, its own module first, the others in order.

    Args:
        stage: The stage, such as `score`.
        root: The project's root.
    """
    own = f"{PACKAGE}.stages.{stage}"
    modules = reachable(own, root) - {own}
    files = {file_of(module, root) for module in modules if not is_plumbing(module)}
    files |= {data for file in files | {file_of(own, root)} for data in data_beside(file, root)}
    return [file_of(own, root), *sorted(files)]


def reachable(module: str, root: Path) -> set[str]:
    """Return the modules of ours that a module imports, itself and the imports of imports among them."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            if not is_plumbing(name):
                waiting += imports_of(name, root)
    return found


def is_plumbing(module: str) -> bool:
    name = module.removeprefix(f"{PACKAGE}.")
    return module == PACKAGE or name in PLUMBING or module == f"{PACKAGE}.stages"


@cache
def imports_of(module: str, root: Path) -> tuple[str, ...]:
    """Return the modules of ours that one module imports anywhere or names in a text, as registries do."""
    tree = ast.parse((root / file_of(module, root)).read_text(encoding="utf-8"))
    names = {name for node in _nodes(tree) for name in _named(node)}
    names |= {name.rpartition(".")[0] for name in names}  # importing a.b.c runs a.b too
    return tuple(sorted(name for name in names if name.startswith(PACKAGE) and exists(name, root)))


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk a tree, but not into what only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _nodes(node)


def _named(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    elif (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.startswith(f"{PACKAGE}.")
    ):
        yield node.value.partition(":")[0]


def exists(module: str, root: Path) -> bool:
    path = root / Path(*module.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def file_of(module: str, root: Path) -> str:
    path = Path(*module.split("."))
    return str(path / "__init__.py" if (root / path).is_dir() else path.with_suffix(".py"))


def data_beside(file: str, root: Path) -> Iterator[str]:
    """Give the data files of ours beside a module that its text names."""
    text = (root / file).read_text(encoding="utf-8")
    for data in sorted((root / file).parent.iterdir()):
        if data.suffix in DATA_SUFFIXES and data.name in text:
            yield str(data.relative_to(root))
