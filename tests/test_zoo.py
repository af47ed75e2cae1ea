"""Finding and dropping blocks on the architectures of torchvision and timm, with random weights.

Which blocks an architecture has is read off its definition: in each stage those that change neither width nor
resolution, so all but the first, or all where a stage begins with a layer that halves.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from tiny import noise
from torch import Tensor, nn

from practise.networks.blocks import drop_blocks_, find_blocks

ROOT = Path(__file__).parents[1]


def between(pattern: str, *places: Iterable[int], first: int = 0, step: int = 1) -> list[str]:
    """Names of blocks from their places in each stage; stages are numbered from `first` in `step`s."""
    return [pattern.format(first + step * s, i) for s, stage in enumerate(places) for i in stage]


def but_first(pattern: str, *depths: int, **numbers: int) -> list[str]:
    """All blocks but each stage's first."""
    return between(pattern, *(range(1, depth) for depth in depths), **numbers)


def every(pattern: str, *depths: int, **numbers: int) -> list[str]:
    """All blocks."""
    return between(pattern, *map(range, depths), **numbers)


BASIC = between("layer{}.{}", [0, 1], [1], [1], [1], first=1)  # the stem's width is that of the first stage
BOTTLENECK = but_first("layer{}.{}", 3, 4, 6, 3, first=1)
BOTTLENECK26 = but_first("layer{}.{}", 2, 2, 2, 2, first=1)
REGNET = "trunk_output.block{0}.block{0}-{1}"
GHOST = between("blocks.{}.{}", [0], [], [0], [], [0], [], [0, 1, 2, 4], [], range(4))

BLOCKS: dict[str, list[str]] = {
    # ResNets: basic blocks, bottlenecks, and what was put inside them (groups, squeeze-and-excitation,
    # splits, kernels to choose from); resnext26ts ends its blocks with SiLU, v2 is pre-activated.
    "torchvision/resnet18": BASIC,
    "torchvision/wide_resnet50_2": BOTTLENECK,
    "torchvision/resnext50_32x4d": BOTTLENECK,
    "timm/resnet26d": BOTTLENECK26,
    "timm/seresnet18": BASIC,
    "timm/skresnet18": BASIC,
    "timm/ecaresnet26t": BOTTLENECK26,
    "timm/res2net50_26w_4s": BOTTLENECK,
    "timm/resnext26ts": but_first("stages.{}.{}", 2, 2, 2, 2),
    "timm/lambda_resnet26t": but_first("stages.{}.{}", 2, 2, 2, 2),
    "timm/resnetv2_50": but_first("stages.{}.blocks.{}", 3, 4, 6, 3),
    "timm/nf_resnet26": but_first("stages.{}.{}", 2, 2, 2, 2),
    "timm/nfnet_l0": but_first("stages.{}.{}", 1, 2, 6, 3),
    # RegNets are bottlenecks of searched depths; timm counts their blocks from 1.
    "torchvision/regnet_y_400mf": but_first(REGNET, 1, 3, 6, 6, first=1),
    "torchvision/regnet_x_400mf": but_first(REGNET, 1, 2, 7, 12, first=1),
    "timm/regnety_002": between("s{}.b{}", range(2, 5), range(2, 8), first=3),
    # Darknet and its cross-stage partial kin: a convolution halves before the blocks.
    "timm/darknet17": every("stages.{}.blocks.{}", 1, 1, 1, 1, 1),
    "timm/cspresnet50": every("stages.{}.blocks.{}", 3, 3, 5, 2),
    # DLA: trees of two blocks, the first of which halves, but for the second trees of level3 and level4.
    "timm/dla34": [
        "level2.tree2", "level3.tree1.tree2", "level3.tree2.tree1", "level3.tree2.tree2",
        "level4.tree1.tree2", "level4.tree2.tree1", "level4.tree2.tree2", "level5.tree2",
    ],
    # HRNet: two blocks on each of 2, 3 and 4 branches; what fuses them sums over resolutions.
    "timm/hrnet_w18_small": [
        f"stage{s}.0.branches.{branch}.{i}" for s in (2, 3, 4) for branch in range(s) for i in (0, 1)
    ],
    # The eight blocks of Xception's middle flow; 10, 20, 9 and one in Inception-ResNet; in HGNet only one
    # stage has a second block, and first ones have no shortcut.
    "timm/xception41": between("blocks.{1}", range(3, 11)),
    "timm/inception_resnet_v2": [
        *every("repeat.{1}", 10), *every("repeat_1.{1}", 20), *every("repeat_2.{1}", 9), "block8",
    ],
    "timm/hgnetv2_b0": ["stages.2.blocks.1"],
    # Inverted residuals. The first block may keep the stem's width; 40 and 48 channels halved both become 24.
    "torchvision/mobilenet_v2": [f"features.{i}" for i in (3, 5, 6, 8, 9, 10, 12, 13, 15, 16)],
    "torchvision/mobilenet_v3_small": [f"features.{i}" for i in (3, 5, 6, 8, 10, 11)],
    "torchvision/mobilenet_v3_large": [f"features.{i}" for i in (1, 3, 5, 6, 8, 9, 10, 12, 14, 15)],
    "timm/mobilenetv3_small_050": between("blocks.{}.{}", [], [1], [1, 2], [0, 1], [1, 2]),
    "timm/mobilenetv4_conv_small_050": but_first("blocks.{}.{}", 6, 6, first=2),
    "torchvision/mnasnet0_5": but_first("layers.{}.{}", 3, 3, 3, 2, 4, 1, first=8),
    "timm/spnasnet_100": but_first("blocks.{}.{}", 1, 3, 4, 4, 4, 4, 1),
    "timm/hardcorenas_a": but_first("blocks.{}.{}", 1, 2, 2, 2, 2, 2, 1),
    "torchvision/efficientnet_b0": but_first("features.{}.{}", 1, 2, 2, 3, 3, 4, 1, first=1),
    "torchvision/efficientnet_v2_s": [
        "features.1.0", *but_first("features.{}.{}", 2, 4, 4, 6, 9, 15, first=1),
    ],
    "timm/efficientnet_b0": but_first("blocks.{}.{}", 1, 2, 2, 3, 3, 4, 1),
    "timm/tf_efficientnet_lite0": but_first("blocks.{}.{}", 1, 2, 2, 3, 3, 4, 1),
    "timm/tinynet_e": but_first("blocks.{}.{}", 1, 1, 1, 2, 2, 2, 1),  # 0.6 of that depth
    "timm/mixnet_s": between("blocks.{}.{}", [0], [1], [1, 2, 3], [1, 2], [1, 2], [1, 2]),
    # GhostNet: 16, 24, 40, 80 (a strided one and three more), 112 twice, 160 (a strided one and four more).
    "timm/ghostnet_050": GHOST,
    "timm/ghostnetv2_100": GHOST,
    # Convolutional successors of transformers. StarNet's stages begin with a convolution, FastViT's blocks
    # hold a smaller residual mixer, and of ConvMixer only the depthwise half has a shortcut.
    "torchvision/convnext_tiny": every("features.{}.{}", 3, 3, 9, 3, first=1, step=2),
    "timm/convnext_atto": every("stages.{}.blocks.{}", 2, 2, 6, 2),
    "timm/convnextv2_atto": every("stages.{}.blocks.{}", 2, 2, 6, 2),
    "timm/inception_next_atto": every("stages.{}.blocks.{}", 2, 2, 6, 2),
    "timm/mambaout_femto": every("stages.{}.blocks.{}", 3, 3, 9, 3),
    "timm/fasternet_t0": every("stages.{}.blocks.{}", 1, 2, 8, 2),
    "timm/fastvit_t8": every("stages.{}.blocks.{}", 2, 2, 4, 2),
    "timm/starnet_s1": but_first("stages.{}.{}", 3, 3, 9, 4),
    "timm/convmixer_768_32": every("blocks.{1}.0", 32),
    # Other token mixers: pooling, without weights, in EfficientFormer and PoolFormer, whose second version
    # scales the shortcut; separable convolution; additive attention. EfficientFormer's block 3.3 flattens.
    "timm/poolformer_s12": every("stages.{}.blocks.{}", 2, 2, 6, 2),
    "timm/poolformerv2_s12": every("stages.{}.blocks.{}", 2, 2, 6, 2),
    "timm/caformer_s18": every("stages.{}.blocks.{}", 3, 3, 9, 3),
    "timm/efficientformer_l1": between("stages.{}.blocks.{}", range(3), range(2), range(6), [0, 1, 2, 4]),
    "timm/swiftformer_xs": every("stages.{}.blocks.{}", 3, 3, 6, 4),
    "timm/edgenext_xx_small": every("stages.{}.blocks.{}", 2, 2, 6, 2),
    # Hybrids: inverted residuals, and transformer blocks in units that concatenate; MaxViT's units are chains
    # of an inverted residual, which halves in the first, a window and a grid attention.
    "timm/mobilevit_xxs": [
        "stages.0.0", "stages.1.1", "stages.1.2", *every("stages.{}.1.transformer.{}", 2, 4, 3, first=2),
    ],
    "timm/maxvit_rmlp_pico_rw_256": [
        f"{unit}.{part}"
        for unit in every("stages.{}.blocks.{}", 2, 2, 5, 2)
        for part in ("conv", "attn_block", "attn_grid")
        if (part, unit[-1]) != ("conv", "0")
    ],
    # Hierarchical transformers. PVT's and Twins' blocks are told the grid's size, Twins has a residual
    # position convolution in each stage and a DaViT block two, Hiera's blocks 1, 3 and 10 pool.
    "torchvision/swin_t": every("features.{}.{}", 2, 2, 6, 2, first=1, step=2),
    "timm/swin_tiny_patch4_window7_224": every("layers.{}.blocks.{}", 2, 2, 6, 2),
    "timm/pvt_v2_b0": every("stages.{}.blocks.{}", 2, 2, 2, 2),
    "timm/twins_svt_small": [
        name
        for s, depth in enumerate((2, 2, 10, 4))
        for name in (f"blocks.{s}.0", f"pos_block.{s}", *(f"blocks.{s}.{i}" for i in range(1, depth)))
    ],
    "timm/davit_tiny": [f"{pair}.{i}" for pair in every("stages.{}.blocks.{}", 1, 1, 3, 1) for i in (0, 1)],
    "timm/hiera_tiny_224": [f"blocks.{i}" for i in range(12) if i not in (1, 3, 10)],
    "timm/levit_128s": every("stages.{}.blocks.{}", 2, 3, 4),
    # Transformers and MLP-Mixers of one width. BEiT's, EVA's and relpos' blocks are told relative positions,
    # XCiT's the grid's size; what follows XCiT's and CaiT's blocks mixes into the class token alone.
    "timm/vit_tiny_patch16_224": every("blocks.{1}", 12),
    "timm/deit_tiny_patch16_224": every("blocks.{1}", 12),
    "timm/beit_base_patch16_224": every("blocks.{1}", 3),
    "timm/eva02_tiny_patch14_224": every("blocks.{1}", 12),
    "timm/vit_relpos_small_patch16_224": every("blocks.{1}", 3),
    "timm/cait_xxs24_224": every("blocks.{1}", 24),
    "timm/xcit_nano_12_p16_224": every("blocks.{1}", 12),
    "timm/mixer_s32_224": every("blocks.{1}", 8),
    "timm/resmlp_12_224": every("blocks.{1}", 12),
    "timm/gmlp_ti16_224": every("blocks.{1}", 30),
}  # fmt: skip

WITHOUT: dict[str, tuple[str, ...]] = {
    "no shortcuts": (
        "torchvision/alexnet", "torchvision/vgg11", "torchvision/squeezenet1_1", "torchvision/googlenet",
        "torchvision/inception_v3", "timm/inception_v4", "timm/mobilenetv1_100", "timm/lcnet_035",
        "timm/selecsls42", "timm/vovnet39a",
    ),
    "shortcuts that concatenate": (
        "torchvision/densenet121", "torchvision/shufflenet_v2_x0_5", "timm/dpn48b", "timm/rdnet_tiny",
        "timm/nasnetalarge", "timm/pnasnet5large",
    ),
    "shortcuts through a norm": ("timm/repvgg_a0", "timm/mobileone_s0", "timm/repvit_m0_9"),
    "blocks that all change width or resolution": ("timm/resnest14d", "timm/rexnet_100"),
    "blocks that return more than one tensor": ("timm/mvitv2_tiny", "timm/tnt_s_patch16_224"),
}  # fmt: skip
"""Architectures in which no block is found, by the reason."""

WHOLE_TOKENS = {"img_size": 64, "class_token": False, "global_pool": "avg"}
SETTINGS: dict[str, dict[str, object]] = {
    "timm/vit_tiny_patch16_224": WHOLE_TOKENS,
    "timm/deit_tiny_patch16_224": WHOLE_TOKENS,
    "timm/beit_base_patch16_224": {"img_size": 64, "depth": 3},
    "timm/vit_relpos_small_patch16_224": {"img_size": 64, "depth": 3},
    "timm/eva02_tiny_patch14_224": {"img_size": 56, "num_classes": 1000},
    "torchvision/vit_b_32": {"image_size": 64},
    "torchvision/googlenet": {"init_weights": False},  # which takes long
    "torchvision/inception_v3": {"init_weights": False},
    **{
        f"timm/{name}": {"img_size": 64}
        for name in (
            "cait_xxs24_224", "mixer_s32_224", "resmlp_12_224", "gmlp_ti16_224",
            "swin_tiny_patch4_window7_224",
        )
    },
}  # fmt: skip
"""How an architecture is built, where its name does not say it all: for small images, with less depth."""

SIZES = {"eva02": 56, "inception": 96, "nasnet": 96, "efficientformer": 224, "hiera": 224, "levit": 224,
         "mvitv2": 224, "tnt": 224, "maxvit": 256}  # fmt: skip
"""Sides of images, by a part of the name, where an architecture does not run at 64 pixels."""


def build(name: str) -> tuple[nn.Module, int]:
    """An architecture with random weights, always the same, and the side of its images."""
    library, _, architecture = name.partition("/")
    torch.manual_seed(0)
    make = timm.create_model if library == "timm" else torchvision.models.get_model
    return make(architecture, **SETTINGS.get(name, {})), next(
        (SIZES[part] for part in SIZES if part in name), 64
    )


def gradient_of_the_first_layer(network: nn.Module, size: int) -> Tensor:
    """Of a random sum of the logits of two images of noise, in training mode; all must be finite."""
    for weight in network.parameters():
        if not weight.any():  # where libraries start some classifiers and layer scales
            nn.init.normal_(weight, std=0.02)
    logits = network.train()(noise(2, size))
    assert logits.shape == (2, 1000)
    assert logits.isfinite().all()
    (logits * torch.randn_like(logits)).sum().backward()
    first = next(layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear))
    assert first.weight.grad.isfinite().all()
    return first.weight.grad


@pytest.mark.parametrize("name", BLOCKS)
def test_the_blocks_known_by_hand_are_found_and_can_all_go_at_once(name):
    network, size = build(name)
    assert find_blocks(network, size) == BLOCKS[name]
    assert gradient_of_the_first_layer(drop_blocks_(network, BLOCKS[name]), size).any()


@pytest.mark.parametrize("kept", [0, 1])
def test_a_class_token_sees_the_image_as_long_as_a_block_is_left(kept):
    network, size = build("torchvision/vit_b_32")
    blocks = find_blocks(network, size)
    assert blocks == every("encoder.layers.encoder_layer_{1}", 12)
    assert gradient_of_the_first_layer(drop_blocks_(network, blocks[kept:]), size).any() == bool(kept)


@pytest.mark.parametrize("name", [name for names in WITHOUT.values() for name in names])
def test_architectures_without_blocks_are_known(name):
    assert find_blocks(*build(name)) == []


def test_the_documentation_names_every_architecture_without_blocks():
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    for reason, names in WITHOUT.items():
        assert reason in page
        assert all(f"`{name.partition('/')[2]}`" in page for name in names)
