"""How a method scores."""

from practise.scoring.params import RidgeRecipe, SgdRecipe
from practise.settings.params import Params
from practise.settings.presets.override import override


def score_recipe(params: Params, method: str) -> RidgeRecipe | SgdRecipe:
    """How a method finds recoverability."""
    if params.methods[method].preset == "official":
        return override(SgdRecipe(), params, method, "score")
    return override(params.score, params, method, "score")


def ridge_recipe(params: Params, method: str) -> RidgeRecipe:
    """How adaptors are fitted where a method's recovery starts with them: as it scores, in closed form."""
    recipe = score_recipe(params, method)
    return recipe if isinstance(recipe, RidgeRecipe) else params.score
