"""Watch a network while it runs: what enters its layers, or what they give; no hook is left behind."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn


@contextmanager
def entering(network: nn.Module, names: Iterable[str], tell: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Inside the block, `tell` gets a layer's name and input just before the layer runs."""
    with ExitStack() as hooks:
        for name in names:
            hooks.enter_context(
                network.get_submodule(name).register_forward_pre_hook(
                    lambda layer, args, name=name: tell(name, args[0])
                )
            )
        yield


@contextmanager
def leaving(
    network: nn.Module, names: Iterable[str], tell: Callable[[str, Tensor], Tensor | None]
) -> Iterator[None]:
    """Inside the block, `tell` gets a layer's name and output just after it ran, and may give another."""
    with ExitStack() as hooks:
        for name in names:
            hooks.enter_context(
                network.get_submodule(name).register_forward_hook(
                    lambda layer, args, output, name=name: tell(name, output)
                )
            )
        yield


def watch_calls(
    network: nn.Module,
    modules: Iterable[nn.Module],
    record: Callable[[nn.Module, tuple, dict, object], None],
    image_size: int,
) -> None:
    """Run the network once on a probe; `record` is told each call with its output; no hook is left."""
    hooks = [module.register_forward_hook(record, with_kwargs=True) for module in modules]
    try:
        with evaluating(network), torch.no_grad():
            network(probe_images(network, image_size))
    finally:
        for hook in hooks:
            hook.remove()


def probe_images(network: nn.Module, image_size: int) -> Float[Tensor, "1 3 size size"]:
    """One fixed random image where the network's weights are, to watch a forward pass with."""
    weight = next(network.parameters())
    noise = torch.randn(1, 3, image_size, image_size, generator=torch.Generator().manual_seed(0))
    return noise.to(weight.device, weight.dtype)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, each module's own mode again afterwards."""
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
