"""Watch a network while it runs: what enters its layers, or what they give; no hook is left behind."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils import checkpoint

Network = TypeVar("Network", bound=nn.Module)
Named = dict[str, Any]


def first_tensor(args: Sequence[object], named: Mapping[str, object]) -> Tensor | None:
    """The tensor that comes first in a call, by place or by name: what passes through a module."""
    return next((value for value in (*args, *named.values()) if isinstance(value, Tensor)), None)


def put_first(args: tuple, named: Named, x: Tensor) -> tuple[tuple, Named]:
    """The arguments of a call with another tensor in place of the first, wherever else that stands, too."""
    old = first_tensor(args, named)
    return (
        tuple(x if value is old else value for value in args),
        {name: x if value is old else value for name, value in named.items()},
    )


@contextmanager
def entering(network: nn.Module, names: Iterable[str], tell: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Inside the block, `tell` gets a layer's name and input just before the layer runs."""

    def pass_on(name: str, args: tuple, named: Named) -> None:
        x = first_tensor(args, named)
        assert x is not None, f"{name} was called without a tensor"
        tell(name, x)

    with ExitStack() as hooks:
        for name in names:
            hooks.enter_context(
                network.get_submodule(name).register_forward_pre_hook(
                    lambda layer, args, named, name=name: pass_on(name, args, named), with_kwargs=True
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


@contextmanager
def at_call(module: nn.Module, number: int, tell: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """Inside the block, `tell` gets the output of a module's call of that number, from 0; see `leaving`."""
    count = itertools.count()
    hook = module.register_forward_hook(
        lambda module, args, output: tell(output) if next(count) == number else None
    )
    try:
        yield
    finally:
        hook.remove()


class PassedOn:
    """What a checkpoint of the reentrant kind becomes in `without_checkpoints`."""

    @staticmethod
    def apply(function: Callable[..., Any], preserve_rng_state: bool, *args: object) -> Any:
        """What the function gives."""
        return function(*args)


@contextmanager
def without_checkpoints() -> Iterator[None]:
    """Inside the block, gradients go through what a network computes in checkpoints, layer by layer.

    Those of the reentrant kind hide it: what they give within has no gradients, so cannot be trained to.
    """
    kept = checkpoint.CheckpointFunction
    checkpoint.CheckpointFunction = PassedOn  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        checkpoint.CheckpointFunction = kept  # type: ignore[misc]


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


def probe_images(network: nn.Module, image_size: int, seed: int = 0) -> Float[Tensor, "1 3 size size"]:
    """One fixed random image where the network's weights are, to watch a forward pass with."""
    noise = torch.randn(
        *(1, 3, image_size, image_size),
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float32,
        device="cpu",
    )
    weight = next((value for value in network.parameters() if value.is_floating_point()), noise)
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


def at_rest(network: Network) -> Network:
    """The network itself, in evaluation mode: not every class returns itself from `eval`, or from `train`."""
    network.eval()
    return network
