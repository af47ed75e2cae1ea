"""The oracle's table: what is lost without each set of blocks, and in which place each criterion puts it."""

import pandas as pd

from practise.render.formats import RenderedTable, arrange
from practise.render.names import block_list, criterion_title, mean_and_std, number
from practise.render.tables.captions import (
    SAMPLE_TITLES,
    constant_columns,
    seeds_caption,
    sentence,
    setting_caption,
)
from practise.render.tidy import SAMPLE_SETTING, groups

KL, LOST, TAU = "KL", "Top-1 lost", "Σ τ %"


def render_oracle(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: per setting and set the losses, Σ τ, and each criterion's place among its kind.

    Sets that only some seeds chose are left out: they are in the CSV file.

    Args:
        frame: The frame of `rankings.oracle_frame`.
    """
    frame = frame[frame["kind"] != "chosen"]
    criteria = list(frame["criterion"].unique())
    rows = []
    for trial, cells in groups(frame, SAMPLE_SETTING):
        setting = dict(zip(SAMPLE_TITLES, map(str, trial), strict=True))
        for (kind,), sets in groups(cells, ("kind",)):
            means = sets.groupby(["dropped_blocks", "criterion"])["score"].mean().unstack()
            places = means.rank()
            for (dropped,), own in groups(sets, ("dropped_blocks",)):
                seeds = own.drop_duplicates("seed")
                rows.append(
                    setting
                    | {"Dropped": block_list([str(dropped)]), "Drawn": str(kind)}
                    | {KL: mean_and_std(seeds["kl"], 3), LOST: mean_and_std(seeds["top1_lost"], 1)}
                    | {TAU: number(100 * seeds["latency_reduction"].mean(), 1)}
                    | {criterion_title(name): number(places.loc[dropped, name], 1) for name in criteria}
                )
    hidden = constant_columns(frame, SAMPLE_TITLES)
    original = " / ".join(number(value, 1) for value in frame["top1_original"].unique())
    phrases = [*setting_caption(frame, hidden), f"top-1 of the original {original} %"]
    phrases += [seeds_caption([frame["seed"].nunique()])]
    columns = [title for title in SAMPLE_TITLES if title not in hidden]
    return arrange(
        rows,
        columns=[*columns, "Dropped", "Drawn", KL, LOST, TAU, *map(criterion_title, criteria)],
        text_columns=("Network", "Images", "Dropped", "Drawn"),
        title="What the network loses with each set of blocks, and which criteria see it",
        caption=f"{sentence(phrases)} The blocks are dropped together and the network recovered. KL: in "
        "nats; Σ τ: the sum of what the blocks save alone. By criterion: the set's place among all sets of "
        "its kind by the mean score, 1 is the first to go.",
    )
