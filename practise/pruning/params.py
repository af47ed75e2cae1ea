"""The section `select` of a params file: how what to prune is chosen for a target."""

from typing import Literal

from practise.schema import NotNegative, Section, setting

Search = Literal["lowest", "knapsack", "progressive"]
Match = Literal["latency", "macs"]


class SelectionRecipe(Section):
    """How blocks are chosen; the authors take the lowest scores."""

    search: Search = setting(
        "progressive",
        "lowest: the lowest scores per latency; knapsack: the set of least total score; progressive: after "
        "each drop, score again what is left.",
        official="lowest",
    )
    tolerance: NotNegative = setting(0.005, "How far below the target a choice may stay; 0.01 is one point.")
    overshoot: NotNegative = setting(
        0.01, "How far above the target a choice may go, where another one reaches it with less."
    )
    match: Match = setting(
        "latency", "What the target is a reduction of: the measured latency, or the computed MACs."
    )
