"""The criteria by name: what they look at and how their scores are used."""

from test_views import tiny_set
from tiny import tiny_network

from practise.blocks import find_blocks
from practise.criteria import CRITERIA, Question
from practise.recoverability import RidgeRecipe, build_scorer

RECIPE = RidgeRecipe(ridge=0.1, folds=2, most_images=64, memory_mb=1024, dtype="fp32")


def question(done: dict[str, float] | None = None) -> Question:
    network = tiny_network()
    blocks = find_blocks(network, 32)
    return Question(network, blocks, tiny_set(6), RECIPE, done or {})


def test_first_blocks_go_in_network_order_whatever_they_save():
    criterion = CRITERIA["first_blocks"]
    scores = dict(criterion.score(question()))
    assert sorted(scores, key=scores.__getitem__) == question().blocks
    assert not criterion.per_latency


def test_recoverability_is_weighed_against_latency_and_goes_on_from_what_is_done():
    criterion, asked = CRITERIA["recoverability"], question({"stages.0.0": 5.0})
    scores = dict(criterion.score(asked))
    judge = build_scorer(asked.network, asked.blocks, asked.few, RECIPE)
    assert list(scores) == asked.blocks
    assert scores["stages.0.0"] == 5.0
    assert scores["stages.1.1"] == judge.recoverability(["stages.1.1"])
    assert criterion.per_latency
