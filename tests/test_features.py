"""The layer whose output is the features before pooling, on networks where it is known."""

import pytest
import timm
import torch
import torchvision
from tiny import noise, tiny_network

from practise.errors import NetworkError
from practise.networks.features import feature_extractor, find_feature_layer


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
