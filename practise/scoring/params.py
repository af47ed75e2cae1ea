"""The section `score` of a params file: how recoverability is found."""

from typing import Annotated

from pydantic import Field

from practise.images.params import Batches
from practise.machine.params import Dtype
from practise.schema import Count, NotNegative, OneOf, Positive, Section, ShareOrNone, setting
from practise.scoring.registry import CRITERIA

CriterionName = Annotated[str, OneOf(CRITERIA)]
BlockCriterionName = Annotated[
    str,
    OneOf(name for name, known in CRITERIA.items() if known.prunes == "blocks" and not known.given),
]


class RidgeRecipe(Section):
    """The preset `default` of recoverability: closed-form adaptors, judged on other images."""

    ridge: Positive = setting(
        0.3, "Pull of the adaptors towards the identity, as a share of the features' mean power."
    )
    folds: Annotated[int, Field(ge=2)] = setting(
        2, "Parts of the images; each is judged by adaptors fitted on the others."
    )
    most_images: Count = setting(
        256, "Images that are looked at, at most; they pass through the network together."
    )
    memory_mb: Positive = setting(1024.0, "What may be kept of the original's activations, in MiB.")
    dtype: Dtype = setting("auto", "Number format; auto: bf16 where the device computes in it, else fp32.")


class SgdRecipe(Section):
    """The preset `official` of recoverability: SGD on the adaptors, with the authors' schedule."""

    steps: Count = setting(2000, "SGD steps for each block.")
    lr: Positive = setting(0.02, "SGD's learning rate.")
    momentum: ShareOrNone = setting(0.9, "SGD's momentum.")
    weight_decay: NotNegative = setting(1e-4, "SGD's weight decay.")
    batch_size: Count = setting(64, "Images in a step.")
    batches: Batches = setting(
        "distinct",
        "distinct: each image at most once in a step, so all in one batch where there are fewer than "
        "batch_size; full: batch_size views in every step, several of an image where there are few.",
    )
    dtype: Dtype = setting("fp32", "Number format.")
