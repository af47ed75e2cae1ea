"""The command line: every stage is a command whose flags are the keyword arguments of its `run`.

`practise score --params-file params.yaml --network … --out …` imports `practise.stages.score`, checks the
params file and the input files, calls `run` and notes date, host and duration beside the results. Exit codes:
0 done, 1 a defect (with its traceback), 2 a mistake that the user can mend (one sentence), 130 interrupted.
"""

import ast
import importlib
import importlib.util
import inspect
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from practise.commands.flags import describe_flags, flag_name, flags_of, parse_flags
from practise.errors import FileError, ParamsError, PractiseError, UsageError, unknown
from practise.settings.params import Params
from practise.settings.reading import load_params
from practise.stages import STAGES
from practise.version import __version__

COMMANDS = {
    "accelerate": "practise.commands.accelerate:accelerate",
    "check": "practise.commands.check:check",
    "estimate": "practise.commands.estimate:estimate",
    "schema": "practise.commands.schema:schema",
    "study": "practise.engines.studies:study",
    "sync": "practise.engines.sync:sync",
    "demo": "practise.engines.demo:demo",
    "docs": "practise.render.docs:docs",
}
"""The other commands: name -> module:function, built from their signatures like the stages."""

SECTION_OF = {"network": "networks", "images": "images", "method": "methods"}
"""Flags that must name an entry of a section of the params file."""

DEFAULT_PARAMS_FILE = Path("params.yaml")

INTERRUPTED = "interrupted; no half-written file is left, run the same command again"
OUT_OF_MEMORY = "out of memory; set a smaller batch_size in the params file, or another device.name"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    Args:
        arguments: What follows `practise` on the command line; None: this process's.
    """
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except PractiseError as error:
        return _complain(str(error), 2)
    except KeyboardInterrupt:
        return _complain(INTERRUPTED, 130)
    except Exception as error:
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return _complain(OUT_OF_MEMORY, 2)
        traceback.print_exc()
        return 1


def _complain(sentences: str, code: int) -> int:
    for sentence in sentences.splitlines():
        print(f"practise: {sentence}", file=sys.stderr)
    return code


def _run(arguments: list[str]) -> int:
    command, *texts = arguments or ["--help"]
    if command in ("--help", "-h", "help"):
        print(_overview())
        return 0
    if command == "--version":
        print(f"practise {__version__}")
        return 0
    known = {**{stage: f"practise.stages.{stage}:run" for stage in STAGES}, **COMMANDS}
    if command not in known:
        raise UsageError(unknown("command", command, known, limit=len(known)))
    if "--help" in texts or "-h" in texts:
        print(describe_flags(command, _load(known[command])))
        return 0
    return _run_stage(command, texts) if command in STAGES else _run_command(command, texts)


def _run_command(command: str, texts: list[str]) -> int:
    """Run a command that is no stage; what it returns, if anything, is the exit code."""
    function = _load(COMMANDS[command])
    values = parse_flags(command, flags_of(function), texts)
    if "params" in inspect.signature(function).parameters:
        values["params"] = load_params(values.pop("params_file", DEFAULT_PARAMS_FILE))
    return function(**values) or 0


def _run_stage(name: str, texts: list[str]) -> int:
    """Check what goes in, set up torch, run, and note what changes from run to run."""
    from practise.commands.runs import write_volatile
    from practise.machine.devices import prepare, prepare_environment

    stage, params = STAGES[name], load_params(_params_file(texts))
    prepare_environment(params.device, timed=stage.timed)  # before numpy or torch is imported
    run = _load(f"practise.stages.{name}:run")
    values = parse_flags(name, flags_of(run), texts)
    values.pop("params_file", None)
    _check_names(name, values, params)
    _check_inputs(name, values, stage.outputs)
    if stage.torch:
        prepare(params.device)
    start = time.time()

    def find(place: str) -> str | None:
        found = params.value(place) if "." in place else values.get(place)
        return None if found is None else str(found)

    run(params.only(stage.watched(find)), **values)
    write_volatile(params, values[stage.outputs[0]], start, ["practise", name, *texts])
    return 0


def _params_file(texts: Sequence[str]) -> Path:
    """Return the params file that a command line names, before its other flags are known."""
    for text, following in zip(texts, [*texts[1:], ""], strict=True):
        flag, _, value = text.partition("=")
        if flag == "--params-file" and (value or following):
            return Path(value or following)
    return DEFAULT_PARAMS_FILE


def _check_names(stage: str, values: Mapping[str, Any], params: Params) -> None:
    problems = []
    for argument, section in SECTION_OF.items():
        entries, name = getattr(params, section), values.get(argument)
        if name is not None and name not in entries:
            problems.append(f"{stage}: {flag_name(argument)}: {unknown(argument, name, entries)}")
    if problems:
        raise ParamsError("\n".join(problems))


def _check_inputs(stage: str, values: Mapping[str, Any], outputs: Sequence[str]) -> None:
    missing = [
        f"{stage}: {flag_name(argument)}: no such file or directory '{path}', should be made by its stage "
        "first; `dvc repro` and `snakemake` run the stages in order"
        for argument, path in values.items()
        if isinstance(path, Path) and argument not in outputs and not path.exists()
    ]
    if missing:
        raise FileError("\n".join(missing))


def _load(target: str) -> Callable[..., Any]:
    module, function = target.split(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded


def _overview() -> str:
    """Return the help of `practise`, without importing any stage."""
    width = max(map(len, {**STAGES, **COMMANDS}))
    lines = [
        "usage: practise COMMAND [--params-file params.yaml] --FLAG VALUE …",
        "",
        "stages, in their order:",
    ]
    lines += [f"  {name:<{width}}  {_first_line(f'practise.stages.{name}:run')}" for name in STAGES]
    lines += ["", "other commands:"]
    lines += [f"  {name:<{width}}  {_first_line(target)}" for name, target in COMMANDS.items()]
    return "\n".join([*lines, "", "practise COMMAND --help shows the flags of a command."])


def _first_line(target: str) -> str:
    """Return the first docstring line of a stage's module or a command's function, read from the source."""
    module, function = target.split(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return "(not installed)"
    tree: ast.Module | ast.FunctionDef = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    if function != "run":
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
        tree = found[0] if found else tree
    return (ast.get_docstring(tree) or "").partition("\n")[0]
