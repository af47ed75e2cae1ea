"""Take a network as somebody hands it over: out of its wrappers, copied, ready to be worked on, or refused.

What is worked on computes what was handed over: that is made sure of on a random image.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim.swa_utils import AveragedModel

from practise.errors import NetworkError, reason_of
from practise.networks.copies import copy_network, keep_contiguous_, lay_out_
from practise.networks.features import difference
from practise.networks.watching import at_rest, evaluating, probe_images

WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)
"""Modules that hold the network as `module`."""
COMPILED = "_orig_mod"
"""Where a compiled module holds the one that it was made from."""
QUANTIZED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic.quantized", "torch.nn.quantized")
MOST_OFF = {torch.float16: 0.1, torch.bfloat16: 0.1}
"""By how much logits in fp32 may be off from those in another format, as a share; 1 % for others."""


@contextmanager
def usual_settings() -> Iterator[None]:
    """Inside the block, gradients are recorded and tensors made in fp32 on the CPU, whatever is set."""
    kept, cpu = torch.get_default_dtype(), torch.device("cpu")
    torch.set_default_dtype(torch.float32)
    here = nullcontext() if torch.get_default_device() == cpu else cpu  # it slows all operators down
    try:
        with torch.inference_mode(False), torch.enable_grad(), here:
            yield
    finally:
        torch.set_default_dtype(kept)


def take_network(model: nn.Module, image_size: int, device: torch.device) -> nn.Module:
    """A copy of somebody's network on the device, in fp32 and in evaluation mode.

    Args:
        model: it is not changed.
        image_size: side of the square images in pixels.
        device: where to.

    Raises:
        NetworkError: it cannot be copied or changed, does not take RGB images of that size, holds values that
            are not finite, or computes something else in fp32.
    """
    model = unwrap(model)
    kind = type(model).__name__
    refuse(model)
    try:
        network = at_rest(unwrap_inside_(copy_network(model)))
    except Exception as error:  # whatever a class says to a copy
        raise NetworkError(f"{kind} cannot be copied (copy.deepcopy): {reason_of(error)}") from error
    check_finite(network, kind)
    wanted, dtype = try_logits(network, image_size), probe_images(network, image_size).dtype
    plain = lay_out_(copy_network(network), device, torch.float32, packed=False)
    lay_out_(network, device, torch.float32)
    if not isinstance(try_logits(network, image_size, packed=True), Tensor):
        network = keep_contiguous_(plain)  # it may be that it wants its images in the plain order
    try:
        found = logits_of(network, image_size)
    except Exception as error:  # whatever somebody's forward raises
        raise NetworkError(
            f"{kind} does not take a batch of RGB images of {image_size} × {image_size} pixels (image_size): "
            f"{reason_of(error)}"
        ) from error
    if isinstance(found, Tensor) and isinstance(wanted, Tensor) and found.shape == wanted.shape:
        check_same(found, wanted.to(found), MOST_OFF.get(dtype, 0.01), kind)
    return network


def unwrap(model: nn.Module) -> nn.Module:
    """The network inside what trains it on several devices, averages or compiles it."""
    while isinstance(model, WRAPPERS) or COMPILED in dict(model.named_children()):
        model = model.get_submodule("module" if isinstance(model, WRAPPERS) else COMPILED)
    return model


def unwrap_inside_(network: nn.Module) -> nn.Module:
    """The same for all modules of a network, in place."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if (inner := unwrap(child)) is not child:
                setattr(parent, name, inner)
    return network


def refuse(model: nn.Module) -> None:
    """Refuse what cannot be changed by replacing modules and training weights."""
    kind = type(model).__name__
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise NetworkError(
            f"{kind} is in TorchScript, whose modules cannot be replaced; hand over the network that it was "
            "made of"
        )
    for name, module in model.named_modules():
        if type(module).__module__.startswith(QUANTIZED):
            raise NetworkError(
                f"{kind} is quantized ('{name}') and cannot be trained; hand over the network that it was "
                "made of"
            )
    if any(is_lazy(value) for value in (*model.parameters(), *model.buffers())):
        raise NetworkError(f"{kind} has lazy layers that never ran; run it once before you hand it over")
    if any(value.is_meta for value in (*model.parameters(), *model.buffers())):
        raise NetworkError(f"{kind} has weights on the device 'meta', so no values; load them first")
    if not any(weight.is_floating_point() for weight in model.parameters()):
        raise NetworkError(f"{kind} has no weights that could be trained")


def check_finite(network: nn.Module, what: str) -> None:
    """Make sure that all values of a network are numbers; those of buffers, such as masks, may be infinite.

    Args:
        network: the network.
        what: what it is called in the message.
    """
    weights = [(name, value.isfinite()) for name, value in network.named_parameters()]
    buffers = [(name, ~value.isnan()) for name, value in network.named_buffers()]
    for name, right in (*weights, *buffers):
        if not right.all():
            raise NetworkError(
                f"{what} holds values that are not finite, {int((~right).sum())} of {right.numel()} in "
                f"'{name}'; its weights are damaged"
            )


def check_same(found: Tensor, wanted: Tensor, most: float, kind: str) -> None:
    """Make sure that logits in fp32 are those that the network gave as it was handed over."""
    off = difference(found, wanted)
    if off > most * wanted[wanted.isfinite()].norm():
        raise NetworkError(
            f"{kind} computes something else in fp32 than as it was handed over: its logits are off by "
            f"{off / wanted.norm():.0%}; hand it over in fp32 (model.float())"
        )


def try_logits(network: nn.Module, image_size: int, packed: bool = False) -> object:
    """What a network gives for a random image; None where it raises an error."""
    try:
        return logits_of(network, image_size, packed)
    except Exception:  # whatever somebody's forward raises
        return None


def logits_of(network: nn.Module, image_size: int, packed: bool = False) -> object:
    """What a network gives for a random image, always the same; chance that it plays with is, too."""
    images = probe_images(network, image_size)
    if packed:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.random.fork_rng(devices=[]), evaluating(network), torch.no_grad():
        torch.manual_seed(0)
        return network(images)
