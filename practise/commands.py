"""The commands that are not stages: check a params file, write its schema, make one network faster."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from practise.errors import PractiseError, UsageError, unknown
from practise.files import write_text
from practise.grid import Paths, cells, first_outputs
from practise.params import DeviceParams, Library, NetworkParams, Params, json_schema, names_of

SCHEMA_HEADER = "# Made by `practise schema` from practise/params.py; a test keeps both equal.\n"


def check(params: Params) -> int:
    """Say whether the params file is right, what its grid runs and which data is missing."""
    grid, all_cells = params.grid, cells(params)
    lists = {key.replace("num_images", "numbers of images"): items for key, items in grid}
    product = " × ".join(f"{len(items)} {what}" for what, items in lists.items() if len(items) > 1)
    equals = f" = {product}" if product else ""
    print(f"profile {params.profile.name}: {_count(len(all_cells), 'cell')}{equals}")
    print("runs: " + ", ".join(f"{stage} {len(made)}" for stage, made in first_outputs(params).items()))
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


def accelerate(
    *,
    network: str,
    images: Path,
    out: Path,
    weights: str = "own",
    latency_reduction: float = 0.22,
    labelled: bool = False,
    image_size: int | None = None,
    batch_size: int = 1,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    steps: int | None = None,
    force: bool = False,
) -> None:
    """Make a network of a library faster with a folder of images, and save it for use anywhere.

    Args:
        network: LIBRARY:ARCHITECTURE, such as timm:resnet18.
        images: A folder with a few dozen images below it.
        out: The folder to save to; it must be empty or not there yet.
        weights: own (the library's), package:NAME, or the path of a .safetensors file or state dict.
        latency_reduction: Share of the latency to save; 0.22 when not given.
        labelled: The images lie in one folder for each class; accuracy is told too.
        image_size: Side of the square input in pixels; the network's own when not given.
        batch_size: Images in a forward pass; 1 when not given.
        device: auto (the GPU where there is one), cpu or cuda.
        threads: CPU threads; torch's own choice when not given.
        seed: Draws views and batches; 0 when not given.
        steps: Optimisation steps of the recovery; 60 when not given.
        force: Replace the network that was saved in the folder before.
    """
    library, colon, architecture = network.partition(":")
    if not architecture:
        raise UsageError(
            f"accelerate: --network: is '{network}', should be LIBRARY:ARCHITECTURE such as timm:resnet18"
        )
    if library not in names_of(Library):
        raise UsageError(f"accelerate: --network: {unknown('library', library, names_of(Library))}")
    import torch

    from practise.acceleration import accelerate
    from practise.exports import check_free
    from practise.hardware import prepare, resolve_device
    from practise.images.given import find_folder
    from practise.networks import build_network, find_preprocessing

    if threads is not None and threads < 1:
        raise UsageError(f"accelerate: --threads: is {threads}, should be at least 1")
    check_free(out, force)
    find_folder(images)
    where = resolve_device(device)
    wanted = {"name": where.type, "threads": threads or torch.get_num_threads()}
    prepare(DeviceParams.model_validate(wanted))
    described = {"library": library, "architecture": architecture, "weights": weights}
    spec = NetworkParams.model_validate({**described, "image_size": None, "head": None})
    accelerated = accelerate(
        build_network(spec, "accelerate"),
        images,
        latency_reduction,
        labels="folders" if labelled else None,
        preprocessing=find_preprocessing(spec, "accelerate"),
        image_size=image_size,
        batch_size=batch_size,
        device=device,
        seed=seed,
        steps=steps,
        name=network,
    )
    accelerated.save(out, force)
    print(accelerated.summary())
    print(f'saved to {out}: practise.load("{out}")')


def schema_text() -> str:
    """Return the JSON schema of the params file as YAML."""
    return SCHEMA_HEADER + yaml.safe_dump(json_schema(), sort_keys=False, allow_unicode=True, width=110)


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
