"""What the jobs of a grid cost: time, memory and disk, from the notes that they leave."""

import json
from pathlib import Path
from typing import Any

from practise.errors import FileError
from practise.files import read_result, write_text
from practise.settings.grid import Paths, first_outputs
from practise.settings.params import Params


def write_cost(params: Params, out: Path, environment: Path) -> None:
    """Write what the jobs of a grid took, as plain numbers.

    Args:
        params: The params.
        out: The JSON file: jobs (`runs`) and seconds by stage, peak memory and size of the results in MiB,
            size of the environment in GiB, and the machine.
        environment: The directory of the Python environment.

    Raises:
        FileError: The note of a job is missing or damaged.
    """
    paths = Paths.of(params)
    stages: dict[str, dict[str, float]] = {}
    peak = 0
    for stage, outputs in first_outputs(params).items():
        notes = [_note(paths, output) for output in outputs]
        stages[stage] = {"runs": len(notes), "seconds": round(sum(note["seconds"] for note in notes), 1)}
        peak = max(peak, *(note["peak_memory_mib"] for note in notes))
    cost = {
        "stages": stages,
        "runs": sum(stage["runs"] for stage in stages.values()),
        "seconds": round(sum(stage["seconds"] for stage in stages.values()), 1),
        "peak_memory_mib": peak,
        "results_mib": round(_size(paths.results) / 2**20),
        "environment_gib": round(_size(environment) / 2**30, 1),
        "machine": read_result(paths.hardware, "hardware"),
    }
    write_text(out, json.dumps(cost, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_cost(path: Path) -> dict[str, Any]:
    """Return what `write_cost` wrote.

    Raises:
        FileError: The file is missing or damaged.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise FileError(f"{path}: no such file, should be what `practise docs` writes") from error
    except ValueError as error:
        raise FileError(f"{path}: is damaged (not JSON), make it again with `practise docs`") from error


def cost_sentence(cost: dict[str, Any]) -> str:
    """Return what the pipeline takes in one sentence."""
    machine = cost["machine"]
    return (
        f"The pipeline's {cost['runs']} jobs add up to {cost['seconds'] / 60:.1f} minutes and need at most "
        f"{cost['peak_memory_mib'] / 1024:.1f} GiB of memory ({machine['cpu']}, "
        f"{machine['logical_cores']} logical cores); the Python environment takes "
        f"{cost['environment_gib']:.1f} GiB of disk space, the results {cost['results_mib']} MiB."
    )


def _note(paths: Paths, output: Path) -> dict[str, Any]:
    path = paths.volatile(output)
    try:
        assert path is not None, "outputs of the grid lie in the results"
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise FileError(
            f"{path}: no such file; it is written when {output} is made, not when it comes from a cache: "
            "`dvc repro --force` makes everything again"
        ) from error
    except ValueError as error:
        raise FileError(f"{path}: is damaged (not JSON)") from error


def _size(folder: Path) -> int:
    """Return the bytes of all files below a folder, each file once however many names it has."""
    sizes = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        if not path.is_dir():
            sizes[status.st_dev, status.st_ino] = status.st_size
    return sum(sizes.values())
