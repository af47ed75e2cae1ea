"""A linear head, fitted over a frozen backbone: the original network where no public one was trained.

The customer of the paper brings a trained network. For images that no public network was trained on we make
one: a backbone trained on ImageNet, and in place of its classifier a multinomial logistic regression on the
pooled features of the training split. The fit is convex, runs in double precision on the CPU and starts from
zero, so that it has one answer. Standardising the features is absorbed into the head, which is a plain linear
layer.

The strength of the penalty, 0.1, and the mirrored view were chosen by five-fold cross-validation on ELPV's
training split (EfficientNet-Lite0, 128 px; folds stratified; accuracy in %):

=================  =====  =====  =====  =====  =====
l2                 0.01   0.03   0.1    0.2    0.4
=================  =====  =====  =====  =====  =====
image alone        83.89  84.71  84.86  84.50  84.30
+ horizontal flip  84.96  85.06  84.86  84.60  83.89
+ vertical flip    84.45  85.01  85.47  85.37  84.25
all four           84.65  84.96  85.47  85.26  84.71
=================  =====  =====  =====  =====  =====
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from practise.errors import NetworkError
from practise.images.source import Flip
from practise.networks.building import find_classifier
from practise.networks.copies import lay_out_
from practise.networks.watching import at_rest

AXES: dict[Flip, int] = {"horizontal": 3, "vertical": 2}
MOST_ITERATIONS = 500


def fit_head(
    features: Float[Tensor, "n d"], labels: Int64[Tensor, " n"], num_classes: int, l2: float
) -> nn.Linear:
    """Return the linear layer that minimises cross-entropy plus `l2 / 2` times its squared weights.

    The weights are penalised as they stand before standardised features, the bias is free. The minimum is
    found by L-BFGS with line search (Liu and Nocedal 1989).

    Args:
        features: Pooled features of the training images.
        labels: Their classes.
        num_classes: How many classes there are, also those without an image.
        l2: Strength of the penalty.
    """
    values = features.detach().cpu().double()
    mean, spread = values.mean(0), values.std(0, correction=0)
    scale = torch.where(spread > 0, spread, 1.0)
    standardised = (values - mean) / scale
    weight = torch.zeros(num_classes, values.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(num_classes, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=MOST_ITERATIONS,
        history_size=20,
        tolerance_grad=1e-7,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(standardised @ weight.T + bias, labels) + l2 / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    head = nn.Linear(values.shape[1], num_classes)
    with torch.no_grad():
        absorbed = weight / scale
        head.weight.copy_(absorbed)
        head.bias.copy_(bias - absorbed @ mean)
    return head


def extract_features(
    network: nn.Module,
    batches: Iterable[tuple[Float[Tensor, "n 3 h w"], Int64[Tensor, " n"]]],
    device: torch.device,
    flips: Sequence[Flip] = (),
) -> tuple[Float[Tensor, "m d"], Int64[Tensor, " m"]]:
    """Return what a network's classifier gets to see, and the labels, of every image and its mirrored views.

    Args:
        network: A classifier that ends in a linear layer; it is moved to the device and laid out
            channels-last.
        batches: Normalised images and the indices of their classes.
        device: Where to compute.
        flips: The mirrored views, each of which adds a row an image.

    Raises:
        NetworkError: The last linear layer is not the classifier.
    """
    at_rest(lay_out_(network, device))
    features, targets = [], []
    with torch.inference_mode(), without_classifier(network):
        for images, labels in batches:
            there = images.to(device)
            for view in (there, *(there.flip(AXES[flip]) for flip in flips)):
                features.append(network(view.contiguous(memory_format=torch.channels_last)).cpu())
                targets.append(labels)
    return torch.cat(features), torch.cat(targets)


@contextmanager
def without_classifier(network: nn.Module) -> Iterator[None]:
    """Inside the block, the network gives its pooled features in place of logits."""
    name = find_classifier(network)
    classifier = network.get_submodule(name)
    width = int(getattr(classifier, "in_features", None) or classifier.in_channels)  # type: ignore[arg-type]

    def check(module: nn.Module, args: tuple[Tensor], output: Tensor) -> None:
        if output.ndim != 2 or output.shape[1] != width:
            raise NetworkError(
                f"{type(network).__name__}: the last linear layer, '{name}', is not its classifier"
            )

    network.set_submodule(name, nn.Identity())
    hook = network.register_forward_hook(check)
    try:
        yield
    finally:
        hook.remove()
        network.set_submodule(name, classifier)


def replace_classifier_(network: nn.Module, head: nn.Linear) -> None:
    """Put a head in place of the network's classifier, whichever library the network is from."""
    name = find_classifier(network)
    layer: nn.Module = head
    if isinstance(network.get_submodule(name), nn.Conv2d):
        layer = nn.Conv2d(head.in_features, head.out_features, 1)
        layer.load_state_dict({"weight": head.weight[:, :, None, None], "bias": head.bias})
    network.set_submodule(name, layer.to(next(network.parameters()).device))
    if hasattr(network, "num_classes"):
        network.num_classes = head.out_features  # type: ignore[assignment]  # timm keeps the number beside the layer
