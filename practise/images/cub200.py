"""CUB-200-2011: birds, the paper's images of another domain; the training split alone, as its archive has it.

The archive unpacks to a folder `CUB_200_2011` with `images.txt`, whose lines are an image's number and path,
`train_test_split.txt`, an image's number and 1 for training, and the folder `images`. The classes are birds
and not the network's, so they are no labels; they say which images belong together when some are drawn.
"""

from pathlib import Path

from practise.errors import ImageError
from practise.images.params import HERE, DataParams, ImagesParams
from practise.images.source import Item, Source, Split

LISTS = ("images.txt", "train_test_split.txt")


def open_cub200(name: str, spec: ImagesParams, where: str, data: DataParams = HERE) -> Source:
    """Return the training split; there are no images to evaluate on.

    Args:
        name: The source's name in the params file.
        spec: Its entry there.
        where: The place of the entry, for messages.
        data: Where relative paths start from.

    Raises:
        ImageError: The folder is missing or is not CUB-200's.
    """
    folder = data.find(spec.train or "")
    missing = [file for file in LISTS if not (folder / file).is_file()]
    if missing:
        raise ImageError(
            f"{where}.train: no file '{folder / missing[0]}'; set it to the folder CUB_200_2011 that the "
            f"archive unpacks to{data.advice(spec.train or '')}"
        )

    def scan(split: Split) -> list[Item]:
        return list_training(folder, where) if split == "train" else []

    return Source(name, folder / "images", (), ("horizontal",), scan)


def list_training(folder: Path, where: str) -> list[Item]:
    """Return the images of the training split in the order of their numbers, labelled by kind of bird.

    Args:
        folder: What the archive unpacks to.
        where: The place of the source's entry, for messages.

    Raises:
        ImageError: The lists are not as they should be.
    """
    try:
        paths, chosen = (dict(map(str.split, (folder / file).read_text().splitlines())) for file in LISTS)
        training = [paths[number] for number, used in chosen.items() if used == "1"]
    except (ValueError, KeyError) as error:
        raise ImageError(
            f"{where}.train: '{folder / LISTS[0]}' and '{LISTS[1]}' beside it are not the lists of CUB-200"
        ) from error
    kinds = sorted({path.partition("/")[0] for path in paths.values()})
    return [Item(path, kinds.index(path.partition("/")[0])) for path in training]
