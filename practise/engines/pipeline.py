"""The pipeline as `dvc.yaml` describes it: the jobs that a params file makes of it, and their code.

There is one `dvc.yaml`. DVC reads the one beside a params file: for a study that is a copy, which `practise
study` puts there. Snakemake's rules ask here for the lists of code and params, so that these stand in one
place, and `practise sync` and `practise demo` ask which jobs make which files.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from practise.engines import EngineError
from practise.settings.reading import load_params, read_yaml
from practise.stages import STAGES

FILE = Path("dvc.yaml")
"""The one description of the pipeline, in the project's root, which is the working directory."""
PLACEHOLDER = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class Job:
    """One run of a stage.

    Attributes:
        stage: The stage, such as `score`.
        name: DVC's name of the job, such as `score@efficientnet_lite0-elpv-practise-50-0`.
        command: What runs, in one line.
        deps: The files and directories that it reads, code among them.
        outs: The files that it writes.
        items: Its place in the grid, such as `{"network": "resnet34", "seed": 0}`.
    """

    stage: str
    name: str
    command: str
    deps: tuple[str, ...]
    outs: tuple[str, ...]
    items: Mapping[str, object] = field(default_factory=dict, compare=False)


class Pipeline:
    """What a params file makes of the pipeline.

    Args:
        params_file: The params file, relative to the project's root.

    Raises:
        ParamsError: The params file is wrong.
        EngineError: It names another file as itself, or another folder as the project's root.
    """

    def __init__(self, params_file: str | Path) -> None:
        self.params_file = Path(params_file)
        self.params = load_params(self.params_file)
        self.file = self.params_file.with_name(FILE.name)
        self.values: dict[str, Any] = read_yaml(self.params_file)
        study = self.params.study
        if Path(study.file).resolve() != self.params_file.resolve():
            raise EngineError(
                f"{self.params_file}: study.file is '{study.file}', should be '{self.params_file}'"
            )
        if (self.params_file.parent / study.root).resolve() != Path.cwd():
            raise EngineError(
                f"{self.params_file}: study.root is '{study.root}', should be the way from there to "
                f"{Path.cwd()}, the project's root, where the command runs"
            )

    @cached_property
    def stages(self) -> dict[str, dict[str, Any]]:
        """The stages as they stand in `dvc.yaml`, in the order of the pipeline."""
        stages: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["stages"]
        return stages

    @cached_property
    def jobs(self) -> list[Job]:
        """All jobs of the grid."""
        return [job for stage in self.stages for job in self._jobs_of(stage)]

    def code(self, stage: str) -> list[str]:
        """Return the files of ours that shape a stage's result, which `dvc.yaml` lists alone or by folder."""
        listed = [Path(path) for path in self.stages[stage]["deps"] if path.startswith("practise/")]
        files = [sorted(path.rglob("*")) if path.is_dir() else [path] for path in listed]
        return [
            str(file)
            for file in itertools.chain.from_iterable(files)
            if file.is_file() and "__pycache__" not in file.parts
        ]

    def made(self, stage: str, ending: str) -> list[str]:
        """Return the names of the files of a kind that a stage makes, such as those of the tables."""
        outs = [Path(out) for out in self.stages[stage]["outs"]]
        return [out.stem for out in outs if out.suffix == f".{ending}"]

    def section(self, stage: str, items: Mapping[str, object]) -> str:
        """Return the params that a job depends on, always the same text for the same values.

        Args:
            stage: The stage.
            items: Its place in the grid, such as `{"network": "resnet34", "seed": 0}`.
        """

        def find(place: str) -> str | None:
            found = _look_up(self.values, place) if "." in place else items.get(place)
            return None if found is None else str(found)

        return json.dumps(
            {key: _look_up(self.values, key) for key in STAGES[stage].watched(find)}, sort_keys=True
        )

    def _jobs_of(self, stage: str) -> Iterator[Job]:
        spec = self.stages[stage]
        matrix = {name: _look_up(self.values, text[2:-1]) for name, text in spec.get("matrix", {}).items()}
        for values in itertools.product(*matrix.values()):
            items = dict(zip(matrix, values, strict=True))
            scope = {**self.values, "item": items}
            outs = [*spec.get("outs", []), *spec.get("metrics", [])]
            yield Job(
                stage,
                "@".join([stage, *(["-".join(map(str, values))] if matrix else [])]),
                " ".join(_fill(spec["cmd"], scope).split()),
                tuple(_fill(path, scope) for path in spec["deps"]),
                tuple(_fill(path, scope) for path in outs),
                items,
            )


def _fill(text: str, scope: Mapping[str, Any]) -> str:
    """Put values in the place of `${dotted.keys}`."""
    return PLACEHOLDER.sub(lambda match: str(_look_up(scope, match[1])), text)


def _look_up(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for part in key.split("."):
        found = found[part]
    return found
