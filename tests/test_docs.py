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
from practise.render.docs import (
    FOLDER,
    MARKED,
    REGIONS,
    collect,
    docs,
    fill,
    headline,
    pages,
    render,
    summary,
)
from practise.render.figures.tradeoff import draw_tradeoff
from practise.render.formats import to_markdown
from practise.render.tables.frames import fewshot_frame, latency_of
from practise.render.tables.results import Results
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
FURTHER = ("benchmarks/README.md", "results/README.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Pages without regions."""
PAGE = "# Title\n\n<!-- practise docs: {study}/{region} -->\nold\n<!-- end -->\n\nwords\n"


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
        write_text("README.md", "".join(PAGE.format(study="default", region=region) for region in REGIONS))
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


def table_rows(markdown: str) -> list[list[str]]:
    """Return the cells of all tables of methods in a text, without their headings."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    body = [line for line in lines if not line.startswith(("|-", "| Method "))]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body]


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
    assert paragraph == "**net** on `set` with 50 images, 90.0 % top-1 before pruning."
    for target, words, kept in zip(("16 %", "22 %"), others, ((67, 59, 54), (61, 53, 48)), strict=True):
        names = ("PRACTISE", "MiR, the best filter-pruning method,", "BP (blocks)")
        saved = f"{target[:2]}.0 ± 1.0 % lower measured latency"
        phrases = [
            f"{name} keeps {top1}.0 ± 0.5 % top-1 at {saved}" for name, top1 in zip(names, kept, strict=True)
        ]
        assert words == f"{target}: {'; '.join(phrases)}."


def test_the_headline_puts_the_original_first_and_then_methods_by_accuracy(project: Params) -> None:
    collect(project, FOLDER / "default", environment=Path("results"))
    tops, saved = {}, {}
    for cell in cells(project):
        tops.setdefault(cell.method, []).append(
            read_result(Paths.of(project).accuracy(cell), "accuracy")["top1"]
        )
        latency = latency_of(Results(project), cell)
        saved.setdefault(cell.method, []).append(latency["student"]["reduction"])
    titles = {"practise": "PRACTISE", "bp_blocks": "BP (blocks)"}
    assert np.mean(tops["practise"]) > np.mean(tops["bp_blocks"])
    rows = table_rows(headline(FOLDER / "default"))
    assert [row[0] for row in rows] == ["original", "PRACTISE", "BP (blocks)"]
    timed = read_result(Paths.of(project).latency("efficientnet_lite0"), "latency")
    original_ms = timed["original"]["median_ms"]
    assert rows[0] == ["original", "—", "84.2", "—", f"{original_ms:.2f}"]
    for method, row in zip(titles, rows[1:], strict=True):
        mean, std = np.mean(tops[method]), np.std(tops[method], ddof=1)
        assert row[2].strip("*") == f"{mean:.1f} ± {std:.1f}"
        assert row[3].split()[0] == f"{100 * np.mean(saved[method]):.1f}"
        assert float(row[4]) == pytest.approx(original_ms * (1 - np.mean(saved[method])), abs=0.006)


def test_the_headlines_of_several_settings_share_the_original_of_their_sample(tmp_path: Path) -> None:
    setting = {"network": "net", "images": "set", "num_evaluation": 100, **DEVICE}
    rows = [
        {
            **setting,
            **{"num_images": num_images, "target_reduction": target, "method": method, "seeds": seeds},
            **{"style": "blocks", "top1_mean": 80.0, "top1_std": 1.0, "top1_original": 90.0},
            **{"measured_reduction_mean": target, "measured_reduction_std": 0.0},
            **{"median_ms_original": original},
        }
        for num_images in (50, 500)
        for target in (0.1, 0.2)
        for method, seeds, original in (("practise", 3, 10.0), ("bp_blocks", 1, 14.0))
    ]
    (tmp_path / "schemes.csv").write_text(frame_csv(pd.DataFrame(rows)))
    text = headline(tmp_path)
    assert text.count("| original ") == 4
    assert {row[4] for row in table_rows(text)} == {"11.00", "9.90", "8.80"}
    for words in ("50 images, target 10 %", "500 images, target 20 %"):
        assert words in " ".join(text.split())


@pytest.mark.parametrize("folder", sorted((ROOT / FOLDER).glob("*/")), ids=lambda path: path.name)
def test_no_line_of_a_headline_is_wider_than_a_terminal_or_has_more_than_five_columns(folder: Path) -> None:
    text = headline(folder)
    assert max(map(len, text.splitlines())) <= 100
    assert {len(row) for row in table_rows(text)} == {5}


def test_the_headline_agrees_with_the_picture_above_it() -> None:
    folder = ROOT / FOLDER / "default"
    (panel, *_), rows = draw_tradeoff(folder).axes, table_rows(headline(folder))
    star = next(line for line in panel.lines if line.get_marker() == "*")
    means = [star.get_xdata()[0], *(drawn.lines[0].get_xdata()[0] for drawn in panel.containers)]
    assert sorted(float(row[4]) for row in rows) == pytest.approx(sorted(means), abs=0.006)


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
    ours = frame.loc[frame["criterion"] == "recoverability", "correlation_sets"].iloc[0]
    assert f"recoverability {ours:.2f}" in pictures[1][0]


def test_a_study_without_a_table_is_rendered_without_it_and_the_figure_of_its_name(project: Params) -> None:
    docs(project)
    folder = FOLDER / "default"
    for path in [*folder.glob("criteria.*"), *folder.glob("oracle.*")]:
        path.unlink()
    write_text("README.md", PAGE.format(study="default", region="table"))
    written = {path.name for path in render(folder, [Path("README.md")])}
    assert {"schemes.md", "tradeoff.png", "README.md"} <= written
    assert not [name for name in written if name.startswith(("criteria", "oracle"))]


def test_the_cost_is_the_sum_of_the_runs(project: Params) -> None:
    runs = sum(map(len, first_outputs(project).values()))  # two seconds each
    text = " ".join(fill_readme(project).split())
    assert f"The pipeline's {runs} jobs add up to {2 * runs / 60:.1f} minutes" in text
    assert "at most 1.5 GiB of memory (Example CPU, 4 logical cores)" in text


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


def test_regions_of_another_study_are_left_alone(project: Params) -> None:
    write_text("README.md", PAGE.format(study="paper", region="table"))
    assert fill_readme(project) == PAGE.format(study="paper", region="table")


def test_an_unknown_region_is_refused_with_the_nearest_guess(project: Params) -> None:
    write_text("README.md", PAGE.format(study="default", region="tabel"))
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
    for page in [*pages(), *map(Path, FURTHER)]:
        text = page.read_text()
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"
        for target in re.findall(
            r"`((?:practise|workflow|studies|benchmarks|tests|docs|tools)/[\w./-]+)`", text
        ):
            there = target.partition("NAME")[0]  # what is to be added has no file yet
            assert Path(there).exists(), f"{page}: {target}"


def test_every_path_of_the_tour_exists() -> None:
    tree = (ROOT / "docs/tour.md").read_text().partition("```\nparams.yaml ")[2].partition("```")[0]
    paths, folder = ["params.yaml"], ""
    for line in filter(None, tree.splitlines()[1:]):  # indented: in the folder above
        name = line.split()[0]
        folder = folder if line.startswith(" ") else name
        paths.append(f"{folder}{name}" if line.startswith(" ") else name)
    assert len(paths) > 50
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_tour_names_every_room() -> None:
    tour = (ROOT / "docs/tour.md").read_text()
    rooms = sorted(path.parent.name for path in ROOT.glob("practise/*/__init__.py"))
    assert [room for room in rooms if f"\npractise/{room}/ " not in tour] == []


def test_the_index_names_every_page() -> None:
    index = (ROOT / "docs/index.md").read_text()
    names = sorted(path.name for path in (ROOT / "docs").glob("*.md") if path.name != "index.md")
    assert [name for name in names if f"]({name})" not in index] == []


def test_the_example_of_a_new_table_renders(project: Params) -> None:
    text = (ROOT / "docs/extending.md").read_text()
    codes = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    example: dict[str, Any] = {}
    exec(next(code for code in codes if "def render_sizes" in code), example)
    shown = to_markdown(example["render_sizes"](fewshot_frame(project)))
    assert re.search(r"\| PRACTISE +\| +91.8 \|", shown), shown


def test_the_entries_for_ones_own_network_are_valid() -> None:
    text = (ROOT / "docs/your-own.md").read_text()
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
    for page in [*pages(), *map(Path, FURTHER)]:
        for command in re.findall(r"(?:^|`)practise ([a-z]+)", page.read_text(), re.MULTILINE):
            assert command in STAGES | COMMANDS, f"{page}: practise {command}"


def test_the_readme_is_read_in_minutes() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 1500


def test_every_number_with_a_unit_in_the_readme_stands_in_a_filled_region() -> None:
    words = MARKED.sub("", (ROOT / "README.md").read_text())
    measured = re.findall(r"\d[\d.,]* ?(?:ms|s|minutes?|seconds?|MiB|GiB|GB|MB|GMACs)\b|\d+\.\d+ ?%", words)
    assert not measured


def test_fill_says_whether_a_page_has_regions(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no regions\n")
    assert not fill(page, tmp_path / "default")
