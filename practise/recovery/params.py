"""The section `recover` of a params file: where a recovery starts, what it minimises, how it trains."""

from typing import Annotated, Literal

from practise.images.params import Batches
from practise.machine.params import Dtype
from practise.recovery.registry import LOSSES, STARTS
from practise.schema import Count, NotNegative, OneOf, Positive, Section, ShareOrAll, Whole, setting

BatchNorm = Literal["frozen", "adapted", "train"]
Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["one_cycle", "steps"]


LossName = Annotated[str, OneOf(LOSSES)]
StartName = Annotated[str, OneOf(STARTS)]


class LearningRates(Section):
    """A learning rate for each loss."""

    mimic: Positive = setting(5e-5, "For mimicking the features before pooling.", official=0.02)
    cross_entropy: Positive = setting(1e-4, "For cross-entropy with the labels.", official=1e-4)
    distil: Positive = setting(
        1e-4, "For knowledge distillation: labels and the original's logits.", official=1e-4
    )


class Training(Section):
    """How a recovery trains, whatever it minimises."""

    steps: Whole = setting(8, "Optimisation steps; 0 leaves the network at its start.", official=2000)
    minutes: Positive | None = setting(
        None, "What the training may take: as many steps as fit, timed before it begins; null: `steps`."
    )
    batch_size: Count = setting(32, "Views in a step.", official=64)
    views: Count | None = setting(
        10,
        "Random views of each image, drawn once and used again, unless each would be looked at more than "
        "eight times; null draws afresh at every step.",
        official=None,
    )
    smallest_crop: ShareOrAll = setting(
        0.3,
        "Share of an image's area that the smallest crop of random size covers; 1: no crop, flips alone.",
        official=0.08,
    )
    lr: Positive = setting(
        LearningRates().mimic, "Peak learning rate.", official=LearningRates.official().mimic
    )
    weight_decay: NotNegative = setting(0.01, "Decoupled weight decay; SGD's is its own.", official=1e-4)
    batch_norm: BatchNorm = setting(
        "frozen",
        "frozen: the original's statistics; adapted: moved towards those of the images, for images unlike "
        "those of its training; train: each batch's.",
        official="train",
    )
    start: StartName = setting(
        "fitted",
        "weights: the original's; adaptors: closed-form ones around dropped blocks, fitted as in score and "
        "absorbed; fitted: the same, but how hard they are pulled and whether batch norm is matched to the "
        "original's is chosen on held-out images; for filters fskd: layers corrected by least squares, or "
        "cd: layers refitted by cross distillation, exactly or (cd_adam) by Adam.",
        official="weights",
    )
    guard: bool = setting(
        True,
        "Go half the way from the start to the end of the training; where 200 images or more are handed "
        "over, some are held out, and another share of the way is gone where that is clearly better on them.",
        official=False,
    )
    mixing: bool = setting(False, "mimic: blend every view with another by a random share.")
    dtype: Dtype = setting(
        "auto", "Number format; auto: bf16 where the device computes in it, else fp32.", official="fp32"
    )


class RecoverParams(Training):
    """The section `recover`: the preset `default` of the recovery."""

    lr: LearningRates = setting(LearningRates(), "Peak learning rate, by loss.")  # type: ignore[assignment]


class RecoveryRecipe(Training):
    """How one recovery trains; weights and their updates are in fp32."""

    optimizer: Optimizer = setting("adamw", "The optimizer; sgd with momentum 0.9.", official="sgd")
    schedule: Schedule = setting(
        "one_cycle",
        "The learning rate's schedule; steps: divided by ten every 40 % of the steps.",
        official="steps",
    )
    batches: Batches = setting(
        "full",
        "full: batch_size views in every step, several of an image where there are few; distinct: each image "
        "at most once, so all in one batch where there are fewer than batch_size.",
        official="distinct",
    )
