"""A small random residual network for unit tests: basic or bottleneck blocks, any widths and depths."""

import timm
import torch
from torch import Tensor, nn


class Block(nn.Module):
    """`relu(x + f(x))`, or with a 1×1 shortcut where the width or the resolution changes.

    Args:
        width_in: channels that come in.
        width: channels that go out.
        stride: of the first convolution.
        linear: no activation after the addition.
        in_place: an activation before everything else overwrites the block's input.
    """

    def __init__(self, width_in: int, width: int, stride: int, linear: bool, in_place: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=linear)
        self.bn2 = nn.BatchNorm2d(width)
        changes = width_in != width or stride != 1
        self.shortcut = (
            nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))
            if changes
            else nn.Identity()
        )
        self.linear, self.in_place = linear, in_place

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(x) if self.in_place else x
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        y = y + self.shortcut(x)
        return y if self.linear else torch.relu(y)


class LinearBlock(nn.Module):
    """`x + Wx`: a residual block that is a linear map of its input's channels."""

    def __init__(self, width: int, seed: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1, bias=False)
        self.conv.weight.data = 0.3 * torch.randn(
            self.conv.weight.shape, generator=torch.Generator().manual_seed(seed)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class LinearTokens(nn.Module):
    """`x + Wx` on tokens: a residual block of a transformer that is a linear map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.fc(x)


class TokenNet(nn.Module):
    """Patches become tokens, linear blocks follow, a layer of another width reads them."""

    def __init__(self, width: int = 8, depth: int = 3) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.blocks = nn.Sequential(*(LinearTokens(width) for _ in range(depth)))
        self.reader = nn.Linear(width, 6)
        self.norm = nn.LayerNorm(6)
        self.head = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.reader(self.blocks(self.patches(x).flatten(2).mT))).mean(1))


class TinyNet(nn.Module):
    """Stem, stages of blocks, pooling, classifier."""

    def __init__(
        self,
        widths: list[int],
        depths: list[int],
        linear: bool = False,
        in_place: bool = False,
        classes: int = 4,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, widths[0], 3, 1, 1), nn.BatchNorm2d(widths[0]), nn.ReLU())
        before = [widths[0], *widths]
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    Block(before[s] if b == 0 else width, width, 2 if b == 0 and s else 1, linear, in_place)
                    for b in range(depth)
                )
            )
            for s, (width, depth) in enumerate(zip(widths, depths, strict=True))
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.run_stages(self.stem(x)))

    def run_stages(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x

    def classify(self, x: Tensor) -> Tensor:
        return self.classifier(self.pool(x).flatten(1))


def tiny_network(
    widths: tuple[int, ...] = (8, 12),
    depths: tuple[int, ...] = (3, 3),
    linear: bool = False,
    seed: int = 0,
    kind: type[TinyNet] = TinyNet,
    in_place: bool = False,
) -> TinyNet:
    """A network with random weights and random batch norm statistics, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind(list(widths), list(depths), linear, in_place)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.0)
                nn.init.normal_(module.bias, std=0.1)
                nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
                nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    network.eval()
    return network


def linear_block_network() -> TinyNet:
    """The last two blocks of the first stage are linear; the next stage's first block reads what they do."""
    network = tiny_network(linear=True)
    network.stages[0][1], network.stages[0][2] = LinearBlock(8, 1), LinearBlock(8, 2)
    return network


def tiny_transformer(name: str = "vit_tiny_patch16_224", seed: int = 0, **settings: object) -> nn.Module:
    """A transformer of timm for images of 32×32, of four patches, three blocks and width 32."""
    small = {"img_size": 32, "depth": 3, "embed_dim": 32, "num_heads": 2, "num_classes": 4}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = timm.create_model(name, **{**small, **settings})
        for weight in network.parameters():
            nn.init.normal_(weight, mean=float(weight.ndim == 1), std=0.1)
    return network.eval()


def noise(n: int, size: int = 16, seed: int = 1) -> Tensor:
    """Random images."""
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))
