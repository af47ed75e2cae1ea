"""What the stages that measure time share: a network's pruned variants, each timed once on this machine.

What a pass takes follows from the layers that are left, so that variants with the same layers share a
measurement: those without as many blocks of each group of alike blocks, and those with as many filters in
each convolution.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from practise.latency.cache import measure_once
from practise.latency.measuring import Latency, describe_setting, measure_with, pool
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.machine.hardware import check
from practise.networks.blocks import alike_blocks
from practise.networks.teacher import Teacher
from practise.pruning.plan import Pruning
from practise.pruning.students import prune
from practise.settings.params import Params


def timed_device(params: Params) -> torch.device:
    """Where the network will run, so what is timed."""
    if params.latency.device is None:
        return resolve_device(params.device.name)
    return resolve_device(params.latency.device, "latency.device")


class Timing:
    """Times the variants of one network beside it.

    Args:
        params: the params.
        original: the network.
        hardware: the description of this machine, which must be this one's.
        keys: the keys of the params that stand for the measurements in their circumstances.
        again: measure, also when this machine's measurement was kept.
    """

    def __init__(
        self, params: Params, original: Teacher, hardware: Path, keys: list[str], *, again: bool = False
    ) -> None:
        self.params, self.original, self.again = params, original, again
        self.device, self.size = timed_device(params), original.preprocessing.image_size
        self.setting = describe_setting(params.latency, self.size, self.device)
        self.blocks: list[str] = original.card["blocks"]
        self.alike = alike_blocks(original.network, self.blocks, self.size)
        self.made = circumstances(params, *keys, device=self.device, image_size=self.size)
        network = [original.card.get(key) for key in ("library", "architecture", "options")]
        network.append(len(original.classes))
        self.subject = [check(hardware), self.setting, network]
        self.looks: defaultdict[str, list[Latency]] = defaultdict(list)

    def beside(self, networks: Mapping[str, nn.Module]) -> dict[str, Latency]:
        """What networks take, the original first."""
        return measure_with(self.params.latency, networks, self.size, self.device)

    def once(self, what: str, measure: Callable[[], Mapping[str, Any]], *depends: Any) -> dict[str, Any]:
        """What was measured of this network on this machine, now or before; arguments as `measure_once`."""
        return measure_once(what, [*self.subject, *depends], measure, self.made, again=self.again)

    def layers(self, pruning: Pruning) -> dict[str, Any]:
        """What decides how long a pass takes that is left of the network."""
        dropped = set(pruning.dropped_blocks)
        counts = {names[0]: len(dropped.intersection(names)) for names in self.alike}
        others = sorted(dropped.difference(self.blocks))
        kept = pruning.kept_filters(self.original.network, self.size)
        filters = {name: len(filters) for name, filters in kept.items()}
        return {"alike": self.alike, "dropped": counts, "others": others, "filters": filters}

    def look(self, pruning: Pruning) -> Latency:
        """The pruned network's latency, by one look more than at the last call; each is kept."""
        layers = self.layers(pruning)
        seen = self.looks[str(layers)]

        def measure() -> dict[str, Any]:
            networks = {"original": self.original.network, "pruned": prune(self.original, pruning)}
            return {name: asdict(latency) for name, latency in self.beside(networks).items()}

        seen.append(Latency(**self.once("pruned", measure, layers, len(seen))["pruned"]))
        return pool(seen)
