"""Mistakes that a user can mend: one small class per kind, each told in one sentence, and the nearest guess.

A message says where, what was found, what is allowed and the nearest guess. The command line prints it as
`practise: <sentence>` and exits with code 2; anything that is not a `PractiseError` is a defect of ours.
"""

import difflib
from collections.abc import Iterable


class PractiseError(Exception):
    """A mistake that the user can mend; the message is one sentence, or one sentence a line."""

    def __str__(self) -> str:
        """The message; what is no text, such as bytes of a file's name, as it can be shown."""
        return super().__str__().encode(errors="backslashreplace").decode()


class UsageError(PractiseError):
    """A command line that names an unknown command or flag, or lacks one."""


class ParamsError(PractiseError):
    """A params file that cannot be read or holds values that are not allowed; one problem a line."""


class FileError(PractiseError):
    """A result file that is missing, damaged or of another kind, or that cannot be written."""


class ImageError(PractiseError):
    """Images that are missing, damaged, unlabelled or too few."""


class CheckpointError(PractiseError):
    """A checkpoint that is missing, truncated or made for another network."""


class NetworkError(PractiseError):
    """A network that no library knows or whose structure cannot be used."""


class DeviceError(PractiseError):
    """A device or number format that this machine does not have."""


class HardwareError(PractiseError):
    """A measurement that was made on another machine."""


class SelectionError(PractiseError):
    """A latency target that the droppable blocks cannot reach."""


class RecoveryError(PractiseError):
    """A training run that diverged."""


SYNONYMS = {
    "gpu": "cuda",
    "float32": "fp32",
    "bfloat16": "bf16",
    "ce": "cross_entropy",
    "mse": "mimic",
    "profile": "study",
}
"""Words that people use for a name of ours that looks different."""


def nearest(word: object, known: Iterable[object]) -> str | None:
    """Return the known word most like `word`, or None when nothing is alike.

    Args:
        word: What was found.
        known: What is allowed.

    >>> nearest("practice", ["bp_blocks", "practise"])
    'practise'
    """
    synonym = SYNONYMS.get(str(word).lower())
    if synonym in (names := [str(name) for name in known]):
        return synonym
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(str(word).lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def guess(word: object, known: Iterable[object]) -> str:
    """Return ` Did you mean '…'?` to end a sentence with, or an empty string when nothing is alike."""
    close = nearest(word, known)
    return f" Did you mean '{close}'?" if close is not None else ""


def reason_of(error: BaseException) -> str:
    r"""Return the first line of what an error says, or its kind where it says nothing.

    >>> reason_of(ValueError("too small\n  in line 3")), reason_of(KeyboardInterrupt())
    ('too small', 'KeyboardInterrupt')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def unknown(what: str, word: object, known: Iterable[object], limit: int = 12) -> str:
    """Return the sentence end for a name that is not known, with the known names and the nearest guess.

    Args:
        what: The kind of thing that the word should name, such as `network`.
        word: What was found.
        known: What is allowed, in the order to show.
        limit: How many known names to show at most.

    >>> unknown("method", "practice", ["bp_blocks", "practise"])
    "unknown method 'practice' (known: bp_blocks, practise). Did you mean 'practise'?"
    """
    names = [str(name) for name in known]
    shown = ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
    close = guess(word, names)
    return f"unknown {what} '{word}' (known: {shown or 'none'})" + (f".{close}" if close else "")
