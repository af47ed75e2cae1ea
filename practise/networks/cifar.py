"""ResNets for 32×32 images: He et al. 2016, section 4.2, which neither timm nor torchvision has.

Depth 6n + 2: a stem, three stages of n basic blocks with 16, 32 and 64 channels, pooling, a linear layer.
Where resolution and width change, the shortcut takes every second pixel and pads with zero channels ("option
A"), so it has no weights. Layers are named as in the widely used CIFAR-10 checkpoints.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

DEPTHS = {f"resnet{depth}": depth for depth in (20, 32, 44, 56, 110)}
"""The paper's networks by name."""
WIDTHS = (16, 32, 64)


class PaddedShortcut(nn.Module):
    """Every second pixel, with zero channels before and after."""

    def __init__(self, added: int) -> None:
        super().__init__()
        self.added = added

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n wider h/2 w/2"]:
        """The shortcut of a block that halves the resolution."""
        before = self.added // 2
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, self.added - before))


class BasicBlock(nn.Module):
    """`relu(x + f(x))` with two 3×3 convolutions in f."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = PaddedShortcut(width - width_in) if stride > 1 else nn.Identity()

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d y x"]:
        """The block's output."""
        inner = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """A ResNet for small images.

    Args:
        depth: number of weighted layers, 6n + 2.
        num_classes: number of logits.
    """

    def __init__(self, depth: int, num_classes: int = 10) -> None:
        super().__init__()
        blocks, rest = divmod(depth - 2, 6)
        if rest:
            raise ValueError(f"depth {depth} is not 6n + 2")
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.layer1 = stage(WIDTHS[0], WIDTHS[0], blocks, 1)
        self.layer2 = stage(WIDTHS[0], WIDTHS[1], blocks, 2)
        self.layer3 = stage(WIDTHS[1], WIDTHS[2], blocks, 2)
        self.linear = nn.Linear(WIDTHS[2], num_classes)

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes"]:
        """Logits of normalised images."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1))


def stage(width_in: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """Basic blocks of one width; the first may change resolution and width."""
    first = BasicBlock(width_in, width, stride)
    return nn.Sequential(first, *(BasicBlock(width, width, 1) for _ in range(1, blocks)))
