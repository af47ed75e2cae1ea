"""Weights from files: read without unpickling, and matched with a network or refused in one sentence."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from practise.errors import CheckpointError
from practise.files import write_bytes

State = dict[str, Tensor]
WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the state dict beside the epoch, the optimizer and the like."""
NOT_NEEDED = "num_batches_tracked"
"""Batch norm's counter of training steps, which older checkpoints lack and evaluation never reads."""


def read_state(path: Path, where: str = "") -> State:
    """Return the tensors of a checkpoint by name.

    Args:
        path: A `.safetensors` file, or anything that `torch.save` wrote of a state dict: bare, under one of
            `WRAPPERS`, or with the prefix `module.` that data-parallel training leaves.
        where: What to begin messages with, such as a key of the params file.

    Raises:
        CheckpointError: The file is missing, damaged, holds pickled objects or holds no state dict.
    """
    prefix = f"{where}: " if where else ""
    if not path.is_file():
        raise CheckpointError(f"{prefix}no file '{path}', should be a .safetensors file or a state dict")
    content = _read_safetensors(path, prefix) if path.suffix == ".safetensors" else _read_pickle(path, prefix)
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(v, Tensor) for v in content.values())
    ):
        raise CheckpointError(f"{prefix}'{path}' holds no state dict, should map names of weights to tensors")
    wrapped = all(str(name).startswith("module.") for name in content)
    return {str(name).removeprefix("module.") if wrapped else str(name): content[name] for name in content}


def write_state(path: Path, state: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically, the same bytes for the same tensors."""
    write_bytes(
        path, save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()})
    )


def load_state_(network: nn.Module, state: State, source: str, target: str) -> None:
    """Load tensors into a network in place, all of them or none.

    Args:
        network: The network.
        state: Its weights by name.
        source: What holds the weights, to begin messages with.
        target: What the network is, for messages.

    Raises:
        CheckpointError: A weight is missing, unexpected or of another shape; the first of each is named.
    """
    own = network.state_dict()
    missing = [name for name in own if name not in state and not name.endswith(NOT_NEEDED)]
    unexpected = [name for name in state if name not in own]
    reshaped = [name for name in own if name in state and state[name].shape != own[name].shape]
    shapes = [
        f"'{name}' is {tuple(state[name].shape)}, should be {tuple(own[name].shape)}" for name in reshaped
    ]
    problems = [
        _count("missing", [f"'{name}'" for name in missing]),
        _count("unexpected", [f"'{name}'" for name in unexpected]),
        _count("of another shape", shapes),
    ]
    if any(problems):
        raise CheckpointError(f"{source} does not fit {target}: {', '.join(filter(None, problems))}")
    network.load_state_dict(state, strict=False)


def rename_in_order(state: State, network: nn.Module, source: str, target: str) -> State:
    """Return the tensors under the network's own names, matched one after the other.

    Args:
        state: The weights of the same architecture from another code base, in the order of its layers.
        network: The network whose names to take.
        source: What holds the weights, to begin messages with.
        target: What the network is, for messages.

    Raises:
        CheckpointError: There are more or fewer tensors, or one has another shape than the network's at its
            place.
    """
    own = network.state_dict()
    if len(state) != len(own):
        raise CheckpointError(
            f"{source} does not fit {target}: it has {len(state)} tensors, should have {len(own)}"
        )
    for (theirs, tensor), (name, wanted) in zip(state.items(), own.items(), strict=True):
        if tensor.shape != wanted.shape:
            raise CheckpointError(
                f"{source} does not fit {target}: '{theirs}' is {tuple(tensor.shape)}, should be "
                f"{tuple(wanted.shape)} as '{name}'"
            )
    return dict(zip(own, state.values(), strict=True))


def _read_safetensors(path: Path, prefix: str) -> Any:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{prefix}'{path}' is truncated or no safetensors file") from error


def _read_pickle(path: Path, prefix: str) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Unsupported global" not in str(error) and "Unsupported class" not in str(error):
            raise CheckpointError(f"{prefix}'{path}' is truncated or no checkpoint") from error
        raise CheckpointError(
            f"{prefix}'{path}' holds pickled Python objects, which can run code and are not opened; "
            "save the weights alone with torch.save(network.state_dict(), path)"
        ) from error
    except Exception as error:  # torch raises errors of many kinds on damaged files
        raise CheckpointError(f"{prefix}'{path}' is truncated or no checkpoint") from error


def _count(what: str, found: list[str]) -> str:
    if not found:
        return ""
    return f"{len(found)} {what} ({'first ' if len(found) > 1 else ''}{found[0]})"
