"""The libraries that networks come from: the names each knows, how it builds them, how their images look.

A name may carry a tag after a dot that picks one of several sets of weights: `resnet50.a1_in1k` in timm,
`resnet50.IMAGENET1K_V1` in torchvision. Without a tag the library's default is meant.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import timm
import torchvision
from timm.data.config import resolve_data_config
from torch import nn

from practise.errors import NetworkError
from practise.images.preprocessing import CROP_MODES, Preprocessing
from practise.networks.cifar import DEPTHS, CifarResNet

Options = Mapping[str, Any]
"""Further arguments of a library's builder."""
INTERPOLATIONS = ("bilinear", "bicubic", "nearest", "lanczos")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Library:
    """What is asked of a library.

    Attributes:
        names: All architectures, without tags.
        tags: The tags of an architecture's sets of weights, the default first; empty when it has no weights.
        build: From a name with or without a tag, whether to load the library's weights, the number of
            classes (None: as many as the weights have) and further arguments of the library's builder to the
            network.
        size_option: From a name with or without a tag to the builder's argument that says the image size;
            None where the network takes images of any size.
        preprocessing: From a name with or without a tag, and the side of the square input in pixels (None:
            the network's own), to the evaluation view.
    """

    names: Callable[[], list[str]]
    tags: Callable[[str], list[str]]
    build: Callable[[str, bool, int | None, Options], nn.Module]
    size_option: Callable[[str], str | None]
    preprocessing: Callable[[str, int | None], Preprocessing]


def _timm_tags(architecture: str) -> list[str]:
    names = timm.list_pretrained(f"{architecture}.*") + timm.list_pretrained(architecture)
    default = timm.get_pretrained_cfg(architecture)
    tags = {name.partition(".")[2] for name in names}
    return sorted(tags, key=lambda tag: (default is None or tag != default.tag, tag))


def _build_timm(name: str, pretrained: bool, num_classes: int | None, options: Options) -> nn.Module:
    chosen: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    network: nn.Module = timm.create_model(name, pretrained=pretrained, **chosen, **options)
    return network


def _timm_size_option(name: str) -> str | None:
    known = timm.get_pretrained_cfg(name)
    return "img_size" if known is not None and known.fixed_input_size else None


def _timm_preprocessing(name: str, image_size: int | None) -> Preprocessing:
    known = timm.get_pretrained_cfg(name)
    return timm_preprocessing(known.to_dict() if known else {}, image_size)


def timm_preprocessing(pretrained_cfg: dict[str, Any], image_size: int | None = None) -> Preprocessing:
    """The evaluation view that timm's description of pretrained weights asks for.

    Args:
        pretrained_cfg: The description; what it does not say is timm's default.
        image_size: Side of the square input in pixels; None: as described.

    Raises:
        NetworkError: It asks for a view that there is none of here.
    """
    config = resolve_data_config(pretrained_cfg=pretrained_cfg or {"input_size": None})
    (channels, height, width), mode = config["input_size"], config["crop_mode"]
    interpolation, mean, std = config["interpolation"], tuple(config["mean"]), tuple(config["std"])
    name = pretrained_cfg.get("architecture") or "the network"
    if (channels, len(mean), len(std)) != (3, 3, 3):
        raise NetworkError(f"{name} wants images of {channels} channels, should take RGB images, of three")
    if image_size is None and height != width:
        raise NetworkError(
            f"{name} wants images of {width} × {height} pixels, but images are made square here; set "
            "image_size to the side of a square that it takes"
        )
    if mode not in CROP_MODES or interpolation not in INTERPOLATIONS:
        raise NetworkError(
            f"{name} wants images resized by crop mode '{mode}' and interpolation '{interpolation}' (known: "
            f"{', '.join((*CROP_MODES, *INTERPOLATIONS))})"
        )
    return Preprocessing(image_size or height, mean, std, interpolation, config["crop_pct"], mode)


def _torchvision_names() -> list[str]:
    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def _torchvision_tags(architecture: str) -> list[str]:
    weights = torchvision.models.get_model_weights(architecture)
    tags = list(weights.__members__)
    default = weights.DEFAULT.name if tags else None
    return sorted((tag for tag in tags if tag != "DEFAULT"), key=lambda tag: (tag != default, tag))


def _torchvision_weights(name: str) -> Any:
    architecture, _, tag = name.partition(".")
    tags = _torchvision_tags(architecture)
    return torchvision.models.get_model_weights(architecture)[tag or tags[0]] if tags else None


def _build_torchvision(name: str, pretrained: bool, num_classes: int | None, options: Options) -> nn.Module:
    weights = _torchvision_weights(name) if pretrained else None
    chosen: dict[str, Any] = {} if num_classes is None else {"num_classes": num_classes}
    network: nn.Module = torchvision.models.get_model(
        name.partition(".")[0], weights=weights, **chosen, **options
    )
    return network


def _torchvision_size_option(name: str) -> str | None:
    return "image_size" if name.startswith("vit_") else None


def _torchvision_preprocessing(name: str, image_size: int | None) -> Preprocessing:
    weights = _torchvision_weights(name)
    if weights is None:
        return Preprocessing(image_size or 224, IMAGENET_MEAN, IMAGENET_STD, "bilinear", 224 / 256)
    view = weights.transforms()
    size, shorter_side = view.crop_size[0], view.resize_size[0]
    mean, std = tuple(view.mean), tuple(view.std)
    return Preprocessing(image_size or size, mean, std, view.interpolation.value, size / shorter_side)


def _build_cifar(name: str, pretrained: bool, num_classes: int | None, options: Options) -> nn.Module:
    return CifarResNet(DEPTHS[name], 10 if num_classes is None else num_classes, **options)


LIBRARIES: dict[str, Library] = {
    "cifar": Library(
        lambda: list(DEPTHS),
        lambda name: [],
        _build_cifar,
        lambda name: None,
        lambda name, image_size: Preprocessing(
            image_size or 32, IMAGENET_MEAN, IMAGENET_STD, "bilinear", 1.0
        ),
    ),
    "timm": Library(timm.list_models, _timm_tags, _build_timm, _timm_size_option, _timm_preprocessing),
    "torchvision": Library(
        _torchvision_names,
        _torchvision_tags,
        _build_torchvision,
        _torchvision_size_option,
        _torchvision_preprocessing,
    ),
}
