"""`practise accelerate`: make one network of a library faster with a folder of images."""

from pathlib import Path
from typing import get_args

from practise.errors import UsageError, unknown
from practise.machine.params import DeviceParams
from practise.networks.params import LibraryName, NetworkParams


def accelerate(
    *,
    network: str,
    images: Path,
    out: Path,
    weights: str = "own",
    latency_reduction: float = 0.22,
    labelled: bool = False,
    foreign: bool = False,
    upright: bool = False,
    image_size: int | None = None,
    batch_size: int = 1,
    latency_device: str | None = None,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    steps: int | None = None,
    recover_minutes: float | None = None,
    max_minutes: float = 5.0,
    force: bool = False,
) -> None:
    """Make a network of a library faster with a folder of images, and save it for use anywhere.

    Args:
        network: LIBRARY:ARCHITECTURE, such as timm:resnet18.
        images: A folder with a few dozen images below it.
        out: The folder to save to; it must be empty or not there yet.
        weights: own (the library's), package:NAME, or the path of a .safetensors file or state dict.
        latency_reduction: Share of the latency to save.
        labelled: The images lie in one folder for each class; accuracy is told too.
        foreign: The images are of another kind than the network will see; it is changed more cautiously.
        upright: Turn the images as their EXIF data say; timm and torchvision take them as they are stored.
        image_size: Side of the square input in pixels; the network's own when not given.
        batch_size: Images in a forward pass.
        latency_device: Where the network will run, and so what is timed: cpu, cuda or auto; else --device.
        device: What scores and recovers: auto (the GPU where there is one), cpu or cuda.
        threads: CPU threads; torch's own choice when not given.
        seed: Draws views and batches.
        steps: Optimisation steps of the recovery; 60 when not given.
        recover_minutes: What the training may take instead: as many steps as fit.
        max_minutes: What measuring may take; a machine that nobody else uses takes two fifths of it at most.
        force: Replace the network that was saved in the folder before.
    """
    library, colon, architecture = network.partition(":")
    if not architecture:
        raise UsageError(
            f"accelerate: --network: is '{network}', should be LIBRARY:ARCHITECTURE such as timm:resnet18"
        )
    if library not in get_args(LibraryName):
        raise UsageError(f"accelerate: --network: {unknown('library', library, get_args(LibraryName))}")
    import torch

    from practise.acceleration import exports
    from practise.acceleration.accelerate import accelerate
    from practise.acceleration.asked import check_count
    from practise.acceleration.given import find_folder
    from practise.machine.devices import prepare, resolve_device
    from practise.networks.building import build_network, find_preprocessing

    if threads is not None and threads < 1:
        raise UsageError(f"accelerate: --threads: is {threads}, should be at least 1")
    if image_size is not None:
        check_count("accelerate: --image-size", image_size, 1)
    exports.check_free(exports.find_folder(out), force)
    find_folder(images)
    where = resolve_device(device, "accelerate: --device")
    wanted = {"name": where.type, "threads": threads or torch.get_num_threads()}
    prepare(DeviceParams.model_validate(wanted))
    described = {"library": library, "architecture": architecture, "weights": weights}
    spec = NetworkParams.model_validate({**described, "image_size": image_size, "head": None})
    accelerated = accelerate(
        build_network(spec, "accelerate"),
        images,
        latency_reduction,
        labels="folders" if labelled else None,
        foreign=foreign,
        upright=upright,
        preprocessing=find_preprocessing(spec, "accelerate"),
        image_size=image_size,
        batch_size=batch_size,
        latency_device=latency_device,
        device=device,
        seed=seed,
        steps=steps,
        recover_minutes=recover_minutes,
        max_minutes=max_minutes,
        name=network,
    )
    accelerated.save(out, force)
    print(accelerated.summary())
    print(f'saved to {out}: practise.load("{out}")')
