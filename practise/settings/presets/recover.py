"""How a method recovers."""

from practise.recovery.params import LearningRates, RecoveryRecipe
from practise.settings.params import Params
from practise.settings.presets.override import override


def recovery_recipe(params: Params, method: str) -> RecoveryRecipe:
    """How a method recovers."""
    loss = params.methods[method].loss
    if params.methods[method].preset == "official":
        recipe = RecoveryRecipe.official().but(lr=getattr(LearningRates.official(), loss))
    else:
        settings = params.recover.model_dump(exclude={"lr"})
        recipe = RecoveryRecipe(**settings, lr=getattr(params.recover.lr, loss))
    return override(recipe, params, method, "recover")
