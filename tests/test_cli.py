"""The command line as a person meets it: every message word for word, every exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_stage
import yaml

from practise import __version__
from practise.commands.app import build_app, parse
from practise.commands.cli import COMMANDS, main
from practise.files import read_result
from practise.settings.params import json_schema
from practise.stages import STAGES, Stage

ROOT = Path(__file__).parents[1]
KNOWN = "(known: --params-file, --network, --seed, --sample, --out, --mood)"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty project with the committed params, one more stage, and the environment restored afterwards."""
    environment = dict(os.environ)
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / "sample.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setitem(STAGES, "toy", Stage(("out",), reads=("networks.{network}",), torch=False))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "practise.stages.toy", toy_stage)
    yield tmp_path
    os.environ.clear()
    os.environ.update(environment)


def set_params(**changes: object) -> None:
    values = yaml.safe_load(Path("params.yaml").read_text())
    for dotted, value in changes.items():
        section, key = dotted.split(".")
        values[section][key] = value
    Path("params.yaml").write_text(yaml.safe_dump(values))


def toy(**flags: object) -> list[str]:
    """The command line of the toy stage, with some flags replaced or, by None, left out."""
    given = {
        "params-file": "params.yaml",
        "network": "efficientnet_lite0",
        "seed": 3,
        "sample": "sample.json",
        "out": "results/default/toy/s3.json",
        **{name.replace("_", "-"): value for name, value in flags.items()},
    }
    return [
        "toy",
        *(word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))),
    ]


def test_a_stage_is_a_command_with_the_flags_of_its_function() -> None:
    assert main(toy(seed=7)) == 0
    assert read_result("results/default/toy/s3.json", "toy") == {"seed": 7, "network": "efficientnet_lite0"}


def test_what_changes_from_run_to_run_is_noted_apart() -> None:
    assert main(toy()) == 0
    note = json.loads(Path("results/default/runs/toy/s3.volatile.json").read_text())
    assert sorted(note) == ["command", "commit", "date", "host", "peak_memory_mib", "seconds"]
    assert note["command"] == ["practise", *toy()]
    first = Path("results/default/toy/s3.json").read_bytes()
    assert main(toy()) == 0
    assert Path("results/default/toy/s3.json").read_bytes() == first


def test_an_output_outside_the_results_has_no_note() -> None:
    assert main(toy(out="elsewhere.json")) == 0
    assert sorted(os.listdir()) == ["elsewhere.json", "params.yaml", "sample.json"]


def test_flags_may_be_joined_by_an_equals_sign_and_the_params_file_left_out() -> None:
    words = ["toy", "--network=efficientnet_lite0", "--seed=-2", "--sample=sample.json", "--out=out.json"]
    assert main(words) == 0
    assert read_result("out.json", "toy")["seed"] == -2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["scor"],
            f"unknown command 'scor' (known: {', '.join([*STAGES, 'toy', *COMMANDS])}). "
            "Did you mean 'score'?",
        ),
        (
            [*toy(), "--netwrk", "x"],
            f"toy: unknown flag '--netwrk' {KNOWN}. Did you mean '--network'?",
        ),
        (
            [*toy(), "extra"],
            f"toy: unknown argument 'extra' {KNOWN}",
        ),
        (toy(seed=None, out=None), "toy: missing --seed, --out"),
        (toy(seed="three"), "toy: --seed: is 'three', should be a whole number"),
        (toy(seed=1.5), "toy: --seed: is '1.5', should be a whole number"),
        ([*toy(), "-q"], f"toy: unknown flag '-q' {KNOWN}"),
        ([*toy(), "--seed", "4"], "toy: --seed: is given twice"),
        ([*toy(out=None), "--out"], "toy: --out: has no value, should be a path"),
        ([*toy(out=None), "--out", ""], "toy: --out: has no value, should be a path"),
        ([*toy(params_file=None), "--params-file"], "toy: --params-file: has no value, should be a path"),
        ([*toy(out=None), "--out="], "toy: --out: has no value, should be a path"),
        (
            toy(network="efficientnet"),
            "toy: --network: unknown network 'efficientnet' (known: efficientnet_lite0). "
            "Did you mean 'efficientnet_lite0'?",
        ),
        (
            toy(sample="missing.json"),
            "toy: --sample: no such file or directory 'missing.json', should be made by its stage first; "
            "`dvc repro` and `snakemake` run the stages in order",
        ),
        (
            toy(params_file="parms.yaml"),
            "parms.yaml: no such file, should be a params file such as params.yaml",
        ),
        (toy(mood="mistaken"), "images.elpv: first mistake\npractise: images.elpv: second mistake"),
        (
            toy(mood="hungry"),
            "out of memory; set a smaller batch_size in the params file, or another device.name",
        ),
        (
            toy(out="sample.json/out.json"),
            "sample.json/out.json: cannot be written: a file is where its directory should be",
        ),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.err == f"practise: {message}\n"
    assert captured.out == ""
    assert not Path("results").exists()


def test_every_mistake_on_the_command_line_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*toy(seed="x", out=None), "--oot", "y"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "practise: toy: --seed: is 'x', should be a whole number",
        f"practise: toy: unknown flag '--oot' {KNOWN}. Did you mean '--out'?",
        "practise: toy: missing --out",
    ]


def test_flags_may_be_typed_with_underscores(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "sample",
        "--images=elpv",
        "--num_images=x",
        "--seed=0",
        "--listing=sample.json",
        "--out=out.json",
    ]
    assert main(words) == 2
    told = "practise: sample: --num-images: is 'x', should be a whole number or all\n"
    assert capsys.readouterr().err == told
    Path("params.yaml").rename("mine.yaml")
    assert main([*toy(params_file=None), "--params_file", "mine.yaml"]) == 0


@pytest.mark.parametrize("wrong", ["al", "1.5", "fifty"])
def test_a_number_of_images_may_be_all_and_nothing_else_that_is_no_whole_number(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--images=elpv", "--seed=0", "--listing=no.json", "--out=out.json"]
    assert main(["sample", f"--num-images={wrong}", *flags]) == 2
    told = f"practise: sample: --num-images: is '{wrong}', should be a whole number or all\n"
    assert capsys.readouterr().err == told
    for right in ("all", "50"):
        assert main(["sample", f"--num-images={right}", *flags]) == 2
        assert "--listing: no such file or directory 'no.json'" in capsys.readouterr().err


def test_the_whole_params_file_is_checked_before_anything_runs(capsys: pytest.CaptureFixture[str]) -> None:
    set_params(**{"evaluate.batch_size": 0, "grid.methods": ["practice"]})
    assert main(toy()) == 2
    methods = ", ".join(sorted(yaml.safe_load(Path("params.yaml").read_text())["methods"]))
    assert sorted(capsys.readouterr().err.splitlines()) == [
        "practise: params.yaml: evaluate.batch_size: is 0, should be at least 1",
        f"practise: params.yaml: grid.methods[0]: unknown method 'practice' (known: {methods}). "
        "Did you mean 'practise'?",
    ]
    assert not Path("results").exists()


def test_an_interruption_is_one_line_and_exit_code_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(toy(mood="interrupted")) == 130
    assert capsys.readouterr().err == (
        "practise: interrupted; no half-written file is left, run the same command again\n"
    )


def test_a_defect_shows_its_traceback_and_exit_code_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(toy(mood="broken")) == 1
    error = capsys.readouterr().err
    assert error.startswith("Traceback")
    assert error.endswith("RuntimeError: a defect\n")


def test_help_lists_the_stages_in_order_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    lines = [line.strip("│ ") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Usage: practise COMMAND"
    assert (
        "hardware    Say what this machine is: latencies are measured again when it is another one." in lines
    )
    first_words = [line.split()[0] for line in lines if line]
    known = [*STAGES, *COMMANDS, "--help", "--version"]
    assert [word for word in first_words if word in known] == known


def test_help_of_a_stage_shows_its_flags(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toy", "--help"]) == 0
    lines = [line.strip("│ ") for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "Usage: practise toy --network STR --seed INT --sample PATH --out PATH [OPTIONS]"
    assert lines[2] == "Write the seed."
    assert lines[5:-1] == [
        "--params-file PATH  The params file. [default: params.yaml]",
        "*  --network STR       The network's name. [required]",
        "*  --seed INT          What to write; a second line of help. [required]",
        "*  --sample PATH       An input. [required]",
        "*  --out PATH          The output. [required]",
        "--mood STR          How it goes. [default: good]",
    ]


@pytest.mark.parametrize("words", [["toy", "-h"], ["--help", "toy"], ["toy", "--seed", "3", "--help"]])
def test_help_is_told_wherever_it_is_asked_for_and_needs_no_params_file(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("params.yaml").unlink()
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("Usage: practise toy --network STR")


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"practise {__version__}\n"


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["--fast"], {"fast": True}),
        (["--no-fast"], {"fast": False}),
        (["--fast=false"], {"fast": False}),
        (["--fast", "--note", "x"], {"fast": True, "note": "x"}),
        ([], {}),
    ],
)
def test_a_switch_stands_alone_or_with_its_opposite(
    words: list[str], values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*, fast: bool = False, note: str | None = None) -> None: ...

    monkeypatch.setitem(sys.modules, "switch", SimpleNamespace(command=command))  # type: ignore[misc]
    app = build_app({"Commands": {"switch": "switch:command"}}, ["switch"])
    assert parse(app, ["switch", *words])[1].arguments == values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["study", "papers"],
            "study: unknown study 'papers' (known: paper). Did you mean 'paper'?",
        ),
        (["study", "paper", "paper"], "study: unknown argument 'paper' (known: --hide)"),
        (["study", "--name", "paper"], "study: unknown flag '--name' (known: --hide)"),
        (["study", "paper", "--hide=perhaps"], "study: --hide: is 'perhaps', should be true or false"),
        (["completion", "tcsh"], "completion: SHELL: is 'tcsh', should be one of bash, zsh, fish"),
        (
            ["check", "--params-file", "parms.yaml"],
            "parms.yaml: no such file, should be a params file such as params.yaml",
        ),
    ],
)
def test_a_mistake_with_another_command_is_a_sentence_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("studies/paper").mkdir(parents=True)
    Path("studies/paper/params.yaml").touch()
    assert main(words) == 2
    assert capsys.readouterr().err == f"practise: {message}\n"


def test_study_lists_shows_and_hides_studies(capsys: pytest.CaptureFixture[str]) -> None:
    Path("studies/mine").mkdir(parents=True)
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["study"] = {"name": "mine", "file": "studies/mine/params.yaml", "root": "../.."}
    Path("studies/mine/params.yaml").write_text(yaml.safe_dump(values))
    Path("dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    for words, told in [
        ([], "mine                 practise study mine"),
        (["mine"], "DVC sees the study mine: dvc repro studies/mine/dvc.yaml"),
        ([], "mine                 seen by DVC"),
        (["mine", "--hide"], "DVC no longer sees the study mine"),
        ([], "mine                 practise study mine"),
    ]:
        assert main(["study", *words]) == 0
        assert capsys.readouterr().out == f"{told}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_writes_down_commands_and_flags(
    shell: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(project))
    assert main(["completion", shell]) == 0
    path, _, _ = capsys.readouterr().out.partition(": written; a new " + shell)
    script = Path(path).read_text()
    for word in [*STAGES, *COMMANDS, "params-file", "target-reduction", "hide"]:
        assert word in script


def test_what_bash_completes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(project))
    assert main(["completion", "bash"]) == 0
    ask = 'source .bashrc; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _practise; echo "${COMPREPLY[*]}"'
    for words, completed in [
        ("practise sco", "score"),
        ("practise score --se", "--seed"),
        ("practise score --params-file par", "params.yaml"),
        ("practise completion f", "fish"),
    ]:
        done = subprocess.run(["bash", "-c", ask, "bash", *words.split()], capture_output=True, text=True)
        assert done.stdout == f"{completed}\n", done.stderr


def test_check_tells_what_the_grid_runs(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("practise.images")
    set_params(**{"grid.seeds": [0, 1, 2], "grid.targets": [0.1, 0.2], "grid.methods": ["practise"]})
    assert main(["check"]) == 0
    cells, runs, *rest = capsys.readouterr().out.splitlines()
    assert cells == "study default: 6 cells = 3 seeds × 2 targets"
    counts = dict(run.split() for run in runs.removeprefix("runs: ").split(", "))
    assert [*counts, "toy"] == list(STAGES)
    told = {
        stage: int(counts[stage]) for stage in ("teacher", "sample", "score", "select", "evaluate", "rank")
    }
    assert told == {"teacher": 1, "sample": 3, "score": 3, "select": 6, "evaluate": 6, "rank": 3}
    assert rest == [
        "results: results/default/, tables in results/default/tables/",
        "data: everything is there",
    ]


def test_check_tells_which_data_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("practise.images")
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["networks"]["efficientnet_lite0"]["weights"] = "mine.pth"
    Path("params.yaml").write_text(yaml.safe_dump(values))
    assert main(["check"]) == 2
    assert capsys.readouterr().err == (
        "practise: params.yaml: networks.efficientnet_lite0.weights: no such file 'mine.pth', should be own, "
        "package:NAME or the path of a .safetensors file or state dict\n"
    )


def test_check_tells_what_the_datas_root_should_hold(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("practise.images")
    values = yaml.safe_load(Path("params.yaml").read_text())
    values["data"] = {"root": "shelf", "holds": "photos and weights of mine"}
    values["networks"]["efficientnet_lite0"]["weights"] = "mine.pth"
    values["images"]["mine"] = {"source": "folder", "train": "train", "evaluation": "val"}
    values["grid"]["images"] = values["rank"]["images"] = ["mine"]
    values["sources"]["evaluation"] = "mine"
    Path("mine.yaml").write_text(yaml.safe_dump(values).replace("file: params.yaml", "file: mine.yaml"))
    assert main(["check", "--params-file", "mine.yaml"]) == 2
    advice = "set data.root to the folder that holds photos and weights of mine"
    assert capsys.readouterr().err.splitlines() == [
        "practise: mine.yaml: images.mine.train: no folder 'shelf/train'; set it to a folder with one "
        f"sub-folder of images per class, named as in the class list; {advice}",
        "practise: mine.yaml: networks.efficientnet_lite0.weights: no such file 'shelf/mine.pth', should be "
        f"own, package:NAME or the path of a .safetensors file or state dict; {advice}",
    ]


def test_schema_writes_the_schema() -> None:
    assert main(["schema", "--out", "deep/schema.yaml"]) == 0
    text = Path("deep/schema.yaml").read_text()
    assert text.startswith("# Made by `practise schema` from practise/settings/params.py.\n")
    assert yaml.safe_load(text) == json_schema()


def test_the_command_works_as_a_process_and_looks_without_torch(project: Path) -> None:
    code = "import sys; from practise.commands.cli import main; main(['--help']); "
    code += "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'pandas', 'dvc')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wrong = subprocess.run(
        [sys.executable, "-m", "practise", "zebra"], cwd=ROOT, capture_output=True, text=True
    )
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("practise: unknown command 'zebra' (known: hardware, ")


def test_the_environment_is_prepared_before_numpy_and_torch_are_imported() -> None:
    code = """
import sys
from practise.commands.cli import main
from practise.machine import devices

def prepare_environment(device, timed):
    stages = [name for name in sys.modules if name.startswith("practise.stages.")]
    sys.exit(str([*{"numpy", "torch"}.intersection(sys.modules), *stages, timed]))

devices.prepare_environment = prepare_environment
main(["latency", "--out", "results/default/latency.json"])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == "[True]\n"


def test_the_hardware_stage_says_what_this_machine_is(monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "practise", "hardware", "--params-file", project / "params.yaml"]
        + ["--out", project / "results/default/hardware.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    from practise.machine.hardware import describe

    assert read_result("results/default/hardware.json", "hardware") == describe()
