"""The block table: how well each block can be recovered, what it saves, and who dropped it."""

import pandas as pd

from practise.render.formats import RenderedTable, arrange
from practise.render.methods import method_title
from practise.render.names import (
    RECOVERABILITIES,
    RECOVERABILITY,
    count_of,
    criterion_title,
    hardware_line,
    number,
    scientific,
    target_title,
)
from practise.render.tidy import SETTING, groups
from practise.scoring.registry import CRITERIA


def render_blocks(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: per setting and block R(B), tau(B), s(B) and how often it was dropped.

    Args:
        frame: The frame of `frames.blocks_frame`.
    """
    methods = list(frame["method"].unique())
    scored = frame[frame["criterion"].isin(RECOVERABILITIES)]
    scoring = list(scored["method"].unique())
    rows = []
    for setting, blocks in groups(frame, SETTING):
        for (block,), cells in groups(blocks.sort_values("position", kind="stable"), ("block",)):
            rows.append(_settings(setting) | _block(block, cells, methods, scoring))
    setting_columns = [
        title
        for title, column in zip(_settings((" ", " ", 0, 0.0)), SETTING, strict=True)
        if frame[column].nunique() > 1
    ]
    return arrange(
        rows,
        columns=[
            *setting_columns,
            "Block",
            *(heading for method in scoring for heading in (_r(method, scoring), _s(method, scoring))),
            "Latency reduction τ %",
            *(_dropped(method) for method in methods),
        ],
        text_columns=("Network", "Images", "Block"),
        title="What each block costs and saves",
        caption=_caption(frame, set(scored["criterion"])),
    )


def _settings(setting: tuple[str, str, int, float]) -> dict[str, str]:
    network, images, num_images, target = setting
    values = (network, images, str(num_images), target_title(target))
    return dict(zip(("Network", "Images", "Handed over", "Target"), values, strict=True))


def _block(block: str, cells: pd.DataFrame, methods: list[str], scoring: list[str]) -> dict[str, str]:
    row = {"Block": block, "Latency reduction τ %": number(100 * cells["latency_reduction"].iloc[0], 2)}
    for method in scoring:
        own = cells[cells["method"] == method]
        row[_r(method, scoring)] = scientific(own["score"])
        row[_s(method, scoring)] = scientific(own["pruning_score"])
    for method in methods:
        own = cells[cells["method"] == method]
        row[_dropped(method)] = f"{int(own['dropped'].sum())} of {len(own)}"
    return row


def _r(method: str, scoring: list[str]) -> str:
    return "R" + (f" {method_title(method)}" if len(scoring) > 1 else "")


def _s(method: str, scoring: list[str]) -> str:
    return "Score s" + (f" {method_title(method)}" if len(scoring) > 1 else "")


def _dropped(method: str) -> str:
    return f"Dropped by {method_title(method)}"


def _caption(frame: pd.DataFrame, scored: set[str]) -> str:
    seeds = frame["seed"].nunique()
    spread = "mean ± sample standard deviation" if seeds > 1 else "value"
    along = ""
    if others := scored - {RECOVERABILITY}:
        own = frame[frame["criterion"].isin(others)]["method"].unique()
        who = f"; for {' and '.join(map(method_title, own))}," if RECOVERABILITY in scored else ", here"
        what = " or ".join(f"{criterion_title(name)} ({CRITERIA[name].unit})" for name in sorted(others))
        along = f"{who} {what}"
    recoverability = (
        f"R is the feature error that linear adaptors leave when the block is gone ({spread}){along}; "
        "s = R / τ, the lowest is dropped first; a progressive search then scores what is left again. "
        if scored
        else ""
    )
    return f"{recoverability}n = {count_of('seed', seeds)}. τ measured on {hardware_line(frame)}."
