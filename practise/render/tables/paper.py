"""The paper's own numbers, and which of our cells have the paper's setting.

`paper.csv` holds what Table 1 of the paper (CVPR 2023, arXiv 2202.07861) says and nothing else: a value that
we do not know for certain is not in it, and a table then shows a dash. A number stands beside ours only where
network, number of images, input size, evaluation set and target are the paper's; it reaches its latency
reductions by a number of blocks, so a target may name either.
"""

import csv
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from practise.settings.grid import Cell
from practise.settings.params import Params

IMAGENET_VALIDATION = 50_000
"""The images of ImageNet-1k's validation set: a smaller evaluation set is not the paper's."""

PAPER_IMAGE_SIZE = 224


@cache
def paper_values() -> tuple[Mapping[str, str], ...]:
    """Return the rows of `paper.csv`."""
    with open(Path(__file__).with_name("paper.csv"), newline="", encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def paper_top1(params: Params, cell: Cell, row: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return the paper's top-1 accuracy in percent and where it stands, or None and an empty text.

    Args:
        params: The params that the cell belongs to.
        cell: The cell.
        row: The cell's results; `image_size` and `num_evaluation` are looked at.
    """
    network = params.networks[cell.network]
    if not (
        network.head is None
        and row["num_evaluation"] == IMAGENET_VALIDATION
        and row["image_size"] == PAPER_IMAGE_SIZE
    ):
        return None, ""
    for value in paper_values():
        if (
            value["architecture"] == network.architecture
            and value["method"] == cell.method
            and int(value["num_images"]) == cell.num_images
            and cell.target in (float(value["latency_reduction"]), int(value["blocks"]))
        ):
            return float(value["top1"]), value["source"]
    return None, ""
