"""Make images from the original network alone, for when there are none.

Where no comparison of sources asks for such images, none are made: a network without batch norm keeps no
statistics to make them from.
"""

import copy
from functools import cache
from pathlib import Path
from statistics import fmean

from PIL import Image

from practise.files import atomic, sha256, write_result
from practise.images.params import SOURCES
from practise.images.synthesized import KIND
from practise.images.views import combine
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.blocks import drop_blocks_
from practise.networks.teacher import load_teacher
from practise.progress import track
from practise.resume import Resume
from practise.settings.params import Params
from practise.stages import STAGES
from practise.synthesis.synthesis import Synthesized, Synthesizer

SHOWN, COLUMNS = 40, 8
"""How many images a contact sheet shows, and how many side by side."""


def run(params: Params, *, network: str, teacher: Path, out: Path, sheet: Path) -> None:
    """Make images from the original network.

    Args:
        network: Name of an entry of the section networks.
        teacher: The original network's weights, safetensors.
        out: The manifest of the images, JSON; they go to the folder `images` beside it.
        sheet: Some of the images side by side, PNG.
    """
    device = resolve_device(params.device.name)
    original = load_teacher(teacher)
    seed, recipe = params.synthesize.seed, params.synthesize.recipe
    kinds = [SOURCES[params.images[name].source] for name in params.sources.images]
    wanted = params.synthesize.num_images if any(kind.is_made for kind in kinds) else 0
    whole = original.network.to(device).requires_grad_(False)
    student = drop_blocks_(copy.deepcopy(whole), params.sources.blocks) if recipe.competition else None
    about = (whole, original.preprocessing, len(original.classes), recipe, student)
    synthesizer = cache(lambda: Synthesizer(*about))
    resume = Resume(out, [network, recipe.model_dump(), wanted, seed, params.sources.blocks, sha256(teacher)])
    batches = [Synthesized(**batch) for batch in (resume.load() or {"batches": []})["batches"]]
    starts = range(0, wanted, recipe.batch_size)
    for place in track(range(len(batches), len(starts)), f"synthesize batches of {recipe.batch_size}"):
        count = min(recipe.batch_size, wanted - starts[place])
        batches.append(synthesizer().make(count, combine(seed, place)))
        resume.save_now_and_then(lambda: {"batches": [vars(batch) for batch in batches]})
    images = [Image.fromarray(image.permute(1, 2, 0).numpy()) for batch in batches for image in batch.images]
    labels = [int(label) for batch in batches for label in batch.labels]
    listed = []
    out.with_name("images").mkdir(parents=True, exist_ok=True)
    for place, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = Path("images", f"{place:05}.png")
        save(image, out.parent / path)
        listed.append({"path": path.as_posix(), "label": label, "sha256": sha256(out.parent / path)})
    save(lay_out(images[:SHOWN]), sheet)
    qualities = ("distance_before", "distance_after", "confidence")
    result = {
        "network": network,
        "num_classes": len(original.classes),
        "recipe": recipe.model_dump(),
        **{name: fmean(getattr(batch, name) for batch in batches) for name in qualities if batches},
        "images": listed,
    }
    keys = STAGES["synthesize"].keys(network=network)
    made = circumstances(
        params,
        *keys,
        device=device,
        dtype=recipe.dtype,
        batch_size=recipe.batch_size,
        image_size=original.preprocessing.image_size,
        seed=seed,
    )
    write_result(out, KIND, result, made)
    resume.finish()


def save(image: Image.Image, path: Path) -> None:
    """Write an image as PNG, which loses nothing."""
    with atomic(path) as temporary:
        image.save(temporary, format="PNG")


def lay_out(images: list[Image.Image]) -> Image.Image:
    """Images of one size side by side, with a little white between them."""
    gap, (width, height) = 4, images[0].size if images else (0, 0)
    columns = min(COLUMNS, len(images)) or 1
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), "white")
    for place, image in enumerate(images):
        row, column = divmod(place, columns)
        sheet.paste(image, (gap + column * (width + gap), gap + row * (height + gap)))
    return sheet
