"""What networks with one, several or independent classes decide, and how far apart they are."""

import pytest
import torch

from practise.errors import ImageError
from practise.evaluation.decisions import decide, read_label_sets, share
from practise.scoring.divergence import divergence


def bernoulli(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
    """KL of yes-or-no probabilities, by its definition."""
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


def test_a_single_logit_agrees_where_it_has_the_same_sign():
    ours, theirs = torch.tensor([[3.0], [-1.0], [0.5]]), torch.tensor([[2.0], [1.0], [-0.5]])
    assert share(decide(ours), decide(theirs)) == pytest.approx(1 / 3)
    assert share(decide(ours), torch.tensor([1, 0, 0])) == pytest.approx(2 / 3)


def test_independent_labels_agree_one_by_one():
    ours = torch.tensor([[1.0, 2.0, -1.0], [1.0, 1.0, 1.0]])
    theirs = torch.tensor([[2.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])
    assert share(decide(ours, multi_label=True), decide(theirs, multi_label=True)) == pytest.approx(4 / 6)


@pytest.mark.parametrize("classes", [1, 3])
def test_the_divergence_of_independent_classes_is_the_sum_of_theirs(classes: int):
    draw = torch.Generator().manual_seed(0)
    theirs, ours = (torch.randn(5, classes, generator=draw, dtype=torch.float64) for _ in range(2))
    expected = bernoulli(theirs.sigmoid(), ours.sigmoid()).sum(1)
    assert torch.allclose(divergence(theirs, ours, multi_label=True), expected)
    if classes == 1:
        assert torch.allclose(divergence(theirs, ours), expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[0, 1]], "labels: has the shape \\(1, 2\\), should be a 0 or 1 for each of 2 images and 2 labels"),
        ([[0, 1], [1, 2]], "labels: holds other values than 0 and 1"),
        ([["a", "b"], ["c", "d"]], "labels: is no table of numbers"),
    ],
)
def test_labels_that_are_no_table_of_zeros_and_ones_are_refused(labels, message: str):
    with pytest.raises(ImageError, match=message):
        read_label_sets(labels, 2, 2)


def test_a_table_of_labels_is_read():
    assert read_label_sets([[0, 1], [1, 1]], 2, 2).tolist() == [[False, True], [True, True]]
