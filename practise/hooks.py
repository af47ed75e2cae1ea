"""Listen to layers while a network runs: what enters them, or what they give; no hook is left behind."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

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
