"""FSKD: correct a thinner network layer by layer with 1×1 convolutions (Li et al., CVPR 2020).

After each convolution that pruning has changed comes a bias-free 1×1 convolution, before batch norm and
activation, that brings its output nearest to the original's, kept channels alone: a least-squares problem,
solved exactly. It is multiplied into the convolution, so that the network stays as it was built. No step of
SGD, no label.
"""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from practise.images.tiny_set import TinySet
from practise.networks.watching import leaving
from practise.scoring.pixels import draw_pixels


def correct_layers_(
    student: nn.Module, teacher: nn.Module, kept: Mapping[str, Sequence[int]], few: TinySet
) -> nn.Module:
    """Fit and absorb a 1×1 convolution after every convolution that is thinner than the original's, in place.

    All is done in one pass of the images: each layer is corrected as soon as it has run, and the next one
    sees what it gives from then on.

    Args:
        student: the thinner network, in evaluation mode on its device.
        teacher: the original, likewise.
        kept: which filters the student has kept, by convolution.
        few: the images.
    """
    device = next(student.parameters()).device
    views = few.centre_views().to(device, memory_format=torch.channels_last)
    changed = [name for name, layer in student.named_modules() if is_thinner(layer, teacher, name)]
    wanted: dict[str, Tensor] = {}

    def remember(name: str, output: Float[Tensor, "n c h w"]) -> None:
        channels = kept.get(name, range(output.shape[1]))
        wanted[name] = draw_pixels(output[:, list(channels)], few.seed).flatten(0, 1).double()

    def correct(name: str, output: Float[Tensor, "n c h w"]) -> Tensor:
        seen = draw_pixels(output, few.seed).flatten(0, 1).double()
        matrix = solve_least_squares(seen, wanted.pop(name)).to(output)
        layer = student.get_submodule(name)
        assert isinstance(layer, nn.Conv2d)
        layer.weight.data = torch.einsum("po,oihw->pihw", matrix, layer.weight.data)
        if layer.bias is not None:
            layer.bias.data = matrix @ layer.bias.data
        return torch.einsum("po,nohw->nphw", matrix, output)

    for network, tell in ((teacher, remember), (student, correct)):
        with leaving(network, changed, tell), torch.no_grad():
            network(views)
    return student


def is_thinner(layer: nn.Module, teacher: nn.Module, name: str) -> bool:
    """Whether a layer is a convolution over all channels that has lost some going in or out."""
    if not isinstance(layer, nn.Conv2d) or layer.groups > 1:
        return False
    original = teacher.get_submodule(name)
    assert isinstance(original, nn.Conv2d)
    return layer.weight.shape != original.weight.shape


def solve_least_squares(
    seen: Float[Tensor, "rows c"], wanted: Float[Tensor, "rows c"]
) -> Float[Tensor, "c c"]:
    """The 1×1 map Q that minimises ‖Q·s − t‖² over the pixels; of several, the one of least norm."""
    return torch.linalg.lstsq(seen.cpu(), wanted.cpu(), driver="gelsd").solution.T.to(seen.device)
