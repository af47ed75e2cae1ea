"""The recovery table: the loss of each method's recovery at its start, half-way and at its end."""

import pandas as pd

from practise.render.formats import RenderedTable, arrange
from practise.render.methods import method_title
from practise.render.names import choice_title, loss_title, scientific, target_title
from practise.render.tables.captions import CHOSEN
from practise.render.tidy import SETTING, groups

COLUMNS = (
    *("Network", "Images", "Handed over", "Target", "Method", "Loss", "Steps"),
    *("First loss", "Half-way loss", "Last loss", "Chosen"),
)


def render_recovery(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: per setting and method the loss of the first, middle and last step, over the seeds.

    Args:
        frame: The frame of `frames.recovery_frame`.
    """
    if "fit" not in frame:  # a table of before it was told
        frame = frame.assign(fit="", share=float("nan"))
    rows = []
    for setting, methods in groups(frame, SETTING):
        rows += [_method((*setting, method), cells) for (method,), cells in groups(methods, ("method",))]
    told = (frame["fit"] != "").any() or frame["share"].notna().any()
    hidden = {title for title, column in zip(COLUMNS, SETTING, strict=False) if frame[column].nunique() == 1}
    hidden |= set() if told else {"Chosen"}
    seeds = frame["seed"].nunique()
    spread = f"Mean ± sample standard deviation over n = {seeds} seeds" if seeds > 1 else "n = 1 seed"
    return arrange(
        rows,
        columns=[column for column in COLUMNS if column not in hidden],
        text_columns=("Network", "Images", "Method", "Loss", "Chosen"),
        title="Loss of the recovery",
        caption=f"{spread}; losses of different kinds cannot be compared." + (f" {CHOSEN}" if told else ""),
    )


def _method(setting: tuple[str, str, int, float, str], cells: pd.DataFrame) -> dict[str, str]:
    network, images, num_images, target, method = setting
    once = cells.drop_duplicates("seed")
    runs = [run.sort_values("step")["value"] for _, run in groups(cells, ("seed",))]
    return {
        "Network": network,
        "Images": images,
        "Handed over": str(num_images),
        "Target": target_title(target),
        "Method": method_title(method),
        "Loss": loss_title(cells["loss"].iloc[0]),
        "Steps": " / ".join(str(steps) for steps in cells["steps"].unique()),
        "First loss": scientific(run.iloc[0] for run in runs),
        "Half-way loss": scientific(run.iloc[len(run) // 2] for run in runs),
        "Last loss": scientific(run.iloc[-1] for run in runs),
        "Chosen": choice_title(once["fit"], once["share"]),
    }
