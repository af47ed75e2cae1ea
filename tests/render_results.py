"""A made-up grid of result files for the tests of tables, figures and docs; the numbers mean nothing."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from practise.files import write_csv, write_result
from practise.grid import Cell, Paths, cells
from practise.params import Params, parse_params
from practise.pruning import Pruning

BLOCKS = ["blocks.1.1", "blocks.2.1", "blocks.3.1", "blocks.3.2", "blocks.4.1", "blocks.4.10"]
DEVICE = {
    "device_name": "Example CPU",
    "device": "cpu",
    "threads": 2,
    "dtype": "fp32",
    "batch_size": 1,
    "image_size": 128,
}
DEFAULT = Path(__file__).parents[1] / "params.yaml"


def make_params(**changes: Any) -> Params:
    """Return the params of the default preset with keys of the grid replaced, or dotted keys anywhere."""
    values = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    for key, value in changes.items():
        place = values
        *sections, last = key.split("__") if "__" in key else ("grid", key)
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    return parse_params(values)


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
    paths, written = Paths.of(params), {}
    header = {**DEVICE, "rounds": 100} | {key: value for key, value in changes.items() if key in DEVICE}
    evaluated = changes.get("num_evaluation", 656)
    for network in params.grid.networks:
        original_ms = round(float(rng.uniform(11, 12)), 4)
        blocks = {}
        for name in BLOCKS:
            reduction = round(float(rng.uniform(0.04, 0.07)), 6)
            median = original_ms * (1 - reduction)
            blocks[name] = {"median_ms": median, "reduction": reduction, "spread": 0.01, "unstable": False}
        original = {"median_ms": original_ms, "spread": 0.01, "unstable": False}
        write_result(
            paths.latency(network), "latency", {**header, "original": original, "blocks": blocks}, {}
        )
        for images in params.grid.images:
            whole = {
                "top1": 84.2,
                "top5": None,
                "num_images": evaluated,
                "gmacs": 0.1275,
                "params": 3_376_804,
            }
            write_result(paths.original(network, images), "accuracy", whole, {})
    for cell in cells(params):
        method = params.methods[cell.method]
        recoverable = method.criterion == "recoverability"
        values = [
            10 ** float(rng.uniform(-2.4, -0.6)) if recoverable else float(i) for i in range(len(BLOCKS))
        ]
        ranked = sorted(range(len(BLOCKS)), key=values.__getitem__)
        dropped = [BLOCKS[index] for index in sorted(ranked[: max(1, round(cell.target * 20))])]
        top1 = round(float(rng.normal(82.5 if recoverable else 77.0, 0.6) - 20 * (cell.target - 0.2)), 4)
        median = round(float(rng.normal(1 - cell.target, 0.004)) * 11.5, 5)
        history = [
            (
                step + 1,
                float((0.3 if recoverable else 1.2) * (0.15 + np.exp(-step / 12)) * rng.uniform(0.85, 1.15)),
                3e-4,
            )
            for step in range(60)
        ]
        reduction = 1 - median / 11.5
        scores = [{"name": name, "score": value} for name, value in zip(BLOCKS, values, strict=True)]
        write_result(
            paths.score(cell),
            "score",
            {
                "criterion": method.criterion,
                "preset": method.preset,
                "per_latency": recoverable,
                "prunes": "blocks",
                "blocks": scores,
            },
            {},
        )
        chosen = {"method": cell.method, "target_reduction": cell.target, **Pruning(dropped).describe()}
        write_result(paths.select(cell), "select", chosen, {})
        accuracy = {"top1": top1, "top5": None, "num_images": evaluated, "gmacs": 0.1, "params": 3_100_000}
        write_result(paths.accuracy(cell), "accuracy", accuracy, {})
        times = {
            "original": {"median_ms": 11.5, "spread": 0.01, "unstable": False},
            "student": {"median_ms": median, "reduction": reduction, "spread": 0.01, "unstable": False},
        }
        if params.latency.also:
            further = [{"batch_size": size, **at_batch(size, times)} for size in params.latency.also]
            header = header | {"also": further}
        write_result(paths.student_latency(cell), "latency", header | times, {})
        card = {
            "network": cell.network,
            **Pruning(dropped).describe(),
            "loss": method.loss,
            "preset": method.preset,
        }
        write_result(paths.student_card(cell), "student", {**card, "recipe": {}, "steps": len(history)}, {})
        write_csv(paths.history(cell), ("step", "loss", "lr"), history)
        written[cell] = {"top1": top1, "median_ms": median, "reduction": reduction, "dropped": dropped}
    return written
