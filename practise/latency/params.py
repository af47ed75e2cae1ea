"""The section `latency` of a params file: how latency is measured."""

from practise.machine.params import DeviceName, Dtype
from practise.schema import Count, List, Positive, Section, Target, Whole, setting


class LatencyParams(Section):
    """How latency is measured."""

    device: DeviceName | None = setting(
        None,
        "Where the network will run, so what is timed; null: `device.name`, which computes everything else.",
    )
    batch_size: Count = setting(1, "Images in a forward pass; targets refer to it.")
    also: List[Count] | None = setting(
        None, "Further batch sizes at which the recovered network is measured and reported; null: none."
    )
    thinner: List[Target] | None = setting(
        None,
        "Latency reductions for which the share of filters to prune is searched by measuring; from 1 on, "
        "what so many blocks save, the first ones. Each target of methods that prune filters; null: none, "
        "where no method does.",
    )
    dtype: Dtype = setting("fp32", "Number format of weights and images.")
    rounds: Count = setting(40, "Timed turns of each network, at least.")
    precision: Positive | None = setting(
        0.0075,
        "Standard error of a latency reduction above which more rounds are taken, up to ten times as many; "
        "null: the rounds are all.",
    )
    warmup: Whole = setting(10, "Passes of each network before timing starts.")
    max_spread: Positive = setting(0.3, "Relative spread above which a measurement is called unstable.")
    max_seconds: Positive | None = setting(
        300,
        "Seconds that one measurement may take, the larger part of them for taking it again where something "
        "disturbed it; null: as long as it needs.",
    )
