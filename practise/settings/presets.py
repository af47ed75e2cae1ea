"""From the params file to the recipe of a method: `official` is the authors', `default` the params file's.

A method may replace single settings of its preset (`methods.NAME.score`, `methods.NAME.recover`).
"""

from typing import TypeVar

from practise.errors import ParamsError, unknown
from practise.pruning.params import SelectionRecipe
from practise.recovery.params import LearningRates, RecoveryRecipe
from practise.schema import Section
from practise.scoring.params import RidgeRecipe, SgdRecipe
from practise.settings.params import Params

Recipe = TypeVar("Recipe", bound=Section)


def score_recipe(params: Params, method: str) -> RidgeRecipe | SgdRecipe:
    """How a method finds recoverability."""
    if params.methods[method].preset == "official":
        return override(SgdRecipe(), params, method, "score")
    return override(params.score, params, method, "score")


def ridge_recipe(params: Params, method: str) -> RidgeRecipe:
    """How adaptors are fitted where a method's recovery starts with them: as it scores, in closed form."""
    recipe = score_recipe(params, method)
    return recipe if isinstance(recipe, RidgeRecipe) else params.score


def selection_recipe(params: Params, method: str) -> SelectionRecipe:
    """How a method chooses blocks; the authors take the lowest scores."""
    recipe = params.select
    if params.methods[method].preset == "official":
        recipe = recipe.but(search=SelectionRecipe.official().search)
    return override(recipe, params, method, "select")


def recovery_recipe(params: Params, method: str) -> RecoveryRecipe:
    """How a method recovers."""
    loss = params.methods[method].loss
    if params.methods[method].preset == "official":
        recipe = RecoveryRecipe.official().but(lr=getattr(LearningRates.official(), loss))
    else:
        settings = params.recover.model_dump(exclude={"lr"})
        recipe = RecoveryRecipe(**settings, lr=getattr(params.recover.lr, loss))
    return override(recipe, params, method, "recover")


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
