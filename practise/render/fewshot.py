"""The main table: what each method keeps of the accuracy and saves of the latency, with few images."""

import pandas as pd

from practise.render.formats import DASH, RenderedTable, arrange
from practise.render.names import (
    block_list,
    count_of,
    hardware_line,
    mean_and_std,
    method_title,
    number,
    target_title,
)
from practise.render.tidy import REDUCTION_AT, SETTING, UNSTABLE_AT, groups

COLUMNS = (
    *("Network", "Images", "Handed over", "Target", "Method", "Preset", "n", "Top-1 %", "Paper %", "Δ"),
    *("Latency reduction %", "Median ms", "GMACs", "Params M", "Dropped blocks"),
)
TEXT_COLUMNS = ("Network", "Images", "Method", "Preset", "Dropped blocks")
UNSTABLE = "†"


def render_fewshot(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: the original network, then mean ± std over the seeds per setting and method.

    What is the same in every row stands in the caption instead of in a column.

    Args:
        frame: The frame of `frames.fewshot_frame`.
    """
    rows = []
    for source, everywhere in groups(frame, SETTING[:2]):
        rows.append(_original(source, everywhere))
        for setting, methods in groups(everywhere, SETTING):
            rows += [_method((*setting, method), cells) for (method,), cells in groups(methods, ("method",))]
    rounds = {row["n"] for row in rows if "n" in row}
    constant = {
        "Network": frame["network"].nunique() == 1,
        "Images": frame["images"].nunique() == 1,
        "Handed over": frame["num_images"].nunique() == 1,
        "Target": frame["target_reduction"].nunique() == 1,
        "Preset": frame["preset"].nunique() == 1,
        "n": len(rounds) == 1,
    }
    without_paper = frame["paper_top1"].isna().all()
    hidden = {column for column, same in constant.items() if same}
    hidden |= {"Paper %", "Δ"} if without_paper else set()
    columns = [column for column in COLUMNS if column not in hidden]
    behind = columns.index("Latency reduction %") + 1
    columns[behind:behind] = map(_at_batch, _further_batches(frame))
    return arrange(
        rows,
        columns=columns,
        text_columns=TEXT_COLUMNS,
        title="Accuracy and measured latency with few images",
        caption=_caption(frame, hidden, rounds),
        notes=_notes(frame),
    )


def _original(source: tuple[str, ...], cells: pd.DataFrame) -> dict[str, str]:
    """Return the row of the original network; its time is the mean of those taken beside each student."""
    return {
        "Network": source[0],
        "Images": source[1],
        "Method": "original",
        "Top-1 %": number(cells["top1_original"].iloc[0], 1),
        "Median ms": number(cells["median_ms_original"].mean(), 2),
        "GMACs": number(cells["gmacs_original"].iloc[0], 3),
        "Params M": number(cells["params_original"].iloc[0] / 1e6, 2),
    }


def _method(setting: tuple[str, str, int, float, str], cells: pd.DataFrame) -> dict[str, str]:
    network, images, num_images, target, method = setting
    known = cells["paper_top1"].iloc[0]
    mark = f" {UNSTABLE}" if cells["unstable"].any() else ""
    further = {_at_batch(size): _reduction_at(size, cells) for size in _further_batches(cells)}
    return further | {
        "Network": network,
        "Images": images,
        "Handed over": str(num_images),
        "Target": target_title(target),
        "Method": method_title(method),
        "Preset": str(cells["preset"].iloc[0]),
        "n": str(len(cells)),
        "Top-1 %": mean_and_std(cells["top1"], 1),
        "Paper %": number(known, 1),
        "Δ": number(cells["top1"].mean() - known, 1, signed=True),
        "Latency reduction %": mean_and_std(100 * cells["measured_reduction"], 1) + mark,
        "Median ms": mean_and_std(cells["median_ms"], 2) + mark,
        "GMACs": number(cells["gmacs"].mean(), 3),
        "Params M": number(cells["params"].mean() / 1e6, 2),
        "Dropped blocks": block_list(cells["dropped_blocks"].tolist()),
    }


def _further_batches(frame: pd.DataFrame) -> list[str]:
    """Return the further batch sizes at which latency was measured, in the order of the columns."""
    found = [str(column) for column in frame if str(column).startswith(REDUCTION_AT)]
    return [column.removeprefix(REDUCTION_AT) for column in found]


def _at_batch(size: str) -> str:
    return f"Reduction % at batch {size}"


def _reduction_at(size: str, cells: pd.DataFrame) -> str:
    mark = f" {UNSTABLE}" if cells[UNSTABLE_AT + size].eq(True).any() else ""
    return mean_and_std(100 * cells[REDUCTION_AT + size], 1) + mark


def _caption(frame: pd.DataFrame, hidden: set[str], rounds: set[str]) -> str:
    first = frame.iloc[0]
    setting = {
        "Network": f"network {first['network']}",
        "Images": f"images {first['images']}",
        "Handed over": f"{count_of('image', first['num_images'])} handed over",
        "Target": f"target {target_title(first['target_reduction'])}",
        "Preset": f"preset {first['preset']}",
    }
    parts = [text for column, text in setting.items() if column in hidden]
    evaluated = " / ".join(str(count) for count in frame["num_evaluation"].unique())
    parts.append(f"top-1 on {evaluated} held-out images")
    several = frame["seed"].nunique() > 1
    count = f"n = {min(rounds)} " if "n" in hidden else "the "
    parts.append(f"mean ± sample standard deviation over {count}seeds" if several else "n = 1 seed")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}. Latency measured on {hardware_line(frame)}."


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    sources = sorted(set(frame["paper_source"]) - {""})
    if sources:
        notes.append(
            f"Paper: {', '.join(sources)} of arXiv 2202.07861, the same setting; "
            f"Δ is ours minus the paper's; {DASH} is a value that we do not know."
        )
    times = ["unstable", *(UNSTABLE_AT + size for size in _further_batches(frame))]
    if frame[times].eq(True).any(axis=None):
        notes.append(
            f"{UNSTABLE} This time spread more than allowed: measure again when the machine is idle."
        )
    return tuple(notes)
