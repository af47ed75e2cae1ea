"""The result files of one params file, for the frames: read once, and a missing one is one sentence."""

import csv
from pathlib import Path
from typing import Any

from practise.errors import FileError
from practise.files import read_result
from practise.settings.grid import Paths
from practise.settings.params import Params


class Results:
    """The result files of one params file, each read once.

    Args:
        params: The params; their study names the directory of the results.
    """

    def __init__(self, params: Params) -> None:
        self.paths = Paths.of(params)
        folder = Path(params.study.file).parent
        self.command = "dvc repro" if folder == Path() else f"dvc repro {folder / 'dvc.yaml'}"
        self._known: dict[Path, dict[str, Any]] = {}

    def read(self, path: Path, kind: str) -> dict[str, Any]:
        """Return the result of `kind` at `path`, which must exist."""
        if path not in self._known:
            self._known[path] = read_result(self._present(path), kind)
        return self._known[path]

    def history(self, path: Path) -> list[dict[str, float]]:
        """Return the rows of a recovery history: step, loss (as `value`) and learning rate."""
        with open(self._present(path), newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if not {"step", "loss", "lr"} <= set(reader.fieldnames or ()):
                raise FileError(f"{path}: has the columns {reader.fieldnames}, should have step, loss and lr")
            return [
                {"step": int(row["step"]), "value": float(row["loss"]), "lr": float(row["lr"])}
                for row in reader
            ]

    def _present(self, path: Path) -> Path:
        if not path.is_file():
            raise FileError(f"{path}: no such file, make it with `{self.command}`")
        return path
