"""The command line in terms of cyclopts: commands made of functions, and mistakes told in plain sentences.

A function's keyword-only arguments are the flags of its command, and its Google-style docstring is the help;
an argument `params` is the flag `--params-file`. Only the command that is asked for is imported; the lines of
`practise --help` are read from the sources.
"""

import ast
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args

from cyclopts import UNSET, App, Argument, ArgumentCollection, Group, Parameter, Token
from cyclopts.exceptions import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from practise.errors import UsageError, unknown
from practise.version import __version__

PARAMS_FILE = Path("params.yaml")
"""The params file where none is named."""

TYPES = {int: "a whole number", float: "a number", str: "text", Path: "a path", bool: "true or false"}
"""What a flag can be, and how to say it."""

DIGITS = "0123456789."
"""What follows the minus of a number."""


def build_app(groups: Mapping[str, Mapping[str, str]], loaded: Collection[str]) -> App:
    """Return the command line.

    Args:
        groups: The commands as the help shows them: title -> name -> module:function.
        loaded: The names of the commands to import; where there are any, the others have no help.
    """
    app = App(
        name="practise",
        help="Make a trained network faster from a handful of images.\n\n"
        "practise COMMAND --help shows the flags of a command.",
        help_format="plaintext",
        version=f"practise {__version__}",
        config=refuse_values,
        end_of_options_delimiter="",
        group_commands=Group("Flags", sort_key=len(groups)),
    )
    for position, (title, targets) in enumerate(groups.items()):
        group = Group(title, sort_key=position)
        for place, (name, target) in enumerate(targets.items()):
            line = None if loaded else first_line(target)
            # Markdown lets the lines of a docstring flow; the overview is plain, which is quicker to import.
            command = App(
                name=name, help=line, help_format="markdown", group=group, sort_key=place, version_flags=[]
            )
            if name in loaded:
                command.default(with_params_file(load(target)))
            app.command(command)
    return app


def load(target: str) -> Callable[..., Any]:
    """Return the function that `module:function` names."""
    module, name = target.split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def first_line(target: str) -> str:
    """Return the first docstring line of a stage's module or a command's function, read from the source.

    Args:
        target: module:function; the function of a stage is called `run`.
    """
    module, function = target.split(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return "(not installed)"
    tree: ast.Module | ast.FunctionDef = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    if function != "run":
        found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function]
        tree = found[0] if found else tree
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def with_params_file(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that takes the path of a params file where this one takes the params.

    Args:
        function: A command; one without an argument `params` is returned as it is.
    """
    signature = inspect.signature(function)
    if "params" not in signature.parameters:
        return function

    def command(params_file: Path = PARAMS_FILE, **flags: Any) -> Any:
        from practise.settings.reading import load_params

        return function(load_params(params_file), **flags)

    flag = inspect.Parameter(
        "params_file",
        inspect.Parameter.KEYWORD_ONLY,
        default=PARAMS_FILE,
        annotation=Annotated[Path, Parameter(help="The params file.")],
    )
    flags = [flag, *(flag for name, flag in signature.parameters.items() if name != "params")]
    command.__doc__ = function.__doc__
    command.__annotations__ = {flag.name: flag.annotation for flag in flags}
    command.__signature__ = signature.replace(parameters=flags)  # type: ignore[attr-defined]
    return command


def find_params_file(words: Sequence[str]) -> Path:
    """Return the params file that a command line names, before its other flags are known.

    Args:
        words: What follows the command.

    >>> find_params_file(["--seed", "3", "--params-file", "mine.yaml"])
    PosixPath('mine.yaml')
    """
    for word, following in zip(words, [*words, ""][1:], strict=True):
        flag, equals, value = word.partition("=")
        named = value if equals else following
        if flag.replace("_", "-") == "--params-file" and named and not named.startswith("-"):
            return Path(named)
    return PARAMS_FILE


def parse(app: App, words: Sequence[str]) -> tuple[Callable[..., Any], inspect.BoundArguments]:
    """Return the function that a command line calls, and what it is called with.

    Args:
        app: The command line, with the command that the words name loaded.
        words: What follows `practise`.

    Raises:
        UsageError: One line for each mistake.
    """
    try:
        function, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        where = "".join(f"{command}: " for command in error.command_chain or ())
        told = [where + mistake for mistake in mistakes(error, words)]
        raise UsageError("\n".join(told)) from error
    return function, bound


def mistakes(error: CycloptsError, words: Sequence[str]) -> Iterator[str]:
    """Give a sentence for each mistake that is known of a command line that cyclopts refused.

    Args:
        error: What it was refused for: the first mistake.
        words: What follows `practise`.
    """
    assert error.app is not None
    if isinstance(error, UnknownCommandError):
        commands = [name for name in error.app if not name.startswith("-")]
        yield unknown("command", (error.unused_tokens or words)[0], commands, limit=len(commands))
        return
    flags = error.app.assemble_argument_collection()
    names = [flag.name for flag in flags if flag.name.startswith("--")]
    typed = [word.partition("=")[0] for word in words]
    strange = [
        word for word in typed if word.startswith("-") and word[1:2] not in DIGITS and word not in flags
    ]
    given = {word.replace("_", "-") for word in typed}
    missing = [flag.name for flag in flags if flag.required and flag.name in set(names) - given]
    match error:
        case CoercionError(argument=Argument() as flag, token=Token() as token):
            yield f"{flag.name}: is '{token.value}', should be {allowed(flag)}"
        case RepeatArgumentError(token=token):
            yield f"{token.keyword}: is given twice"
        case MissingArgumentError(argument=Argument() as flag) if flag.name not in missing:
            yield f"{flag.name}: has no value, should be {allowed(flag)}"
        case UnusedCliTokensError(unused_tokens=[word, *_]):
            yield unknown("argument", word, names)
        case MissingArgumentError() | UnknownOptionError():
            pass  # told below, with others of their kind
        case _:
            yield str(error)
    for word in strange:
        yield unknown("flag", word, names)
    if missing:
        yield f"missing {', '.join(missing)}"


def allowed(flag: Argument) -> str:
    """Return what the value of a flag should be.

    Args:
        flag: The flag; its type is one of `TYPES`, a `Literal`, or one of them `| None`.
    """
    kinds = [kind for kind in get_args(flag.hint) or (flag.hint,) if kind is not NoneType]
    return " or ".join(TYPES.get(kind) or one_of(get_args(kind)) for kind in kinds)


def one_of(values: Sequence[object]) -> str:
    """Return the values of a `Literal` in words.

    >>> one_of(["bash", "zsh"]), one_of(["all"])
    ('one of bash, zsh', 'all')
    """
    return f"one of {', '.join(map(str, values))}" if len(values) > 1 else str(values[0])


def refuse_values(app: App, commands: tuple[str, ...], flags: ArgumentCollection) -> None:
    """Refuse what cyclopts would take: no text at all, which is a path to this folder, and 1.5 rounded to 2.

    Args:
        app: The command line.
        commands: The name of the command.
        flags: Its flags, with the words that were given for them.

    Raises:
        CycloptsError: There is such a value.
    """
    for flag in flags:
        for token in flag.tokens:
            if token.implicit_value is UNSET and not token.value:
                raise MissingArgumentError(argument=flag)
            kinds = get_args(flag.hint) or (flag.hint,)
            words = {str(value) for kind in kinds for value in get_args(kind)}
            other = {float, str, Path}.intersection(kinds)
            whole = token.value.lstrip("+-").isdecimal() or token.value in words
            if int in kinds and not other and not whole:
                raise CoercionError(argument=flag, token=token)
