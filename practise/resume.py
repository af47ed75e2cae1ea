"""A long computation's state on disk, so that a run that was killed goes on where it was.

The state belongs to one question: it carries a key made of everything that shapes the answer, and is ignored
when the key is another. It lies beside the result under a hidden name and goes away when the result is
written.
"""

import hashlib
import json
import pickle
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from practise.files import atomic

SECONDS_BETWEEN_SAVES = 20.0
Answer = TypeVar("Answer")


class Resume:
    """Saves a state now and then, and finds it again.

    Args:
        result: the file that the computation will write.
        key: everything that shapes the result, as plain values.
    """

    def __init__(self, result: Path, key: Any) -> None:
        self.path = result.with_name(f".{result.name}.resume")
        self.key = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        self.saved_at = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The state of a killed run of the same question, or None."""
        try:
            content = torch.load(self.path, weights_only=True, map_location="cpu")
        except (
            OSError,
            RuntimeError,
            ValueError,
            EOFError,
            KeyError,
            pickle.UnpicklingError,
        ):
            return None  # there is none, or it is damaged: start again
        return content["state"] if isinstance(content, dict) and content.get("key") == self.key else None

    def save_now_and_then(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save the state that `state` gives if the last save was a while ago."""
        if time.monotonic() - self.saved_at > SECONDS_BETWEEN_SAVES:
            with atomic(self.path) as temporary:
                torch.save({"key": self.key, "state": state()}, temporary)
            self.saved_at = time.monotonic()

    def finish(self) -> None:
        """Remove the state: the result is written."""
        self.path.unlink(missing_ok=True)


class Answers:
    """Numbers and tensors by name, each computed once; a run that was killed finds those that it had.

    Args:
        resume: where they are kept meanwhile.
    """

    def __init__(self, resume: Resume) -> None:
        self.resume = resume
        self.known: dict[str, Any] = resume.load() or {}

    def find(self, name: str, compute: Callable[[], Answer]) -> Answer:
        """The answer of that name, computed if it is not known yet."""
        if name not in self.known:
            self.known[name] = compute()
            self.resume.save_now_and_then(lambda: self.known)
        answer: Answer = self.known[name]
        return answer

    def remember(
        self, name: str, compute: Callable[[Sequence[str]], Answer]
    ) -> Callable[[Sequence[str]], Answer]:
        """A function of several words whose answers are remembered."""
        return lambda words: self.find(f"{name} {' '.join(words)}", lambda: compute(words))
