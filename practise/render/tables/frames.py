"""Tidy frames from the result files of exactly the grid's cells.

The grid of `params.yaml` says which files belong to a table; nothing is searched for on the disk, so results
of an earlier, larger grid never slip in. A missing file is one sentence: which, and how to make it.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from practise.errors import FileError
from practise.latency.milliseconds import reduced_ms
from practise.render.names import fit_title, natural_order
from practise.render.tables.paper import paper_top1
from practise.render.tables.results import Results
from practise.render.tidy import DEVICE_COLUMNS, REDUCTION_AT, UNSTABLE_AT
from practise.settings.grid import Cell, cells
from practise.settings.params import Params

CELL_COLUMNS = ("network", "images", "num_images", "seed", "method", "target_reduction")
FEWSHOT_COLUMNS = (
    *CELL_COLUMNS,
    *("style", "preset", "match", "wanted_reduction", "foretold_reduction", "measured_reduction"),
    *("off_target", "is_near", "dropped_blocks", "filters_removed"),
    *("top1", "top1_original", "top1_lost_standard_error", "kl", "kl_standard_error"),
    *("top5", "top5_original", "gmacs", "gmacs_original"),
    *("params", "params_original", "median_ms", "median_ms_original", "unstable", "num_evaluation"),
    *("paper_top1", "paper_source"),
    *DEVICE_COLUMNS,
)
LATENCY_COLUMNS = (
    *("network", "pruned", "dropped_block", "filters_removed", "position"),
    *("median_ms", "reduction", "standard_error", "macs_reduction", "spread", "unstable", "rounds"),
    *DEVICE_COLUMNS,
)
BLOCKS_COLUMNS = (
    *CELL_COLUMNS,
    *("criterion", "preset", "per_latency", "block", "position", "score"),
    *("latency_reduction", "pruning_score", "dropped"),
    *DEVICE_COLUMNS,
)
RECOVERY_COLUMNS = (*CELL_COLUMNS, "loss", "steps", "fit", "share", "step", "value", "lr")

MAX_CURVE_POINTS = 200
"""A longer recovery history is averaged over equal stretches of steps."""


def fewshot_frame(params: Params) -> pd.DataFrame:
    """Return one row per cell: accuracy, size and latency before and after, and the paper's accuracy.

    `style` is what a method prunes, `match` what its target is a reduction of; what was measured at further
    batch sizes stands in further columns, such as `measured_reduction_batch16`. `measured_reduction` is no
    measurement by which the network was chosen. Milliseconds are the original's, measured once for each
    network, less what is saved. `kl` is KL(original ‖ student) in nats, mean over the evaluation images; the
    standard errors are over these images, that of top-1 of the difference to the original.

    Raises:
        FileError: A result of the grid is missing or damaged.
    """
    results = Results(params)
    rows: list[dict[str, Any]] = []
    for cell in cells(params):
        selected = results.read(results.paths.select(cell), "select")
        student = results.read(results.paths.accuracy(cell), "accuracy")
        original = results.read(results.paths.original(cell.network, cell.images), "accuracy")
        latency = results.read(results.paths.measured(cell.network), "latency")
        times = latency_of(results, cell)
        after, before = times["student"], times["original"]
        wanted, reduction = selected["wanted_reduction"], after["reduction"]
        original_ms = results.read(results.paths.latency(cell.network), "latency")["original"]["median_ms"]
        row = {
            **_columns(cell),
            "style": "blocks" if selected["filters_removed"] is None else "filters",
            "preset": preset_title(params, cell.method),
            "match": selected["recipe"]["match"],
            "wanted_reduction": wanted,
            "foretold_reduction": selected["foretold_reduction"],
            "measured_reduction": reduction,
            "off_target": None if wanted is None else reduction - wanted,
            "is_near": selected["is_near"],
            "dropped_blocks": " ".join(selected["dropped_blocks"]),
            "filters_removed": selected["filters_removed"],
            "top1": student["top1"],
            "top1_original": original["top1"],
            **{key: student[key] for key in ("top1_lost_standard_error", "kl", "kl_standard_error")},
            "top5": student["top5"],
            "top5_original": original["top5"],
            "gmacs": student["gmacs"],
            "gmacs_original": original["gmacs"],
            "params": student["params"],
            "params_original": original["params"],
            "median_ms": reduced_ms(original_ms, reduction),
            "median_ms_original": original_ms,
            "unstable": bool(after["unstable"] or before["unstable"]),
            "num_evaluation": student["num_images"],
            **{key: latency[key] for key in DEVICE_COLUMNS},
        }
        row["paper_top1"], row["paper_source"] = paper_top1(params, cell, row)
        for also in times["also"]:
            after, before, size = also["student"], also["original"], also["batch_size"]
            row[REDUCTION_AT + str(size)] = after["reduction"]
            row[UNSTABLE_AT + str(size)] = bool(after["unstable"] or before["unstable"])
        rows.append(row)
    further = dict.fromkeys(column for row in rows for column in row if column not in FEWSHOT_COLUMNS)
    return pd.DataFrame(rows, columns=[*FEWSHOT_COLUMNS, *further])


def latency_of(results: Results, cell: Cell) -> dict[str, Any]:
    """Return what was measured of a cell's choice beside the original.

    Raises:
        FileError: A result of the grid is missing or damaged, or the choice was made since.
    """
    path, select = results.paths.measured(cell.network), results.paths.select(cell)
    chosen = results.read(select, "select")
    for one in results.read(path, "latency")["choices"]:
        if all(one[key] == chosen[key] for key in ("dropped_blocks", "filters_removed")):
            found: dict[str, Any] = one
            return found
    raise FileError(f"{path}: lacks what {select} chooses; measure it with `{results.command}`")


def latency_frame(params: Params) -> pd.DataFrame:
    """Return one row per network that was timed: the original, without each block, with ever fewer filters.

    Milliseconds are the original's less what is saved.

    Raises:
        FileError: A result of the grid is missing or damaged.
    """
    results = Results(params)
    rows: list[dict[str, Any]] = []
    for network in params.grid.networks:
        latency = results.read(results.paths.latency(network), "latency")
        order = sorted(latency["blocks"], key=natural_order)  # JSON's sorted keys have `10` before `9`
        nothing = {"pruned": "nothing", "reduction": 0.0, "macs_reduction": 0.0}
        measured = [nothing | latency["original"]]
        measured += [{"pruned": "block", "dropped_block": name} | latency["blocks"][name] for name in order]
        measured += [
            {"pruned": "filters", "filters_removed": thinner["share"]} | thinner
            for thinner in latency["thinner"]
        ]
        common = {"network": network} | {key: latency[key] for key in DEVICE_COLUMNS}
        original_ms = latency["original"]["median_ms"]
        rows += [
            {"dropped_block": "", **value, **common, "position": place}
            | {"median_ms": reduced_ms(original_ms, value["reduction"])}
            for place, value in enumerate(measured)
        ]
    return pd.DataFrame(rows, columns=LATENCY_COLUMNS)


def blocks_frame(params: Params) -> pd.DataFrame:
    """Return one row per cell and block: its score, what dropping it alone saves, and whether it was dropped.

    `score` is the criterion's own number (recoverability: R(B), the mean squared feature error that is left),
    `latency_reduction` is tau(B), and `pruning_score` is what the selection ranks by: score / tau(B), or the
    score itself where the criterion takes no account of the latency.

    Raises:
        FileError: A result of the grid is missing or damaged, or the scores name a block without a latency.
    """
    results = Results(params)
    rows = []
    for cell in cells(params):
        scores = results.read(results.paths.score(cell), "score")
        latency = results.read(results.paths.latency(cell.network), "latency")
        dropped = set(results.read(results.paths.select(cell), "select")["dropped_blocks"])
        for position, block in enumerate(scores["blocks"], start=1):
            name, score = block["name"], block["score"]
            if name not in latency["blocks"]:
                raise FileError(
                    f"{results.paths.latency(cell.network)}: lacks block '{name}', which "
                    f"{results.paths.score(cell)} scores; make both again with `{results.command}`"
                )
            tau = latency["blocks"][name]["reduction"]
            ratio = score / tau if tau > 0 else None
            rows.append(
                {
                    **_columns(cell),
                    "criterion": scores["criterion"],
                    "preset": scores["preset"],
                    "per_latency": bool(scores["per_latency"]),
                    "block": name,
                    "position": position,
                    "score": score,
                    "latency_reduction": tau,
                    "pruning_score": ratio if scores["per_latency"] else score,
                    "dropped": name in dropped,
                    **{key: latency[key] for key in DEVICE_COLUMNS},
                }
            )
    return pd.DataFrame(rows, columns=BLOCKS_COLUMNS)


def recovery_frame(params: Params) -> pd.DataFrame:
    """Return the recovery loss against the step, a row per cell and step; nothing measured in time is in it.

    `fit` and `share` are what the recovery chose by looking at the images (see `chosen`).

    A recovery without steps is one row, step 0, without a loss.

    Raises:
        FileError: A result of the grid is missing or damaged.
    """
    results = Results(params)
    rows: list[dict[str, Any]] = []
    for cell in cells(params):
        card = results.read(results.paths.student_card(cell), "student")
        recovery = {"loss": card["loss"], "steps": card["steps"], **chosen(card)}
        history: list[dict[str, Any]] = [
            *thin(results.history(results.paths.history(cell)), MAX_CURVE_POINTS)
        ]
        history = history or [{"step": 0, "value": None, "lr": None}]
        rows += [{**_columns(cell), **recovery, **point} for point in history]
    return pd.DataFrame(rows, columns=RECOVERY_COLUMNS)


def chosen(recovered: Mapping[str, Any]) -> dict[str, Any]:
    """Return how a recovery's start was fitted, and the share of the way from there to its end that it went.

    Args:
        recovered: what a result says of it under `start` and `guard`.
    """
    guard = recovered.get("guard")
    return {"fit": fit_title(recovered.get("start")), "share": None if guard is None else guard["share"]}


def preset_title(params: Params, method: str) -> str:
    """Return the preset of a method with the settings that it replaces, such as `official (steps=100)`."""
    chosen = params.methods[method]
    score, select, recover = (chosen.overrides(stage) for stage in ("score", "select", "recover"))
    stages = {"": score} if score == recover else {"score ": score, "recover ": recover}
    texts = [
        stage + ", ".join(f"{key}={value}" for key, value in settings.items())
        for stage, settings in {**stages, "select ": select}.items()
        if settings
    ]
    return f"{chosen.preset} ({'; '.join(texts)})" if texts else chosen.preset


def thin(history: list[dict[str, float]], most: int) -> list[dict[str, float]]:
    """Return at most `most` points, each the mean of a stretch of steps and named by its last step.

    >>> thin([{"step": 1, "value": 4.0, "lr": 1.0}, {"step": 2, "value": 2.0, "lr": 1.0}], 1)
    [{'step': 2, 'value': 3.0, 'lr': 1.0}]
    """
    if len(history) <= most:
        return history
    bounds = [round(index * len(history) / most) for index in range(most + 1)]
    stretches = [history[start:stop] for start, stop in zip(bounds, bounds[1:], strict=False)]
    return [
        {"step": stretch[-1]["step"]}
        | {key: sum(point[key] for point in stretch) / len(stretch) for key in ("value", "lr")}
        for stretch in stretches
    ]


def _columns(cell: Cell) -> dict[str, Any]:
    values = (cell.network, cell.images, cell.num_images, cell.seed, cell.method, cell.target)
    return dict(zip(CELL_COLUMNS, values, strict=True))
