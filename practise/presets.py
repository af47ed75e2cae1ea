"""From the params file to the recipe of a method: `official` is the authors', `default` the params file's.

A method may replace single settings of its preset (`methods.NAME.score`, `methods.NAME.recover`).
"""

from practise.params import Params
from practise.recipes import override
from practise.recoverability import RidgeRecipe, SgdRecipe
from practise.recovery import OFFICIAL, RecoveryRecipe


def score_recipe(params: Params, method: str) -> RidgeRecipe | SgdRecipe:
    """How a method finds recoverability."""
    chosen, where = params.methods[method], f"{params.profile.file}: methods.{method}.score"
    if chosen.preset == "official":
        return override(SgdRecipe(), chosen.overrides("score"), where)
    return override(RidgeRecipe(**params.score.model_dump()), chosen.overrides("score"), where)


def ridge_recipe(params: Params, method: str) -> RidgeRecipe:
    """How adaptors are fitted where a method's recovery starts with them: as it scores, in closed form."""
    recipe = score_recipe(params, method)
    return recipe if isinstance(recipe, RidgeRecipe) else RidgeRecipe(**params.score.model_dump())


def recovery_recipe(params: Params, method: str) -> RecoveryRecipe:
    """How a method recovers."""
    chosen, where = params.methods[method], f"{params.profile.file}: methods.{method}.recover"
    if chosen.preset == "official":
        return override(OFFICIAL[chosen.loss], chosen.overrides("recover"), where)
    settings = params.recover.model_dump()
    settings["lr"] = settings["lr"][chosen.loss]
    return override(RecoveryRecipe(**settings), chosen.overrides("recover"), where)
