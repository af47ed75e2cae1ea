"""The comparison of criteria: how well each ranks the blocks, and the accuracy without those it drops."""

import pandas as pd

from practise.render.formats import DASH, RenderedTable, Strong, arrange
from practise.render.methods import method_title
from practise.render.names import count_of, criterion_title, mean_and_std, number
from practise.render.tables.captions import (
    SAMPLE_TITLES,
    constant_columns,
    seeds_caption,
    sentence,
    setting_caption,
)
from practise.render.tables.rankings import ORACLE
from practise.render.tidy import SAMPLE_SETTING, best, groups

RANK, PER_LATENCY = "Rank correlation", "Rank correlation per latency"


def render_criteria(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: a row per setting and criterion, the best but for the oracle in bold.

    Args:
        frame: The frame of `rankings.criteria_frame`.
    """
    counts = sorted(frame["count"].unique())
    rows = []
    for trial, cells in groups(frame, SAMPLE_SETTING):
        setting = dict(zip(SAMPLE_TITLES, map(str, trial), strict=True))
        rivals = cells[cells["criterion"] != ORACLE]
        winners = {
            _heading(count): best(rivals[rivals["count"] == count].groupby("criterion")["top1"].mean(), 1)
            for count in counts
        }
        seeds = rivals.drop_duplicates(["criterion", "seed"]).groupby("criterion")
        for title, column in {RANK: "rank_correlation", PER_LATENCY: "rank_correlation_per_latency"}.items():
            winners[title] = best(seeds[column].mean(), 2)
        for (criterion,), own in groups(cells, ("criterion",)):
            row = _row(own, counts)
            row |= {title: Strong(row[title]) for title, named in winners.items() if criterion in named}
            rows.append(setting | {"Criterion": criterion_title(criterion)} | row)
    hidden = constant_columns(frame, SAMPLE_TITLES)
    columns = [title for title in (*SAMPLE_TITLES, "Criterion") if title not in hidden]
    return arrange(
        rows,
        columns=[*columns, RANK, PER_LATENCY, *map(_heading, counts)],
        text_columns=("Network", "Images", "Criterion"),
        title="Which criterion ranks the blocks best",
        caption=_caption(frame, hidden),
        notes=_notes(frame),
    )


def _row(cells: pd.DataFrame, counts: list[int]) -> dict[str, str]:
    seeds = cells.drop_duplicates("seed")
    top1 = {_heading(count): mean_and_std(cells.loc[cells["count"] == count, "top1"], 1) for count in counts}
    return {
        RANK: mean_and_std(seeds["rank_correlation"], 2),
        PER_LATENCY: mean_and_std(seeds["rank_correlation_per_latency"], 2),
        **top1,
    }


def _heading(count: int) -> str:
    return f"Top-1 % without {count_of('block', count)}"


def _caption(frame: pd.DataFrame, hidden: set[str]) -> str:
    first = frame.iloc[0]
    evaluated = " / ".join(str(count) for count in frame["num_evaluation"].unique())
    blocks = " / ".join(str(count) for count in frame["num_blocks"].unique())
    original = " / ".join(number(value, 1) for value in frame["top1_original"].unique())
    phrases = [*setting_caption(frame, hidden), f"{blocks} blocks that can be dropped"]
    phrases += [f"top-1 on {evaluated} held-out images ({original} % before pruning)"]
    phrases += [seeds_caption([frame["seed"].nunique()])]
    recipe = f"the recipe of {method_title(first['method'])} (preset {first['preset']})"
    return (
        f"{sentence(phrases)} {recipe[0].upper()}{recipe[1:]} recovers every network. Rank correlation is "
        "Spearman's: of a criterion's scores with the accuracy lost without each block alone, and, per "
        "latency, of the orders in which blocks are dropped."
    )


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    if ORACLE not in set(frame["criterion"]):
        return ()
    own = (
        "its own correlation is with the other seeds"
        if frame["seed"].nunique() > 1
        else f"its own correlation takes several seeds ({DASH})"
    )
    return (
        "The oracle recovers the network without each block alone and looks at the evaluation images, which "
        f"no criterion may; {own}. It is never bold.",
    )
