"""The README and docs/: every number in them comes from committed copies of results, and comes out again."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from render_results import DEVICE, make_params, write_results

from practise.errors import FileError
from practise.files import read_result, write_result, write_text
from practise.render.docs import FOLDER, MARKED, REGIONS, collect, docs, fill, pages, render, summary
from practise.render.formats import to_markdown
from practise.render.tables.frames import fewshot_frame
from practise.render.tables.writing import write_tables
from practise.render.tidy import frame_csv, read_frame
from practise.settings.grid import Paths, cells, first_outputs, source_trials
from practise.settings.params import Params
from practise.settings.problems import check_values

ROOT = Path(__file__).parents[1]
MACHINE = {
    "cpu": DEVICE["device_name"],
    "physical_cores": 2,
    "logical_cores": 4,
    "memory_gib": 8,
    "gpu": None,
    "driver": None,
    "os": "Example OS",
    "python": "3.11.7",
    "torch": "2.9.0",
}
PAGE = "# Title\n\n<!-- practise docs: {profile}/{region} -->\nold\n<!-- end -->\n\nwords\n"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose default grid has run, two seconds a run, with a README that has every region."""
    folder, params = tmp_path_factory.mktemp("project"), make_params()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_results(params)
        paths = Paths.of(params)
        write_result(paths.hardware, "hardware", MACHINE, {})
        for outputs in first_outputs(params).values():
            for output in outputs:
                path = paths.volatile(output)
                assert path is not None
                write_text(path, json.dumps({"seconds": 2.0, "peak_memory_mib": 1536}))
        write_tables(params, paths.tables)
        write_text("README.md", "".join(PAGE.format(profile="default", region=region) for region in REGIONS))
    return folder


@pytest.fixture
def project(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A copy of that project to change, and to be in."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return make_params()


def fill_readme(params: Params) -> str:
    """Do what the command does, but for the figures."""
    collect(params, FOLDER / "default", environment=Path("results"))
    fill(Path("README.md"), FOLDER / "default")
    return Path("README.md").read_text()


def same_picture(one: Path, other: Path) -> bool:
    """Whether two pictures look alike: processors may differ in last digits of coordinates, and in ids."""
    if one.suffix == ".png":
        pixels = [np.asarray(Image.open(path).convert("RGB"), dtype=float) for path in (one, other)]
        return pixels[0].shape == pixels[1].shape and np.abs(pixels[0] - pixels[1]).mean() < 0.1
    texts = [re.sub(r"\b[mp][0-9a-f]{10}\b", "id", path.read_text()) for path in (one, other)]
    numbers = [np.array(re.findall(r"-?\d+\.\d+", text), dtype=float) for text in texts]
    skeletons = [re.sub(r"-?\d+\.\d+", "#", text) for text in texts]
    return skeletons[0] == skeletons[1] and np.allclose(*numbers, atol=1e-3)


def test_regions_are_filled_and_the_words_around_them_are_left_alone(project: Params) -> None:
    text = fill_readme(project)
    assert "\nold\n" not in text
    assert text.count("# Title") == text.count("words\n") == len(REGIONS)
    for name in ("claims", "schemes", "fewshot", "criteria", "outofdomain", "datafree"):
        assert (Paths.of(project).tables / f"{name}.md").read_text().strip() in text


def test_the_summary_says_what_numpy_says(project: Params) -> None:
    text = fill_readme(project)
    for target in project.grid.targets:
        mine = [cell for cell in cells(project) if (cell.method, cell.target) == ("practise", target)]
        top1 = np.array([read_result(Paths.of(project).accuracy(cell), "accuracy")["top1"] for cell in mine])
        assert f"PRACTISE keeps {top1.mean():.1f} ± {top1.std(ddof=1):.1f} % top-1" in text


def test_of_many_schemes_the_summary_tells_of_the_best_of_each_kind_and_the_baseline(
    tmp_path: Path,
) -> None:
    methods = {"practise": 83.0, "practise_official": 82.0, "bp_blocks": 70.0, "mir": 75.0, "kd": 60.0}
    rows = [
        {
            **{"network": "net", "images": "set", "num_images": 50, "target_reduction": target},
            **{"method": method, "style": "filters" if method in ("mir", "kd") else "blocks"},
            **{"top1_mean": top1 - 100 * target, "top1_std": 0.5, "top1_original": 90.0},
            **{"measured_reduction_mean": target, "measured_reduction_std": 0.01},
        }
        for target in (0.16, 0.22)
        for method, top1 in methods.items()
    ]
    (tmp_path / "schemes.csv").write_text(frame_csv(pd.DataFrame(rows)))
    text = summary(tmp_path)
    paragraph, *others = text.split(" Target ")
    assert paragraph == "**net** on `set`, 50 images handed over, 90.0 % at first."
    for target, words, kept in zip(("16 %", "22 %"), others, ((67, 59, 54), (61, 53, 48)), strict=True):
        names = ("PRACTISE", "MiR, the best that prunes filters,", "BP (blocks)")
        saved = f"{target[:2]}.0 ± 1.0 % less measured latency"
        phrases = [
            f"{name} keeps {top1}.0 ± 0.5 % top-1 at {saved}" for name, top1 in zip(names, kept, strict=True)
        ]
        assert words == f"{target}: {'; '.join(phrases)}."


def test_every_picture_of_a_region_is_there_with_its_numbers_in_words(project: Params) -> None:
    docs(project)
    text = Path("README.md").read_text()
    pictures = re.findall(r"!\[([^]]+)\]\(([^)]+)\)", text)
    assert [Path(path).name for _, path in pictures] == [
        "tradeoff.png",
        "criteria.png",
        "macs_vs_latency.png",
        "sources.png",
        "synthesized-efficientnet_lite0.jpg",
    ]
    assert all(Path(path).is_file() for _, path in pictures)
    frame = read_frame(Paths.of(project).tables / "criteria.csv")
    ours = frame.loc[frame["criterion"] == "recoverability", "rank_correlation"].iloc[0]
    assert f"recoverability {ours:.2f}" in pictures[1][0]


def test_the_cost_is_the_sum_of_the_runs(project: Params) -> None:
    methods, seeds, targets = (len(getattr(project.grid, key)) for key in ("methods", "seeds", "targets"))
    # five stages run once; samples; scores; three stages for each cell; comparisons; tables and figures; what
    # images are made from, and recoveries with several sources
    runs = 5 + seeds + methods * seeds * (1 + 3 * targets) + len(project.rank.seeds) + 2
    runs += len(project.sources.networks) + len(source_trials(project))
    text = " ".join(fill_readme(project).split())
    assert f"The {runs} runs of the pipeline took {2 * runs / 60:.1f} minutes" in text
    assert "at most 1.5 GiB of memory on 4 logical cores (Example CPU)" in text


def test_filling_again_from_the_copies_changes_nothing(project: Params) -> None:
    docs(project)
    folder = FOLDER / "default"
    before = {path: path.read_bytes() for path in [Path("README.md"), *folder.iterdir()]}
    shutil.rmtree("results")
    for path in folder.iterdir():
        if path.suffix not in (".csv", ".json", ".jpg"):
            path.unlink()
    written = render(folder, [Path("README.md")])
    assert {path: path.read_bytes() for path in before} == before
    assert set(written) == set(before)


def test_regions_of_another_profile_are_left_alone(project: Params) -> None:
    write_text("README.md", PAGE.format(profile="paper", region="table"))
    assert fill_readme(project) == PAGE.format(profile="paper", region="table")


def test_an_unknown_region_is_refused_with_the_nearest_guess(project: Params) -> None:
    write_text("README.md", PAGE.format(profile="default", region="tabel"))
    with pytest.raises(FileError, match=r"README.md: unknown region 'tabel' .*Did you mean 'table'\?"):
        fill_readme(project)


def test_a_run_without_a_note_is_named(project: Params) -> None:
    path = Paths.of(project).results / "runs/latency/efficientnet_lite0.volatile.json"
    path.unlink()
    with pytest.raises(FileError, match=f"{path}: no such file"):
        fill_readme(project)


@pytest.mark.parametrize("folder", sorted((ROOT / FOLDER).glob("*/")), ids=lambda path: path.name)
def test_the_committed_pages_come_out_again_from_the_committed_copies(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    committed = [*pages(), *sorted((FOLDER / folder.name).iterdir())]
    for path in committed:
        is_source = path.suffix in (".csv", ".json", ".jpg") or path in pages()
        if is_source:
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, tmp_path / path)
    monkeypatch.chdir(tmp_path)
    render(FOLDER / folder.name, pages())
    for path in committed:
        if path.suffix in (".png", ".svg"):
            assert same_picture(path, ROOT / path), path
        else:
            assert path.read_bytes() == (ROOT / path).read_bytes(), path


def test_every_marked_region_of_the_pages_exists_and_is_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    marked = [match.groups() for page in pages() for match in MARKED.finditer(page.read_text())]
    assert {"table", "picture", "hardware", "cost"} <= {region for _, profile, region, _, _ in marked}
    for _, profile, region, content, _ in marked:
        assert region in REGIONS
        if (FOLDER / profile).exists():
            assert content.strip() and "Not measured yet" not in content


def test_every_path_and_link_in_the_pages_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for page in pages():
        text = page.read_text()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"
        for target in re.findall(r"`((?:practise|workflow|pipelines|tests|docs)/[\w./-]+)`", text):
            assert Path(target).exists(), f"{page}: {target}"


def test_every_path_of_the_tour_exists() -> None:
    tour = (ROOT / "README.md").read_text().partition("params.yaml     ")[2].partition("```")[0]
    paths = ["params.yaml", *(line.split()[0] for line in tour.splitlines()[1:])]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_example_of_a_new_table_renders(project: Params) -> None:
    text = (ROOT / "docs/extending.md").read_text()
    codes = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    example: dict[str, Any] = {}
    exec(next(code for code in codes if "def render_sizes" in code), example)
    shown = to_markdown(example["render_sizes"](fewshot_frame(project)))
    assert re.search(r"\| PRACTISE +\| +91.8 \|", shown), shown


def test_the_readmes_entries_for_ones_own_network_are_valid() -> None:
    text = (ROOT / "README.md").read_text()
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, entries in yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0]).items():
        values[section].update(entries)
    params = check_values(values, "mine.yaml")
    assert (
        {cell.network for cell in cells(params)}
        == {trial.network for trial in source_trials(params)}
        == {"mine"}
    )


def test_every_command_in_the_pages_is_one_that_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    from practise.commands.cli import COMMANDS, STAGES

    monkeypatch.chdir(ROOT)
    for page in pages():
        for command in re.findall(r"(?:^|`)practise ([a-z]+)", page.read_text(), re.MULTILINE):
            assert command in STAGES | COMMANDS, f"{page}: practise {command}"


def test_every_number_with_a_unit_in_the_readme_stands_in_a_filled_region() -> None:
    words = MARKED.sub("", (ROOT / "README.md").read_text())
    measured = re.findall(r"\d[\d.,]* ?(?:ms|s|minutes?|seconds?|MiB|GiB|GB|MB|GMACs)\b|\d+\.\d+ ?%", words)
    assert not measured


def test_fill_says_whether_a_page_has_regions(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no regions\n")
    assert not fill(page, tmp_path / "default")
