"""The methods that the paper names, and doing less: how each is called and drawn, alike everywhere.

Others go by their key and take a spare style; a variant such as `mir_official` takes a shade of `mir`.
"""

from collections.abc import Mapping
from typing import NamedTuple


class MethodStyle(NamedTuple):
    """How a method is drawn."""

    color: str
    marker: str


class Method(NamedTuple):
    """How a method is called and drawn."""

    title: str
    color: str
    marker: str

    @property
    def style(self) -> MethodStyle:
        """How it is drawn."""
        return MethodStyle(self.color, self.marker)


# After Paul Tol's "vibrant" scheme; markers differ too, so that no figure depends on colour alone.
METHODS: Mapping[str, Method] = {
    "practise": Method("PRACTISE", "#0077BB", "o"),
    "bp_blocks": Method("BP (blocks)", "#EE7733", "s"),
    "mir": Method("MiR", "#009988", "^"),
    "cd": Method("CD", "#CC3311", "D"),
    "fskd": Method("FSKD", "#EE3377", "v"),
    "kd": Method("KD", "#7E4FA8", "P"),
    "bp_filters": Method("BP (filters)", "#A67C00", "X"),
    "no_recovery": Method("no recovery", "#888888", "h"),
    "start": Method("start alone", "#66CCEE", "p"),
}


def method_title(method: str) -> str:
    """Return how `method` is called in tables and figures.

    >>> method_title("practise"), method_title("practise_official"), method_title("mine")
    ('PRACTISE', 'PRACTISE official', 'mine')
    """
    base = base_method(method)
    if base is None:
        return method
    return f"{METHODS[base].title}{method.removeprefix(base).replace('_', ' ')}"


def base_method(method: str) -> str | None:
    """Return which of the paper's methods `method` is or varies, if it is one.

    >>> base_method("practise_official"), base_method("cd"), base_method("mine")
    ('practise', 'cd', None)
    """
    known = (name for name in METHODS if method == name or method.startswith(f"{name}_"))
    return next(known, None)
