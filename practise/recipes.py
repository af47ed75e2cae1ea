"""Recipes: the settings of a score or a recovery, whole and frozen: a preset and what a method replaces."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from practise.errors import ParamsError, unknown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Recipe = TypeVar("Recipe", bound=DataclassInstance)


def override(recipe: "Recipe", overrides: Mapping[str, Any], where: str) -> "Recipe":
    """The recipe with some of its settings replaced.

    Args:
        recipe: a preset.
        overrides: settings by name.
        where: the overrides' place in the params file, for messages.

    Raises:
        ParamsError: the recipe has no such setting.
    """
    known = [field.name for field in fields(recipe)]
    for name in overrides:
        if name not in known:
            raise ParamsError(
                f"{where}: this preset has {unknown('setting', name, known).replace('unknown', 'no', 1)}"
            )
    return replace(recipe, **overrides)
