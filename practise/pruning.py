"""What a method takes away from a network: whole blocks, or filters inside them; torch is needed to do it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Pruning:
    """What goes and what stays.

    Attributes:
        dropped_blocks: names of blocks that are gone, in network order.
        kept_filters: which filters stay, by the name of their convolution; those not named keep all.
    """

    dropped_blocks: Sequence[str] = ()
    kept_filters: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "Pruning":
        """What a result of `select` or a student's card says."""
        return cls(described["dropped_blocks"], described["kept_filters"])

    def describe(self) -> dict[str, Any]:
        """The same as plain values, for a result."""
        return asdict(self)

    def apply_(self, network: "nn.Module", image_size: int) -> "nn.Module":
        """Prune the original, in place; the result is a plain, smaller module.

        Args:
            network: the original.
            image_size: side of the square images in pixels.

        Raises:
            NetworkError: the network has no such block, convolution or filter.
        """
        from practise.blocks import drop_blocks_
        from practise.filters import keep_filters_

        drop_blocks_(network, self.dropped_blocks)
        return keep_filters_(network, self.kept_filters, image_size) if self.kept_filters else network
