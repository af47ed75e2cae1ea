"""Flags from function signatures: `num_images: int` is `--num-images`, with its docstring line as help."""

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from practise.errors import UsageError, unknown

TYPES: dict[type, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    bool: "true or false",
}
"""What a flag can be, and how to say it."""


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
        return flag_name(self.argument)

    def parse(self, text: str) -> Any:
        """Return the value that a text on the command line stands for; ValueError when it stands for none."""
        if self.kind is bool:
            return bool(("false", "true").index(text))
        return self.kind(text)


def flag_name(argument: str) -> str:
    """Return how a keyword argument is typed.

    >>> flag_name("num_images")
    '--num-images'
    """
    return "--" + argument.replace("_", "-")


def flags_of(function: Callable[..., Any]) -> dict[str, Flag]:
    """Return a command's flags by their typed name; an argument `params` is the flag `--params-file`.

    Args:
        function: The function, its arguments of a type in `TYPES` or one of them `| None`.

    Raises:
        TypeError: An argument is of another type.
    """
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
        texts: What follows the command's name: `--flag value` or `--flag=value`; a switch may stand alone.

    Raises:
        UsageError: One line for each flag that is unknown, missing, given twice, or has a wrong value.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    rest = list(texts)
    while rest:
        name, given, text = rest.pop(0).partition("=")
        follows = bool(rest) and not rest[0].startswith("--")
        flag = flags.get(name)
        if flag is None:
            problems.append(unknown("flag" if name.startswith("--") else "argument", name, flags))
            if not given and follows and name.startswith("--"):
                rest.pop(0)
            continue
        if flag.argument in values:
            problems.append(f"{name}: is given twice")
        if flag.kind is bool and not given and not (follows and rest[0] in ("true", "false")):
            text = "true"
        elif not given:
            text = rest.pop(0) if follows else ""
        try:
            values[flag.argument] = flag.parse(text) if text else None
        except ValueError:
            values[flag.argument] = None
            problems.append(f"{name}: is '{text}', should be {TYPES[flag.kind]}")
        if not text:
            problems.append(f"{name}: has no value, should be {TYPES[flag.kind]}")
    missing = [flag.name for flag in flags.values() if flag.required and flag.argument not in values]
    if missing:
        problems.append(f"missing {', '.join(missing)}")
    if problems:
        raise UsageError("\n".join(f"{command}: {problem}" for problem in problems))
    return values


def describe_flags(command: str, function: Callable[..., Any]) -> str:
    """Return the help of one command: its usage, what it does, and a line for each flag."""
    flags = flags_of(function).values()
    width = max((len(flag.name) for flag in flags), default=0)
    lines = [" ".join(["usage: practise", command, *(_usage(flag) for flag in flags)]), ""]
    lines += [(inspect.getdoc(function) or "").partition("\n\n")[0], ""]
    lines += [f"  {flag.name:<{width}}  {flag.help}".rstrip() for flag in flags]
    return "\n".join(lines)


def _usage(flag: Flag) -> str:
    text = flag.name if flag.kind is bool else f"{flag.name} {flag.argument.upper()}"
    return text if flag.required else f"[{text}]"


def _plain_type(hint: Any) -> type:
    """Return the one type of an annotation such as `Path` or `int | None`."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(argument for argument in get_args(hint) if argument is not type(None))
    if hint not in TYPES:
        raise TypeError(f"a flag cannot be of type {hint}, should be one of {', '.join(map(str, TYPES))}")
    kind: type = hint
    return kind


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
