"""How a method chooses what goes."""

from practise.pruning.params import SelectionRecipe
from practise.scoring.registry import CRITERIA
from practise.settings.params import Params
from practise.settings.presets.override import override


def selection_recipe(params: Params, method: str) -> SelectionRecipe:
    """How a method chooses blocks; the authors take the lowest scores."""
    recipe = params.select
    if params.methods[method].preset == "official":
        recipe = recipe.but(search=SelectionRecipe.official().search)
    return override(recipe, params, method, "select")


def measures_time(params: Params, method: str, target: float) -> bool:
    """Whether sets of blocks are measured for a target: one that is a share of the latency, met by blocks."""
    is_latency = target < 1 and selection_recipe(params, method).match == "latency"
    return is_latency and CRITERIA[params.methods[method].criterion].prunes == "blocks"
