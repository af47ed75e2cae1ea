"""The command line: every stage is a command whose flags are the keyword arguments of its `run`.

`practise score --params-file params.yaml --network … --out …` imports `practise.stages.score`, checks the
params file and the input files, calls `run` and notes date, host and duration beside the results. Exit codes:
0 done, 1 a defect (with its traceback), 2 a mistake that the user can mend (one sentence), 130 interrupted.
"""

import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from practise.commands.app import build_app, find_params_file, load, parse
from practise.errors import FileError, ParamsError, PractiseError, unknown
from practise.stages import STAGES

if TYPE_CHECKING:
    from practise.settings.params import Params

COMMANDS = {
    "accelerate": "practise.commands.accelerate:accelerate",
    "check": "practise.commands.check:check",
    "completion": "practise.commands.completion:completion",
    "estimate": "practise.commands.estimate:estimate",
    "schema": "practise.commands.schema:schema",
    "study": "practise.engines.studies:study",
    "sync": "practise.engines.sync:sync",
    "demo": "practise.engines.demo:demo",
    "docs": "practise.render.docs:docs",
}
"""The other commands: name -> module:function."""

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


def groups() -> dict[str, dict[str, str]]:
    """Return all commands as the help shows them: title -> name -> module:function."""
    return {
        "Stages, in their order": {stage: f"practise.stages.{stage}:run" for stage in STAGES},
        "Other commands": COMMANDS,
    }


def _run(words: list[str]) -> int:
    """Run a command line; what its command returns, if anything, is the exit code."""
    command = next((word for word in words if not word.startswith("-")), None)
    if command in STAGES and words[0] == command and not {"--help", "-h"}.intersection(words):
        return _run_stage(command, words[1:])
    function, values = parse(build_app(groups(), [] if command is None else [command]), words)
    return function(*values.args, **values.kwargs) or 0


def _run_stage(name: str, words: list[str]) -> int:
    """Check what goes in, set up torch, run, and note what changes from run to run."""
    from practise.commands.runs import write_volatile
    from practise.machine.devices import prepare, prepare_environment
    from practise.settings.reading import load_params

    stage, params = STAGES[name], load_params(find_params_file(words))
    prepare_environment(params.device, timed=stage.timed)  # before numpy or torch is imported
    values = parse(build_app(groups(), [name]), [name, *words])[1].arguments
    values.pop("params_file", None)
    _check_names(name, values, params)
    _check_inputs(name, values, stage.outputs)
    if stage.torch:
        prepare(params.device)
    start = time.time()

    def find(place: str) -> str | None:
        found = params.value(place) if "." in place else values.get(place)
        return None if found is None else str(found)

    load(f"practise.stages.{name}:run")(params.only(stage.watched(find)), **values)
    write_volatile(params, values[stage.outputs[0]], start, ["practise", name, *words])
    return 0


def _check_names(stage: str, values: Mapping[str, Any], params: "Params") -> None:
    from practise.settings.problems import GRID_SECTIONS

    problems = []
    for section, argument in GRID_SECTIONS.items():
        entries, name = getattr(params, section), values.get(argument)
        if name is not None and name not in entries:
            problems.append(f"{stage}: {_flag(argument)}: {unknown(argument, name, entries)}")
    if problems:
        raise ParamsError("\n".join(problems))


def _check_inputs(stage: str, values: Mapping[str, Any], outputs: Sequence[str]) -> None:
    missing = [
        f"{stage}: {_flag(argument)}: no such file or directory '{path}', should be made by its stage "
        "first; `dvc repro` and `snakemake` run the stages in order"
        for argument, path in values.items()
        if isinstance(path, Path) and argument not in outputs and not path.exists()
    ]
    if missing:
        raise FileError("\n".join(missing))


def _flag(argument: str) -> str:
    return "--" + argument.replace("_", "-")
