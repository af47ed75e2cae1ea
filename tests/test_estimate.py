"""The forecast of hours: counted as the pipeline works, at a pace that is measured."""

import re
from pathlib import Path

import pytest
import torch
from render_results import make_params

from practise.commands.estimate import (
    ASSUMED_TRAIN,
    PRECISE,
    SETS_TRIED,
    THINNER_TRIES,
    Pace,
    count_evaluation,
    estimate,
    foretell,
    measure_pace,
)
from practise.recovery.fitting import MOST_TRIED
from practise.settings.grid import cells, rank_trials, source_trials
from practise.settings.params import Params

PACE = Pace(train=0.01, forward=0.001, blocks=9)
IMAGES = 656


def hours(params: Params, clock: Pace = PACE) -> dict[str, float]:
    """The forecast at one pace for all networks, and at another where latency is measured."""
    paces, clocks = (dict.fromkeys(params.grid.networks, pace) for pace in (PACE, clock))
    return foretell(params, paces, clocks, dict.fromkeys(params.grid.images, IMAGES))


def fitting(params: Params) -> float:
    """Seconds of a start that fits, on 50 images."""
    return (MOST_TRIED * params.score.folds + 1) * 50 * PACE.forward


def test_latency_is_timed_at_the_pace_of_its_own_device() -> None:
    params = make_params()
    told, slow = hours(params), hours(params, Pace(train=0.0, forward=3 * PACE.forward, blocks=9))
    for stage in ("latency", "measure"):
        assert slow[stage] == pytest.approx(3 * told[stage])
    for stage in ("recover", "evaluate"):
        assert slow[stage] == told[stage]


def test_hours_are_images_times_pace() -> None:
    params = make_params()
    told, grid, recover = hours(params), cells(params), params.recover
    steps = {"bp_blocks": 24, "practise": recover.steps}
    trained = sum(steps[cell.method] * recover.batch_size for cell in grid)
    fitted = sum(cell.method == "practise" for cell in grid)
    assert told["recover"] == pytest.approx((trained * PACE.train + fitted * fitting(params)) / 3600)
    timed = 2 * 3 * PRECISE * params.latency.rounds * params.latency.batch_size
    looked = [
        cell for cell in grid if cell.method == "practise"
    ]  # the other drops the same blocks every time
    assert told["evaluate"] == pytest.approx(len(grid) * IMAGES * PACE.forward / 3600)
    choices = len(looked) + len({cell.target for cell in grid})
    assert told["measure"] == pytest.approx(3 * choices * timed * PACE.forward / 3600)
    pairs = len(params.grid.networks) * (PACE.blocks + 1 + THINNER_TRIES * len(params.latency.thinner or ()))
    assert "select" not in told  # numbers of blocks need no clock
    assert told["latency"] == pytest.approx(pairs * timed * PACE.forward / 3600)
    made = params.synthesize.steps * params.synthesize.num_images
    assert told["synthesize"] == pytest.approx(made * PACE.train / 3600)
    assert params.sources.methods == ("start", "practise")
    one = recover.steps * recover.batch_size * PACE.train + 2 * fitting(params) + 3 * IMAGES * PACE.forward
    assert told["sources"] == pytest.approx(len(source_trials(params)) * one / 3600)


@pytest.mark.parametrize(("most_images", "looked_at"), [(100, 100), (None, IMAGES), (5000, IMAGES)])
def test_a_comparison_recovers_each_block_alone_random_sets_and_all_choices(
    most_images: int | None, looked_at: int
) -> None:
    params = make_params(
        targets=[2, 3, 4], rank__targets=[2, 4], rank__sets=10, rank__sets_per_target=3,
        rank__criteria=["random", "latency", "recoverability"], rank__searches=["lowest", "progressive"],
        rank__most_images=most_images, rank__method="practise",
    )  # fmt: skip
    one = params.recover.steps * params.recover.batch_size * PACE.train + looked_at * PACE.forward
    one += fitting(params)
    sets = PACE.blocks + 10 + 2 * (3 + 1 + 2 + 2)  # places, as random gives, are searched in one way
    assert hours(params)["rank"] == pytest.approx(len(rank_trials(params)) * sets * one / 3600)


def test_a_pass_scores_all_blocks_or_one_and_adaptors_of_closed_form_take_two() -> None:
    passes = {"block_influence": 1, "concept_masks": 1, "output_divergence": 9, "combined_recoverability": 18}
    for preset in ("default", "official"):
        for criterion, times in passes.items():
            method = {"criterion": criterion, "loss": "mimic", "preset": preset}
            params = make_params(
                methods=["other"], methods__other=method, seeds=[0], targets=[2], rank__method="other"
            )
            assert hours(params)["score"] == pytest.approx(times * 50 * PACE.forward / 3600)


def test_the_authors_score_takes_training_and_ours_passes() -> None:
    official = {"criterion": "recoverability", "loss": "mimic", "preset": "official"}
    theirs = hours(make_params(methods=["official"], seeds=[0], targets=[2], methods__official=official))
    ours = hours(make_params(methods=["practise"], seeds=[0], targets=[2]))
    assert theirs["score"] == pytest.approx(9 * 2000 * 50 * PACE.train / 3600)
    assert ours["score"] == pytest.approx(2 * 9 * 50 * PACE.forward / 3600)


def test_all_images_are_counted_or_assumed_and_a_step_sees_no_more_of_them_than_a_batch(
    tmp_path: Path,
) -> None:
    missing = {"source": "folder", "train": str(tmp_path / "no"), "evaluation": str(tmp_path / "nor")}
    official = {"criterion": "recoverability", "loss": "mimic", "preset": "official"}
    changed = {"criterion": "feature_change", "loss": "mimic", "preset": "default"}
    params = make_params(
        images=["elpv", "mine"], images__mine=missing, num_images=["all"], seeds=[0], targets=[2],
        methods=["official", "changed"], methods__official=official, methods__changed=changed,
        rank__method="changed",
    )  # fmt: skip
    told = hours(params)
    trained = 2 * 9 * 2000 * 64 * PACE.train
    passed = 9 * (2624 - 656 + ASSUMED_TRAIN) * PACE.forward
    assert told["score"] == pytest.approx((trained + passed) / 3600)


def test_sets_of_blocks_are_measured_for_shares_of_the_latency_and_what_blocks_save_for_filters() -> None:
    params = make_params(targets=[0.2], latency__thinner=[0.2, 3])
    told, rounds = hours(params), PRECISE * params.latency.rounds
    timed = 2 * 3 * rounds * PACE.forward / 3600
    sets = len(params.grid.seeds) + 1  # the first blocks are the same with every seed
    assert told["select"] == pytest.approx(sets * SETS_TRIED * timed)
    assert told["latency"] == pytest.approx((PACE.blocks + 1 + 2 * THINNER_TRIES + 1) * timed)


@pytest.mark.timed
def test_the_pace_of_a_real_network_is_measured() -> None:
    params = make_params()
    pace = measure_pace(params, "efficientnet_lite0", torch.device("cpu"))
    assert pace.blocks == 9
    assert 0 < pace.forward < pace.train < 5


def test_the_command_tells_hours_and_what_it_assumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {"source": "folder", "train": str(tmp_path / "no"), "evaluation": str(tmp_path / "nor")}
    params = make_params(images=["mine"], images__mine={**missing, "class_list": "imagenet"})
    assert count_evaluation(params, "mine") is None
    assert estimate(params) == 0
    out = capsys.readouterr().out
    assert "mine: is missing, so 50000 evaluation images are assumed" in out
    stages = {name: float(value) for name, value in re.findall(r"(?m)^(\w+) +\d+ +([\d.]+)$", out)}
    assert set(stages) == {
        *("original", "latency", "score", "measure", "recover", "evaluate", "rank", "synthesize", "sources"),
    }
    total = re.search(r"total: ([\d.]+) (?:GPU-hours|hours on this CPU)", out)
    assert total and float(total[1]) == pytest.approx(sum(stages.values()), abs=0.1)
