"""`practise study`: let DVC see a study, whose params file it runs by a copy of `dvc.yaml` beside it.

DVC reads the `dvc.yaml` beside a params file, and every one that it finds stands in `dvc status` and `dvc
metrics diff`. So a study has none until somebody wants it. Snakemake needs no copy.
"""

from pathlib import Path

from practise.engines import EngineError
from practise.engines.pipeline import FILE, Pipeline
from practise.errors import unknown
from practise.files import write_bytes

FOLDER = Path("studies")
"""Where the params files of the studies lie, each in a folder of its own."""

MARK = b"# The pipeline: "
"""How every copy begins, also one of an earlier pipeline."""


def study(name: str | None = None, /, *, hide: bool = False) -> None:
    """Let DVC see a study, or list those that there are.

    Args:
        name: A folder of studies/; all of them are listed when not given.
        hide: Undo it; what was run, and DVC's record of it, stays.

    Raises:
        EngineError: There is no such study, or a dvc.yaml lies there that is no copy of ours.
    """
    known = sorted(file.parent.name for file in FOLDER.glob("*/params.yaml"))
    if name is None:
        if hide:
            raise EngineError(f"study: --hide: of which study (known: {', '.join(known)})?")
        for each in known:
            print(f"{each:<20} {describe(FOLDER / each / FILE.name)}")
        return
    if name not in known:
        raise EngineError(f"study: {unknown('study', name, known)}")
    copy = FOLDER / name / FILE.name
    if copy.is_file() and not copy.read_bytes().startswith(MARK):
        raise EngineError(f"{copy}: is no copy of the project's {FILE}; move it away first")
    if hide:
        copy.unlink(missing_ok=True)
        print(f"DVC no longer sees the study {name}")
        return
    Pipeline(copy.with_name("params.yaml"))  # says what is wrong with it
    write_bytes(copy, FILE.read_bytes())
    print(f"DVC sees the study {name}: dvc repro {copy}")


def describe(copy: Path) -> str:
    """Return whether DVC sees a study, and what to type where it does not, or sees an older pipeline.

    Args:
        copy: Where the study's copy of `dvc.yaml` goes.
    """
    command = f"practise study {copy.parent.name}"
    if not copy.is_file():
        return command
    is_current = copy.read_bytes() == FILE.read_bytes()
    return "seen by DVC" if is_current else f"seen by DVC, but {FILE} has changed since: {command}"


def check_seen(pipeline: Pipeline) -> None:
    """Make sure that DVC runs a params file by the one pipeline.

    Raises:
        EngineError: No `dvc.yaml` lies beside it, or another one.
    """
    copy = pipeline.file
    mend = f"practise study {copy.parent.name}" if copy.parent.parent == FOLDER else f"cp {FILE} {copy}"
    if not copy.is_file():
        raise EngineError(f"{copy}: no such file; make it with `{mend}`")
    if copy.read_bytes() != FILE.read_bytes():
        raise EngineError(f"{copy}: differs from {FILE}; `{mend}` makes it a copy again")
