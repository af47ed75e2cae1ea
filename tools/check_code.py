"""Hold the code that dvc.yaml lists for each stage against the imports: `python tools/check_code.py`.

Neither engine follows Python's imports: both run a stage again when a file that dvc.yaml lists for it
changes, or one in a folder that it lists. So what is listed must cover every module that the stage imports,
directly or not, and nothing may be listed that the stage does not need.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args, get_origin

import grimp
import yaml

from practise.settings.params import Params
from practise.stages import STAGES

PACKAGE = "practise"

PLUMBING = {
    "practise": "the face of the package",
    "practise.errors": "words of messages",
    "practise.files": "how bytes get to the disk",
    "practise.progress": "what is shown meanwhile",
    "practise.resume": "how a killed run goes on; the key of its state holds all that shapes the result",
    "practise.schema": "how settings are declared",
    "practise.settings.params": "what may be set; the values that are read are dependencies too",
    "practise.settings.problems": "words of messages",
    "practise.settings.reading": "how a params file is read",
    "practise.stages": "what is said of stages; the params that it says they read are compared by a test",
    "practise.version": "changes with every release",
}
"""Modules that shape no result, with the reason; a change of theirs makes no stage run again."""


def main() -> int:
    """Print a line for each mistake; return 1 if there is one."""
    stages = yaml.safe_load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"]
    found = list(find_mistakes({name: stage["deps"] for name, stage in stages.items()}))
    for sentence in found:
        print(sentence)
    return int(bool(found))


def find_mistakes(deps: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Give a sentence for each file that a stage lacks, and for each path that it does not need.

    Args:
        deps: What dvc.yaml lists for each stage.
    """
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    for stage, listed in deps.items():
        module = f"{PACKAGE}.stages.{stage}"
        if module not in graph.modules or stage not in STAGES:
            yield f"dvc.yaml: {stage}: lacks {file_of(module)}, or its entry in {PACKAGE}.stages.STAGES"
            continue
        code = [path for path in listed if covers(PACKAGE, path)]
        needed = sorted(map(file_of, needed_modules(graph, [module, *declaring_modules(stage)])))
        for file in needed:
            if not any(covers(path, file) for path in code):
                yield f"dvc.yaml: {stage}: deps lack {file}, which it imports; list it, or its folder"
        for path in code:
            if not any(covers(path, file) for file in needed):
                yield f"dvc.yaml: {stage}: deps list {path}, which it does not import; take it out"
            elif code.count(path) > 1:
                yield f"dvc.yaml: {stage}: deps list {path} twice; take one out"
            elif any(covers(other, path) for other in code if other != path):
                yield f"dvc.yaml: {stage}: deps list {path} and its folder; take one out"


def declaring_modules(stage: str) -> set[str]:
    """Return the modules that declare the sections which a stage reads, whose defaults shape its result."""
    sections = {key.partition(".")[0] for key in (*STAGES[stage].reads, *STAGES[stage].opens)}
    kinds = [Params.model_fields[section].annotation for section in sections]
    classes = [get_args(kind)[1] if get_origin(kind) is dict else kind for kind in kinds]
    return {kind.__module__ for kind in classes}


def needed_modules(graph: grimp.ImportGraph, start: Iterable[str]) -> set[str]:
    """Return modules and all that they import, directly or not, but for the plumbing."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        if module not in found and module not in PLUMBING:
            found.add(module)
            waiting += graph.find_modules_directly_imported_by(module)
    return found


def file_of(module: str) -> str:
    """Return a module's file, relative to the project's root."""
    path = Path(*module.split("."))
    return str(path / "__init__.py" if path.is_dir() else path.with_suffix(".py"))


def covers(path: str, file: str) -> bool:
    """Whether a path that is listed is the file, or a folder that it lies in."""
    return file == path or file.startswith(f"{path}/")


if __name__ == "__main__":
    sys.exit(main())
