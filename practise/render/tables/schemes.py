"""The main table: what each scheme keeps of the accuracy at one measured latency (paper, Table 1)."""

import pandas as pd

from practise.render.formats import DASH, RenderedTable, arrange
from practise.render.methods import method_title
from practise.render.names import (
    block_list,
    hardware_line,
    is_shared,
    number,
    plus_minus,
    plus_minus_time,
    target_title,
)
from practise.render.tables.captions import (
    KL,
    SETTING_TITLES,
    constant_columns,
    seeds_caption,
    sentence,
    setting_caption,
)
from practise.render.tables.frames import fewshot_frame
from practise.render.tidy import (
    BETWEEN_SEEDS,
    DEVICE_COLUMNS,
    REDUCTION_AT,
    SETTING,
    UNSTABLE_AT,
    further_batches,
    groups,
)
from practise.settings.params import Params

MEASURED = "Measured %"
COLUMNS = (
    *("Network", "Images", "Handed over", "Target", "Method", "Style", "Preset", "n", "Top-1 %", "KL"),
    "Paper %",
    *("Δ", "Foretold %", MEASURED, "Median ms", "GMACs", "Params M", "Pruned"),
)
TEXT_COLUMNS = ("Network", "Images", "Method", "Style", "Preset", "Pruned")
CONSTANT = SETTING_TITLES | {"Style": "style", "Preset": "preset", "n": "seeds"}
"""Columns that are left out where all their cells are the same."""

UNSTABLE, OFF_TARGET = "†", "‡"
FAR = 0.01
"""A measured reduction further than this from its target, one point, is marked."""
NEW = ("foretold_reduction_mean", "foretold_reduction_std", "is_near", "kl_mean", "kl_std")
"""Columns that tables lack which were kept from before these were told."""


def schemes_frame(params: Params) -> pd.DataFrame:
    """Return one row per setting and method: the seeds of `frames.fewshot_frame` taken together.

    Raises:
        FileError: A result of the grid is missing or damaged.
    """
    frame = fewshot_frame(params)
    keys = (*SETTING, "method")
    return pd.DataFrame([_row(dict(zip(keys, key, strict=True)), own) for key, own in groups(frame, keys)])


def _row(key: dict[str, object], cells: pd.DataFrame) -> dict[str, object]:
    """Return means and sample standard deviations over the seeds; what all seeds share is theirs."""
    first, means = cells.iloc[0], cells.mean(numeric_only=True)
    dropped = BETWEEN_SEEDS.join(cells["dropped_blocks"]) if cells["dropped_blocks"].any() else ""
    return {
        **key,
        **{column: first[column] for column in ("style", "preset", "match")},
        "seeds": len(cells),
        **_statistics("top1", cells["top1"]),
        "top1_original": first["top1_original"],
        **_statistics("kl", cells["kl"]),
        "paper_top1": first["paper_top1"],
        "delta": means["top1"] - first["paper_top1"] if pd.notna(first["paper_top1"]) else None,
        "paper_source": first["paper_source"],
        "wanted_reduction": first["wanted_reduction"],
        **_statistics("foretold_reduction", cells["foretold_reduction"].astype(float)),
        **_statistics("measured_reduction", cells["measured_reduction"]),
        "off_target": cells["off_target"].astype(float).mean(),
        "is_near": None if cells["is_near"].isna().any() else bool(cells["is_near"].all()),
        **_statistics("median_ms", cells["median_ms"]),
        "median_ms_original": means["median_ms_original"],
        "gmacs": means["gmacs"],
        "gmacs_original": first["gmacs_original"],
        "gmacs_reduction": 1 - means["gmacs"] / first["gmacs_original"],
        "params": means["params"],
        "params_original": first["params_original"],
        "params_reduction": 1 - means["params"] / first["params_original"],
        "filters_removed": cells["filters_removed"].astype(float).mean(),
        "dropped_blocks": dropped,
        "unstable": bool(cells["unstable"].any()),
        "num_evaluation": first["num_evaluation"],
        **{column: first[column] for column in DEVICE_COLUMNS},
        **{
            column: value
            for size in further_batches(cells)
            for column, value in {
                **_statistics(REDUCTION_AT + size, cells[REDUCTION_AT + size]),
                UNSTABLE_AT + size: bool(cells[UNSTABLE_AT + size].eq(True).any()),
            }.items()
        },
    }


def _statistics(name: str, values: pd.Series) -> dict[str, float]:
    return {f"{name}_mean": values.mean(), f"{name}_std": values.std(ddof=1)}


def render_schemes(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: the original network, then per setting the schemes, the most accurate last.

    What is the same in every row stands in the caption instead of in a column.

    Args:
        frame: The frame of `schemes_frame`.
    """
    frame = frame.assign(**{column: float("nan") for column in NEW if column not in frame})
    rows = []
    for source, everywhere in groups(frame, SETTING[:2]):
        rows.append(_original(source, everywhere))
        for _, schemes in groups(everywhere, SETTING):
            ranked = schemes.sort_values("top1_mean", kind="stable")
            rows += [_scheme(scheme, further_batches(frame)) for _, scheme in ranked.iterrows()]
    hidden = constant_columns(frame, CONSTANT)
    hidden |= {"Paper %", "Δ"} if frame["paper_top1"].isna().all() else set()
    hidden |= {"KL"} if frame["kl_mean"].isna().all() else set()
    hidden |= {"Foretold %"} if frame["foretold_reduction_mean"].isna().all() else set()
    columns = [column for column in COLUMNS if column not in hidden]
    behind = columns.index(MEASURED) + 1
    columns[behind:behind] = map(_at_batch, further_batches(frame))
    return arrange(
        rows,
        columns=columns,
        text_columns=TEXT_COLUMNS,
        title="Accuracy at a measured latency with few images",
        caption=_caption(frame, hidden),
        notes=_notes(frame),
    )


def _original(source: tuple[str, ...], schemes: pd.DataFrame) -> dict[str, str]:
    """Return the row of the original network."""
    first = schemes.iloc[0]
    return {
        "Network": source[0],
        "Images": source[1],
        "Method": "original",
        "Top-1 %": number(first["top1_original"], 1),
        "Median ms": number(schemes["median_ms_original"].mean(), 2),
        "GMACs": number(first["gmacs_original"], 3),
        "Params M": number(first["params_original"] / 1e6, 2),
    }


def _scheme(scheme: pd.Series, batches: list[str]) -> dict[str, str]:
    unstable = UNSTABLE if scheme["unstable"] else ""
    off_target = OFF_TARGET if round(abs(scheme["off_target"]), 9) > FAR else ""
    further = {
        _at_batch(size): _marked(_percent(scheme, REDUCTION_AT + size), _unstable_at(size, scheme))
        for size in batches
    }
    return further | {
        "Network": scheme["network"],
        "Images": scheme["images"],
        "Handed over": str(scheme["num_images"]),
        "Target": target_title(scheme["target_reduction"]),
        "Method": method_title(scheme["method"]),
        "Style": scheme["style"],
        "Preset": scheme["preset"],
        "n": str(scheme["seeds"]),
        "Top-1 %": plus_minus(scheme["top1_mean"], scheme["top1_std"], 1),
        "KL": plus_minus(scheme["kl_mean"], scheme["kl_std"], 2),
        "Paper %": number(scheme["paper_top1"], 1),
        "Δ": number(scheme["delta"], 1, signed=True),
        "Foretold %": _percent(scheme, "foretold_reduction"),
        MEASURED: _marked(_percent(scheme, "measured_reduction"), unstable + off_target),
        "Median ms": _marked(plus_minus_time(scheme["median_ms_mean"], scheme["median_ms_std"], 2), unstable),
        "GMACs": number(scheme["gmacs"], 3),
        "Params M": number(scheme["params"] / 1e6, 2),
        "Pruned": _pruned(scheme),
    }


def _pruned(scheme: pd.Series) -> str:
    if scheme["style"] == "filters":
        return f"{number(100 * scheme['filters_removed'], 0)} % of filters"
    return block_list(scheme["dropped_blocks"].split(BETWEEN_SEEDS))


def _percent(scheme: pd.Series, share: str) -> str:
    return plus_minus_time(100 * scheme[f"{share}_mean"], 100 * scheme[f"{share}_std"], 1)


def _marked(text: str, marks: str) -> str:
    return f"{text} {marks}" if marks else text


def _at_batch(size: str) -> str:
    return f"Reduction % at batch {size}"


def _unstable_at(size: str, scheme: pd.Series) -> str:
    return UNSTABLE if scheme[UNSTABLE_AT + size] == 1 else ""


def _caption(frame: pd.DataFrame, hidden: set[str]) -> str:
    evaluated = " / ".join(str(count) for count in frame["num_evaluation"].unique())
    phrases = setting_caption(frame, hidden)
    phrases += [f"top-1 on {evaluated} held-out images", seeds_caption(list(frame["seeds"]))]
    matched = (
        " Every scheme prunes until its measured latency meets the target."
        if (frame["target_reduction"] < 1).all() and set(frame["match"]) == {"latency"}
        else ""
    )
    lost = "" if "KL" in hidden else f" {KL}"
    told = "Measured is a reduction" if "Foretold %" in hidden else "Foretold and measured are reductions"
    order = " Methods are in order of accuracy." if frame["method"].nunique() > 1 else ""
    measured = f"Latency measured on {hardware_line(frame)}."
    return f"{sentence(phrases)}{matched}{lost} {told} of the latency.{order} {measured}"


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    sources = sorted(set(frame["paper_source"]) - {""})
    if sources:
        notes.append(
            f"Paper: {', '.join(sources)} of arXiv 2202.07861, the same setting; "
            f"Δ is ours minus the paper's; {DASH} is a value that we do not know."
        )
    times = ["unstable", *(UNSTABLE_AT + size for size in further_batches(frame))]
    if frame[times].eq(True).any(axis=None):
        notes.append(
            f"{UNSTABLE} This time spread more than allowed: measure again when the machine is idle."
        )
    notes += off_target_note(frame[frame["off_target"].astype(float).abs().round(9) > FAR])
    if frame["measured_reduction_std"].map(is_shared).any():
        notes.append("A time without ± is one measurement, which networks of the same layers share.")
    return tuple(notes)


def off_target_note(off: pd.DataFrame) -> list[str]:
    """Return what the mark of reductions away from their targets means, where there are any, and why.

    Args:
        off: The schemes, or cells, that are marked.
    """
    if off.empty:
        return []
    nearest = off[off["is_near"].eq(False)]
    reasons = []
    if len(nearest):
        which = "" if len(nearest) == len(off) else f" for {_schemes(nearest)}"
        reasons.append(f"nothing that was found to prune comes nearer{which}")
    if off["is_near"].eq(True).any():
        reasons.append(
            "it was within the point when it was chosen"
            if not len(nearest)
            else "the others were within the point when they were chosen"
        )
    text = f"{OFF_TARGET} Measured more than one point away from the target"
    return [f"{text}: {'; '.join(reasons)}." if reasons else f"{text}."]


def _schemes(rows: pd.DataFrame) -> str:
    """Return which schemes these are, in words."""
    names = (
        f"{method_title(row['method'])} at {target_title(row['target_reduction'])}"
        for _, row in rows.iterrows()
    )
    return ", ".join(dict.fromkeys(names))
