"""What a method takes away from a network: whole blocks, or filters inside them; torch is needed to do it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from practise.pruning.filters import Kept


@dataclass(frozen=True)
class Pruning:
    """What goes; the rest stays as it is.

    Attributes:
        dropped_blocks: names of blocks, in network order.
        filters_removed: share of the filters inside blocks, the weakest of each convolution; None: no filter.
    """

    dropped_blocks: Sequence[str] = ()
    filters_removed: float | None = None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "Pruning":
        """What a result of `select` or a student's card says."""
        return cls(tuple(described["dropped_blocks"]), described["filters_removed"])

    def describe(self) -> dict[str, Any]:
        """The same as plain values, for a result."""
        return asdict(self)

    def kept_filters(self, network: "nn.Module", image_size: int) -> "Kept":
        """Which filters stay, by convolution; of convolutions that are not named, all.

        Args:
            network: the original, on whose weights it depends.
            image_size: side of the square images in pixels.
        """
        from practise.pruning.filters import choose_filters, find_inner_convolutions

        if self.filters_removed is None:
            return {}
        return choose_filters(network, find_inner_convolutions(network, image_size), self.filters_removed)

    def apply_(self, network: "nn.Module", image_size: int) -> "nn.Module":
        """Prune the original, in place; the result is a plain, smaller module.

        Args:
            network: the original.
            image_size: side of the square images in pixels.

        Raises:
            NetworkError: the network has no such block.
        """
        from practise.networks.blocks import drop_blocks_
        from practise.pruning.filters import keep_filters_

        kept = self.kept_filters(network, image_size)
        drop_blocks_(network, self.dropped_blocks)
        return keep_filters_(network, kept, image_size) if kept else network
