"""The latency table: the original network, without each block, and with fewer filters (tau, measured)."""

import pandas as pd

from practise.render.formats import RenderedTable, arrange
from practise.render.names import hardware_line, number
from practise.render.tidy import groups

COLUMNS = ("Network", "Without", "Median ms", "Spread %", "Reduction %", "MACs reduction %", "Unstable")


def render_latency(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: per network the original, without each block, with ever fewer filters.

    Args:
        frame: The frame of `frames.latency_frame`.
    """
    rows = []
    for (network,), measured in groups(frame, ("network",)):
        for _, value in measured.iterrows():
            row = {
                "Network": network,
                "Without": without(value),
                "Median ms": number(value["median_ms"], 3),
                "Spread %": number(100 * value["spread"], 1),
                "Unstable": "yes" if value["unstable"] else "no",
            }
            if value["pruned"] != "nothing":
                row["Reduction %"] = number(100 * value["reduction"], 2)
                row["MACs reduction %"] = number(100 * value["macs_reduction"], 2)
            rows.append(row)
    network = frame["network"].iloc[0]
    one_network = frame["network"].nunique() == 1
    fewest, most = frame["rounds"].min(), frame["rounds"].max()
    rounds = f"{fewest}" if fewest == most else f"{fewest} to {most}"
    precision = (
        f", standard error of a reduction at most {number(100 * frame['standard_error'].max(), 2)} points"
        if "standard_error" in frame  # tables that were kept from before it was measured lack it
        else ""
    )
    thinner = (
        " Filters are those of least L1 norm in the inner convolutions of each block."
        if (frame["pruned"] == "filters").any()
        else ""
    )
    return arrange(
        rows,
        columns=COLUMNS[1:] if one_network else COLUMNS,
        text_columns=("Network", "Without", "Unstable"),
        title="Measured latency of each block",
        caption=f"What each block{f' of {network}' if one_network else ''} takes: alike blocks are dropped "
        f"together, timed in turn with the original, and share the saving; n = {rounds} rounds{precision}."
        f"{thinner} Measured on {hardware_line(frame)}.",
    )


def without(value: pd.Series) -> str:
    """Return what a row of the frame was timed without: a block, a share of the filters, or nothing."""
    words = {
        "nothing": "nothing (original)",
        "block": value["dropped_block"],
        "filters": f"{number(100 * value['filters_removed'], 0)} % of filters",
    }
    return str(words[value["pruned"]])
