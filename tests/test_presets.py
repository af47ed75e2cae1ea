"""From the params file to recipes: the authors' numbers, the file's numbers, and what a method replaces."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from practise.errors import ParamsError
from practise.scoring.params import RidgeRecipe, SgdRecipe
from practise.settings.presets.recover import recovery_recipe
from practise.settings.presets.score import score_recipe
from practise.settings.problems import check_values

VALUES = yaml.safe_load((Path(__file__).parents[1] / "params.yaml").read_text())


def with_method(**method: Any):
    entry = {"criterion": "recoverability", "loss": "mimic", "preset": "official", **method}
    return check_values({**VALUES, "methods": {**VALUES["methods"], "mine": entry}})


def test_official_is_the_authors_recipe_whatever_the_file_says():
    params = with_method()
    assert score_recipe(params, "mine") == SgdRecipe(
        steps=2000, lr=0.02, momentum=0.9, weight_decay=1e-4, batch_size=64, batches="distinct", dtype="fp32"
    )
    recipe = recovery_recipe(params, "mine")
    assert (recipe.steps, recipe.lr, recipe.optimizer, recipe.batch_size) == (2000, 0.02, "sgd", 64)
    assert (recipe.batch_norm, recipe.start, recipe.views) == ("train", "weights", None)
    assert (recipe.batches, recipe.schedule, recipe.smallest_crop) == ("distinct", "steps", 0.08)
    assert (recipe.mixing, recipe.dtype) == (False, "fp32")
    assert recovery_recipe(with_method(loss="cross_entropy"), "mine").lr == 1e-4


def test_default_is_the_files_recipe():
    params = with_method(preset="default")
    assert score_recipe(params, "mine") == RidgeRecipe(**VALUES["score"])
    recipe = recovery_recipe(params, "mine")
    assert (recipe.steps, recipe.lr) == (VALUES["recover"]["steps"], VALUES["recover"]["lr"]["mimic"])
    assert (recipe.optimizer, recipe.schedule, recipe.batches) == ("adamw", "one_cycle", "full")
    for setting in ("batch_norm", "start", "mixing", "views", "smallest_crop", "weight_decay", "dtype"):
        assert getattr(recipe, setting) == VALUES["recover"][setting]


def test_a_method_replaces_single_settings():
    params = with_method(
        score={"steps": 10}, recover={"steps": 5, "batch_norm": "adapted", "start": "adaptors"}
    )
    assert score_recipe(params, "mine") == SgdRecipe(steps=10)
    recipe = recovery_recipe(params, "mine")
    assert (recipe.steps, recipe.lr, recipe.batch_norm, recipe.start) == (5, 0.02, "adapted", "adaptors")


def test_a_setting_that_the_preset_does_not_have_is_refused():
    with pytest.raises(ParamsError) as error:
        score_recipe(with_method(score={"ridge": 0.1}), "mine")
    assert str(error.value) == (
        "params.yaml: methods.mine.score: this preset has no setting 'ridge' "
        "(known: steps, lr, momentum, weight_decay, batch_size, batches, dtype)"
    )
