"""Train the small vision transformer of a study from scratch, as nobody offers its weights.

    python -m benchmarks.train_vit

The network, its images and where its weights go are those that the study's params name first. AdamW with one
cycle of the learning rate, smoothed labels, and images that are shifted and flipped at random. The same seed
and number of threads give the same weights; a run that was interrupted goes on where it was.
"""

import argparse
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.case import main
from practise.errors import UsageError
from practise.files import write_result
from practise.machine.devices import prepare_environment
from practise.machine.params import DeviceParams
from practise.settings.reading import load_params

if TYPE_CHECKING:  # imported once threads and memory are set
    import torch
    from jaxtyping import Int64, UInt8
    from torch import Tensor

    from practise.resume import Resume

STUDY = Path("studies", "vit-fashion-mnist", "params.yaml")
RAISED_FOR = 0.2
"""Share of the steps in which the learning rate rises; in the others it falls to zero."""


@dataclass(frozen=True)
class Recipe:
    """How the network is trained.

    Attributes:
        epochs: Times that every training image is looked at.
        batch_size: Images in a step.
        lr: The highest learning rate.
        weight_decay: AdamW's, of all weights but biases and norms.
        smoothing: Share of each label that is spread over all classes.
        shift: Pixels that an image is moved by at most, up or down and to either side.
        seed: Decides the first weights, the order of the images, the shifts and the flips.
    """

    epochs: int = 12
    batch_size: int = 128
    lr: float = 2e-3
    weight_decay: float = 0.05
    smoothing: float = 0.1
    shift: int = 1
    seed: int = 0


def run() -> None:
    """Train, measure the accuracy on the evaluation images, write the weights and what is known of them."""
    params_file, out, threads, recipe = ask()
    params = load_params(params_file)
    device_params = DeviceParams(name=params.device.name, threads=threads or params.device.threads)
    prepare_environment(device_params)
    import timm
    import torch
    from timm.layers.config import set_fused_attn

    from practise.evaluation.accuracy import evaluate_accuracy
    from practise.images import open_source
    from practise.images.loading import stream_batches
    from practise.images.preprocessing import to_tensor
    from practise.images.reading import map_in_order, read_image
    from practise.machine.circumstances import circumstances
    from practise.machine.devices import dtype_name, prepare, resolve_device, training_dtype
    from practise.networks.building import build_untrained, find_preprocessing
    from practise.networks.checkpoints import write_state
    from practise.resume import Resume

    prepare(device_params)
    device = resolve_device(params.device.name)
    network_name, images_name = params.grid.networks[0], params.grid.images[0]
    spec, where = params.networks[network_name], f"{params.study.file}: networks.{network_name}"
    weights = out or params.data.find(spec.weights)
    if weights.suffix != ".safetensors":
        raise UsageError(f"--out: is '{weights}', should end in .safetensors")
    source = open_source(images_name, params.images[images_name], params.study.file, params.data)
    preprocessing = find_preprocessing(spec, where)
    torch.manual_seed(recipe.seed)
    if device.type == "cpu":
        set_fused_attn(False)  # its backward pass in bf16 is slow there
    network = build_untrained(spec, where, len(source.classes)).to(device)
    views = list(map_in_order(lambda item: preprocessing.view(read_image(source.root, item)), source.train))
    labels = torch.tensor([item.label for item in source.train])
    dtype = training_dtype("auto", network, device)
    key = [spec.model_dump(exclude={"weights"}), params.images[images_name].model_dump(), device.type]
    resume = Resume(weights, [key, asdict(recipe), len(labels), str(dtype)])
    seconds = train_(network, preprocessing.normalise, to_tensor(views), labels, recipe, dtype, resume)
    batches = stream_batches(
        source.root, source.evaluation, preprocessing, params.evaluate.batch_size, "evaluate"
    )
    accuracy = evaluate_accuracy(network, batches, device)
    write_state(weights, network.state_dict())
    made = circumstances(
        params,
        *(f"networks.{network_name}", f"images.{images_name}"),
        device=device,
        dtype=dtype_name(dtype),
        image_size=preprocessing.image_size,
        timm=timm.__version__,
    )
    result = {"recipe": asdict(recipe), "accuracy": asdict(accuracy), "seconds": round(seconds)}
    write_result(weights.with_suffix(".json"), "training", {**result, "num_train": len(labels)}, made)
    resume.finish()
    print(f"{accuracy.top1:.2f} % top-1 on {accuracy.num_images} images after {seconds / 60:.0f} minutes")
    print(f"weights in {weights}")


def ask() -> tuple[Path, Path | None, int | None, Recipe]:
    """Read the command line: the params file, where the weights go, the threads and the recipe."""
    known = Recipe()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--params-file", type=Path, default=STUDY, help="a study's params")
    parser.add_argument("--out", type=Path, help="the weights, .safetensors; else where the params say")
    parser.add_argument("--threads", type=int, help="CPU threads; else as the params say")
    for name, value in asdict(known).items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(value), default=value, help=f"{value} when not given")
    asked = vars(parser.parse_args())
    recipe = Recipe(**{name: asked[name] for name in asdict(known)})
    return asked["params_file"], asked["out"], asked["threads"], recipe


def train_(
    network: "torch.nn.Module",
    normalise: Any,
    images: 'UInt8[Tensor, "n 3 h w"]',
    labels: 'Int64[Tensor, " n"]',
    recipe: Recipe,
    dtype: "torch.dtype",
    resume: "Resume",
) -> float:
    """Train a network in place.

    Args:
        network: With its first weights.
        normalise: From bytes to what the network wants.
        images: Those to train on.
        labels: Their classes.
        recipe: How.
        dtype: What is computed in; the weights stay in fp32.
        resume: Where the state is kept meanwhile.

    Returns:
        The seconds that it took, in all runs together.
    """
    import torch
    from torch.nn import functional

    from practise.images.views import draw_batch, seeded
    from practise.progress import track

    device = next(network.parameters()).device
    decayed = [weight for weight in network.parameters() if weight.ndim > 1]
    others = [weight for weight in network.parameters() if weight.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    )
    steps_per_epoch = len(images) // recipe.batch_size
    steps = recipe.epochs * steps_per_epoch
    first, before, start = 0, 0.0, time.monotonic()
    if state := resume.load():
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first, before = state["step"], state["seconds"]

    def state_now() -> dict[str, Any]:
        seconds = before + time.monotonic() - start
        weights_now = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
        return {"step": step + 1, "seconds": seconds, **weights_now}

    network.train()
    for step in track(range(first, steps), "train"):
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * one_cycle(step / steps)
        chosen = draw_batch(len(images), recipe.batch_size, recipe.seed, step)
        batch = augment(images[chosen], recipe.shift, seeded(recipe.seed, step))
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = network(normalise(batch.to(device))).float()
        loss = functional.cross_entropy(logits, labels[chosen].to(device), label_smoothing=recipe.smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % steps_per_epoch == 0:
            print(f"epoch {(step + 1) // steps_per_epoch}: loss {loss.item():.3f}", flush=True)
        resume.save_now_and_then(state_now)
    return before + time.monotonic() - start


def one_cycle(done: float) -> float:
    """The learning rate as a share of the highest: a straight line up, then a cosine down to zero.

    Args:
        done: The share of the steps that are done.

    >>> [round(one_cycle(done), 2) for done in (0, 0.1, 0.2, 0.6, 1)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if done < RAISED_FOR:
        return done / RAISED_FOR
    return (1 + math.cos(math.pi * (done - RAISED_FOR) / (1 - RAISED_FOR))) / 2


def augment(
    images: 'UInt8[Tensor, "n 3 h w"]', shift: int, generator: "torch.Generator"
) -> 'UInt8[Tensor, "n 3 h w"]':
    """Images, each moved by up to `shift` pixels over a black ground, and mirrored half of the time."""
    import torch
    from torch.nn import functional

    count, _, height, width = images.shape
    padded = functional.pad(images, (shift,) * 4)
    down, right = torch.randint(2 * shift + 1, (2, count, 1), generator=generator)
    rows, columns = down + torch.arange(height), right + torch.arange(width)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    places = torch.arange(count)[:, None, None]
    return padded[places, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


if __name__ == "__main__":
    main(run)
