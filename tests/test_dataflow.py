"""The seats of the adaptors, against the placement that the paper describes for its networks."""

import torchvision
from tiny import tiny_network

from practise.blocks import find_blocks
from practise.dataflow import Seats, find_seats


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
