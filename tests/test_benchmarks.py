"""The benchmarks' own arithmetic, and that what they ask for is a params file that the pipeline takes."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks import ablation, end_to_end, harm, latency, synthesis, train_vit, variants
from benchmarks.case import Asked, Case, one_cell, setting
from benchmarks.report import gflop_of, matmul_gflops
from practise.errors import ParamsError
from practise.evaluation.lost import Lost
from practise.networks.building import build_untrained
from practise.networks.params import NetworkParams
from practise.recovery.params import RecoveryRecipe
from practise.recovery.recover import Recovered
from practise.resume import Resume
from practise.settings.reading import load_params
from practise.synthesis.params import SynthesisRecipe

ROOT = Path(__file__).parents[1]
STUDIES = ["params.yaml", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("studies/*/params.yaml"))]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a benchmark finds what it reads, and writes."""
    for name in (*STUDIES, "dvc.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("study", STUDIES)
def test_the_quick_form_has_one_setting_and_all_seeds(project: Path, study: str) -> None:
    asked = Asked(Path(study), full=False, keep=False)
    case, whole = Case("x", asked, one_cell(asked)), load_params(Path(study))
    grid = case.params.grid
    assert (len(grid.networks), len(grid.num_images), len(grid.targets)) == (1, 1, 1)
    assert grid.seeds == whole.grid.seeds
    assert grid.targets[0] == whole.grid.targets[-1]
    assert case.params.study.file == f"results/bench-x-{whole.study.name}/params.yaml"
    assert (project / case.params.study.file).is_file()


@pytest.mark.parametrize("batch_norm", ["frozen", "adapted"])
def test_each_variant_differs_from_the_default_in_one_thing(batch_norm: str) -> None:
    default = RecoveryRecipe(steps=30, batch_size=8, lr=1e-3, batch_norm=batch_norm, views=4, dtype="fp32")
    tried = ablation.variants("lowest", default, RecoveryRecipe.official())
    assert (tried[0].search, tried[0].recipe) == ("lowest", default)
    assert len({variant.title for variant in tried}) == len(tried)
    assert len({(variant.search, variant.recipe, variant.combined) for variant in tried}) == len(tried)
    (by_r,) = [variant for variant in tried if not variant.combined]
    assert (by_r.search, by_r.recipe) == ("lowest", default)
    changed = {
        variant.title: {key for key, value in variant.recipe if value != getattr(default, key)}
        for variant in tried
        if variant.search == "lowest" and variant.combined and "authors" not in variant.title
    }
    assert [len(keys) for keys in changed.values()] == [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]
    others = {variant.search: variant.recipe for variant in tried if variant.search != "lowest"}
    assert others == {"knapsack": default, "progressive": default}


@pytest.mark.parametrize("coarse", [0.0, 0.5])
def test_each_way_to_make_images_is_another(coarse: float) -> None:
    recipe = SynthesisRecipe(coarse=coarse)
    tried = synthesis.variants(recipe)
    assert tried[synthesis.WHOLE] == recipe
    assert len({made.model_dump_json() for made in tried.values()}) == len(tried)


def test_a_network_is_compared_image_by_image() -> None:
    kl = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    nothing = Lost(kl, np.array([True, True, False, False]))
    ours = Lost(kl - np.array([0.1, 0.0, 0.1, 0.0], np.float32), np.array([True, True, True, False]))
    told = harm.compared(ours, nothing, ours)
    assert (told["top1"], told["top1_gain_over_nothing"]) == (75.0, 25.0)
    assert told["kl_gain_over_nothing"] == pytest.approx(0.05)
    assert told["kl_gain_over_nothing_error"] == pytest.approx(np.std([0.1, 0, 0.1, 0], ddof=1) / 2, rel=1e-5)
    assert told["kl_gain_over_official"] == told["kl_gain_over_official_error"] == 0
    frame = pd.DataFrame([told, harm.compared(nothing, ours, ours)])
    assert harm.worse(frame, "kl_gain_over_nothing") == "1 of 2"
    assert harm.worse(frame, "kl_gain_over_official") == "1 of 2"


def test_the_authors_get_as_many_steps_as_ours_cost() -> None:
    recipe = RecoveryRecipe(steps=12, batch_size=32)
    plain = Recovered(nn.Identity(), [], None, None)
    assert harm.equal_steps(recipe, plain, folds=2, count=50) == math.ceil((12 * 32 + 50 / 3) / 50)
    fitted = replace(plain, start={"tried": [{}] * 5})
    assert harm.equal_steps(recipe, fitted, folds=2, count=50) == math.ceil((12 * 32 + 11 * 50 / 3) / 50)
    assert harm.equal_steps(recipe.but(steps=0), plain, folds=2, count=500) == math.ceil(500 / 3 / 64)


def test_settings_replace_entries_of_the_study(project: Path) -> None:
    grid, rank = ("grid.num_images=[20, 50]", "grid.seeds=[7]"), ("rank.num_images=[20]", "rank.seeds=[7]")
    settings = dict(map(setting, [*grid, *rank, "study.name=other"]))
    asked = Asked(Path("params.yaml"), full=False, keep=True, settings=settings)
    case = Case("x", asked, one_cell(asked))
    assert (list(case.params.grid.num_images), list(case.params.grid.seeds)) == ([20], [7])
    assert case.kept == Path("docs", "benchmarks", "other")


@pytest.mark.parametrize("study", STUDIES)
def test_methods_of_a_benchmarks_own_are_compared_too(project: Path, study: str) -> None:
    asked = Asked(Path(study), full=False, keep=False)
    mine = {"criterion": "recoverability", "loss": "mimic", "preset": "default"}
    case = Case("x", asked, {"methods": {"mine": mine}, "grid.methods": ["mine"]} | one_cell(asked))
    assert case.params.rank.method == "mine"
    assert case.params.sources.methods == ("mine",)


def test_a_setting_of_no_section_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"grids\.seeds: the params have no section `grids`"):
        Asked(Path("params.yaml"), full=False, keep=False, settings={"grids.seeds": [1]}).values()


def test_a_misspelt_change_is_refused_like_any_params_file(project: Path) -> None:
    asked = Asked(Path("params.yaml"), full=False, keep=False)
    with pytest.raises(ParamsError, match="grid.sedes: unknown key .*Did you mean 'seeds'"):
        Case("x", asked, {"grid.sedes": [1]})


def test_operations_are_counted_forward_and_backward() -> None:
    layer, x = nn.Linear(64, 32, bias=False), torch.randn(16, 64, requires_grad=True)
    forward = 2 * 16 * 64 * 32 / 1e9
    assert gflop_of(lambda: layer(x)) == pytest.approx(forward)
    assert gflop_of(lambda: layer(x).sum().backward()) == pytest.approx(3 * forward)


@pytest.mark.timed
def test_the_matrix_rate_is_a_rate() -> None:
    slow, fast = (matmul_gflops(torch.float32, torch.device("cpu"), passes) for passes in (1, 3))
    assert 0.1 < slow / fast < 10


def test_latencies_that_add_up_have_no_error_and_noise_is_what_is_told() -> None:
    noise = [0.01, -0.01]
    rows = [
        {"design": "d", "repeat": repeat, "block": block, "seconds": 2.0, "reduction": 0.1 + noise[repeat]}
        for repeat in (0, 1)
        for block in ("a", "b")
    ]
    rows += [
        {"design": "set", "repeat": repeat, "block": "a, b", "seconds": 0.0, "reduction": 0.2}
        for repeat in (0, 1)
    ]
    frame = pd.DataFrame(rows)
    row = latency.summarise(frame[frame["design"] == "d"], frame, [["a", "b"]], "d")
    assert row["Sum minus set (points)"] == "+0.0"
    assert row["Standard deviation (mean, points)"] == f"{100 * 0.02 / 2**0.5:.2f}"
    assert row["Error of one repeat's sum (points, rms)"] == "2.00"


def test_a_single_run_has_no_spread() -> None:
    assert variants.pm(pd.Series([1.25]), 1) == "1.2"
    assert variants.pm(pd.Series([1.0, 3.0]), 1) == "2.0 ± 1.4"


def test_the_quick_official_recipe_is_the_authors_but_for_its_steps() -> None:
    assert {key for stage in end_to_end.QUICK.values() for key in stage} == {"steps"}


def test_the_learning_rate_rises_and_falls_once() -> None:
    rates = [round(train_vit.one_cycle(done), 2) for done in (0, 0.1, 0.2, 0.6, 1)]
    assert rates == [0.0, 0.5, 1.0, 0.5, 0.0]


def test_images_are_moved_and_mirrored_whole() -> None:
    images = torch.randint(1, 256, (64, 3, 5, 6), dtype=torch.uint8)
    moved = train_vit.augment(images, 1, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1))
    ways = set()
    for image, found in zip(padded, moved, strict=True):
        possible = {
            (down, right, mirrored): part.flip(2) if mirrored else part
            for down in range(3)
            for right in range(3)
            for mirrored in (False, True)
            for part in [image[:, down : down + 5, right : right + 6]]
        }
        matching = [way for way, part in possible.items() if torch.equal(part, found)]
        assert len(matching) == 1
        ways.update(matching)
    assert len(ways) > 14  # of 18
    still = train_vit.augment(images, 0, torch.Generator().manual_seed(0))
    assert all(
        torch.equal(part, image) or torch.equal(part, image.flip(2))
        for part, image in zip(still, images, strict=True)
    )


def test_a_training_that_was_killed_goes_on_to_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("practise.resume.SECONDS_BETWEEN_SAVES", -1.0)
    spec = NetworkParams(
        library="timm",
        architecture="vit_tiny_patch16_384",
        weights="vit.safetensors",
        image_size=14,
        head=None,
        options={"patch_size": 7, "embed_dim": 12, "depth": 1, "num_heads": 3},
    )
    recipe = train_vit.Recipe(epochs=2, batch_size=4)
    images = torch.randint(0, 256, (12, 3, 14, 14), dtype=torch.uint8)
    labels = torch.arange(12) % 3

    def train(name: str, calls: int) -> nn.Module:
        """Train, and be killed before that many steps are done."""
        left = iter(range(calls))

        def normalise(views: torch.Tensor) -> torch.Tensor:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return views / 255

        torch.manual_seed(0)
        network = build_untrained(spec, num_classes=3)
        train_vit.train_(
            network, normalise, images, labels, recipe, torch.float32, Resume(tmp_path / name, [])
        )
        return network

    whole = train("whole", 6).state_dict()
    with pytest.raises(KeyboardInterrupt):
        train("killed", 4)
    resumed = train("killed", 2).state_dict()
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())
