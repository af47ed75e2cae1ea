"""Dead leaves: pictures of nothing that look like photographs in what can be counted."""

import numpy as np
import torch

from practise.synthesis.leaves import draw_leaves


def pictures(seed: int = 0, count: int = 12, side: int = 64) -> torch.Tensor:
    return draw_leaves(count, side, torch.Generator().manual_seed(seed))


def test_a_seed_gives_the_same_pictures_and_another_gives_others() -> None:
    assert torch.equal(pictures(1, 2), pictures(1, 2))
    assert not torch.equal(pictures(1, 2), pictures(2, 2))


def test_values_are_those_of_pictures() -> None:
    drawn = pictures()
    assert drawn.shape == (12, 3, 64, 64)
    assert drawn.min() >= 0 and drawn.max() <= 1
    assert drawn.std(dim=(1, 2, 3)).min() > 0.1


def test_most_neighbours_are_alike_and_a_few_are_not() -> None:
    differences = (pictures()[..., 1:] - pictures()[..., :-1]).abs().mean(dim=1)
    assert (differences < 0.05).float().mean() > 0.6
    assert (differences > 0.2).float().mean() > 0.02


def test_power_falls_with_the_frequency_as_in_photographs() -> None:
    grey = pictures().mean(dim=1).numpy()
    power = np.abs(np.fft.rfft(grey - grey.mean(axis=(1, 2), keepdims=True), axis=2)) ** 2
    mean = power.mean(axis=(0, 1))[1:17]
    slope = np.polyfit(np.log(np.arange(1, 17)), np.log(mean), 1)[0]
    assert -3 < slope < -1  # photographs: about -2
