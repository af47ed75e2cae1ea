"""The claims table: which of the paper's claims hold in a grid, told seed by seed.

Each claim is a difference between two schemes or criteria that saw the same images: the one that the claim is
made for less the best of those that it is made against. It holds where the mean over the seeds is above the
standard deviation, and fails where it lies as far below zero.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pandas as pd

from practise.render.formats import DASH, RenderedTable, arrange
from practise.render.methods import base_method, method_title
from practise.render.names import (
    RECOVERABILITIES,
    criterion_title,
    hardware_line,
    number,
    plus_minus,
    target_title,
)
from practise.render.tables.captions import SETTING_TITLES, constant_columns, sentence, setting_caption
from practise.render.tables.frames import fewshot_frame
from practise.render.tables.rankings import seeds_frame
from practise.render.tidy import DEVICE_COLUMNS, SAMPLE_SETTING, SETTING, groups
from practise.settings.params import Params


class Claim(NamedTuple):
    """What the paper says.

    Attributes:
        title: The claim, in a phrase.
        unit: What the difference counts.
        digits: Decimals of the difference.
    """

    title: str
    unit: str
    digits: int = 1


TOP1 = "points of top-1"
CLAIMS: Mapping[str, Claim] = {
    "blocks": Claim("Dropping blocks beats pruning filters at the same latency", TOP1),
    "first_blocks": Claim("Even dropping the first blocks and finetuning on labels does", TOP1),
    "baseline": Claim("Recoverability and feature mimicking beat that baseline", TOP1),
    "macs": Claim("Filters that save as much latency promise more by their MACs", "points of MACs"),
    "ranking": Claim(
        "Recoverability ranks sets of blocks better than what changes without them", "rank correlation", 2
    ),
    "choice": Claim("And the blocks that it drops cost less", "nats of KL", 3),
}
"""The paper's claims by key, in the order of the table."""

OF_CHANGE = ("feature_change", "output_divergence")
"""The criteria that look at what changes when a block is gone, before any recovery."""

CLAIMS_COLUMNS = (
    *("claim", *SETTING, "ours", "against", "difference_mean", "difference_std"),
    *("seeds", "in_favour", *DEVICE_COLUMNS),
)
COLUMNS = (
    *("Claim", "Network", "Images", "Handed over", "Target", "Ours", "Against", "Difference", "Of"),
    *("Seeds in favour", "Holds"),
)
TEXT_COLUMNS = ("Claim", "Network", "Images", "Ours", "Against", "Of", "Holds")


def claims_frame(params: Params) -> pd.DataFrame:
    """Return one row per claim and setting; a claim about schemes that the grid lacks has no row.

    Raises:
        FileError: A result of the grid is missing or damaged.
    """
    return judge_claims(fewshot_frame(params), seeds_frame(params))


def judge_claims(schemes: pd.DataFrame, criteria: pd.DataFrame) -> pd.DataFrame:
    """Return what `claims_frame` does.

    Args:
        schemes: The frame of `frames.fewshot_frame`.
        criteria: The frame of `rankings.seeds_frame`.
    """
    device = schemes.iloc[0][list(DEVICE_COLUMNS)].to_dict()
    rows = [row | device for row in _about_schemes(schemes)] + list(_about_criteria(criteria))
    rows.sort(key=lambda row: list(CLAIMS).index(row["claim"]))
    return pd.DataFrame(rows, columns=CLAIMS_COLUMNS)


def _about_schemes(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give the claims about schemes at one latency, in every setting."""
    for key, cells in groups(frame, SETTING):
        setting = dict(zip(SETTING, key, strict=True))
        top1 = cells.pivot(index="seed", columns="method", values="top1")
        styles = cells.groupby("method", sort=False)["style"].first()
        blocks, filters = (list(styles.index[styles == style]) for style in ("blocks", "filters"))
        rival, baseline = _best(top1, filters), _best(top1, _variants(blocks, "bp_blocks"))
        for method in _variants(blocks, "practise"):
            if rival:
                yield _row("blocks", setting, method, rival, top1[method] - top1[rival])
            if baseline:
                yield _row("baseline", setting, method, baseline, top1[method] - top1[baseline])
        if rival and baseline:
            yield _row("first_blocks", setting, baseline, rival, top1[baseline] - top1[rival])
        if filters and blocks:
            saved = 100 * (1 - cells["gmacs"] / cells["gmacs_original"])
            by_style = saved.groupby([cells["seed"], cells["style"]]).mean().unstack()
            yield _row("macs", setting, "filters", "blocks", by_style["filters"] - by_style["blocks"])


def _about_criteria(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Give the claims about criteria, in every setting in which they are compared."""
    for key, cells in groups(frame, SAMPLE_SETTING):
        setting = dict(zip(SAMPLE_SETTING, key, strict=True))
        for claim, column, sign in (("ranking", "correlation", 1), ("choice", "kl", -1)):
            values = sign * cells.pivot(index="seed", columns="criterion", values=column).astype(float)
            values = values.dropna(axis="columns")
            against = _best(values, [criterion for criterion in OF_CHANGE if criterion in values])
            for ours in (criterion for criterion in RECOVERABILITIES if criterion in values and against):
                yield _row(claim, setting, ours, str(against), values[ours] - values[against])


def _variants(methods: list[str], base: str) -> list[str]:
    return [method for method in methods if base_method(method) == base]


def _best(values: pd.DataFrame, names: list[str]) -> str | None:
    """Return which of the columns has the greatest mean; None where there is none."""
    return str(values[names].mean().idxmax()) if names else None


def _row(
    claim: str, setting: dict[str, Any], ours: str, against: str, difference: pd.Series
) -> dict[str, Any]:
    return {
        "claim": claim,
        **setting,
        "ours": ours,
        "against": against,
        "difference_mean": difference.mean(),
        "difference_std": difference.std(ddof=1),
        "seeds": len(difference),
        "in_favour": int((difference > 0).sum()),
    }


def render_claims(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: the claims in the paper's order, each in every setting.

    Args:
        frame: The frame of `claims_frame`.
    """
    hidden = constant_columns(frame, SETTING_TITLES)  # criteria have no target, which counts as none
    return arrange(
        [_rendered(row) for _, row in frame.iterrows()],
        columns=[column for column in COLUMNS if column not in hidden],
        text_columns=TEXT_COLUMNS,
        title="Which of the paper's claims hold",
        caption=_caption(frame, hidden),
        notes=() if frame.empty else _notes(frame),
    )


def _rendered(row: pd.Series) -> dict[str, str]:
    claim = CLAIMS[row["claim"]]
    mean, std = row["difference_mean"], row["difference_std"]
    rest = plus_minus(mean, std, claim.digits).partition(" ")[2]
    target = row["target_reduction"]
    return {
        "Claim": claim.title,
        "Network": row["network"],
        "Images": row["images"],
        "Handed over": str(row["num_images"]),
        "Target": DASH if pd.isna(target) else target_title(target),
        "Ours": _name(row["ours"]),
        "Against": _name(row["against"]),
        "Difference": f"{number(mean, claim.digits, signed=True)} {rest}".strip(),
        "Of": claim.unit,
        "Seeds in favour": f"{row['in_favour']} of {row['seeds']}",
        "Holds": verdict(mean, std),
    }


def verdict(mean: float, std: float) -> str:
    """Return whether a difference is one: more than its standard deviation over the seeds.

    >>> verdict(2.0, 1.0), verdict(-2.0, 1.0), verdict(0.5, 1.0), verdict(2.0, float("nan"))
    ('yes', 'no', 'within the spread', '—')
    """
    if pd.isna(std):
        return DASH
    if abs(mean) <= std:
        return "within the spread"
    return "yes" if mean > 0 else "no"


def _name(key: str) -> str:
    if key in ("filters", "blocks"):
        return f"schemes that prune {key}"
    return method_title(key) if base_method(key) else criterion_title(key)


def _caption(frame: pd.DataFrame, hidden: set[str]) -> str:
    if frame.empty:
        return "The grid holds no two schemes and no two criteria that a claim is about."
    timed = frame[frame["device"] != ""]
    phrases = setting_caption(frame, hidden)  # the first claims are about schemes, which have a target
    measured = f" Latency measured on {hardware_line(timed)}." if len(timed) else ""
    told = f"{sentence(phrases)} " if phrases else ""
    return (
        f"{told}Mean ± sample standard deviation over seeds of the difference with the same images.{measured}"
    )


def _notes(frame: pd.DataFrame) -> tuple[str, ...]:
    note = (
        "Ours is held against the best of its rivals. A claim holds (yes) where the mean difference is above "
        f"its standard deviation, and fails (no) where it is as far below zero; {DASH} is one seed only."
    )
    if "choice" in set(frame["claim"]):
        note += " What dropped blocks cost is the mean over the targets that criteria choose for."
    return (note,)
