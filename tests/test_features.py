"""The layer whose output is the features before pooling, on networks where it is known."""

import copy

import pytest
import timm
import torch
import torchvision
from tiny import LinearTokens, TinyNet, noise, tiny_network
from torch import Tensor, nn

from practise.errors import NetworkError
from practise.networks.blocks import drop_blocks_, find_blocks
from practise.networks.features import LOGITS, feature_extractor, find_feature_layer


@pytest.mark.parametrize(
    ("build", "layer"),
    [
        (torchvision.models.resnet18, "layer4"),
        (torchvision.models.mobilenet_v2, "features"),
        (lambda: timm.create_model("resnet18"), "layer4"),
        (lambda: timm.create_model("tf_efficientnet_lite0"), "bn2"),
        (lambda: timm.create_model("convnext_atto"), "norm_pre"),
        (lambda: timm.create_model("vit_tiny_patch16_224", img_size=64), "norm"),
        (lambda: timm.create_model("deit_tiny_distilled_patch16_224", img_size=64), "norm"),
        (lambda: torchvision.models.vit_b_32(image_size=64), "encoder"),
        (lambda: timm.create_model("mixer_s32_224", img_size=64), "norm"),
        (lambda: timm.create_model("swin_tiny_patch4_window7_224", img_size=64), "norm"),
        (torchvision.models.swin_t, "permute"),  # to channels first, after the norm
    ],
)
def test_finds_the_last_feature_map(build, layer):
    assert find_feature_layer(build(), 64) == layer


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_extracts_what_the_libraries_own_function_gives_and_leaves_no_hook(name):
    network = timm.create_model(name, **({} if name == "resnet18" else {"img_size": 64})).eval()
    images = noise(2, 64)
    with torch.no_grad():
        with feature_extractor(network, find_feature_layer(network, 64)) as extract:
            features = extract(images)
        assert torch.equal(features, network.forward_features(images))
    assert not any(module._forward_hooks for module in network.modules())


def test_images_too_small_for_a_feature_map_are_refused():
    with pytest.raises(NetworkError, match="gives no feature map of more than one pixel at 1 px"):
        find_feature_layer(tiny_network(), 1)


class Shared(TinyNet):
    """One activation, of the stem and of all that follows: before pooling, too."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = self.act(stage(self.act(x if x.shape[1] > 3 else self.stem(x))))
        return self.classify(self.act(x - 0.1))


class Attended(TinyNet):
    """Pixels are weighted by a map of their own before they are summed."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.attention = nn.Conv2d(12, 1, 1)

    def classify(self, x: Tensor) -> Tensor:
        weights = self.attention(x).flatten(2).softmax(2)
        return self.classifier((x.flatten(2) * weights).sum(2))


class TwoStreams(TinyNet):
    """Both stages' features go to the classifier, each pooled."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.stages[0](self.stem(x))
        pooled = [self.pool(y).flatten(1) for y in (first, self.stages[1](first))]
        return self.classifier(pooled[1]) + pooled[0][:, :4]


class Behind(TinyNet):
    """A residual layer follows the pooling."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.late = LinearTokens(12)

    def classify(self, x: Tensor) -> Tensor:
        return self.classifier(self.late(self.pool(x).flatten(1)))


@pytest.mark.parametrize(
    ("kind", "size", "layer"),
    [
        (Shared, 16, "act[-1]"),
        (Attended, 16, "stages.1"),
        (TwoStreams, 16, LOGITS),
        (Behind, 16, "late"),
        (TinyNet, 2, "stages.1.2"),  # one pixel from the second stage on
    ],
)
def test_features_are_what_the_logits_follow_from_and_no_block_stands_behind_them(kind, size, layer):
    network = tiny_network(kind=kind)
    assert find_feature_layer(network, size) == layer
    images = noise(2, size)
    blocks = find_blocks(network, size)
    with torch.no_grad(), feature_extractor(network, layer) as extract:
        features = extract(images)
    assert len(features) == 2
    for block in blocks:
        without = drop_blocks_(copy.deepcopy(network), [block])
        with torch.no_grad(), feature_extractor(without, layer) as extract:
            assert not torch.equal(extract(images), features), block


def test_the_last_call_of_a_shared_module_is_also_found_without_blocks_that_call_it():
    network = tiny_network(kind=Shared)
    network.stages[1][1].add_module("act", network.act)
    network.stages[1][1].register_forward_hook(lambda block, args, output: block.act(output))
    images = noise(2)
    layer = find_feature_layer(network, 16)
    without = drop_blocks_(copy.deepcopy(network), ["stages.1.1"])
    with torch.no_grad(), feature_extractor(without, layer) as extract:
        assert torch.equal(without.classify(extract(images)), without(images))
