"""What a pruned network takes, in milliseconds: the one way in which tables, figures and cards say it.

A machine's speed drifts by more than a block is worth, so that medians that were taken minutes apart do not
go with the reductions beside them. A reduction is measured in turn with the original and does not drift. So
the original's median, measured once, is the only time that is told as it was taken; others follow from it.
"""


def reduced_ms(original_ms: float, reduction: float) -> float:
    """The milliseconds of a network that saves a share of the original's; or a column of them.

    Args:
        original_ms: the original's median.
        reduction: the share that is saved, measured in turn with the original.

    >>> reduced_ms(20.0, 0.25)
    15.0
    """
    return original_ms * (1 - reduction)
