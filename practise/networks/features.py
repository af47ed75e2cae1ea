"""The features before global average pooling: what a pruned network is asked to mimic (section 3.2)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from practise.errors import NetworkError
from practise.networks.watching import watch_calls

FeatureExtractor = Callable[[Float[Tensor, "n 3 h w"]], Float[Tensor, "n ..."]]


def find_feature_layer(network: nn.Module, image_size: int) -> str:
    """Name of the module whose output is the last feature map, before pooling takes the pixels away.

    Args:
        network: any classifier; its maps are [n, c, y, x] or [n, y, x, c], a transformer's [n, tokens, c].
        image_size: side of the square images in pixels, large enough for a feature map of 2×2.

    Raises:
        NetworkError: no module gives a feature map of more than one pixel.
    """
    layers: list[str] = []
    names = {module: name for name, module in network.named_modules()}

    def record(module: nn.Module, args: tuple, kwargs: dict, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim in (3, 4):
            pixels = output.shape[1] if output.ndim == 3 else output[0, 0].numel()
            if pixels > 1:
                layers.append(names[module])

    watch_calls(network, [module for module in names if module is not network], record, image_size)
    if not layers:
        raise NetworkError(
            f"{type(network).__name__} gives no feature map of more than one pixel at {image_size} px; "
            "choose a larger image_size"
        )
    return layers[-1]


class Stop(Exception):  # noqa: N818 - a signal, not a mistake
    """Ends a forward pass at the feature layer; the classifier after it is not needed."""

    def __init__(self, features: Tensor) -> None:
        self.features = features


@contextmanager
def feature_extractor(network: nn.Module, layer: str) -> Iterator[FeatureExtractor]:
    """Inside the block, a function from images to the features of `layer`; no hook is left behind."""

    def stop(module: nn.Module, args: tuple, output: Tensor) -> None:
        raise Stop(output)

    def extract(images: Tensor) -> Tensor:
        try:
            network(images)
        except Stop as stopped:
            return stopped.features
        raise AssertionError(f"the forward pass went round {layer}")

    hook = network.get_submodule(layer).register_forward_hook(stop)
    try:
        yield extract
    finally:
        hook.remove()


def in_format(
    run: Callable[[Tensor], Tensor], device: torch.device, dtype: torch.dtype
) -> Callable[[Tensor], Tensor]:
    """The function computed in a number format, with its output in fp32; fp32 is the weights' own."""

    def run_in_format(images: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype):
            return run(images).float()

    return run if dtype == torch.float32 else run_in_format
