"""The section `synthesize` of a params file: how images are made from a network."""

from typing import Literal

from practise.machine.params import Dtype
from practise.schema import Count, NotNegative, Positive, Section, ShareOrNone, Whole, setting


class SynthesisRecipe(Section):
    """How images are made."""

    steps: Count = setting(120, "Optimisation steps of a batch.")
    batch_size: Count = setting(50, "Images that are made together; batch norm sees their statistics.")
    lr: Positive = setting(0.1, "Adam's learning rate on normalised pixels, falling to nothing on a cosine.")
    classification: NotNegative = setting(
        1.0, "Weight of the cross-entropy with a class; 0: batch norm's statistics alone."
    )
    statistics: Positive = setting(10.0, "Weight of the distance of batch norm's statistics.")
    distance: Literal["relative", "absolute"] = setting(
        "relative",
        "How it is told: relative (in standard deviations of each channel) or absolute (the authors', which "
        "heeds the layers and channels of large values).",
    )
    low_pass: NotNegative = setting(
        0.7,
        "Standard deviation in pixels of the blur through which the network sees the images while they are "
        "made; 0: none.",
    )
    shifted_strides: bool = setting(
        True, "Whether strided convolutions start at another of the pixels that they skip in each step."
    )
    total_variation: NotNegative = setting(
        5.0, "Weight of the mean squared difference of neighbouring pixels."
    )
    competition: NotNegative = setting(
        0.0,
        "Weight of the disagreement with the network without sources.blocks: Adaptive DeepInversion.",
    )
    start: Literal["leaves", "noise"] = setting(
        "leaves", "What they are made of: leaves (pictures of discs and rectangles) or noise (the authors')."
    )
    coarse: ShareOrNone = setting(0.5, "Share of the steps that go first, at half the resolution.")
    jitter: ShareOrNone = setting(0.1, "The farthest random shift, as a share of the side.")
    dtype: Dtype = setting("auto", "Number format; auto: bf16 where the device computes in it, else fp32.")


class SynthesizeParams(SynthesisRecipe):
    """The section `synthesize`: a recipe, and how many images."""

    num_images: Count = setting(50, "How many images are made from each network of sources.networks.")
    seed: Whole = setting(0, "Seed of the start, the classes, the shifts and the flips.")

    @property
    def recipe(self) -> SynthesisRecipe:
        """How images are made, without how many."""
        return SynthesisRecipe(**self.model_dump(exclude={"num_images", "seed"}))
