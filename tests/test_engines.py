"""Both engines run the same jobs and refuse the same mistakes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from dvc.stage import PipelineStage
from trees import ROOT, copy_project, dry_run, run, run_well

from practise.engines import EngineError
from practise.engines.pipeline import Pipeline
from practise.engines.repro import reproduce
from practise.settings.grid import cells, rank_trials
from practise.settings.presets.recover import recovery_recipe
from practise.settings.reading import load_params
from practise.stages import PLACE, STAGES

STUDIES = sorted(path.parent.name for path in ROOT.glob("studies/*/params.yaml"))
PARAMS_FILES = ["params.yaml", *(f"studies/{name}/params.yaml" for name in STUDIES)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which DVC sees the studies too."""
    tree = copy_project(tmp_path_factory.mktemp("project"))
    for study in STUDIES:
        shutil.copy(tree / "dvc.yaml", tree / "studies" / study)
    return tree


@pytest.fixture(scope="module")
def by_dvc(tree: Path) -> dict[str, list[PipelineStage]]:
    """The stages that DVC reads, by the dvc.yaml that they stand in: reading takes half a minute, so once."""
    stages = defaultdict(list)
    with Repo(str(tree)) as repo:
        for stage in repo.index.stages:
            stages[stage.path_in_repo].append(stage)
    return stages


@pytest.fixture
def there(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy as the working directory."""
    monkeypatch.chdir(tree)
    return tree


def snakemake_options(params_file: str) -> tuple[str, ...]:
    return ("--configfile", params_file, "--replace-workflow-config", "--", "all")


# One grid, two engines


@pytest.mark.parametrize("params_file", PARAMS_FILES)
def test_our_reading_of_the_pipeline_is_dvcs(
    there: Path, by_dvc: dict[str, list[PipelineStage]], params_file: str
) -> None:
    ours = {job.name: job for job in Pipeline(params_file).jobs}
    stages = {stage.name: stage for stage in by_dvc[str(dvc_yaml(params_file))]}
    assert set(ours) == set(stages)
    for name, stage in stages.items():
        deps = [dep for dep in stage.deps if not hasattr(dep, "params")]
        assert {os.path.relpath(dep.fs_path) for dep in deps} == set(ours[name].deps)
        assert {os.path.relpath(out.fs_path) for out in stage.outs} == set(ours[name].outs)
        assert stage.cmd == ours[name].command
        assert os.path.relpath(stage.wdir) == "."


@pytest.mark.parametrize("params_file", PARAMS_FILES)
def test_both_engines_describe_the_same_jobs(there: Path, params_file: str) -> None:
    by_command = {job.command: job for job in Pipeline(params_file).jobs}
    jobs = dry_run(there, *snakemake_options(params_file))
    assert {command_of(job) for job in jobs} == set(by_command)
    for job in jobs:
        ours = by_command[command_of(job)]
        assert job["rule"] == ours.stage
        assert set(job["output"].split(", ")) == set(ours.outs)
        inputs = set(job["input"].split(", "))
        # a directory stands in dvc.yaml for all files of the grid below it
        assert not [path for path in inputs if not any(covers(dep, path) for dep in ours.deps)]
        assert not [dep for dep in ours.deps if not any(covers(dep, path) for path in inputs)]


@pytest.mark.parametrize("params_file", PARAMS_FILES)
def test_both_engines_run_a_job_again_for_the_same_params(
    there: Path, by_dvc: dict[str, list[PipelineStage]], params_file: str
) -> None:
    pipeline = Pipeline(params_file)
    ours = {job.name: job for job in pipeline.jobs}
    stages = by_dvc[str(dvc_yaml(params_file))]
    assert {stage.name for stage in stages} == set(ours)
    for stage in stages:
        keys = {key for dep in stage.deps if hasattr(dep, "params") for key in dep.params}
        section = json.loads(pipeline.section(ours[stage.name].stage, ours[stage.name].items))
        assert set(section) == keys


def test_every_command_of_the_pipeline_is_a_stage() -> None:
    assert list(Pipeline("params.yaml").stages) == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_the_pipeline_names_the_params_that_a_stage_declares(stage: str) -> None:
    declared = [*STAGES[stage].reads, *STAGES[stage].opens]
    expected = [PLACE.sub(in_pipeline, key) for key in declared if key != "images.{head}"]  # among all images
    (named,) = Pipeline("params.yaml").stages[stage].get("params", [{}])
    assert list(named) in ([], ["${study.file}"])
    keys = [key for keys in named.values() for key in keys]
    assert sorted(keys) == sorted(expected)


def in_pipeline(place: re.Match[str]) -> str:
    """Write a place as it stands in dvc.yaml: `{network}` is an item of the matrix, `{rank.method}` a key."""
    return f"${{{place[1]}}}" if "." in place[1] else f"${{item.{place[1]}}}"


def test_every_stage_that_opens_images_or_weights_runs_again_when_they_move() -> None:
    pipeline = Pipeline("params.yaml")
    moved = {stage for stage, spec in pipeline.stages.items() if "data.root" in str(spec.get("params"))}
    opens = {"images", "teacher", "original", "sample", "score", "select", "recover", "evaluate", "rank"}
    assert moved == opens | {"sources"}


@pytest.mark.parametrize("heavy", ["torch", "torchvision", "timm"])
@pytest.mark.parametrize("stage", ["select", "tables", "figures"])
def test_a_light_stage_imports_nothing_heavy(stage: str, heavy: str) -> None:
    code = f"import sys, practise.stages.{stage}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_what_measures_time_has_the_machine_to_itself(there: Path) -> None:
    jobs, one = dry_run(there, "--cores", "16", "--", "all"), Pipeline("params.yaml").params.device.threads
    threads = {job["rule"]: int(job.get("threads", 1)) for job in jobs}
    assert threads["latency"] == threads["measure"] == 16
    assert threads["score"] == threads["recover"] == one
    choosing = {
        job["output"].split("/")[5]: int(job.get("threads", 1)) for job in jobs if job["rule"] == "select"
    }
    assert choosing["practise"] == choosing["bp_blocks"] == 16
    assert choosing["fskd"] == choosing["mir"] == one  # filters were measured before


# Studies and profiles


def test_the_papers_grid_is_the_papers(there: Path) -> None:
    pipeline = Pipeline("studies/paper/params.yaml")
    stages = ("sample", "score", "evaluate", "rank")
    counts = {stage: sum(job.stage == stage for job in pipeline.jobs) for stage in stages}
    methods = len(pipeline.params.grid.methods)
    evaluations = methods * 4 * 5 * 2
    assert counts == {"sample": 4 * 5, "score": methods * 4 * 5, "evaluate": evaluations, "rank": 1}


def test_the_papers_recoveries_with_other_images_are_the_papers(there: Path) -> None:
    dropped = {
        "paper-resnet50": ("layer1.1", "layer1.2", "layer2.3"),
        "paper-datafree": ("layer1.1", "layer1.2", "layer2.3"),
        "paper-mobilenetv2": ("features.3", "features.5"),
    }
    studies = {study: load_params(f"studies/{study}/params.yaml") for study in dropped}
    assert {study: params.sources.blocks for study, params in studies.items()} == dropped
    steps = {
        study: recovery_recipe(params, params.sources.methods[0]).steps for study, params in studies.items()
    }
    assert steps == {"paper-resnet50": 2000, "paper-datafree": 16000, "paper-mobilenetv2": 16000}
    other = studies["paper-resnet50"]
    assert other.sources.num_images == (50, 500, 1000, 5000, "all")
    views = {name: (source.views.crop, source.views.flip) for name, source in other.images.items()}
    assert views == {
        "imagenet": ("size", True),
        "synthesized": ("none", True),
        "cub200": ("place", False),
        "places365": ("place", False),
    }


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_dry_runs_by_its_profile(there: Path, study: str) -> None:
    params = load_params(f"studies/{study}/params.yaml")
    said = run_well(
        there, "snakemake", "--dry-run", "--workflow-profile", f"workflow/profiles/{study}", "all_tables"
    )
    assert re.search(rf"(?m)^evaluate +{len(cells(params))}$", said)
    assert re.search(rf"(?m)^rank +{len(rank_trials(params))}$", said)
    assert "results/default" not in said


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_a_profile(study: str) -> None:
    profile = yaml.safe_load((ROOT / f"workflow/profiles/{study}/config.yaml").read_text())
    assert profile["configfile"] == f"studies/{study}/params.yaml"


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_without_its_images_says_which_key_to_set(there: Path, study: str) -> None:
    pipeline = Pipeline(f"studies/{study}/params.yaml")
    name, holds = pipeline.params.grid.images[0], pipeline.params.data.holds
    job = next(job for job in pipeline.jobs if job.stage == "images")
    done = run(there, *job.command.split())
    assert done.returncode == 2
    source = pipeline.params.images[name]
    key = "folder" if source.source == "idx" else "train"
    folder = f"data/{getattr(source, key)}"
    assert f"studies/{study}/params.yaml: images.{name}.{key}: no folder '{folder}'" in done.stderr
    assert done.stderr.endswith(f"; set data.root to the folder that holds {holds}\n")
    assert not (there / job.outs[0]).exists()


@pytest.mark.parametrize(
    "profile", sorted(path.parent.name for path in ROOT.glob("workflow/profiles/*/config.yaml"))
)
def test_a_profile_holds_only_options_of_snakemake(profile: str) -> None:
    from snakemake.cli import get_argument_parser

    known = {word.lstrip("-") for action in get_argument_parser()._actions for word in action.option_strings}
    settings = yaml.safe_load((ROOT / "workflow" / "profiles" / profile / "config.yaml").read_text())
    plugin = f"{settings.get('executor', 'local')}-"
    assert not [key for key in settings if key not in known and not key.startswith(plugin)]
    assert settings["rerun-incomplete"], "what a kill left half-made would stop the next run"


# Mistakes


def refusal(tree: Path, *options: str) -> str:
    done = run(tree, "snakemake", "--dry-run", *options)
    assert done.returncode == 2, done.stderr
    return next(line for line in done.stderr.splitlines() if line.startswith("practise: "))


def test_snakemake_refuses_a_typo_with_our_sentence(there: Path) -> None:
    text = (there / "params.yaml").read_text()
    typo = text.replace("start, practise]    # names", "start, practice]    # names")
    (there / "typo.yaml").write_text(typo.replace("file: params.yaml", "file: typo.yaml"))
    methods = list(yaml.safe_load(text)["methods"])
    place = yaml.safe_load(typo)["grid"]["methods"].index("practice")
    assert refusal(there, "--configfile", "typo.yaml", "--replace-workflow-config", "--", "all") == (
        f"practise: typo.yaml: grid.methods[{place}]: unknown method 'practice' "
        f"(known: {', '.join(methods)}). Did you mean 'practise'?"
    )


def test_snakemake_refuses_a_value_that_only_it_would_see(there: Path) -> None:
    assert refusal(there, "all", "--config", "device={name: cpu, threads: 3}") == (
        "practise: snakemake: the config differs from params.yaml in device: edit the file in place of "
        "--config, and name another whole file by --configfile FILE --replace-workflow-config"
    )


def test_snakemake_refuses_two_params_files(there: Path) -> None:
    sentence = refusal(there, "--configfile", "params.yaml", "studies/paper/params.yaml", "--", "all")
    assert sentence.startswith("practise: snakemake: 2 config files are named")


def test_a_study_that_was_copied_but_not_renamed_is_refused(there: Path) -> None:
    (there / "copied.yaml").write_text((there / "params.yaml").read_text())
    with pytest.raises(
        EngineError, match="copied.yaml: study.file is 'params.yaml', should be 'copied.yaml'"
    ):
        Pipeline("copied.yaml")


def test_dvc_runs_no_study_without_the_pipeline_beside_it_or_by_another_one(there: Path) -> None:
    copy = there / "studies" / "bare" / "dvc.yaml"
    copy.parent.mkdir(exist_ok=True)
    text = (there / "studies" / "paper" / "params.yaml").read_text()
    copy.with_name("params.yaml").write_text(text.replace("studies/paper", "studies/bare"))
    pipeline = Pipeline("studies/bare/params.yaml")
    with pytest.raises(EngineError, match="studies/bare/dvc.yaml: no such file"):
        reproduce(pipeline, there / "log")
    copy.write_text(f"{(there / 'dvc.yaml').read_text()}# mine\n")
    with pytest.raises(EngineError, match="studies/bare/dvc.yaml: differs from dvc.yaml"):
        reproduce(pipeline, there / "log")
    copy.unlink()


def dvc_yaml(params_file: str) -> Path:
    return Path(params_file).with_name("dvc.yaml")


def command_of(job: dict[str, str]) -> str:
    """Return a rule's command without the log."""
    return re.sub(r" > \S+ 2>&1$", "", job["command"])


def covers(dep: str, path: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")
