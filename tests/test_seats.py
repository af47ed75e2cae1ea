"""The seats of the adaptors, against the placement that the paper describes for its networks."""

import timm
import torchvision
from tiny import tiny_network, tiny_transformer

from practise.networks.blocks import find_blocks
from practise.networks.cifar import CifarResNet
from practise.scoring.seats import Seats, find_seats, union


def test_resnet34_has_the_papers_seats():
    network = torchvision.models.resnet34()
    seats = find_seats(network, find_blocks(network, 64), 64)
    for stage, depth in ((2, 4), (3, 6)):
        for block in range(1, depth):
            earlier = [f"layer{stage}.{b}.conv2" for b in range(block)]
            later = [f"layer{stage}.{b}.conv1" for b in range(block + 1, depth)]
            following = [f"layer{stage + 1}.0.conv1", f"layer{stage + 1}.0.downsample.0"]
            found = seats[f"layer{stage}.{block}"]
            assert sorted(found.after) == sorted([*earlier, f"layer{stage}.0.downsample.0"])
            assert list(found.before) == [*later, *following]
    assert seats["layer4.2"].before == ()  # nothing but pooling reads the last stage


def test_mobilenet_v2_has_the_papers_seats():
    network = torchvision.models.mobilenet_v2()
    seats = find_seats(network, find_blocks(network, 64), 64)
    assert seats["features.9"] == Seats(
        after=("features.7.conv.2", "features.8.conv.2"),
        before=("features.10.conv.0.0", "features.11.conv.0.0"),
    )
    assert seats["features.3"] == Seats(after=("features.2.conv.2",), before=("features.4.conv.0.0",))


def test_a_resnet_whose_shortcuts_have_no_weights_has_seats_in_its_stage_and_at_the_next():
    network = CifarResNet(20)
    seats = find_seats(network, find_blocks(network, 32), 32)
    assert seats["layer1.1"] == Seats(
        after=("conv1", "layer1.0.conv2"), before=("layer1.2.conv1", "layer2.0.conv1")
    )
    assert seats["layer2.1"] == Seats(after=("layer2.0.conv2",), before=("layer2.2.conv1", "layer3.0.conv1"))
    assert seats["layer3.2"].before == ()


def test_in_a_transformer_projections_write_and_what_takes_the_layer_norm_reads():
    network = tiny_transformer()
    seats = find_seats(network, find_blocks(network, 32), 32)
    assert seats["blocks.1"] == Seats(
        after=("patch_embed.proj", "blocks.0.attn.proj", "blocks.0.mlp.fc2"),
        before=("blocks.2.attn.qkv", "blocks.2.mlp.fc1"),
    )
    assert seats["blocks.2"].before == ()  # the classifier reads pooled tokens


def test_attention_that_multiplies_with_a_bare_parameter_has_no_seat():
    network = torchvision.models.VisionTransformer(32, 8, 3, 2, 16, 32)
    seats = find_seats(network, find_blocks(network, 32), 32)
    last = "encoder.layers.encoder_layer_2"
    assert seats["encoder.layers.encoder_layer_1"].before == (f"{last}.mlp.0",)


def test_a_window_transformer_is_read_through_windows_and_by_the_layer_that_merges_patches():
    network = timm.create_model("swin_tiny_patch4_window7_224", img_size=64, depths=(2, 2, 1, 1))
    seats = find_seats(network, find_blocks(network, 64), 64)
    assert seats["layers.1.blocks.0"] == Seats(
        after=("layers.1.downsample.reduction",),
        before=("layers.1.blocks.1.attn.qkv", "layers.1.blocks.1.mlp.fc1", "layers.2.downsample.reduction"),
    )


def test_a_mixers_tokens_are_mixed_by_readers_too():
    network = timm.create_model("mixer_s32_224", img_size=64)
    seats = find_seats(network, find_blocks(network, 64), 64)
    assert seats["blocks.6"].before == ("blocks.7.mlp_tokens.fc1", "blocks.7.mlp_channels.fc1")
    assert seats["blocks.1"].after == ("stem.proj", "blocks.0.mlp_tokens.fc2", "blocks.0.mlp_channels.fc2")


def test_where_depthwise_convolutions_read_only_the_next_stage_has_seats():
    network = timm.create_model("convnext_atto")
    seats = find_seats(network, find_blocks(network, 64), 64)
    assert seats["stages.0.blocks.0"].before == ("stages.1.downsample.1",)
    assert seats["stages.3.blocks.0"].before == ()


def test_a_pre_activated_network_is_read_behind_norm_and_activation_but_not_by_standardised_weights():
    plain = timm.create_model("resnetv2_50", layers=(1, 2, 1, 1))
    (block,) = find_blocks(plain, 64)
    readers = tuple(f"stages.2.blocks.0.{name}" for name in ("downsample.conv", "conv1"))
    assert find_seats(plain, [block], 64)[block].before == readers
    standardised = timm.create_model("nf_resnet26")
    blocks = find_blocks(standardised, 64)
    assert set(find_seats(standardised, blocks, 64).values()) == {Seats((), ())}


def test_seats_around_two_blocks_are_those_of_both_but_none_inside_them():
    network = torchvision.models.resnet34()
    seats = find_seats(network, find_blocks(network, 64), 64)
    both = union(seats, ["layer2.1", "layer2.2"])
    assert sorted(both.after) == ["layer2.0.conv2", "layer2.0.downsample.0"]
    assert sorted(both.before) == ["layer2.3.conv1", "layer3.0.conv1", "layer3.0.downsample.0"]


def test_seats_around_one_block_are_its_own_and_far_blocks_share_none():
    network = torchvision.models.resnet34()
    seats = find_seats(network, find_blocks(network, 64), 64)
    assert union(seats, ["layer2.1"]) == seats["layer2.1"]
    far = union(seats, ["layer1.0", "layer4.1"])
    assert far.after == seats["layer1.0"].after + seats["layer4.1"].after
    assert far.before == seats["layer1.0"].before + seats["layer4.1"].before


def test_only_the_dropped_blocks_own_convolutions_are_inside_it():
    seats = {"a.1": Seats(("a.0.conv",), ("a.10.conv", "b.conv")), "a.10": Seats(("a.1.conv",), ("b.conv",))}
    assert union(seats, ["a.1"]) == seats["a.1"]
    assert union(seats, ["a.1", "a.10"]) == Seats(("a.0.conv",), ("b.conv",))


def test_convolutions_with_groups_have_no_seat():
    network = tiny_network()
    reader = network.stages[1][0].conv1
    grouped = type(reader)(8, 12, 3, 2, 1, groups=4, bias=False)
    network.stages[1][0].conv1 = grouped
    seats = find_seats(network, ["stages.0.2"], 16)
    assert seats["stages.0.2"].before == ("stages.1.0.shortcut.0",)


def test_frozen_networks_are_traced_and_stay_frozen():
    network = tiny_network().requires_grad_(False)
    frozen = find_seats(network, ["stages.0.1"], 16)
    assert not any(weight.requires_grad for weight in network.parameters())
    assert frozen == find_seats(tiny_network(), ["stages.0.1"], 16)
