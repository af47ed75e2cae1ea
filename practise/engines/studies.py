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


def study(name: str | None = None, /, *, hide: bool = False) -> None:
    """Let DVC see a study, or list those that there are.

    Args:
        name: A folder of studies/; all of them are listed when not given.
        hide: Undo it; what was run, and DVC's record of it, stays.

    Raises:
        EngineError: There is no such study, or its dvc.yaml was changed by hand.
    """
    known = sorted(file.parent.name for file in FOLDER.glob("*/params.yaml"))
    if name is None:
        for each in known:
            print(f"{each:<20} {'seen by DVC' if is_seen(each) else f'practise study {each}'}")
        return
    if name not in known:
        raise EngineError(f"study: {unknown('study', name, known)}")
    copy = FOLDER / name / FILE.name
    if hide:
        if copy.is_file():
            check_copy(copy)
            copy.unlink()
        print(f"DVC no longer sees the study {name}")
        return
    Pipeline(copy.with_name("params.yaml"))  # says what is wrong with it
    if copy.is_file() and copy.read_bytes().partition(b"\n")[0] != FILE.read_bytes().partition(b"\n")[0]:
        raise EngineError(f"{copy}: is no copy of {FILE}; move it away first")
    write_bytes(copy, FILE.read_bytes())
    print(f"DVC sees the study {name}: dvc repro {copy}")


def is_seen(name: str) -> bool:
    """Whether a study has its copy of `dvc.yaml`."""
    return (FOLDER / name / FILE.name).is_file()


def check_copy(copy: Path) -> None:
    """Make sure that a file is the copy that this command wrote.

    Raises:
        EngineError: It is another pipeline.
    """
    if copy.read_bytes() != FILE.read_bytes():
        raise EngineError(
            f"{copy}: differs from {FILE}; `practise study {copy.parent.name}` makes it a copy again"
        )


def check_seen(pipeline: Pipeline) -> None:
    """Make sure that DVC runs a params file by the one pipeline.

    Raises:
        EngineError: No `dvc.yaml` lies beside it, or another one.
    """
    if not pipeline.file.is_file():
        raise EngineError(
            f"{pipeline.file}: no such file; make it with `practise study {pipeline.file.parent.name}`"
        )
    check_copy(pipeline.file)
