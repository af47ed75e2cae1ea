"""The grid of `params.yaml` and the path of every result, each in one place.

A cell is one network, one image source, one number of images, one seed, one method and one latency target.
Tables and figures go through the cells of the grid; they never look which files lie about.
"""

import itertools
from dataclasses import dataclass
from pathlib import Path

from practise.schema import HowMany
from practise.settings.params import Params


@dataclass(frozen=True, order=True)
class Cell:
    """One run of the pipeline.

    Attributes:
        network: A name in `params.networks`.
        images: A name in `params.images`.
        method: A name in `params.methods`.
        num_images: How many images are handed over, or `all`.
        seed: The seed of the sample, the scores and the recovery.
        target: The latency reduction to reach, as a share of the original's latency (0.2 is 20 %); from 1 on,
            the number of blocks to drop.
    """

    network: str
    images: str
    method: str
    num_images: HowMany
    seed: int
    target: float

    @property
    def score_folder(self) -> Path:
        """The part of the path that names the cell without its target and seed."""
        return Path(self.network, self.images, self.method, f"n{self.num_images}")

    @property
    def folder(self) -> Path:
        """The part of the path that names the cell."""
        return self.score_folder / f"s{self.seed}" / f"t{self.target}"


def cells(params: Params) -> list[Cell]:
    """Return the cells of the grid, in the order of the lists in the params file, targets running fastest."""
    grid = params.grid
    lists = (grid.networks, grid.images, grid.methods, grid.num_images, grid.seeds, grid.targets)
    return [Cell(*values) for values in itertools.product(*lists)]


@dataclass(frozen=True, order=True)
class Trial:
    """One comparison, of criteria that rank blocks or of images; the attributes are those of a `Cell`."""

    network: str
    images: str
    num_images: HowMany
    seed: int

    @property
    def folder(self) -> Path:
        """The part of the path that names the trial."""
        return Path(self.network, self.images, f"n{self.num_images}", f"s{self.seed}")


def rank_trials(params: Params) -> list[Trial]:
    """Return the comparisons of criteria, in the order of the lists in the section rank."""
    rank = params.rank
    lists = (rank.networks, rank.images, rank.num_images, rank.seeds)
    return [Trial(*values) for values in itertools.product(*lists)]


def source_trials(params: Params) -> list[Trial]:
    """Return the recoveries with images of several sources, in the order of the section's lists."""
    sources = params.sources
    lists = (sources.networks, sources.images, sources.num_images, sources.seeds)
    return [Trial(*values) for values in itertools.product(*lists)]


@dataclass(frozen=True)
class Paths:
    """The path of every result of one params file.

    Attributes:
        results: The directory that all results of the study lie in.
    """

    results: Path

    @classmethod
    def of(cls, params: Params) -> "Paths":
        """Return the paths of a params file's results, relative to the project's root."""
        return cls(Path("results", params.study.name))

    @property
    def hardware(self) -> Path:
        """What this machine is."""
        return self.results / "hardware.json"

    def images(self, images: str) -> Path:
        """The listing of an image source."""
        return self.results / "images" / f"{images}.json"

    def teacher(self, network: str) -> Path:
        """The original network's weights."""
        return self.results / "teacher" / f"{network}.safetensors"

    def teacher_card(self, network: str) -> Path:
        """What the original network is."""
        return self.results / "teacher" / f"{network}.json"

    def original(self, network: str, images: str) -> Path:
        """The original network's accuracy and size."""
        return self.results / "original" / network / f"{images}.json"

    def logits(self, network: str, images: str) -> Path:
        """What the original network says to each evaluation image."""
        return self.original(network, images).with_suffix(".safetensors")

    def sample(self, images: str, num_images: HowMany, seed: int) -> Path:
        """The images that are handed over."""
        return self.results / "sample" / images / f"n{num_images}" / f"s{seed}.json"

    def latency(self, network: str) -> Path:
        """The latency of the original network, without each block, and of thinner ones."""
        return self.results / "latency" / f"{network}.json"

    def score(self, cell: Cell) -> Path:
        """The score of each block."""
        return self.results / "score" / cell.score_folder / f"s{cell.seed}.json"

    def select(self, cell: Cell) -> Path:
        """The blocks to drop."""
        return (self.results / "select" / cell.folder).with_name(f"t{cell.target}.json")

    def measured(self, network: str) -> Path:
        """The latency of all that was chosen for a network, beside the original's."""
        return self.results / "measure" / f"{network}.json"

    def student(self, cell: Cell) -> Path:
        """The recovered network's weights."""
        return self.results / "recover" / cell.folder / "student.safetensors"

    def student_card(self, cell: Cell) -> Path:
        """What the recovered network is."""
        return self.results / "recover" / cell.folder / "student.json"

    def history(self, cell: Cell) -> Path:
        """The loss of each step of the recovery."""
        return self.results / "recover" / cell.folder / "history.csv"

    def accuracy(self, cell: Cell) -> Path:
        """The recovered network's accuracy and size."""
        return self.results / "evaluate" / cell.folder / "accuracy.json"

    def rank(self, trial: Trial) -> Path:
        """What each criterion says of sets of blocks, and what is lost without them."""
        return self.results / "rank" / trial.folder.with_suffix(".json")

    def lost(self, trial: Trial) -> Path:
        """What is lost without them, image by image."""
        return self.rank(trial).with_suffix(".safetensors")

    def synthesized(self, network: str) -> Path:
        """The manifest of the images that were made from a network; these lie beside it."""
        return self.results / "synthesize" / network / "manifest.json"

    def contact_sheet(self, network: str) -> Path:
        """Some of these images side by side."""
        return self.synthesized(network).with_name("contact_sheet.png")

    def sources(self, trial: Trial) -> Path:
        """The accuracy after a recovery with images of one source."""
        return self.results / "sources" / trial.folder.with_suffix(".json")

    @property
    def tables(self) -> Path:
        """The directory of the tables."""
        return self.results / "tables"

    @property
    def figures(self) -> Path:
        """The directory of the figures."""
        return self.results / "figures"

    def volatile(self, output: Path) -> Path | None:
        """Return where the date, host and duration of the run that made `output` go.

        Args:
            output: The run's first output.

        Returns:
            `results/default/score/a/b.json` gives `results/default/runs/score/a/b.volatile.json`; an output
            that lies elsewhere gives None.
        """
        root, output = self.results.resolve(), output.resolve()
        if root not in output.parents:
            return None
        inside = output.relative_to(root)
        name = inside.name.removesuffix(".json").removesuffix(".safetensors")
        return self.results / "runs" / inside.with_name(f"{name}.volatile.json")


def first_outputs(params: Params) -> dict[str, list[Path]]:
    """Return the first output of every run of the params file, by stage, in the order of the pipeline."""
    paths, grid = Paths.of(params), cells(params)
    outputs: dict[str, list[Path]] = {
        "hardware": [paths.hardware],
        "images": [paths.images(cell.images) for cell in grid],
        "teacher": [paths.teacher(cell.network) for cell in grid],
        "original": [paths.original(cell.network, cell.images) for cell in grid],
        "sample": [paths.sample(cell.images, cell.num_images, cell.seed) for cell in grid],
        "latency": [paths.latency(cell.network) for cell in grid],
        "score": [paths.score(cell) for cell in grid],
        "select": [paths.select(cell) for cell in grid],
        "measure": [paths.measured(cell.network) for cell in grid],
        "recover": [paths.student(cell) for cell in grid],
        "evaluate": [paths.accuracy(cell) for cell in grid],
        "rank": [paths.rank(trial) for trial in rank_trials(params)],
        "synthesize": [paths.synthesized(network) for network in params.sources.networks],
        "sources": [paths.sources(trial) for trial in source_trials(params)],
        "tables": [paths.tables],
        "figures": [paths.figures],
    }
    return {stage: list(dict.fromkeys(made)) for stage, made in outputs.items()}
