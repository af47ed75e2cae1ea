"""The tiny training set: the few images that are handed over, and what a network needs to look at them."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int64
from PIL import Image
from torch import Tensor

from practise.preprocessing import Preprocessing
from practise.views import centre_views


@dataclass(frozen=True)
class TinySet:
    """A few images, as one network is to see them in one run.

    Attributes:
        images: RGB, any size.
        labels: their classes; methods without labels never look at them.
        preprocessing: the network's.
        seed: decides all that is random in scoring and recovery on these images.
    """

    images: Sequence[Image.Image]
    labels: Int64[Tensor, " n"]
    preprocessing: Preprocessing
    seed: int

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.images)

    def centre_views(self, indices: Sequence[int] | None = None) -> Float[Tensor, "n 3 h w"]:
        """The evaluation view of each image, or of the indexed ones, normalised."""
        indices = range(len(self)) if indices is None else indices
        return centre_views([self.images[index] for index in indices], self.preprocessing)
