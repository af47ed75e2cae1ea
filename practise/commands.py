"""The commands that are not stages: check a params file, write its schema."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml

from practise.errors import PractiseError
from practise.files import write_text
from practise.grid import Paths, cells, studies, trials
from practise.params import Params, json_schema

SCHEMA_HEADER = "# Made by `practise schema` from practise/params.py; a test keeps both equal.\n"


def check(params: Params) -> int:
    """Say whether the params file is right, what its grid runs and which data is missing."""
    grid, all_cells = params.grid, cells(params)
    lists = {key.replace("num_images", "numbers of images"): items for key, items in grid}
    product = " × ".join(f"{len(items)} {what}" for what, items in lists.items() if len(items) > 1)
    equals = f" = {product}" if product else ""
    print(f"profile {params.profile.name}: {_count(len(all_cells), 'cell')}{equals}")
    print("runs: " + ", ".join(f"{stage} {count}" for stage, count in count_runs(params).items()))
    print(f"results: {Paths.of(params).results}/, tables in {Paths.of(params).tables}/")
    problems = list(missing_data(params))
    if problems:
        raise PractiseError("\n".join(problems))
    print("data: everything is there")
    return 0


def schema(*, out: Path) -> None:
    """Write the JSON schema of the params file, for editors and for Snakemake's `validate`.

    Args:
        out: The schema, YAML.
    """
    write_text(out, schema_text())


def schema_text() -> str:
    """Return the JSON schema of the params file as YAML."""
    return SCHEMA_HEADER + yaml.safe_dump(json_schema(), sort_keys=False, allow_unicode=True, width=110)


def count_runs(params: Params) -> dict[str, int]:
    """Return how often each stage runs for the grid, in the order of the pipeline."""
    paths, all_cells = Paths.of(params), cells(params)
    made = {
        "hardware": {paths.hardware},
        "images": {paths.images(cell.images) for cell in all_cells},
        "teacher": {paths.teacher(cell.network) for cell in all_cells},
        "original": {paths.original(cell.network, cell.images) for cell in all_cells},
        "sample": {paths.sample(cell.images, cell.num_images, cell.seed) for cell in all_cells},
        "latency": {paths.latency(cell.network) for cell in all_cells},
        "score": {paths.score(cell) for cell in all_cells},
        "select": {paths.select(cell) for cell in all_cells},
        "recover": {paths.student(cell) for cell in all_cells},
        "evaluate": {paths.accuracy(cell) for cell in all_cells},
        "rank": {paths.rank(study) for study in studies(params)},
        "synthesize": {paths.synthesized(network) for network in params.sources.networks},
        "sources": {paths.sources(trial) for trial in trials(params)},
    }
    return dict(Counter({stage: len(outputs) for stage, outputs in made.items()}))


def missing_data(params: Params) -> Iterator[str]:
    """Give a sentence for each image source or checkpoint that is named and cannot be opened."""
    from practise.images import open_source

    networks = [params.networks[name] for name in params.grid.networks]
    heads = [network.head for network in networks if network.head is not None]
    for name in dict.fromkeys([*params.grid.images, *params.sources.images, *heads]):
        if params.images[name].source == "synthesized":
            continue  # they are made
        try:
            open_source(name, params.images[name], params.profile.file, params.data)
        except PractiseError as error:
            yield str(error)
    for name, network in zip(params.grid.networks, networks, strict=True):
        is_path = network.weights != "own" and not network.weights.startswith("package:")
        path = params.data.find(network.weights)
        if is_path and not path.is_file():
            yield (
                f"{params.profile.file}: networks.{name}.weights: no such file '{path}', should be own, "
                "package:NAME or the path of a .safetensors file or state dict"
                f"{params.data.advice(network.weights)}"
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
