"""A network as somebody hands it over: unwrapped, copied, computing the same, or refused in one sentence."""

import copy

import pytest
import torch
from tiny import Block, TinyNet, noise, tiny_network
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torch.optim.swa_utils import AveragedModel

from practise.errors import NetworkError
from practise.networks.blocks import find_blocks
from practise.networks.copies import copy_network, lay_out_, release_
from practise.networks.taking import take_network, usual_settings

CPU = torch.device("cpu")


class Forgetful(TinyNet):
    """Its `train` returns nothing, so that `eval` does, too."""

    def train(self, mode: bool = True) -> None:  # type: ignore[override]
        super().train(mode)


class Keeping(TinyNet):
    """It keeps its last features, with what they were computed from."""

    def run_stages(self, x: Tensor) -> Tensor:
        self.kept = {"features": [super().run_stages(x)]}
        return self.kept["features"][0]


class Viewing(TinyNet):
    """It flattens a map of several pixels as only the plain order in memory allows."""

    def classify(self, x: Tensor) -> Tensor:
        return self.classifier(x.view(len(x), x.shape[1], -1).mean(2))


class Fourier(nn.Module):
    """A residual layer with a complex filter, and a table of whole numbers beside it."""

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        filters = torch.randn(channels, side, side // 2 + 1, dtype=torch.cfloat, generator=draw)
        self.filter = nn.Parameter(0.3 * filters)
        self.order = nn.Parameter(torch.arange(channels).flip(0), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        return x + torch.fft.irfft2(torch.fft.rfft2(x[:, self.order]) * self.filter, s=x.shape[-2:])


def with_stem(network: TinyNet, layer: nn.Module) -> TinyNet:
    network.stem.append(layer)
    return network


@pytest.mark.parametrize("kind", [TinyNet, Forgetful, Keeping, Viewing])
def test_what_is_worked_on_computes_what_was_handed_over(kind: type[TinyNet]) -> None:
    network = tiny_network(kind=kind)
    images = noise(2)
    network(images).sum().backward()
    taken = take_network(network, 16, CPU)
    assert torch.allclose(
        taken(images.contiguous(memory_format=torch.channels_last)), network(images), atol=1e-5
    )
    assert type(taken) is kind and not taken.training


def test_a_network_that_keeps_what_it_computed_is_copied_without_its_graph() -> None:
    network = tiny_network(kind=Keeping)
    network(noise(1))
    copied = copy_network(network)
    assert torch.equal(copied.kept["features"][0], network.kept["features"][0])
    assert copied.kept["features"][0].grad_fn is None


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm`")
def test_a_weight_that_is_computed_from_others_stays_so() -> None:
    for normalise in (torch.nn.utils.weight_norm, weight_norm):
        network = tiny_network()
        normalise(network.classifier)
        network(noise(1)).sum().backward()
        taken = take_network(network, 16, CPU)
        assert set(taken.state_dict()) == set(network.state_dict())


@pytest.mark.parametrize(
    "wrap",
    [
        nn.DataParallel,
        AveragedModel,
        lambda network: torch.compile(network, backend="eager"),
        lambda network: nn.DataParallel(torch.compile(network, backend="eager")),
    ],
)
def test_wrappers_are_taken_off(wrap) -> None:
    assert list(take_network(wrap(tiny_network()), 16, CPU).state_dict()) == list(tiny_network().state_dict())


def test_a_compiled_part_is_unwrapped_in_the_copy_alone() -> None:
    network = tiny_network()
    network.stages[0] = torch.compile(network.stages[0], backend="eager")
    assert find_blocks(take_network(network, 16, CPU), 16) == find_blocks(tiny_network(), 16)
    assert "stages.0._orig_mod.0.conv1.weight" in network.state_dict()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_complex_and_whole_numbers_stay_such(dtype: torch.dtype) -> None:
    network = with_stem(tiny_network(), Fourier(8, 16))
    layer = lay_out_(copy_network(network), CPU, dtype).stem[-1]
    assert layer.filter.is_complex() and layer.order.dtype == torch.int64
    taken = take_network(network.double() if dtype == torch.float64 else network, 16, CPU)
    assert torch.allclose(taken.stem[-1].filter.imag, network.stem[-1].filter.imag.float())


def test_a_network_with_a_weight_of_five_dimensions_is_laid_out() -> None:
    network = tiny_network()
    network.offset = nn.Parameter(torch.zeros(1, 1, 12, 1, 1))
    assert lay_out_(network, CPU).offset.shape == (1, 1, 12, 1, 1)


def test_one_that_needs_the_plain_order_keeps_it_until_it_is_released() -> None:
    taken = take_network(tiny_network(kind=Viewing), 16, CPU)
    packed = noise(2).contiguous(memory_format=torch.channels_last)
    assert torch.isfinite(lay_out_(copy.deepcopy(taken), CPU)(packed)).all()
    assert not release_(taken)._forward_pre_hooks


def test_a_network_that_computes_something_else_in_fp32_is_refused() -> None:
    class Double(TinyNet):
        def classify(self, x: Tensor) -> Tensor:
            return super().classify(x) * (1 if x.dtype == torch.float64 else -1)

    with pytest.raises(
        NetworkError, match="Double computes something else in fp32 than as it was handed over"
    ):
        take_network(tiny_network(kind=Double).double(), 16, CPU)


def damaged(value: float, buffer: bool = False) -> TinyNet:
    network = tiny_network()
    layer = network.stages[0][1].bn1
    (layer.running_mean if buffer else layer.weight.data)[0] = value
    return network


def quantized() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(tiny_network(), {nn.Linear})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: damaged(float("nan")),
            "holds values that are not finite, 1 of 8 in 'stages.0.1.bn1.weight'",
        ),
        (
            lambda: damaged(float("inf")),
            "holds values that are not finite, 1 of 8 in 'stages.0.1.bn1.weight'",
        ),
        (lambda: damaged(float("nan"), True), "1 of 8 in 'stages.0.1.bn1.running_mean'"),
        (lambda: torch.jit.trace(tiny_network(), noise(1)), "is in TorchScript"),
        (quantized, "is quantized \\('classifier'\\) and cannot be trained"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2)), "has lazy layers"),
        (
            lambda: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            "has no weights that could be trained",
        ),
        (lambda: tiny_network().to("meta"), "has weights on the device 'meta'"),
        (lambda: nn.Conv2d(1, 4, 3), "does not take a batch of RGB images of 16 × 16 pixels"),
    ],
)
def test_what_cannot_be_worked_on_is_refused_with_the_true_reason(build, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        take_network(build(), 16, CPU)


def test_masks_may_be_infinite() -> None:
    network = tiny_network()
    network.register_buffer("mask", torch.tensor([0.0, -torch.inf]))
    assert take_network(network, 16, CPU).mask[1] == -torch.inf


def test_what_is_set_outside_does_not_count_inside_and_comes_back() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode(), torch.device("meta"):
            with usual_settings():
                made = torch.ones(1)
                assert (made.dtype, made.device.type) == (torch.float32, "cpu")
                assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
            assert torch.ones(1).is_meta and torch.is_inference_mode_enabled()
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_block_keeps_its_attributes_for_those_that_read_them() -> None:
    from practise.networks.blocks import Dropped

    block = Block(8, 8, 1, False)
    block.scale = 0.5
    assert (Dropped(block).scale, Dropped(block).linear) == (0.5, False)
