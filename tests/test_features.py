"""The layer whose output is the features before pooling, on networks where it is known."""

import pytest
import timm
import torch
import torchvision
from tiny import noise, tiny_network

from practise.errors import NetworkError
from practise.features import feature_extractor, find_feature_layer


@pytest.mark.parametrize(
    ("build", "layer"),
    [
        (torchvision.models.resnet18, "layer4"),
        (torchvision.models.mobilenet_v2, "features"),
        (lambda: timm.create_model("resnet18"), "layer4"),
        (lambda: timm.create_model("tf_efficientnet_lite0"), "bn2"),
    ],
)
def test_finds_the_last_feature_map(build, layer):
    assert find_feature_layer(build(), 64) == layer


def test_extracts_what_the_libraries_own_function_gives_and_leaves_no_hook():
    network = timm.create_model("resnet18").eval()
    images = noise(2, 64)
    with torch.no_grad():
        with feature_extractor(network, "layer4") as extract:
            features = extract(images)
        assert torch.equal(features, network.forward_features(images))
    assert not any(module._forward_hooks for module in network.modules())


def test_images_too_small_for_a_feature_map_are_refused():
    with pytest.raises(NetworkError, match="gives no feature map of more than one pixel at 1 px"):
        find_feature_layer(tiny_network(), 1)
