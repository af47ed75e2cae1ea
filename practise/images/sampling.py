"""Draw the few images that are handed over, as the paper's experiments do (section 4.1).

Fewer than 1000 images: draw a class, then an image of it, so that some classes get more than others, as
happens with a tiny set. From 1000 images on: the same number of each class. There the paper has 1000 classes
and takes n/1000 of each; we take n divided by the number of classes, whatever that is. What the division
leaves over goes to classes drawn at random, and a class that has too few images gives all that it has and the
others make up for it, so that the sample always has exactly n images. No image is drawn twice. Where all
images are asked for, nothing is drawn.
"""

import numpy as np

from practise.errors import ImageError
from practise.images.source import Item
from practise.schema import HowMany

BALANCED_FROM = 1000
"""The number of images from which on every class gives the same number."""


def draw_sample(
    items: list[Item], num_images: HowMany, generator: np.random.Generator, where: str = "num_images"
) -> list[Item]:
    """Return some of the images, in the order in which they were drawn.

    Args:
        items: All training images.
        num_images: How many to draw; all of them come in their own order.
        generator: What draws; a seed gives the same sample of the same items everywhere.
        where: The key's place in the params file, for messages.

    Raises:
        ImageError: More images are asked for than there are.
    """
    if isinstance(num_images, str):
        return list(items)
    if num_images > len(items):
        raise ImageError(
            f"{where}: asks for {num_images} images, but there are only {len(items)} training images"
        )
    members: dict[int, list[Item]] = {label: [] for label in sorted({item.label for item in items})}
    for item in items:
        members[item.label].append(item)
    if num_images < BALANCED_FROM:
        labels = list(members)
        return [_take(members, labels, generator) for _ in range(num_images)]
    sample = []
    for label, count in share_out(
        {label: len(members[label]) for label in members}, num_images, generator
    ).items():
        chosen = generator.permutation(len(members[label]))[:count]
        sample += [members[label][index] for index in chosen]
    return sample


def share_out(available: dict[int, int], num_images: int, generator: np.random.Generator) -> dict[int, int]:
    """Return how many images each class gives, as equal as the classes allow.

    Args:
        available: How many images each class has.
        num_images: How many are wanted, at most as many as there are.
        generator: What draws the classes that give one more than others.
    """
    counts = dict.fromkeys(available, 0)
    while (missing := num_images - sum(counts.values())) > 0:
        able = [label for label in available if counts[label] < available[label]]
        if missing < len(able):
            able = [able[index] for index in generator.permutation(len(able))[:missing]]
        each = max(1, missing // len(able))
        for label in able:
            counts[label] += min(each, available[label] - counts[label])
    return counts


def _take(members: dict[int, list[Item]], labels: list[int], generator: np.random.Generator) -> Item:
    """Draw a class, then one of its images, and take it out; an emptied class leaves `labels`."""
    place = int(generator.integers(len(labels)))
    left = members[labels[place]]
    item = left.pop(int(generator.integers(len(left))))
    if not left:
        labels.pop(place)
    return item
