"""The data table: what each method keeps of the accuracy, by the number of images that are handed over."""

import pandas as pd

from practise.render.formats import RenderedTable, Strong, arrange
from practise.render.methods import method_title
from practise.render.names import count_of, hardware_line, mean_and_std, number, target_title
from practise.render.tables.captions import (
    KL,
    constant_columns,
    kl_heading,
    seeds_caption,
    sentence,
    setting_caption,
)
from practise.render.tables.schemes import FAR, OFF_TARGET, off_target_note
from practise.render.tidy import SETTING as TIDY_SETTING
from practise.render.tidy import ahead, groups
from practise.schema import HowMany

SETTING = {"Network": "network", "Images": "images", "Target": "target_reduction"}


def render_fewshot(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: a row per method, a column per number of images, one that leads in bold.

    Args:
        frame: The frame of `frames.fewshot_frame`.
    """
    frame = frame if "kl" in frame else frame.assign(kl=float("nan"))  # tables of before it was told
    counts = list(frame["num_images"].unique())
    rows = []
    for source, everywhere in groups(frame, ("network", "images")):
        original = number(everywhere["top1_original"].iloc[0], 1)
        words = {"Network": source[0], "Images": source[1], "Method": "original"}
        rows.append(words | {_heading(count): original for count in counts})
        for (target,), cells in groups(everywhere, ("target_reduction",)):
            words = {"Network": source[0], "Images": source[1], "Target": target_title(target)}
            top1s = cells.groupby(["num_images", "method"])["top1"]
            means, spreads = top1s.mean(), top1s.std()
            leader = {count: ahead(means[count], spreads[count]) for count in counts}
            for (method,), own in groups(cells, ("method",)):
                by_count = {count: own[own["num_images"] == count] for count in counts}
                top1 = {
                    _heading(count): _top1(some, method == leader[count]) for count, some in by_count.items()
                }
                kl = {kl_heading(count): mean_and_std(some["kl"], 2) for count, some in by_count.items()}
                rows.append(words | {"Method": method_title(method)} | top1 | kl)
    hidden = constant_columns(frame, SETTING)
    told_kl = frame["kl"].notna().any()
    return arrange(
        rows,
        columns=[title for title in (*SETTING, "Method") if title not in hidden]
        + list(map(_heading, counts))
        + (list(map(kl_heading, counts)) if told_kl else []),
        text_columns=("Network", "Images", "Method"),
        title="Accuracy by the number of images",
        caption=_caption(frame, hidden),
        notes=tuple(off_target_note(_off(frame))),
    )


def _heading(count: HowMany) -> str:
    return count_of("image", count)


def _top1(cells: pd.DataFrame, leads: bool) -> str:
    text = mean_and_std(cells["top1"], 1)
    text = f"{text} {OFF_TARGET}" if len(_off(cells)) else text
    return Strong(text) if leads else text


def _off(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the schemes, a row of each, whose mean reduction is away from the target."""
    if "off_target" not in cells:  # tables that were kept from before it was told of cells lack it
        return cells.head(0)
    known = cells.assign(off_target=cells["off_target"].astype(float))
    mean = known.groupby([*TIDY_SETTING, "method"])["off_target"].transform("mean")
    return known[mean.abs().round(9) > FAR].drop_duplicates([*TIDY_SETTING, "method"])


def _caption(frame: pd.DataFrame, hidden: set[str]) -> str:
    evaluated = " / ".join(str(count) for count in frame["num_evaluation"].unique())
    phrases = [f"top-1 in % on {evaluated} held-out images", *setting_caption(frame, hidden)]
    phrases.append(seeds_caption([frame["seed"].nunique()]))
    bold = " Bold: ahead of all others by more than the spread." if frame["method"].nunique() > 1 else ""
    lost = f" {KL}" if frame["kl"].notna().any() else ""
    return f"{sentence(phrases)}{lost}{bold} Latency measured on {hardware_line(frame)}."
