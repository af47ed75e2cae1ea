"""How a method chooses what goes."""

from practise.pruning.params import SelectionRecipe
from practise.settings.params import Params
from practise.settings.presets.override import override


def selection_recipe(params: Params, method: str) -> SelectionRecipe:
    """How a method chooses blocks; the authors take the lowest scores."""
    recipe = params.select
    if params.methods[method].preset == "official":
        recipe = recipe.but(search=SelectionRecipe.official().search)
    return override(recipe, params, method, "select")
