"""The stages: files in, one library call, files out; and what is said of each, once.

Each module is a command of the same name (`practise score`) and holds:

- a docstring, whose first line `practise --help` shows;
- `run(params: Params, *, …) -> None`, whose keyword-only arguments are the flags: `num_images: int` is
  `--num-images`, its help is its line in the docstring's `Args:`. A flag is a `str`, `int`, `float`, `bool`,
  `Path` or `Literal`, a union of them, or one of these `| None` with the default None. Every `Path` that is
  not an output is an input and must exist; arguments called `network`, `images` and `method` must name an
  entry of that section of the params file.

`opening` is what several of them open, `timing` how several of them measure. A new stage is one file here and
one entry in `STAGES`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

PLACE = re.compile(r"\{([\w.]+)\}")
"""A place in a key that a job of the grid, or another key of the params, fills in."""


@dataclass(frozen=True)
class Stage:
    """What is said of a stage.

    Attributes:
        outputs: The arguments that are written, the main one first.
        reads: The keys of the params that shape the result; their hash stands in it. `{network}` is the
            stage's argument of that name, `{rank.method}` what stands at that key of the params.
        opens: Further keys that are read only to find or open something; a change of theirs runs the stage
            again, too.
        seconds: What a job of the embedded default takes on two cores, its start included.
        timed: Whether it measures time: idle threads spin, as they do where a network is served, and nothing
            may run beside a job that does (`select` has some that do not: `presets.select.measures_time`).
        torch: Whether it always needs torch, which is then set up before it starts; others set it up
            themselves when they do.
    """

    outputs: tuple[str, ...]
    reads: tuple[str, ...]
    opens: tuple[str, ...] = ()
    seconds: float = 3.0
    timed: bool = False
    torch: bool = True

    def keys(self, **items: str) -> list[str]:
        """Return the keys that shape the result of one job.

        Args:
            items: What stands in the places, by name; a key with a place that has nothing is left out.
        """
        return _filled(self.reads, items.get)

    def watched(self, find: Callable[[str], str | None]) -> list[str]:
        """Return all keys that one job reads.

        Args:
            find: From a place to what stands in it; a key with a place that has None is left out.
        """
        return list(dict.fromkeys(_filled((*self.reads, *self.opens), find)))


def _filled(keys: Iterable[str], find: Callable[[str], str | None]) -> list[str]:
    fillable = [key for key in keys if None not in map(find, PLACE.findall(key))]
    return [PLACE.sub(lambda place: str(find(place[1])), key) for key in fillable]


NETWORK, IMAGES, METHOD = "networks.{network}", "images.{images}", "methods.{method}"

STAGES: Mapping[str, Stage] = {
    "hardware": Stage(("out",), reads=("device",), seconds=4),
    "images": Stage(("out",), reads=(IMAGES,), opens=("data.root",), seconds=2, torch=False),
    "teacher": Stage(
        ("weights", "card"),
        reads=(NETWORK, "teacher", "device", "images.{head}"),
        opens=("images", "data.root"),  # which images the head is fitted on stands in another key
        seconds=22,
    ),
    "original": Stage(
        ("out", "logits"), reads=(NETWORK, IMAGES, "evaluate", "device"), opens=("data.root",), seconds=5
    ),
    "sample": Stage(("out",), reads=(IMAGES,), opens=("data.root",), seconds=1, torch=False),
    "latency": Stage(("out",), reads=(NETWORK, "latency", "device"), seconds=102, timed=True),
    "score": Stage(
        ("out",),
        reads=(NETWORK, IMAGES, METHOD, "score", "device"),
        opens=("data.root",),
        seconds=1,
        torch=False,
    ),
    "select": Stage(
        ("out",),
        reads=(METHOD, "select", "score", "latency", "device"),
        opens=(IMAGES, "data.root"),
        seconds=5,
        timed=True,
        torch=False,
    ),
    "measure": Stage(("out",), reads=(NETWORK, "latency", "device", "grid"), seconds=35, timed=True),
    "recover": Stage(
        ("student", "card", "history"),
        reads=(NETWORK, IMAGES, METHOD, "recover", "score", "device"),
        opens=("data.root",),
        seconds=8,
    ),
    "evaluate": Stage(
        ("out", "lost"), reads=(NETWORK, IMAGES, "evaluate", "device"), opens=("data.root",), seconds=2.5
    ),
    "rank": Stage(
        ("out", "lost"),
        reads=(
            *(NETWORK, IMAGES, "rank.criteria", "rank.targets", "rank.searches", "rank.sets"),
            *("rank.sets_per_target", "rank.most_images", "rank.method", "methods.{rank.method}"),
            *("score", "select", "recover", "evaluate", "device"),
        ),
        opens=("data.root",),
        seconds=88,
    ),
    "synthesize": Stage(
        ("out", "sheet"),
        reads=(NETWORK, "synthesize", "sources.blocks", "sources.images", "device"),
        opens=("images",),  # of what kind they are
        seconds=91,
    ),
    "sources": Stage(
        ("out",),
        reads=(
            *(NETWORK, IMAGES, "sources.blocks", "sources.methods", "methods"),
            *("score", "recover", "evaluate", "device"),
        ),
        opens=("images.{sources.evaluation}", "data.root"),
        seconds=18,
    ),
    "tables": Stage(
        ("out",), reads=("grid", "methods", "networks", "rank", "sources"), seconds=2, torch=False
    ),
    "figures": Stage(("out",), reads=(), seconds=13, torch=False),
}
"""Every stage, in the order of the pipeline."""
