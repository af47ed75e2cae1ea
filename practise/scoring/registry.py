"""The criteria that say what goes, by the name that stands in a params file, and what is known of each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

OfSet = Callable[[Sequence[str]], float]
"""From the names of the blocks that go together, in network order, to what that costs."""


@dataclass(frozen=True)
class Criterion:
    """A way to choose what goes; `practise.scoring.criteria` has the function of its name.

    Attributes:
        title: What it is called in tables and figures.
        per_latency: Whether its score is to be divided by the latency reduction.
        looks: Whether it looks at the network and the images.
        unit: What its score is a number of, where it is a cost; empty: it is an order.
        given: Whether a method names its blocks itself.
        prunes: `blocks`, or `filters`: no block is scored, filters go by their norm.
    """

    title: str
    per_latency: bool
    looks: bool
    unit: str = ""
    given: bool = False
    prunes: str = "blocks"


CRITERIA = {
    "random": Criterion("random", per_latency=False, looks=False),
    "first_blocks": Criterion("first blocks", per_latency=False, looks=False),
    "latency": Criterion("latency alone", per_latency=True, looks=False),
    "feature_change": Criterion("feature change", per_latency=True, looks=True, unit="mean squared error"),
    "output_divergence": Criterion("output divergence (CURL)", per_latency=True, looks=True, unit="nats"),
    "block_influence": Criterion("block influence", per_latency=True, looks=True, unit="1 − cosine"),
    "concept_masks": Criterion(
        "concept masks (CMa-FSMC)", per_latency=True, looks=True, unit="pixels that differ"
    ),
    "recoverability": Criterion("recoverability", per_latency=True, looks=True, unit="mean squared error"),
    "combined_recoverability": Criterion(
        "combined recoverability", per_latency=True, looks=True, unit="geometric mean"
    ),
    "given": Criterion("given blocks", per_latency=False, looks=False, given=True),
    "l1_filters": Criterion("L1 norm of filters", per_latency=False, looks=False, prunes="filters"),
}
"""Every criterion; a new one is an entry here and a function of its name in `practise.scoring.criteria`."""
