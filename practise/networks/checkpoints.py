"""Weights from files: read without unpickling, and matched with a network or refused in one sentence.

Training scripts keep weights in many ways: below keys of their own beside the optimizer's, under names that
a wrapper has lengthened (data-parallel training, `torch.compile`, Lightning), and often twice, once averaged.
All of these are something before the network's own names, so that is looked for: whatever stands before all
of them alike.
"""

import json
import pickle
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from practise.errors import CheckpointError, unknown
from practise.files import write_bytes

State = dict[str, Tensor]
NOT_NEEDED = "num_batches_tracked"
"""Batch norm's counter of training steps, which older checkpoints lack and evaluation never reads."""
EXTRA = "_extra_state"
"""How names end of what a module keeps beside tensors; it stays as the network has it."""
INDEX = ".index.json"
"""How the name ends of the file that lists which weights lie in which shard."""
SHARD = re.compile(r"-\d+-of-\d+\.\w+$")
AVERAGED = {"ema", "swa", "avg", "average", "averaged", "shadow"}
"""Words by which the names of averaged weights are known."""
WRAPPERS = ("module.", "_orig_mod.")
"""What data-parallel training and `torch.compile` put before every name."""


def read_state(path: Path, where: str = "") -> State:
    """Return the tensors of a checkpoint by name; the keys above a state dict stand before its names.

    Args:
        path: A `.safetensors` file, the index of several (`.safetensors.index.json`), or anything that
            `torch.save` wrote with state dicts in it.
        where: What to begin messages with, such as a key of the params file.

    Raises:
        CheckpointError: The file is missing, damaged, holds pickled objects or holds no state dict.
    """
    prefix = f"{where}: " if where else ""
    if not path.is_file():
        raise CheckpointError(f"{prefix}no file '{path}', should be a .safetensors file or a state dict")
    if path.name.endswith(INDEX):
        return _read_shards(path, where, prefix)
    with open(path, "rb") as file:
        is_safetensors = path.suffix == ".safetensors" or file.read(9)[8:] == b"{"
    content = _read_safetensors(path, prefix) if is_safetensors else _read_pickle(path, prefix)
    state = dict(_flatten(content, "")) if isinstance(content, Mapping) else {}
    if not state:
        raise CheckpointError(f"{prefix}'{path}' holds no state dict, should map names of weights to tensors")
    return state


def pick_state(state: State, network: nn.Module, source: str, chosen: str = "") -> State:
    """Return one set of weights of a checkpoint under a network's own names, as far as it has them.

    Args:
        state: The tensors of the checkpoint.
        network: The network that they are for; their shapes are not looked at.
        source: What holds the weights, to begin messages with.
        chosen: A key or a part of the names that the set is to be found under; empty: the only one, or the
            only one that is not called averaged, which is then told on standard error.

    Raises:
        CheckpointError: There are several sets, or none under that key.
    """
    own = [name for name, value in network.state_dict().items() if isinstance(value, Tensor)]
    wanted = [name for name in own if not name.endswith(NOT_NEEDED)] or own
    found = [
        prefix for prefix in _prefixes(state, wanted[:1]) if all(prefix + name in state for name in wanted)
    ]
    keys = [prefix.removesuffix(".") for prefix in found]
    if chosen:
        found = [prefix for prefix in found if f".{chosen}." in f".{prefix}"]
        if not found:
            raise CheckpointError(f"{source}: {unknown('set of weights', chosen, filter(None, keys))}")
    plain = [prefix for prefix in found if AVERAGED.isdisjoint(re.split(r"[._-]", prefix.lower()))]
    if len(found) > 1 and len(plain) != 1:
        raise CheckpointError(
            f"{source} holds {len(found)} sets of weights for {type(network).__name__}: {', '.join(keys)}; "
            f"choose one by #{keys[-1]} at the end of the path"
        )
    if len(found) > 1:
        others = [key for prefix, key in zip(found, keys, strict=True) if prefix != plain[0]]
        taken = f"those of '{plain[0].removesuffix('.')}' are" if plain[0] else "others are"
        print(
            f"{source} holds averaged weights, too, '{others[0]}': {taken} taken; #{others[0]} at the end of "
            "the path takes the averaged ones",
            file=sys.stderr,
        )
    best = (plain or found or _prefixes(state, own) or [""])[0]
    apart = tuple(prefix for prefix in found if prefix.startswith(best) and prefix != best)
    return {
        name.removeprefix(best): value
        for name, value in state.items()
        if name.startswith(best) and not name.startswith(apart)
    }


def _prefixes(state: State, names: Collection[str]) -> list[str]:
    """What stands before names of weights in a checkpoint, what is most frequent and shortest first."""
    wanted, counts = set(names), Counter[str]()
    for name in state:
        parts = name.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in wanted:
                counts["".join(f"{part}." for part in parts[:cut])] += 1
    return sorted(counts, key=lambda prefix: (-counts[prefix], len(prefix)))


def _flatten(content: Mapping[Any, Any], above: str) -> Iterator[tuple[str, Tensor]]:
    """Give the tensors of all mappings that hold nothing else, but what modules keep beside tensors."""
    tensors = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    others = {str(name): value for name, value in content.items() if not isinstance(value, Tensor)}
    if all(name.endswith(EXTRA) for name in others):
        yield from ((above + name, value) for name, value in tensors.items())
    for name, value in others.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{above}{name}.")


def wrapping(names: Collection[str]) -> str:
    """Return what wrappers have put before all names of weights.

    >>> wrapping(["module._orig_mod.fc.weight", "module._orig_mod.fc.bias"])
    'module._orig_mod.'
    """
    for prefix in WRAPPERS:
        if names and all(name.startswith(prefix) for name in names):
            return prefix + wrapping([name.removeprefix(prefix) for name in names])
    return ""


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
    check_state(network.state_dict(), state, source, target)
    network.load_state_dict(state, strict=False)


def check_state(own: Mapping[str, Any], state: State, source: str, target: str) -> None:
    """Make sure that tensors fit a network; arguments as for `load_state_`, but `own`, its state dict."""
    own = {name: value for name, value in own.items() if isinstance(value, Tensor)}
    missing = [name for name in own if name not in state and not name.endswith((NOT_NEEDED, EXTRA))]
    unexpected = [name for name in state if name not in own and not name.endswith(EXTRA)]
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
        shard = (
            "; it is one of several shards, whose index should be named"
            if SHARD.search(source.rstrip("'"))
            else ""
        )
        raise CheckpointError(f"{source} does not fit {target}: {', '.join(filter(None, problems))}{shard}")


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


def _read_shards(path: Path, where: str, prefix: str) -> State:
    try:
        files = json.loads(path.read_bytes())["weight_map"]
        names = sorted({str(name) for name in files.values()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{prefix}'{path}' is no index of shards, should have a weight_map") from error
    outside = [name for name in names if name.endswith(INDEX) or Path(name).name != name]
    if outside:
        raise CheckpointError(f"{prefix}'{path}' names '{outside[0]}', should name files beside it")
    state: State = {}
    for name in names:
        state |= read_state(path.with_name(name), where)
    return state


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
