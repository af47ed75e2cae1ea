# What every rule uses. Snakemake takes the lists of code and params from the pipeline that both engines share.
import os

PLAN.check_config(config)
PLAN.clear_stale_locks()

G = config["grid"]
R = f"results/{config['study']['name']}"
LOGS = f"logs/{config['study']['name']}"
CELL = "{network}/{images}/{method}/n{num_images}/s{seed}"
PARAMS_FILE = PLAN.params_file
ENVIRONMENT = "../../environment.yml"

THREADS = config["device"]["threads"]
MACHINE = workflow.resource_settings.cores or THREADS  # for what measures time: nothing else runs beside it
GPU = PLAN.gpus_per_job


wildcard_constraints:
    network=r"[\w-]+",
    images=r"[\w-]+",
    method=r"[\w-]+",
    num_images=r"\d+|all",
    seed=r"\d+",
    target=r"[\d.e-]+",


def code(stage):
    """The files of ours that shape a stage's result."""
    return PLAN.code(stage)


def section(stage):
    """The params that a job of a stage depends on, as text: another text, and Snakemake runs the job again."""
    return lambda wildcards: PLAN.section(stage, dict(wildcards.items()))


def machine_where_it_measures(wildcards):
    """The threads of a job that chooses what to prune: filters, numbers of blocks and MACs need no clock."""
    return MACHINE if PLAN.measures_time(wildcards.method, wildcards.target) else THREADS


def every(pattern, networks=G["networks"]):
    """The paths of a pattern for all cells of the grid, or for those of some networks."""
    return expand(
        pattern,
        network=networks,
        images=G["images"],
        method=G["methods"],
        num_images=G["num_images"],
        seed=G["seeds"],
        target=G["targets"],
    )


def every_trial(pattern, comparison):
    """The paths of a pattern for all comparisons of criteria (`rank`), or of images (`sources`)."""
    trials = config[comparison]
    return expand(
        pattern,
        network=trials["networks"],
        images=trials["images"],
        num_images=trials["num_images"],
        seed=trials["seeds"],
    )


def reported(stage, ending):
    """The files of a kind that a stage makes; those with a caption in workflow/report/ stand in the report."""
    paths = []
    for name in PLAN.made(stage, ending):
        path, caption = f"{R}/{stage}/{name}.{ending}", f"../report/{stage}/{name}.rst"
        if os.path.isfile(f"workflow/report/{stage}/{name}.rst"):
            labels = {stage.removesuffix("s"): name.replace("_", " ")}
            path = report(path, caption=caption, category=stage.title(), labels=labels)
        paths.append(path)
    return paths
