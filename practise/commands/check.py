"""`practise check`: what a params file would run, and whether the data that it names is there."""

from collections.abc import Iterator

from practise.errors import PractiseError
from practise.images.params import SOURCES
from practise.networks.params import PACKAGE
from practise.networks.weights import find_checkpoint
from practise.settings.grid import Paths, cells, first_outputs
from practise.settings.params import Params


def check(params: Params) -> int:
    """Say whether the params file is right, what its grid runs and which data is missing."""
    grid, all_cells = params.grid, cells(params)
    lists = {key.replace("num_images", "numbers of images"): items for key, items in grid}
    product = " × ".join(f"{len(items)} {what}" for what, items in lists.items() if len(items) > 1)
    equals = f" = {product}" if product else ""
    print(f"study {params.study.name}: {_count(len(all_cells), 'cell')}{equals}")
    print("runs: " + ", ".join(f"{stage} {len(made)}" for stage, made in first_outputs(params).items()))
    print(f"results: {Paths.of(params).results}/, tables in {Paths.of(params).tables}/")
    problems = list(missing_data(params))
    if problems:
        raise PractiseError("\n".join(problems))
    print("data: everything is there")
    return 0


def missing_data(params: Params) -> Iterator[str]:
    """Give a sentence for each image source or checkpoint that is named and cannot be opened."""
    from practise.images import open_source

    networks = [params.networks[name] for name in params.grid.networks]
    heads = [network.head for network in networks if network.head is not None]
    for name in dict.fromkeys([*params.grid.images, *params.sources.images, *heads]):
        if SOURCES[params.images[name].source].is_made:
            continue
        try:
            open_source(name, params.images[name], params.study.file, params.data)
        except PractiseError as error:
            yield str(error)
    for name, network in zip(params.grid.networks, networks, strict=True):
        if network.weights == "own" or network.weights.startswith(PACKAGE):
            continue
        try:
            find_checkpoint(network.weights, f"{params.study.file}: networks.{name}.weights", params.data)
        except PractiseError as error:
            yield str(error)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")
