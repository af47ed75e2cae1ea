"""Random views of the few training images: crops of random size and shape, flipped half of the time.

The view of an image at a step follows from the seed and the step alone, so a run that was killed goes on with
the very views that it would have seen. Crop and flip are the official ones of ImageNet (RandomResizedCrop);
a source of images may ask for others, as the authors' loaders of other images do.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from practise.images.params import Batches, ViewsParams
from practise.images.preprocessing import Preprocessing, resize_shorter_side, to_tensor

AS_ON_IMAGENET = ViewsParams()


def draw_views(
    images: Sequence[Image.Image],
    indices: Sequence[int],
    preprocessing: Preprocessing,
    seed: int,
    smallest: float = 0.08,
    kind: ViewsParams = AS_ON_IMAGENET,
) -> UInt8[Tensor, "n 3 h w"]:
    """One random view of each indexed image.

    Args:
        images: RGB images of any size.
        indices: Which images to view, in order; an image may come up more than once.
        preprocessing: The network's; its side and interpolation are used.
        seed: The same seed gives the same views.
        smallest: Share of the image's area that the smallest crop of random size covers.
        kind: Which crop, and whether to flip.
    """
    flips = [v2.RandomHorizontalFlip()] if kind.flip else []
    augment = v2.Compose([*find_crop(kind, preprocessing, smallest), *flips])
    with torch.random.fork_rng(devices=[]):  # torchvision draws from torch's global generator
        torch.manual_seed(seed)
        return to_tensor([augment(images[index]) for index in indices])


def find_crop(
    kind: ViewsParams, preprocessing: Preprocessing, smallest: float
) -> list[Callable[[Image.Image], Image.Image]]:
    """What cuts a square of the network's size out of an image; arguments as for `draw_views`."""
    size, interpolation = preprocessing.image_size, preprocessing.interpolation
    if kind.crop == "size":
        mode = InterpolationMode(interpolation)
        return [v2.RandomResizedCrop(size, scale=(smallest, 1.0), interpolation=mode)]
    shorter = max(size, preprocessing.resize_size) if kind.crop == "place" else size
    cut = v2.RandomCrop(size) if kind.crop == "place" else v2.CenterCrop(size)
    return [lambda image: resize_shorter_side(image, shorter, interpolation), cut]


def mix(views: Float[Tensor, "n 3 h w"], seed: int) -> Float[Tensor, "n 3 h w"]:
    """Each view blended with another of the batch, by a share drawn from 0 to 1 (mixup, Zhang et al. 2018).

    The original network says what features a blend has, so it needs no label.
    """
    generator = torch.Generator().manual_seed(seed)
    partners = torch.randperm(len(views), generator=generator).to(views.device)
    share = torch.rand(len(views), 1, 1, 1, generator=generator).to(views)
    return torch.lerp(views[partners], views, share)


def centre_views(images: Sequence[Image.Image], preprocessing: Preprocessing) -> Float[Tensor, "n 3 h w"]:
    """The evaluation view of each image, normalised."""
    return preprocessing.normalise(to_tensor([preprocessing.view(image) for image in images]))


def draw_batch(
    num_images: int, batch_size: int, seed: int, step: int, batches: Batches = "full"
) -> Int64[Tensor, " batch"]:
    """Indices of one step's batch; no state is kept from step to step.

    The steps walk through an endless list of permutations of the images, each shuffled from the seed and its
    place in that list. Batches that are full go over the end of one permutation into the next, so that every
    image comes up equally often. Those of distinct images end with the permutation: what is left of it is
    dropped, and all images are one batch where there are fewer than it should have.
    """
    if batches == "distinct":
        size = min(batch_size, num_images)
        round_, place = divmod(step, num_images // size)
        return torch.randperm(num_images, generator=seeded(seed, round_))[place * size :][:size]
    first, last = step * batch_size, (step + 1) * batch_size
    rounds = range(first // num_images, (last - 1) // num_images + 1)
    order = torch.cat([torch.randperm(num_images, generator=seeded(seed, round_)) for round_ in rounds])
    return order[first - rounds[0] * num_images :][:batch_size]


def seeded(seed: int, place: int) -> torch.Generator:
    """A generator for one place (a step, a round) of a seeded run."""
    return torch.Generator().manual_seed(combine(seed, place))


def combine(seed: int, place: int) -> int:
    """One seed from two numbers, so that neighbouring runs and steps share no random numbers."""
    return (seed * 1_000_003 + place * 7_919 + 17) % 2**63
