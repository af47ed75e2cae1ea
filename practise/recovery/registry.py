"""What a recovery minimises and where it starts, by the names that stand in a params file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Loss:
    """What a recovery minimises; `practise.recovery.losses` has the function of its name.

    Attributes:
        title: What it is called in figures.
        unit: What it is a number of, for axes.
        output: What of the networks is looked at: `features` before pooling, or `logits`.
        asks_teacher: Whether the original's output is compared with.
        reads_labels: Whether labels are.
    """

    title: str
    unit: str
    output: str
    asks_teacher: bool
    reads_labels: bool


LOSSES = {
    "mimic": Loss(
        *("feature mimicking", "mean squared feature error", "features"),
        asks_teacher=True,
        reads_labels=False,
    ),
    "cross_entropy": Loss(
        *("cross-entropy", "cross-entropy (nats)", "logits"),
        asks_teacher=False,
        reads_labels=True,
    ),
    "distil": Loss(
        *("distillation", "distillation loss (nats)", "logits"),
        asks_teacher=True,
        reads_labels=True,
    ),
}
"""Every loss; a new one is an entry here and a function of its name in `practise.recovery.losses`."""

STARTS = {
    "weights": ("blocks", "filters"),
    "adaptors": ("blocks",),
    "fitted": ("blocks",),
    "fskd": ("filters",),
    "cd": ("filters",),
    "cd_adam": ("filters",),
}
"""What each start makes up for; `practise.recovery.start` has its function."""
