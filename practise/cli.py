"""The command line: every stage is a command whose flags are the keyword arguments of its `run`.

`practise score --params-file params.yaml --network … --out …` imports `practise.stages.score`, checks the params file
and the input files, calls `run` and notes date, host and duration beside the results. Exit codes: 0 done, 1 a defect
(with its traceback), 2 a mistake that the user can mend (one sentence), 130 interrupted.
"""

import ast
import importlib
import importlib.util
import inspect
import sys
import time
import traceback
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from practise import __version__
from practise.errors import FileError, ParamsError, PractiseError, UsageError, unknown
from practise.params import Params, load_params

STAGES = {
    name: f"practise.stages.{name}:run"
    for name in (
        "hardware",
        "images",
        "teacher",
        "original",
        "sample",
        "latency",
        "score",
        "select",
        "recover",
        "evaluate",
        "tables",
        "figures",
    )
}
"""The stages in the order of the pipeline: name -> module:function."""

COMMANDS = {
    "check": "practise.commands:check",
    "schema": "practise.commands:schema",
    "sync": "practise.engines:sync",
    "demo": "practise.engines:demo",
}
"""The other commands: name -> module:function, built from their signatures like the stages."""

SECTION_OF = {"network": "networks", "images": "images", "method": "methods"}
"""Flags that must name an entry of a section of the params file."""

DEFAULT_PARAMS_FILE = Path("params.yaml")

TYPES: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    bool: "a switch",
}


@dataclass(frozen=True)
class Flag:
    """One flag of a command.

    Attributes:
        argument: The keyword argument of the function, such as `num_images`.
        kind: Its type.
        required: Whether it has no default.
        help: Its line in the docstring.
    """

    argument: str
    kind: type
    required: bool
    help: str

    @property
    def name(self) -> str:
        """The flag as it is typed, such as `--num-images`."""
        return "--" + self.argument.replace("_", "-")

    def parse(self, text: str) -> Any:
        """Return the value that a text on the command line stands for; ValueError when it stands for none."""
        return self.kind(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    Args:
        arguments: What follows `practise` on the command line; None: this process's.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(arguments)
    except PractiseError as error:
        for sentence in str(error).splitlines():
            print(f"practise: {sentence}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "practise: interrupted; no half-written result is left, run the same command again",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        return 1
    except Exception as error:
        if (sentence := _out_of_memory(error)) is not None:
            print(f"practise: {sentence}", file=sys.stderr)
            return 2
        traceback.print_exc()
        return 1


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("--help", "-h", "help"):
        print(_overview())
        return 0
    if arguments[0] == "--version":
        print(f"practise {__version__}")
        return 0
    known = STAGES | COMMANDS
    command = arguments[0]
    if command not in known:
        raise UsageError(unknown("command", command, known, limit=len(known)))
    texts = arguments[1:]
    if "--help" in texts or "-h" in texts:
        function = _load(known[command])
        print(_help(command, function, flags_of(function)))
        return 0
    if command in STAGES:
        _run_stage(command, texts)
        return 0
    function = _load(known[command])
    values = parse_flags(command, flags_of(function), texts)
    if "params" in inspect.signature(function).parameters:
        values["params"] = load_params(values.pop("params_file", DEFAULT_PARAMS_FILE))
    code = function(**values)
    return code if isinstance(code, int) else 0


def _run_stage(stage: str, texts: list[str]) -> None:
    """Check what goes in, set up torch, run, and note the run's circumstances that change from run to run."""
    from practise.hardware import prepare, prepare_environment
    from practise.runs import write_volatile

    params = load_params(_params_file(texts))
    prepare_environment(params.device)  # before the stage imports numpy or torch
    run = _load(STAGES[stage])
    values = parse_flags(stage, flags_of(run), texts)
    values.pop("params_file", None)
    module = sys.modules[run.__module__]
    outputs: tuple[str, ...] = module.OUTPUTS
    _check_names(stage, values, params)
    _check_inputs(stage, values, outputs)
    if getattr(module, "USES_TORCH", True):
        prepare(params.device)
    start = time.time()
    run(params, **values)
    write_volatile(params, Path(values[outputs[0]]), start, ["practise", stage, *texts])


def _params_file(texts: Sequence[str]) -> Path:
    """Return the params file that a command line names, before its other flags are known."""
    for name, following in zip(texts, [*texts[1:], ""], strict=True):
        flag, _, value = name.partition("=")
        if flag == "--params-file" and (value or following):
            return Path(value or following)
    return DEFAULT_PARAMS_FILE


def _check_names(stage: str, values: Mapping[str, Any], params: Params) -> None:
    for argument, section in SECTION_OF.items():
        entries, name = getattr(params, section), values.get(argument)
        if name is not None and name not in entries:
            raise ParamsError(f"{stage}: --{argument}: {unknown(argument, name, entries)}")


def _check_inputs(stage: str, values: Mapping[str, Any], outputs: Sequence[str]) -> None:
    missing = [
        f"{stage}: --{argument.replace('_', '-')}: no such file or directory '{path}'; the stage that makes it "
        "runs first (`dvc repro` or `snakemake` run them in order)"
        for argument, path in values.items()
        if isinstance(path, Path) and argument not in outputs and not path.exists()
    ]
    if missing:
        raise FileError("\n".join(missing))


def flags_of(function: Callable[..., Any]) -> dict[str, Flag]:
    """Return a command's flags by their typed name, read from the signature and the docstring of its function."""
    hints, help_of = get_type_hints(function), _arguments_help(inspect.getdoc(function) or "")
    flags = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name == "params":
            flags.append(Flag("params_file", Path, False, "The params file; params.yaml when not given."))
        else:
            required = parameter.default is inspect.Parameter.empty
            flags.append(Flag(name, _plain_type(hints[name]), required, help_of.get(name, "")))
    return {flag.name: flag for flag in flags}


def parse_flags(command: str, flags: Mapping[str, Flag], texts: Sequence[str]) -> dict[str, Any]:
    """Return the keyword arguments that a command line gives.

    Args:
        command: The command's name, for messages.
        flags: What is allowed.
        texts: What follows the command's name.

    Raises:
        UsageError: One line for each flag that is unknown, missing, given twice, or has a wrong value.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    rest = list(texts)
    while rest:
        name, has_value, text = rest.pop(0).partition("=")
        flag = flags.get(name)
        if flag is None:
            what = "flag" if name.startswith("--") else "argument"
            problems.append(unknown(what, name, flags))
            if not has_value and rest and not rest[0].startswith("--"):
                rest.pop(0)
            continue
        if flag.kind is bool and not has_value:
            text = "true"
        elif not has_value:
            if not rest or rest[0].startswith("--"):
                problems.append(f"{name}: has no value, should be {TYPES[flag.kind]}")
                values.setdefault(flag.argument, None)
                continue
            text = rest.pop(0)
        if flag.argument in values:
            problems.append(f"{name}: is given twice")
        try:
            values[flag.argument] = flag.parse(text) if flag.kind is not bool else _switch(text)
        except ValueError:
            values[flag.argument] = None
            problems.append(f"{name}: is '{text}', should be {TYPES[flag.kind]}")
    missing = [flag.name for flag in flags.values() if flag.required and flag.argument not in values]
    if missing:
        problems.append(f"missing {', '.join(missing)}")
    if problems:
        raise UsageError("\n".join(f"{command}: {problem}" for problem in problems))
    return values


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _plain_type(hint: Any) -> type:
    """Return the one type of an annotation such as `Path` or `int | None`."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(argument for argument in get_args(hint) if argument is not type(None))
    if hint not in TYPES:
        raise TypeError(
            f"a flag cannot be of type {hint}; allowed: {', '.join(kind.__name__ for kind in TYPES)}"
        )
    kind: type = hint
    return kind


def _load(target: str) -> Callable[..., Any]:
    module, function = target.split(":")
    loaded: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return loaded


def _overview() -> str:
    """Return the help of `practise`, without importing any stage."""
    width = max(map(len, STAGES | COMMANDS))
    lines = [
        "usage: practise COMMAND --params-file params.yaml --FLAG VALUE …",
        "",
        "stages, in their order:",
    ]
    lines += [f"  {name:<{width}}  {_first_line(target)}" for name, target in STAGES.items()]
    lines += ["", "other commands:"]
    lines += [f"  {name:<{width}}  {_first_line(target)}" for name, target in COMMANDS.items()]
    return "\n".join([*lines, "", "practise COMMAND --help shows the flags of a command."])


def _first_line(target: str) -> str:
    """Return the first docstring line of a stage's module or of a command's function, read from the source."""
    module, function = target.split(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return "(not installed)"
    tree: ast.Module | ast.FunctionDef = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    if function != "run":
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
        tree = found[0] if found else tree
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def _help(command: str, function: Callable[..., Any], flags: Mapping[str, Flag]) -> str:
    width = max((len(name) for name in flags), default=0)
    lines = [f"usage: practise {command} " + " ".join(_usage(flag) for flag in flags.values()), ""]
    lines += [(inspect.getdoc(function) or "").partition("\n\n")[0], ""]
    lines += [f"  {flag.name:<{width}}  {flag.help}".rstrip() for flag in flags.values()]
    return "\n".join(lines)


def _usage(flag: Flag) -> str:
    text = flag.name if flag.kind is bool else f"{flag.name} {flag.argument.upper()}"
    return text if flag.required else f"[{text}]"


def _arguments_help(docstring: str) -> dict[str, str]:
    """Return the lines of a Google-style `Args:` section by argument."""
    _, _, section = docstring.partition("Args:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if not line.startswith("    "):
            break
        if not line.startswith("     "):
            name, _, text = line.strip().partition(": ")
            texts[name] = text
        elif name:
            texts[name] += " " + line.strip()
    return texts


def _out_of_memory(error: Exception) -> str | None:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "out of memory; set a smaller batch_size in the params file, or another device.name"
    return None
