"""What a benchmark measures on: a study's network and images, prepared by the pipeline's own stages.

A benchmark writes a params file of its own beside its results, `results/bench-QUESTION-STUDY/params.yaml`
(`results/bench-prepared-STUDY/` where it changes nothing of the study), and lets Snakemake make what it
needs there, one job at a time, so that a benchmark that was interrupted goes on and a second run prepares
nothing.
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from practise.engines.processes import environment, tool
from practise.errors import ParamsError, PractiseError
from practise.files import read_result, write_text
from practise.settings.grid import Cell, Paths, cells
from practise.settings.params import Params
from practise.settings.reading import load_params, read_yaml

if TYPE_CHECKING:  # imported once threads and memory are set
    import torch

    from practise.networks.teacher import Teacher

SHARED = "prepared"
"""The name under which benchmarks that change nothing of a study share what they prepare."""


@dataclass(frozen=True)
class Asked:
    """What the command line of a benchmark asks for.

    Attributes:
        params_file: the study to measure on.
        full: all of it, however long; else a form that takes minutes.
        keep: whether to copy what is found to `docs/benchmarks/`.
        settings: entries of the study to replace, by dotted key such as `grid.seeds`.
    """

    params_file: Path
    full: bool
    keep: bool
    settings: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """The params as they are asked for."""
        values: dict[str, Any] = read_yaml(self.params_file)
        replace_entries_(values, self.settings)
        return values


def ask(question: str) -> Asked:
    """Read the command line of a benchmark.

    Args:
        question: What the benchmark finds out, for `--help`.
    """
    parser = argparse.ArgumentParser(description=question)
    parser.add_argument("--params-file", type=Path, default=Path("params.yaml"), help="a study's params")
    parser.add_argument("--full", action="store_true", help="the authors' whole schedule: hours on a CPU")
    parser.add_argument("--keep", action="store_true", help="copy what is found to docs/benchmarks/STUDY")
    parser.add_argument("-S", "--set", action="append", default=[], type=setting, metavar="KEY=VALUE",
                        help="replace an entry of the params, e.g. -S grid.networks=[resnet20]; repeatable; "
                        "study.name is the name under which results are kept")  # fmt: skip
    asked = parser.parse_args()
    return Asked(asked.params_file, asked.full, asked.keep, dict(asked.set))


def setting(text: str) -> tuple[str, Any]:
    """Read `KEY=VALUE`: a dotted key and a value in YAML.

    Raises:
        ValueError: there is no equals sign.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(text)
    return key, yaml.safe_load(value)


def replace_entries_(values: dict[str, Any], entries: Mapping[str, Any]) -> None:
    """Replace entries of nested sections, by dotted key.

    Raises:
        ParamsError: there is no such section.
    """
    for key, value in entries.items():
        *sections, last = key.split(".")
        place = values
        for section in sections:
            if not isinstance(place.get(section), dict):
                raise ParamsError(f"{key}: the params have no section `{section}`")
            place = place[section]
        place[last] = value


def keep_within_grid_(values: dict[str, Any]) -> None:
    """Take from the comparisons of criteria and of sources what changed grids and methods no longer have."""
    grid, rank, sources = (values[section] for section in ("grid", "rank", "sources"))
    for section, keys in ((rank, rank.keys() & grid.keys()), (sources, ["networks"])):
        for key in keys:
            section[key] = [item for item in section[key] if item in grid[key]] or grid[key][:1]
    if sources["evaluation"] not in grid["images"]:
        sources["evaluation"] = grid["images"][0]
    methods = values["methods"]
    rank["method"] = rank["method"] if rank["method"] in methods else grid["methods"][0]
    sources["methods"] = [name for name in sources["methods"] if name in methods] or grid["methods"][:1]


class Case:
    """A study, changed for one benchmark, with what its stages make of it.

    Args:
        name: the benchmark's, or `SHARED`.
        asked: which study.
        changes: entries that replace the study's, by dotted key such as `grid.seeds`.
    """

    def __init__(self, name: str, asked: Asked, changes: Mapping[str, Any]) -> None:
        values = asked.values()
        study = f"bench-{name}-{values['study']['name']}"
        self.kept = Path("docs", "benchmarks", values["study"]["name"]) if asked.keep else None
        self.folder = Path("results", study)
        self.file = self.folder / "params.yaml"
        changes = {**changes, "study": {"name": study, "root": "../..", "file": str(self.file)}}
        replace_entries_(values, changes)
        keep_within_grid_(values)
        text = yaml.safe_dump(values, sort_keys=False)
        if not self.file.is_file() or self.file.read_text() != text:
            write_text(self.file, text)
        self.params: Params = load_params(self.file)
        self.paths = Paths.of(self.params)

    @property
    def cell(self) -> Cell:
        """The grid's first cell: its network, images and number of images."""
        return cells(self.params)[0]

    def make(self, *targets: Path | str) -> None:
        """Have Snakemake make files or rules, one heavy job at a time, so that none disturbs another."""
        cores = str(self.params.device.threads)
        command = [
            tool("snakemake"),
            "--configfile",
            str(self.file),
            "--replace-workflow-config",
            "--cores",
            cores,
        ]
        jobs_environment = environment()
        jobs_environment.pop("OMP_WAIT_POLICY", None)  # each stage chooses its own
        done = subprocess.run(
            [*command, "--quiet", "host", "rules", "--", *map(str, targets)], env=jobs_environment
        )
        if done.returncode:
            sys.exit(done.returncode)

    @cached_property
    def measured(self) -> dict[str, Any]:
        """What the stage latency measured on this machine."""
        path = self.paths.latency(self.cell.network)
        self.make(path)
        return read_result(path, "latency")

    @cached_property
    def reductions(self) -> dict[str, float]:
        """What dropping each block saves on this machine, as a share, in network order."""
        return {name: one["reduction"] for name, one in self.measured["blocks"].items()}

    @cached_property
    def hardware(self) -> dict[str, Any]:
        """What this machine is."""
        self.make(self.paths.hardware)
        return read_result(self.paths.hardware, "hardware")

    def open_original(self) -> "tuple[Teacher, torch.device]":
        """The prepared original network and its device, with torch set up as in the stages."""
        from practise.machine.devices import prepare, resolve_device
        from practise.networks.teacher import load_teacher

        prepare(self.params.device)
        device = resolve_device(self.params.device.name)
        teacher = load_teacher(self.paths.teacher(self.cell.network))
        teacher.network.to(device)
        return teacher, device

    def prepare(self, seeds: Sequence[int]) -> None:
        """Make the original network, the evaluation listing and the samples of the seeds."""
        cell = self.cell
        samples = [self.paths.sample(cell.images, cell.num_images, seed) for seed in seeds]
        self.make(self.paths.teacher(cell.network), self.paths.images(cell.images), *samples)


def one_cell(asked: Asked) -> dict[str, Any]:
    """Changes that leave one network, one number of images and one target of a grid in the quick form."""
    if asked.full:
        return {}
    grid = asked.values()["grid"]
    return {f"grid.{key}": grid[key][:1] for key in ("networks", "num_images")} | {
        "grid.targets": grid["targets"][-1:]
    }


def one_network(asked: Asked) -> dict[str, Any]:
    """Changes that leave one network of a grid and its last target."""
    grid = asked.values()["grid"]
    return {"grid.networks": grid["networks"][:1], "grid.targets": grid["targets"][-1:]}


def main(run: Any) -> None:
    """Run a benchmark; a mistake that the user can mend is one sentence and exit code 2."""
    try:
        run()
    except PractiseError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("benchmarks: interrupted; run the same command again to go on", file=sys.stderr)
        sys.exit(130)
