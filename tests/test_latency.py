"""Latency: the arithmetic on known times, and the measurement on work of known size."""

import pytest
import torch
from torch import nn

from practise.latency import measure_latency, summarise


def test_a_reduction_is_the_median_of_paired_ratios():
    reference = [10.0, 20.0, 40.0]  # the machine slows down; the ratio stays
    latency = summarise([9.0, 18.0, 36.0], reference, 2.0)
    assert latency.reduction == pytest.approx(0.1)
    assert latency.median_ms == 18.0


def test_spread_is_the_interquartile_range_over_the_median():
    latency = summarise([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [1.0] * 7, 0.1)
    assert latency.spread == pytest.approx((6 - 2) / 4)
    assert latency.unstable
    assert not summarise([3.0, 3.0, 3.0], [3.0] * 3, 0.1).unstable


class Repeated(nn.Module):
    """A convolution applied a number of times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 7, padding=3)
        self.times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(self.times):
            x = self.conv(x)
        return x


def test_half_the_work_takes_about_half_the_time():
    networks = {"original": Repeated(8), "half": Repeated(4), "same": Repeated(8)}
    measured = measure_latency(
        networks, batch_size=8, image_size=64, device=torch.device("cpu"), rounds=20, warmup=2
    )
    assert measured["original"].reduction == 0
    assert 0.3 < measured["half"].reduction < 0.7
    assert abs(measured["same"].reduction) < 0.25
    assert measured["original"].median_ms > measured["half"].median_ms > 0


@pytest.mark.gpu
def test_a_gpu_is_timed_with_its_own_clock():
    networks = {"original": Repeated(64), "half": Repeated(32)}
    measured = measure_latency(
        networks, batch_size=64, image_size=224, device=torch.device("cuda"), rounds=20, warmup=3
    )
    assert 0.4 < measured["half"].reduction < 0.6
