"""A made-up grid of result files for the tests of tables, figures and docs; the numbers mean nothing."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from PIL import Image

from practise.evaluation.lost import write_lost
from practise.files import write_csv, write_result
from practise.pruning.plan import Pruning
from practise.settings.grid import Cell, Paths, Trial, cells, rank_trials, source_trials
from practise.settings.params import Params
from practise.settings.problems import check_values

BLOCKS = ["blocks.1.1", "blocks.2.1", "blocks.3.1", "blocks.3.2", "blocks.4.1", "blocks.4.10"]
DEVICE = {
    "device_name": "Example CPU",
    "device": "cpu",
    "threads": 2,
    "dtype": "fp32",
    "batch_size": 1,
    "image_size": 128,
}
CALM = {"spread": 0.01, "standard_error": 0.004, "rounds": 100, "unstable": False}
CRITERIA = ["random", "first_blocks", "latency", "feature_change", "output_divergence", "recoverability"]
EVALUATED = 50
"""Images on which criteria are compared."""
DEFAULT = Path(__file__).parents[1] / "params.yaml"


class Lost(NamedTuple):
    """What the oracle says of a set, without the oracle's imports."""

    kl: np.ndarray
    right: np.ndarray


def make_params(**changes: Any) -> Params:
    """Return the default preset's params, of two methods, with keys of the grid or dotted keys replaced.

    Criteria are compared on what the grid has first, unless keys of the section rank say otherwise.
    """
    values = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    values["grid"].update(methods=["bp_blocks", "practise"], targets=[4])
    values["latency"]["thinner"] = None
    values["rank"]["criteria"] = list(CRITERIA)
    for key, value in changes.items():
        place = values
        *sections, last = key.split("__") if "__" in key else ("grid", key)
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    for key in ("networks", "images", "num_images", "seeds", "targets"):
        if f"rank__{key}" not in changes:
            values["rank"][key] = values["grid"][key][:1]
    if "sources__networks" not in changes:
        values["sources"]["networks"] = values["grid"]["networks"][:1]
    if "sources__evaluation" not in changes:
        values["sources"]["evaluation"] = values["grid"]["images"][0]
    return check_values(values)


def run_python(code: str, **environment: str) -> None:
    """Run code in a process of its own, in the current directory; an exit code other than 0 is an error."""
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here.parent), str(here)])
    subprocess.run(
        [sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": paths} | environment
    )


def at_batch(size: int, times: dict[str, Any]) -> dict[str, Any]:
    """Return made-up times at a further batch size, at which nearly half as much is saved."""
    student = times["student"] | {"reduction": times["student"]["reduction"] * (0.5 - 1 / size / 100)}
    return {"original": times["original"], "student": student}


def write_results(params: Params, **changes: Any) -> dict[Cell, dict[str, Any]]:
    """Write every result that the tables read, below the current directory; return what was written by cell.

    Args:
        params: The params whose grid is filled.
        changes: Values that replace the made-up ones, such as `num_evaluation`.
    """
    rng = np.random.default_rng(0)
    paths, written, times_ms = Paths.of(params), {}, {}
    header = {**DEVICE, "rounds": 100} | {key: value for key, value in changes.items() if key in DEVICE}
    evaluated = changes.get("num_evaluation", 656)
    for network in params.grid.networks:
        original_ms = round(float(rng.uniform(11, 12)), 4)
        blocks = {}
        for name in BLOCKS:
            reduction = round(float(rng.uniform(0.04, 0.07)), 6)
            blocks[name] = made_up_latency(original_ms, reduction) | {"macs_reduction": 0.055}
        thinner = [
            {"share": share, **made_up_latency(original_ms, 0.6 * share), "macs_reduction": 0.9 * share}
            for share in (0.2, 0.4, 0.6)
            if params.latency.thinner
        ]
        times_ms[network] = original_ms
        original = {"median_ms": original_ms, **CALM}
        timed = {"original": original, "blocks": blocks, "thinner": thinner}
        write_result(paths.latency(network), "latency", {**header, **timed}, {})
        for images in params.grid.images:
            whole = {
                "top1": 84.2,
                "top5": None,
                "num_images": evaluated,
                "gmacs": 0.1275,
                "params": 3_376_804,
            }
            write_result(paths.original(network, images), "accuracy", whole, {})
    measured: dict[str, dict[Pruning, dict[str, Any]]] = {network: {} for network in params.grid.networks}
    for cell in cells(params):
        method = params.methods[cell.method]
        of_filters = method.criterion == "l1_filters"
        recoverable = "recoverability" in method.criterion
        values = [
            10 ** float(rng.uniform(-2.4, -0.6)) if recoverable else float(i) for i in range(len(BLOCKS))
        ]
        ranked = sorted(range(len(BLOCKS)), key=values.__getitem__)
        share = cell.target if cell.target < 1 else 0.05 * cell.target
        dropped = [BLOCKS[index] for index in sorted(ranked[: max(1, round(share * 20))])]
        removed = round(1.5 * share + 0.01 * cell.seed, 3) if of_filters else None
        pruning = Pruning(filters_removed=removed) if of_filters else Pruning(tuple(dropped))
        top1 = round(float(rng.normal(82.5 if recoverable else 77.0, 0.6) - 20 * (share - 0.2)), 4)
        median = round(float(rng.normal(1 - share, 0.004)) * 11.5, 5)
        steps = 0 if method.recover and method.recover.steps == 0 else 60
        history = [
            (
                step + 1,
                float((0.3 if recoverable else 1.2) * (0.15 + np.exp(-step / 12)) * rng.uniform(0.85, 1.15)),
                3e-4,
            )
            for step in range(steps)
        ]
        times = {
            "original": {"median_ms": 11.5, **CALM},
            "student": {"median_ms": median, "reduction": 1 - median / 11.5, **CALM},
        }
        further = [{"batch_size": size, **at_batch(size, times)} for size in params.latency.also or ()]
        times = measured[cell.network].setdefault(pruning, times | {"also": further})
        reduction = times["student"]["reduction"]
        scores = [{"name": name, "score": value} for name, value in zip(BLOCKS, values, strict=True)]
        write_result(
            paths.score(cell),
            "score",
            {
                "criterion": method.criterion,
                "preset": method.preset,
                "per_latency": recoverable,
                "prunes": "filters" if of_filters else "blocks",
                "blocks": [] if of_filters else scores,
            },
            {},
        )
        match = params.methods[cell.method].overrides("select").get("match", params.select.match)
        chosen = {
            "method": cell.method,
            "target_reduction": cell.target,
            **pruning.describe(),
            "recipe": {"match": match},
            **told_of_choice(cell, match, share, of_filters),
        }
        write_result(paths.select(cell), "select", chosen, {})
        accuracy = {"top1": top1, "top5": None, "num_images": evaluated, "gmacs": 0.1, "params": 3_100_000}
        lost = round((84.2 - top1) / 20, 4)
        accuracy |= {"kl": lost, "kl_standard_error": lost / 10, "top1_lost_standard_error": 0.9}
        write_result(paths.accuracy(cell), "accuracy", accuracy, {})
        card = {
            "network": cell.network,
            **pruning.describe(),
            "loss": method.loss,
            "preset": method.preset,
        }
        card |= chosen_by(cell.method, cell.seed)
        write_result(paths.student_card(cell), "student", {**card, "recipe": {}, "steps": len(history)}, {})
        write_csv(paths.history(cell), ("step", "loss", "lr"), history)
        written[cell] = {
            **{"top1": top1, "reduction": reduction},
            "median_ms": times_ms[cell.network] * (1 - reduction),
            **{"dropped": list(pruning.dropped_blocks), "filters_removed": removed},
        }
    for network, times_of in measured.items():
        choices = [{**pruning.describe(), **times} for pruning, times in times_of.items()]
        write_result(paths.measured(network), "latency", header | {"choices": choices}, {})
    for trial in rank_trials(params):
        write_ranking(params, trial, rng)
    for network in params.sources.networks:
        made = {"distance_before": 20000.0, "distance_after": 4000.0, "confidence": 0.97, "images": []}
        write_result(paths.synthesized(network), "synthesize", made, {})
        Image.new("RGB", (16, 16)).save(paths.contact_sheet(network))
    for trial in source_trials(params):
        write_result(paths.sources(trial), "sources", made_up_trial(params, trial, rng), {})
    return written


def chosen_by(method: str, seed: int) -> dict[str, Any]:
    """Return what a made-up recovery chose by looking at the images; only ours does."""
    if method != "practise":
        return {"start": None, "guard": None}
    start = {"pull": (10.0, 0.1)[seed % 2], "matched": False, "tried": []}
    return {"start": start, "guard": {"share": 0.5, "held_out": 0, "tried": []}}


def told_of_choice(cell: Cell, match: str, share: float, of_filters: bool) -> dict[str, Any]:
    """Return what a made-up choice was foretold and measured to save."""
    is_measured = match == "latency" and (cell.target < 1 or of_filters)
    measured = share + 0.002 if is_measured else None
    return {
        "wanted_reduction": share if is_measured else None,
        "foretold_reduction": None if of_filters else share + 0.015,
        "measured_reduction": measured,
        "standard_error": 0.004 if is_measured else None,
        "is_near": True if is_measured else None,
        "tried": [],
    }


def made_up_latency(original_ms: float, reduction: float) -> dict[str, Any]:
    """Return a made-up time of a network that saves a share of the original's."""
    median = original_ms * (1 - reduction)
    return {"median_ms": median, "reduction": reduction, **CALM}


def made_up_trial(params: Params, trial: Trial, rng: np.random.Generator) -> dict[str, Any]:
    """Return a made-up recovery with images of one source: the more images, and the realer, the better."""
    kind = params.images[trial.images].source
    count = 1000 if trial.num_images == "all" else trial.num_images
    best = {"photographs": 76.0, "synthesized": 79.0}.get(kind, 82.0) + np.log10(count)
    return {
        "kind": kind,
        "dropped_blocks": BLOCKS[1:4],
        "num_evaluation": 656,
        "before": {"top1": 61.3, "kl": 1.31},
        "methods": [
            {
                "method": name,
                "preset": "default",
                "top1": (top1 := round(float(best + rng.normal(0, 0.4)), 4)),
            }
            | {"kl": round((84.2 - top1) / 20, 4), **chosen_by(name, trial.seed)}
            for name in params.sources.methods
        ],
        "images": [],
    }


def write_ranking(
    params: Params, trial: Trial, rng: np.random.Generator, blocks: Sequence[str] = BLOCKS
) -> None:
    """Write a made-up comparison of criteria, in which recoverability follows what is lost up to noise.

    What a set of blocks loses is the same for every seed up to noise, and so is the set itself.
    """
    common = np.random.default_rng(1)
    single, saved = (
        common.permuted(np.geomspace(0.02, 0.4, len(blocks))),
        common.uniform(0.04, 0.07, len(blocks)),
    )
    factors = common.lognormal(0, 0.5, EVALUATED)
    names = tuple(params.rank.criteria)
    orders = {
        "random": rng.permutation(len(blocks)).astype(float),
        "first_blocks": np.arange(len(blocks), dtype=float),
        "latency": np.ones(len(blocks)),
    }

    def score(places: Sequence[int]) -> dict[str, float]:
        """What each criterion says of a set."""
        noise = np.random.default_rng([trial.seed, *places])
        scores = {}
        for name in names:
            spread = 0.2 if "recoverability" in name else 1.0
            cost = 0.3 * single[list(places)].sum() * np.exp(noise.normal(0, spread))
            scores[name] = float(orders[name][list(places)].sum() if name in orders else cost)
        return scores

    def meets(places: Sequence[int], target: float) -> bool:
        """Whether a set saves as much as wanted, and not much more."""
        return len(places) == (target if target >= 1 else max(1, round(20 * target)))

    alone = [score([place]) for place in range(len(blocks))]
    choices = []
    for name in names:
        weighed = name not in ("random", "first_blocks")
        worth = [one[name] / (tau if weighed else 1) for one, tau in zip(alone, saved, strict=True)]
        ranked = np.argsort(worth, kind="stable").tolist()
        for target in params.rank.targets:
            count = next(count for count in range(1, 99) if meets(ranked[:count], target))
            for search in params.rank.searches if weighed else ["lowest"]:
                chosen = sorted(ranked[:count])
                choices.append({"criterion": name, "search": search, "target": target, "blocks": chosen})
    sets: dict[tuple[int, ...], str] = {(place,): "alone" for place in range(len(blocks))}
    for size in (2, 3) * (params.rank.sets // 2):
        sets.setdefault(tuple(sorted(common.choice(len(blocks), size, replace=False).tolist())), "random")
    for choice in choices:
        sets.setdefault(tuple(choice["blocks"]), "chosen")
    means = np.array([single[list(places)].sum() * rng.lognormal(0, 0.1) for places in sets])
    kl = means[:, None] * factors * rng.lognormal(0, 0.2, (len(sets), EVALUATED))
    right = rng.uniform(size=kl.shape) < 0.84 - 0.1 * kl
    lost = [Lost(kl=kl[row].astype(np.float32), right=right[row]) for row in range(len(kl))]
    right_original = np.arange(EVALUATED) < 0.84 * EVALUATED
    told = {
        "method": params.rank.method,
        "criterion": params.methods[params.rank.method].criterion,
        "preset": params.methods[params.rank.method].preset,
        "recipe": {},
        "num_evaluation": EVALUATED,
        "top1_original": 100 * float(right_original.mean()),
        "blocks": [
            {"name": name, "latency_reduction": float(tau)} for name, tau in zip(blocks, saved, strict=True)
        ],
        "sets": [
            {
                "blocks": [blocks[place] for place in places],
                "kind": kind,
                "meets": [target for target in params.rank.targets if meets(places, target)],
                "kl": float(one.kl.mean(dtype="float64")),
                "top1": 100 * float(one.right.mean()),
                "scores": score(places),
            }
            for (places, kind), one in zip(sets.items(), lost, strict=True)
        ],
        "choices": [
            {**choice, "blocks": [blocks[place] for place in choice["blocks"]]} for choice in choices
        ],
    }
    paths = Paths.of(params)
    write_result(paths.rank(trial), "rank", told, {})
    write_lost(paths.lost(trial), lost, right_original)
