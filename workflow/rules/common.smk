# What every rule uses. Snakemake takes the lists of code and params from dvc.yaml, so that they stand in one place.
import os

from snakemake.utils import validate

PLAN.check_config(config)
validate(config, "../schemas/params.schema.yaml", set_default=False)
PLAN.clear_stale_locks()

G = config["grid"]
R = f"results/{config['profile']['name']}"
LOGS = f"logs/{config['profile']['name']}"
CELL = "{network}/{images}/{method}/n{num_images}/s{seed}"
PARAMS_FILE = PLAN.params_file
ENVIRONMENT = "../../environment.yml"
TABLES = [
    "claims",
    "schemes",
    "fewshot",
    "criteria",
    "oracle",
    "latency",
    "blocks",
    "outofdomain",
    "datafree",
    "recovery",
]
FIGURES = ["tradeoff", "criteria", "macs_vs_latency", "recoverability", "sources", "curves"]

THREADS = config["device"]["threads"]
MACHINE = workflow.resource_settings.cores or THREADS  # for what measures time: nothing else runs beside it
GPU = PLAN.gpus_per_job


wildcard_constraints:
    network=r"[\w-]+",
    images=r"[\w-]+",
    method=r"[\w-]+",
    num_images=r"\d+",
    seed=r"\d+",
    target=r"[\d.e-]+",


def code(stage):
    """The modules of ours that shape a stage's result."""
    return PLAN.code(stage)


def section(stage):
    """The params that a job of a stage depends on, as text: another text, and Snakemake runs the job again."""
    return lambda wildcards: PLAN.section(stage, dict(wildcards.items()))


def every(pattern):
    """The paths of a pattern for all cells of the grid."""
    return expand(
        pattern,
        network=G["networks"],
        images=G["images"],
        method=G["methods"],
        num_images=G["num_images"],
        seed=G["seeds"],
        target=G["targets"],
    )


def every_study(pattern, comparison):
    """The paths of a pattern for all comparisons of criteria (`rank`), or of images (`sources`)."""
    studies = config[comparison]
    return expand(
        pattern,
        network=studies["networks"],
        images=studies["images"],
        num_images=studies["num_images"],
        seed=studies["seeds"],
    )
