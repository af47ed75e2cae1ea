"""The latency table: the original network, and what dropping each block saves (tau, measured)."""

import pandas as pd

from practise.render.formats import RenderedTable, arrange
from practise.render.names import hardware_line, number
from practise.render.tidy import groups

COLUMNS = ("Network", "Dropped block", "Median ms", "Spread %", "Reduction %", "Unstable")


def render_latency(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: per network the original, then what each block saves, in network order.

    Args:
        frame: The frame of `frames.latency_frame`.
    """
    rows = []
    for (network,), measured in groups(frame, ("network",)):
        for _, value in measured.iterrows():
            is_original = not value["dropped_block"]
            row = {
                "Network": network,
                "Dropped block": "none (original)" if is_original else value["dropped_block"],
                "Median ms": number(value["median_ms"], 3),
                "Spread %": number(100 * value["spread"], 1),
                "Unstable": "yes" if value["unstable"] else "no",
            }
            rows.append(row if is_original else row | {"Reduction %": number(100 * value["reduction"], 2)})
    rounds = " / ".join(str(value) for value in frame["rounds"].unique())
    network = frame["network"].iloc[0]
    one_network = frame["network"].nunique() == 1
    return arrange(
        rows,
        columns=COLUMNS[1:] if one_network else COLUMNS,
        text_columns=("Network", "Dropped block", "Unstable"),
        title="Measured latency of each block",
        caption=f"What each block{f' of {network}' if one_network else ''} takes: alike blocks are dropped "
        f"together, timed in turn with the original, and share the saving; n = {rounds} rounds. Measured on "
        f"{hardware_line(frame)}.",
    )
