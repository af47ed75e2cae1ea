"""Which number format and memory layout is fastest here, forward and in training?

    python -m benchmarks.formats

`dtype: auto` goes by a rule, so that the same machine always computes the same; this is where the rule is
checked.
"""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks.case import SHARED, Case, ask, main, one_cell
from benchmarks.report import bars, machine_line, publish, roof_line, seconds_of
from practise.machine.devices import prepare_environment
from practise.settings.reading import load_params

PASSES = 5


def run() -> None:
    """Time a batch forward and in training, in each format and layout."""
    asked = ask(__doc__.partition("\n")[0])
    prepare_environment(load_params(asked.params_file).device)
    import torch

    from practise.machine.devices import training_dtype
    from practise.networks.features import in_format

    case = Case(SHARED, asked, one_cell(asked))
    params, cell = case.params, case.cell
    case.prepare([])
    teacher, device = case.open_original()
    network, size = teacher.network, teacher.preprocessing.image_size
    batch = params.recover.batch_size
    images = torch.randn(batch, 3, size, size, device=device)
    raw: list[dict[str, Any]] = []
    for layout in (torch.contiguous_format, torch.channels_last):
        network.to(memory_format=layout)
        views = images.contiguous(memory_format=layout)
        for dtype in (torch.float32, torch.bfloat16):
            compute = in_format(network, device, dtype)

            def forward() -> None:
                with torch.no_grad():
                    compute(views)  # noqa: B023 - called before the loop goes on

            def train() -> None:
                network.zero_grad(set_to_none=True)
                compute(views).square().mean().backward()  # noqa: B023

            for work, timed in {"forward": forward, "training step": train}.items():
                name = f"{str(dtype).removeprefix('torch.')}, {str(layout).removeprefix('torch.')}"
                raw.append({"work": work, "format": name, "ms": 1e3 * seconds_of(timed, device, PASSES)})
    frame = pd.DataFrame(raw)
    wide = frame.pivot(index="format", columns="work", values="ms")
    rows = [
        {
            "Format": name,
            "Forward ms": f"{wide['forward'][name]:.0f}",
            "Ratio": f"{wide['forward'].max() / wide['forward'][name]:.1f}×",
            "Training step ms": f"{wide['training step'][name]:.0f}",
            "Its ratio": f"{wide['training step'].max() / wide['training step'][name]:.1f}×",
        }
        for name in frame["format"].unique()
    ]
    chosen = str(training_dtype("auto", network, device)).removeprefix("torch.")
    notes = [
        f"{cell.network}, {batch} images at {size} px, the fastest of {PASSES}; `auto` trains in {chosen}.",
        machine_line(case.hardware, params.device.threads),
        roof_line(device),
    ]

    def draw(axes: plt.Axes) -> None:
        bars(axes, list(wide.index), list(wide["training step"]), "training step (ms)")

    publish(case, "formats", "Number formats and layouts", frame, rows, notes, draw)


if __name__ == "__main__":
    main(run)
