"""Drop the chosen blocks and recover the network on the few images."""

from pathlib import Path

from practise.files import read_result, sha256, write_csv
from practise.machine.circumstances import circumstances
from practise.machine.devices import resolve_device
from practise.networks.teacher import load_teacher
from practise.pruning.plan import Pruning
from practise.pruning.students import save_student
from practise.recovery.recover import recover
from practise.resume import Resume
from practise.settings.params import Params
from practise.settings.presets.recover import recovery_recipe
from practise.settings.presets.score import ridge_recipe
from practise.stages import STAGES
from practise.stages.opening import load_tiny_set


def run(
    params: Params,
    *,
    network: str,
    images: str,
    method: str,
    seed: int,
    teacher: Path,
    sample: Path,
    select: Path,
    student: Path,
    card: Path,
    history: Path,
) -> None:
    """Drop the chosen blocks and recover.

    Args:
        network: Name of an entry of the section networks.
        images: Name of an entry of the section images.
        method: Name of an entry of the section methods.
        seed: Seed of batches and random views.
        teacher: The original network's weights, safetensors.
        sample: The images that are handed over, JSON.
        select: The blocks to drop, JSON.
        student: The recovered network's weights, safetensors.
        card: What the recovered network is, JSON.
        history: The loss of each step, CSV.
    """
    device = resolve_device(params.device.name)
    chosen = params.methods[method]
    original = load_teacher(teacher)
    few = load_tiny_set(params, sample, original.preprocessing, seed)
    pruning = Pruning.of(read_result(select, "select"))
    recipe = recovery_recipe(params, method)
    ridge = ridge_recipe(params, method)
    resume = Resume(
        student,
        [
            method,
            seed,
            recipe.model_dump(),
            ridge.model_dump(),
            few.views.model_dump(),
            pruning.describe(),
            sha256(teacher),
            sha256(sample),
        ],
    )
    recovered = recover(original.network.to(device), pruning, few, chosen.loss, recipe, ridge, resume)
    described = {
        "network": network,
        **pruning.describe(),
        "loss": chosen.loss,
        "preset": chosen.preset,
        "recipe": recipe.model_dump(),
        "start": recovered.start,
        "guard": recovered.guard,
        "steps": len(recovered.history),
    }
    keys = STAGES["recover"].keys(network=network, images=images, method=method)
    made = circumstances(
        params,
        *keys,
        device=device,
        dtype=recipe.dtype,
        batch_size=recipe.batch_size,
        image_size=original.preprocessing.image_size,
        seed=seed,
    )
    write_csv(history, ("step", "loss", "lr"), [(row.step, row.loss, row.lr) for row in recovered.history])
    save_student(recovered.network, described, student, card, made)
    resume.finish()
