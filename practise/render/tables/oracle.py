"""The oracle's table: the accuracy without each block, and in which place each criterion would drop it."""

import pandas as pd

from practise.render.formats import RenderedTable, arrange
from practise.render.names import criterion_title, mean_and_std, number
from practise.render.tables.captions import (
    SAMPLE_TITLES,
    constant_columns,
    seeds_caption,
    sentence,
    setting_caption,
)
from practise.render.tidy import SAMPLE_SETTING, groups

TOP1, TAU = "Top-1 % without it", "Latency reduction τ %"


def render_oracle(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: per setting and block the accuracy after recovery, τ, and each criterion's place.

    Args:
        frame: The frame of `rankings.oracle_frame`.
    """
    criteria = list(frame["criterion"].unique())
    rows = []
    for trial, cells in groups(frame, SAMPLE_SETTING):
        setting = dict(zip(SAMPLE_TITLES, map(str, trial), strict=True))
        for (block,), own in groups(cells.sort_values("position", kind="stable"), ("block",)):
            seeds = own.drop_duplicates("seed")
            places = own.groupby("criterion")["place"].mean()
            rows.append(
                setting
                | {"Block": block, TOP1: mean_and_std(seeds["top1"], 1)}
                | {TAU: number(100 * seeds["latency_reduction"].mean(), 2)}
                | {criterion_title(criterion): number(places[criterion], 1) for criterion in criteria}
            )
    hidden = constant_columns(frame, SAMPLE_TITLES)
    original = " / ".join(number(value, 1) for value in frame["top1_original"].unique())
    phrases = [*setting_caption(frame, hidden), f"top-1 of the original {original} %"]
    phrases += [seeds_caption([frame["seed"].nunique()])]
    return arrange(
        rows,
        columns=[
            *(title for title in (*SAMPLE_TITLES, "Block") if title not in hidden),
            *(TOP1, TAU),
            *map(criterion_title, criteria),
        ],
        text_columns=("Network", "Images", "Block"),
        title="What the network loses with each block, and who would drop it",
        caption=f"{sentence(phrases)} Each block is dropped alone and the network recovered. Then, by "
        "criterion: when it drops the block, 1 is first; mean over the seeds.",
    )
