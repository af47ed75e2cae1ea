"""The comparison of criteria: how well each foretells what is lost, and what its choices cost."""

import pandas as pd

from practise.render.formats import DASH, RenderedTable, Strong, arrange
from practise.render.methods import method_title
from practise.render.names import (
    block_list,
    count_of,
    criterion_title,
    number,
    plus_minus,
    target_title,
    with_interval,
)
from practise.render.tables.captions import SAMPLE_TITLES, constant_columns, sentence, setting_caption
from practise.render.tidy import LEAST_CEILING, SAMPLE_SETTING, groups
from practise.scoring.registry import CRITERIA

SETS, BLOCKS, DIFFERENCE = "ρ, sets", "ρ, blocks", "Δρ, sets"
KINDS = {SETS: "sets", BLOCKS: "blocks"}
CEILING, BEST = "the oracle with itself", "best set known"


def render_criteria(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: a row per setting, criterion and search, the ceiling and the best set known.

    A difference is bold where its interval leaves out 0.

    Args:
        frame: The frame of `rankings.criteria_frame`.
    """
    targets = sorted(frame["target_reduction"].unique())
    rows: list[dict[str, str]] = []
    for trial, cells in groups(frame, SAMPLE_SETTING):
        setting = dict(zip(SAMPLE_TITLES, map(str, trial), strict=True))
        rows += [
            setting | _row(own, str(criterion), str(search))
            for (criterion, search), own in groups(cells, ("criterion", "search"))
        ]
        first = cells.iloc[0]
        rows.append(
            setting
            | {"Criterion": CEILING}
            | {title: number(first[f"ceiling_{kind}"], 2) for title, kind in KINDS.items()}
        )
        rows.append(setting | {"Criterion": BEST} | _best(cells))
    hidden = constant_columns(frame, SAMPLE_TITLES)
    columns = [title for title in (*SAMPLE_TITLES, "Criterion") if title not in hidden]
    columns += ["Search"] if _several(frame) else []
    columns += [SETS, DIFFERENCE, BLOCKS]
    columns += [heading(target) for target in targets for heading in (_regret, _kl, _top1)]
    return arrange(
        rows,
        columns=columns,
        text_columns=("Network", "Images", "Criterion", "Search"),
        title="Which criterion foretells what is lost",
        caption=_caption(frame, hidden),
        notes=_notes(frame, hidden),
    )


def _row(cells: pd.DataFrame, criterion: str, search: str) -> dict[str, str]:
    first = cells.iloc[0]
    row = {"Criterion": criterion_title(criterion), "Search": search}
    for title, kind in KINDS.items():
        row[title] = _interval(first, "correlation", kind) if _is_reliable(first, kind) else DASH
    if _is_reliable(first, "sets"):
        difference = _interval(first, "difference", "sets", signed=True)
        sure = first["difference_low_sets"] > 0 or first["difference_high_sets"] < 0
        row[DIFFERENCE] = Strong(difference) if sure else difference
    for _, one in cells.iterrows():
        target = one["target_reduction"]
        value, low, high = (one[f"regret{end}"] for end in ("", "_low", "_high"))
        row[_regret(target)] = with_interval(value, low, high, 3)
        row[_kl(target)] = plus_minus(one["kl"], one["kl_std"], 3)
        row[_top1(target)] = plus_minus(one["top1_lost"], one["top1_lost_error"], 1)
    return row


def _best(cells: pd.DataFrame) -> dict[str, str]:
    """The row of the best sets known."""
    return {
        _kl(one["target_reduction"]): number(one["best_known_kl"], 3)
        for _, one in cells.drop_duplicates("target_reduction").iterrows()
    }


def _several(frame: pd.DataFrame) -> bool:
    """Whether a criterion chooses by more than one search."""
    return bool(frame.groupby("criterion")["search"].nunique().max() > 1)


def _is_reliable(row: pd.Series, kind: str) -> bool:
    return not row[f"ceiling_{kind}"] < LEAST_CEILING


def _interval(row: pd.Series, name: str, kind: str, *, signed: bool = False) -> str:
    value, low, high = (row[f"{name}{end}_{kind}"] for end in ("", "_low", "_high"))
    if pd.isna(value):
        return DASH
    return with_interval(value, low, high, 2, signed=signed)


def _regret(target: float) -> str:
    return f"Regret at {target_title(target)}"


def _kl(target: float) -> str:
    return f"KL at {target_title(target)}"


def _top1(target: float) -> str:
    return f"Top-1 lost at {target_title(target)}"


def _caption(frame: pd.DataFrame, hidden: set[str]) -> str:
    first = frame.iloc[0]
    evaluated = " / ".join(str(count) for count in frame["num_evaluation"].unique())
    original = " / ".join(number(value, 1) for value in frame["top1_original"].unique())
    sets, blocks = (
        " / ".join(f"{count:g}" for count in frame[f"num_{kind}"].unique()) for kind in ("sets", "blocks")
    )
    phrases = [*setting_caption(frame, hidden), f"{evaluated} evaluation images ({original} % top-1 before)"]
    several = first["seeds"] > 1
    phrases += [count_of("seed", first["seeds"]) + (", each with a sample of its own" if several else "")]
    recipe = f"the recipe of {method_title(first['method'])} (preset {first['preset']})"
    return (
        f"{sentence(phrases)} {recipe[0].upper()}{recipe[1:]} recovers every network. KL: of the class "
        "probabilities from those of the original that the recovery mimics, in nats"
        f"{', mean ± standard deviation over seeds' if several else ''}. ρ: Spearman's rank correlation of "
        f"a criterion's scores with the KL, over {sets} random sets and over {blocks} blocks dropped alone; "
        f"Δρ: that less the one of {criterion_title(first['against'])}. Regret: the KL of the chosen set "
        "less that of the best set known. In brackets: the middle 90 % of resamples of sets, images and "
        "seeds."
        f"{'' if _several(frame) else _search(frame)}"
    )


def _search(frame: pd.DataFrame) -> str:
    weighed = frame["criterion"].map(lambda name: name in CRITERIA and CRITERIA[name].per_latency)
    searches = frame.loc[weighed, "search"].unique()
    return f" Scores are weighed against the latency by the search {searches[0]}." if len(searches) else ""


def _notes(frame: pd.DataFrame, hidden: set[str]) -> tuple[str, ...]:
    return (
        f"{CEILING[0].upper()}{CEILING[1:]}: the rank correlation of one seed's KL with the mean of the "
        "other seeds'; no criterion can be expected above it. Where it is below "
        f"{LEAST_CEILING}, no number is given.",
        "Top-1 lost: in points, ± the standard error over the evaluation images, the same for both networks.",
        f"{BEST[0].upper()}{BEST[1:]}: {'; '.join(_sets(frame, hidden))}.",
    )


def _sets(frame: pd.DataFrame, hidden: set[str]) -> list[str]:
    """The best sets known, a phrase for each setting and target."""
    shown = {title: column for title, column in SAMPLE_TITLES.items() if title not in hidden}
    rows = frame.drop_duplicates([*SAMPLE_SETTING, "target_reduction"])
    return [
        f"{', '.join([*(str(row[column]) for column in shown.values()), ''])}at "
        f"{target_title(row['target_reduction'])} {block_list([row['best_known']])}"
        for _, row in rows.iterrows()
    ]
