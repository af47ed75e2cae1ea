"""Tables of recovering without the network's own images: with images of another domain, and with none.

Both read one frame: `outofdomain` compares all sources of images (paper, section 4.3), `datafree` the methods
on images that were made from the network itself (section 4.2).
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from practise.render.formats import DASH, RenderedTable, Strong, arrange
from practise.render.methods import method_title
from practise.render.names import block_list, choice_title, count_of, mean_and_std, number
from practise.render.tables.captions import (
    CHOSEN,
    KL,
    chosen_heading,
    constant_columns,
    kl_heading,
    seeds_caption,
    sentence,
)
from practise.render.tables.frames import chosen, preset_title
from practise.render.tables.results import Results
from practise.render.tidy import ahead, by_size, groups
from practise.schema import HowMany
from practise.settings.grid import source_trials
from practise.settings.params import Params

SYNTHESIZED = "synthesized"
"""The kind of source whose images are made from the network."""

SOURCES_COLUMNS = (
    *("network", "images", "kind", "num_images", "seed", "method", "preset", "dropped_blocks"),
    *("top1", "top1_before", "top1_original", "kl", "kl_before", "fit", "share"),
    *("num_evaluation", "evaluation"),
)
DATAFREE_COLUMNS = (*SOURCES_COLUMNS, "distance_before", "distance_after", "confidence")


def sources_frame(params: Params) -> pd.DataFrame:
    """Return one row per source, number of images, seed and method: the accuracy after the recovery.

    `top1_before` and `kl_before` are without recovery, `kl` is KL(original ‖ network) in nats, `fit` and
    `share` are what the recovery chose by looking at the images (see `frames.chosen`), `evaluation` names the
    images that accuracy is measured on.

    Raises:
        FileError: A result of the section sources is missing or damaged.
    """
    results, rows = Results(params), []
    for trial in source_trials(params):
        result = results.read(results.paths.sources(trial), "sources")
        original = results.read(results.paths.original(trial.network, params.sources.evaluation), "accuracy")
        shared = {
            **vars(trial),
            **{key: result[key] for key in ("kind", "num_evaluation")},
            **{f"{key}_before": result["before"][key] for key in ("top1", "kl")},
            "top1_original": original["top1"],
            "dropped_blocks": " ".join(result["dropped_blocks"]),
            "evaluation": params.sources.evaluation,
        }
        rows += [
            {
                **shared,
                "method": one["method"],
                "preset": preset_title(params, one["method"]),
                **{key: one[key] for key in ("top1", "kl")},
                **chosen(one),
            }
            for one in result["methods"]
        ]
    return pd.DataFrame(rows, columns=SOURCES_COLUMNS)


def datafree_frame(params: Params) -> pd.DataFrame:
    """Return the rows of synthesized images, with what is known of the images themselves.

    `distance_before` and `distance_after` say how far the statistics of the images are from those of batch
    norm when they are begun and when they are made; `confidence` is the network's mean probability of the
    class that an image shows.

    Raises:
        FileError: A result of the section sources, or a manifest, is missing or damaged.
    """
    results, frame = Results(params), sources_frame(params)
    frame = frame[frame["kind"] == SYNTHESIZED]
    made: Mapping[str, dict[str, Any]] = {
        network: results.read(results.paths.synthesized(network), "synthesize")
        for network in frame["network"].unique()
    }
    for key in ("distance_before", "distance_after", "confidence"):
        frame = frame.assign(**{key: [made[network][key] for network in frame["network"]]})
    return frame.reindex(columns=DATAFREE_COLUMNS)


def render_outofdomain(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: a row per source and method, a column per number of images, one that leads in bold.

    Args:
        frame: The frame of `sources_frame`.
    """
    return _render(frame, "Recovery with other images", _drop_caption(frame), ())


def render_datafree(frame: pd.DataFrame) -> RenderedTable:
    """Return the table: a row per method on synthesized images, a column per number of images.

    Args:
        frame: The frame of `datafree_frame`.
    """
    notes = tuple(
        f"Images of {network}: the distance of batch norm's statistics falls from "
        f"{number(first['distance_before'], 0)}, as they are begun, to {number(first['distance_after'], 0)}; "
        f"the network is {number(100 * first['confidence'], 0)} % sure of the classes that they show."
        for (network,), own in groups(frame, ("network",))
        for first in [own.iloc[0]]
    )
    return _render(frame, "Recovery without any image", _drop_caption(frame), notes)


TITLES = {"Network": "network", "Images": "images", "Method": "method"}


def _render(frame: pd.DataFrame, title: str, caption: str, notes: tuple[str, ...]) -> RenderedTable:
    told: dict[str, Any] = {"kl": float("nan"), "kl_before": float("nan"), "fit": "", "share": float("nan")}
    missing = {column: value for column, value in told.items() if column not in frame}
    frame = frame.assign(**missing)  # tables of before it was told
    told_kl, told_choice = frame["kl"].notna().any(), frame["share"].notna().any()
    counts = by_size(frame["num_images"].unique())
    rows: list[dict[str, str]] = []
    for (network,), everywhere in groups(frame, ("network",)):
        for name, column in {"original": "top1_original", "no recovery": "top1_before"}.items():
            text = number(everywhere[column].iloc[0], 1)
            lost = number(everywhere["kl_before"].iloc[0], 2) if column == "top1_before" else DASH
            rows.append(
                {"Network": network, "Images": name, "Method": name}
                | {_heading(count): text for count in counts}
                | {kl_heading(count): lost for count in counts}
                | {chosen_heading(count): DASH for count in counts}
            )
        top1s = everywhere.groupby(["num_images", "images", "method"])["top1"]
        means, spreads = top1s.mean(), top1s.std()
        leader = {count: ahead(means[count], spreads[count]) for count in counts}
        for (images, method), own in groups(everywhere, ("images", "method")):
            row = {"Network": network, "Images": images, "Method": method_title(method)}
            for count in counts:
                some = own[own["num_images"] == count]
                text = mean_and_std(some["top1"], 1)
                row[_heading(count)] = Strong(text) if (images, method) == leader[count] else text
                row[kl_heading(count)] = mean_and_std(some["kl"], 2)
                row[chosen_heading(count)] = choice_title(some["fit"], some["share"])
            rows.append(row)
    hidden = constant_columns(frame, TITLES)
    hidden -= {"Method"} if {"Images", "Method"} <= hidden else set()
    columns = [heading for heading in TITLES if heading not in hidden]
    headings = [_heading, *([kl_heading] if told_kl else []), *([chosen_heading] if told_choice else [])]
    return arrange(
        rows,
        columns=[*columns, *(heading(count) for heading in headings for count in counts)],
        text_columns=(*TITLES, *map(chosen_heading, counts)),
        title=title,
        caption=" ".join([caption, *([KL] if told_kl else []), *([CHOSEN] if told_choice else [])]),
        notes=notes,
    )


def _heading(count: HowMany) -> str:
    return count_of("image", count)


def _drop_caption(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "No source of this kind is in the section sources."
    first = frame.iloc[0]
    phrases = [
        f"top-1 in % on {first['num_evaluation']} held-out images of {first['evaluation']}",
        f"network {' / '.join(frame['network'].unique())} without {block_list([first['dropped_blocks']])}",
    ]
    if frame["images"].nunique() == 1:
        phrases.append(f"images {first['images']}")
    if frame["method"].nunique() == 1:
        phrases.append(f"method {method_title(first['method'])} (preset {first['preset']})")
    phrases.append(seeds_caption([frame["seed"].nunique()]))
    several = frame.groupby("network")[["images", "method"]].nunique().max().max() > 1
    return sentence(phrases) + (" Bold: ahead of all others by more than the spread." if several else "")
