"""Scores of sets of blocks that this machine keeps in `.practise/`, so that it finds each of them once.

Methods that rank blocks alike ask for the same scores, a search asks at each target for what it asked at
another, and a run that was killed asks again. What was said is kept as long as all that it follows from is
the same: network, images, settings, machine, libraries, and the code that scores.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from practise.files import write_text
from practise.machine.code import protocol
from practise.machine.hardware import glance
from practise.scoring.registry import OfSet

FOLDER = Path(".practise", "scores")
"""Where this machine's scores are kept, in the project's folder and out of git."""
ROOMS = [Path(__file__).parents[1] / room for room in ("images", "networks", "scoring")]
"""The folders with the code that scores."""
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow")
SECONDS_BETWEEN_SAVES = 5.0


class KeptScores:
    """What a criterion says of sets of blocks, now or before; nothing is opened before a set is asked for.

    Args:
        depends: gives all else that the scores follow from than machine, libraries and code, as JSON's types.
        build: gives the criterion; it is called when there is a set to score.
    """

    def __init__(self, depends: Callable[[], Sequence[Any]], build: Callable[[], OfSet]) -> None:
        self.depends, self.build = depends, cache(build)
        self.saved_at = time.monotonic()

    @cached_property
    def path(self) -> Path:
        """Where the scores are kept."""
        libraries = [version(name) for name in LIBRARIES]
        described = json.dumps([protocol(*ROOMS), libraries, glance(), *self.depends()], sort_keys=True)
        return FOLDER / f"{hashlib.sha256(described.encode()).hexdigest()[:16]}.json"

    @cached_property
    def known(self) -> dict[str, float]:
        """The score of each set that was asked for; its words are the names of its blocks."""
        return self.read()

    def __call__(self, blocks: Sequence[str]) -> float:
        """What dropping a set of blocks costs."""
        words = " ".join(blocks)
        if words not in self.known:
            self.known[words] = self.build()(blocks)
            if time.monotonic() - self.saved_at > SECONDS_BETWEEN_SAVES:
                self.save()
        return self.known[words]

    def read(self) -> dict[str, float]:
        """What is kept: nothing where the file is missing or damaged."""
        with suppress(OSError, ValueError):
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            return {str(words): float(score) for words, score in kept.items()}
        return {}

    def save(self) -> None:
        """Keep what is known, beside what others have found meanwhile."""
        if "known" in vars(self) and (more := self.known.items() - (kept := self.read()).items()):
            write_text(self.path, json.dumps(kept | dict(more), indent=0, sort_keys=True) + "\n")
        self.saved_at = time.monotonic()
