"""A method may replace single settings of its preset (`methods.NAME.score`, `methods.NAME.recover`)."""

from typing import TypeVar

from practise.errors import ParamsError, unknown
from practise.schema import Section
from practise.settings.params import Params

Recipe = TypeVar("Recipe", bound=Section)


def override(recipe: Recipe, params: Params, method: str, stage: str) -> Recipe:
    """The recipe with the settings that a method replaces.

    Args:
        recipe: what the method's preset says.
        params: the params.
        method: an entry of the section methods.
        stage: `score`, `select` or `recover`.

    Raises:
        ParamsError: the recipe has no such setting.
    """
    replaced, known = params.methods[method].overrides(stage), type(recipe).model_fields
    for name in replaced:
        if name not in known:
            where = f"{params.study.file}: methods.{method}.{stage}"
            raise ParamsError(
                f"{where}: this preset has {unknown('setting', name, known).replace('unknown', 'no', 1)}"
            )
    return recipe.but(**replaced)
