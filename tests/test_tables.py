"""Tables: the numbers of exactly the grid's cells, alike in every format, and none that nobody measured."""

import html
import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from render_results import BLOCKS, CRITERIA, make_params, run_python, write_results
from scipy.stats import rankdata, spearmanr

from practise.errors import FileError
from practise.evaluation.lost import Losses, read_lost
from practise.files import read_result, write_result
from practise.pruning.plan import Pruning
from practise.render.formats import DASH, RenderedTable, Strong, to_html, to_markdown, to_tex
from practise.render.names import block_list, criterion_title, mean_and_std, number, scientific
from practise.render.tables.frames import FEWSHOT_COLUMNS, preset_title, thin
from practise.render.tables.rankings import criteria_frame
from practise.render.tables.writing import TABLES, write_tables
from practise.render.tidy import frame_csv, parse_frame, read_frame
from practise.settings.grid import Cell, Paths, cells, rank_trials
from practise.settings.params import Params
from practise.stages import STAGES
from practise.stages import tables as stage

OUT = Path("tables")
PAPER_NETWORK = {
    "library": "torchvision",
    "architecture": "resnet34",
    "weights": "own",
    "image_size": None,
    "head": None,
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Grid(NamedTuple):
    """The default grid with its tables, made once; tests only read it."""

    folder: Path
    params: Params
    written: dict[Cell, dict[str, Any]]

    def text(self, name: str) -> str:
        return (self.folder / OUT / name).read_text()


@pytest.fixture(scope="module")
def default_grid(tmp_path_factory: pytest.TempPathFactory) -> Grid:
    folder = tmp_path_factory.mktemp("default")
    params = make_params()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        written = write_results(params)
        stage.run(params, out=OUT)
    return Grid(folder, params, written)


def paper_params(**changes: object) -> Params:
    settings = {"networks": ["resnet34"], "networks__resnet34": PAPER_NETWORK, "targets": [0.16]}
    return make_params(**(settings | changes))


def markdown_rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("|-")
    ]


def row_of(rows: list[list[str]], method: str) -> dict[str, str]:
    header, *body = rows
    at = header.index("Method")
    return dict(zip(header, next(row for row in body if row[at] == method), strict=True))


def test_fewshot_has_one_row_for_each_cell_with_that_cells_numbers() -> None:
    params = make_params(targets=[0.1, 0.2])
    written = write_results(params)
    write_tables(params, OUT)
    frame = pd.read_csv(OUT / "fewshot.csv")
    assert len(frame) == len(written) == 12
    for row, cell in zip(frame.itertuples(), cells(params), strict=True):
        assert (row.method, row.seed, row.target_reduction) == (cell.method, cell.seed, cell.target)
        assert row.top1 == written[cell]["top1"]
        assert row.median_ms == pytest.approx(written[cell]["median_ms"])
        told = read_result(Paths.of(params).select(cell), "select")
        assert row.foretold_reduction == told["foretold_reduction"]
        assert row.wanted_reduction == cell.target
        assert row.off_target == pytest.approx(row.measured_reduction - cell.target)
        assert row.measured_reduction == written[cell]["reduction"]
        assert row.dropped_blocks.split() == written[cell]["dropped"]


def test_fewshot_has_the_columns_that_others_rely_on(default_grid: Grid) -> None:
    header = default_grid.text("fewshot.csv").partition("\n")[0].split(",")
    promised = (
        "network images num_images seed method preset target_reduction wanted_reduction foretold_reduction "
        "measured_reduction off_target is_near dropped_blocks "
        "top1 top1_original top5 gmacs gmacs_original params params_original median_ms median_ms_original "
        "unstable"
    )
    assert set(promised.split()) <= set(header)


def test_mean_and_std_over_the_seeds_equal_numpys(default_grid: Grid) -> None:
    rows = markdown_rows(default_grid.text("schemes.md"))
    for method, title in {"bp_blocks": "BP (blocks)", "practise": "PRACTISE"}.items():
        cells_of = [values for cell, values in default_grid.written.items() if cell.method == method]
        top1 = np.array([values["top1"] for values in cells_of])
        saved = 100 * np.array([values["reduction"] for values in cells_of])
        shown = row_of(rows, title)
        assert shown["Top-1 %"] == f"{np.mean(top1):.1f} ± {np.std(top1, ddof=1):.1f}"
        spread = "" if method == "bp_blocks" else f" ± {np.std(saved, ddof=1):.1f}"  # the same first blocks
        assert shown["Measured %"] == f"{np.mean(saved):.1f}{spread}"


def test_markdown_latex_and_html_hold_the_same_cells(default_grid: Grid) -> None:
    for name in TABLES:
        rows = markdown_rows(default_grid.text(f"{name}.md"))
        page = default_grid.text(f"{name}.html").replace("<b>", "**").replace("</b>", "**")
        in_html = [
            re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in re.findall(r"<tr>.*?</tr>", page)
        ]
        assert [[html.unescape(cell) for cell in row] for row in in_html] == rows
        tex = re.sub(r"\\textbf{(.*?)}", r"**\1**", default_grid.text(f"{name}.tex"))
        plain = tex.replace(r"$\pm$", "±").replace("---", DASH).replace(r"\_", "_").replace(r"\%", "%")
        plain = plain.replace(r"$\rho$", "ρ").replace(r"$\Delta$", "Δ").replace(r"$\Sigma$", "Σ")
        plain = plain.replace(r"$\tau$", "τ").replace("$-$", "−").replace(r"\{", "{").replace(r"\}", "}")
        in_tex = [
            line.removesuffix(r" \\").split(" & ") for line in plain.splitlines() if line.endswith(r" \\")
        ]
        assert in_tex == rows


def test_results_of_an_earlier_larger_grid_stay_out() -> None:
    write_results(make_params(seeds=[0, 1, 2], targets=[0.1, 0.2], rank__seeds=[0, 1, 2]))
    smaller = make_params(seeds=[1], targets=[0.2])
    write_tables(smaller, OUT)
    assert pd.read_csv(OUT / "fewshot.csv")["seed"].tolist() == [1, 1]
    assert set(pd.read_csv(OUT / "recovery.csv")["target_reduction"]) == {0.2}
    for name in ("blocks", "oracle"):
        assert set(pd.read_csv(OUT / f"{name}.csv")["seed"]) == {1}
    assert set(pd.read_csv(OUT / "criteria.csv")["seeds"]) == {1}


@pytest.mark.parametrize("kind", ["select", "accuracy", "measured", "latency", "score", "history", "rank"])
def test_a_missing_result_is_named_with_the_command_that_makes_it(kind: str) -> None:
    params = make_params(seeds=[0])
    write_results(params)
    paths, cell = Paths.of(params), cells(params)[0]
    argument = {"latency": cell.network, "measured": cell.network, "rank": rank_trials(params)[0]}.get(
        kind, cell
    )
    missing = getattr(paths, kind)(argument)
    missing.unlink()
    with pytest.raises(FileError, match="no such file, make it with") as error:
        write_tables(params, OUT)
    assert str(error.value) == f"{missing}: no such file, make it with `dvc repro`"
    assert not OUT.exists()


def test_a_preset_names_the_command_of_its_own_pipeline() -> None:
    params = make_params(study__name="paper", study__root="../..", study__file="studies/paper/params.yaml")
    with pytest.raises(FileError, match=re.escape("make it with `dvc repro studies/paper/dvc.yaml`")):
        write_tables(params, OUT)


def test_a_choice_that_was_not_measured_is_refused() -> None:
    params = make_params(seeds=[0])
    write_results(params)
    select = Paths.of(params).select(cells(params)[0])
    change_result(select, dropped_blocks=["blocks.9.9"])
    with pytest.raises(FileError) as error:
        write_tables(params, OUT)
    measured = Paths.of(params).measured("efficientnet_lite0")
    assert str(error.value) == f"{measured}: lacks what {select} chooses; measure it with `dvc repro`"


def test_a_block_without_a_latency_is_refused() -> None:
    params = make_params(seeds=[0])
    write_results(params)
    strange = {"criterion": "recoverability", "preset": "default", "per_latency": True}
    write_result(
        Paths.of(params).score(cells(params)[0]),
        "score",
        strange | {"blocks": [{"name": "x", "score": 1.0}]},
        {},
    )
    with pytest.raises(FileError, match="lacks block 'x'"):
        write_tables(params, OUT)


def test_one_seed_has_no_spread_anywhere() -> None:
    params = make_params(seeds=[7])
    write_results(params)
    write_tables(params, OUT)
    for name in ("schemes", "fewshot", "oracle", "blocks", "recovery"):
        assert "±" not in (OUT / f"{name}.md").read_text()
    criteria = (OUT / "criteria.md").read_text()
    header, *body = markdown_rows(criteria)
    assert not any("±" in row[header.index("KL at 4 blocks")] for row in body)
    assert "over seeds" not in criteria and body[-2][1:] == [DASH] * (len(header) - 1)
    for name in ("metrics", "latency_metrics"):
        assert "_std" not in (OUT / f"{name}.json").read_text()


def test_metrics_are_plain_numbers_nested_alike_whatever_the_grid() -> None:
    for changes in ({}, {"seeds": [0], "num_images": [50, 100], "targets": [0.1, 0.2]}):
        params = make_params(**changes)
        written = write_results(params)
        write_tables(params, OUT)
        accuracy = json.loads((OUT / "metrics.json").read_text(), parse_constant=pytest.fail)
        latency = json.loads((OUT / "latency_metrics.json").read_text(), parse_constant=pytest.fail)
        for cell in cells(params):
            place = [cell.network, cell.images, f"n{cell.num_images}", f"t{cell.target}", cell.method]
            mine, times = accuracy, latency
            for key in place:
                mine, times = mine[key], times[key]
            same = [
                values
                for other, values in written.items()
                if (other.method, other.num_images, other.target)
                == (cell.method, cell.num_images, cell.target)
            ]
            assert mine["top1"] == pytest.approx(np.mean([values["top1"] for values in same]))
            assert times["median_ms"] == pytest.approx(np.mean([values["median_ms"] for values in same]))
            if len(same) > 1:
                assert mine["top1_std"] == pytest.approx(np.std([values["top1"] for values in same], ddof=1))
            assert "median_ms" not in mine


def test_blocks_table_divides_recoverability_by_the_latency_reduction() -> None:
    params = make_params(seeds=[0, 1])
    write_results(params)
    write_tables(params, OUT)
    frame = pd.read_csv(OUT / "blocks.csv")
    ours = frame[frame["method"] == "practise"]
    np.testing.assert_allclose(ours["pruning_score"], ours["score"] / ours["latency_reduction"], rtol=1e-12)
    baseline = frame[frame["method"] == "bp_blocks"]
    np.testing.assert_array_equal(baseline["pruning_score"], baseline["score"])
    header, *body = markdown_rows((OUT / "blocks.md").read_text())
    assert [row[header.index("Block")] for row in body] == BLOCKS
    for row in body:
        dropped = ours[(ours["block"] == row[header.index("Block")]) & ours["dropped"]]
        assert row[header.index("Dropped by PRACTISE")] == f"{len(dropped)} of 2"


def test_latency_table_lists_blocks_in_network_order_behind_the_original(default_grid: Grid) -> None:
    header, *body = markdown_rows(default_grid.text("latency.md"))
    assert [row[0] for row in body] == ["nothing (original)", *BLOCKS]
    assert body[0][header.index("Reduction %")] == DASH


def scheme_params(**changes: object) -> Params:
    """Params of schemes of both styles, one of which takes no steps."""
    schemes = {
        "methods__mir": {"criterion": "l1_filters", "loss": "mimic", "preset": "default"},
        "methods__fskd": {
            "criterion": "l1_filters",
            "loss": "mimic",
            "preset": "default",
            "recover": {"steps": 0, "start": "fskd"},
        },
    }
    grid = {"methods": ["practise", "mir", "fskd", "bp_blocks"], "targets": [0.16, 0.2]}
    return make_params(**(schemes | grid | {"latency__thinner": [0.16, 0.2]} | changes))


def test_schemes_are_means_over_the_seeds_with_the_most_accurate_last() -> None:
    params = scheme_params(num_images=[50, 500])
    written = write_results(params)
    write_tables(params, OUT)
    frame = pd.read_csv(OUT / "schemes.csv")
    assert len(frame) == 16
    for row in frame.itertuples():
        mine = [
            values
            for cell, values in written.items()
            if (cell.num_images, cell.target, cell.method)
            == (row.num_images, row.target_reduction, row.method)
        ]
        saved = [values["reduction"] for values in mine]
        assert row.seeds == 3
        assert row.top1_mean == pytest.approx(np.mean([values["top1"] for values in mine]))
        assert row.top1_std == pytest.approx(np.std([values["top1"] for values in mine], ddof=1))
        assert row.off_target == pytest.approx(np.mean(saved) - row.target_reduction)
        assert row.gmacs_reduction == pytest.approx(1 - 0.1 / 0.1275)
        if row.method in ("mir", "fskd"):
            removed = np.mean([values["filters_removed"] for values in mine])
            assert (row.style, row.filters_removed) == ("filters", pytest.approx(removed))
        else:
            assert (row.style, row.dropped_blocks) == (
                "blocks",
                "; ".join(" ".join(values["dropped"]) for values in mine),
            )
    header, *body = markdown_rows((OUT / "schemes.md").read_text())
    setting = [header.index("Handed over"), header.index("Target")]
    shown: dict[tuple[str, ...], list[float]] = {}
    for row in body:
        if row[header.index("Method")] != "original":
            top1 = float(row[header.index("Top-1 %")].split(" ± ")[0])
            shown.setdefault(tuple(row[at] for at in setting), []).append(top1)
    assert len(shown) == 4
    assert all(values == sorted(values) for values in shown.values())
    mir = frame[(frame["method"] == "mir") & (frame["target_reduction"] == 0.2)]
    assert f"{100 * mir['filters_removed'].iloc[0]:.0f} % of filters" in (OUT / "schemes.md").read_text()


def test_a_scheme_that_misses_its_target_is_marked() -> None:
    params = scheme_params(seeds=[0], targets=[0.2])
    write_results(params)
    cell = next(cell for cell in cells(params) if cell.method == "mir")
    change_latency(params, cell, reduction=0.17)
    write_tables(params, OUT)
    text = (OUT / "schemes.md").read_text()
    rows = markdown_rows(text)
    assert row_of(rows, "MiR")["Measured %"] == "17.0 ‡"
    assert "‡" not in row_of(rows, "PRACTISE")["Measured %"]
    note = "‡ Measured more than one point away from the target: it was within the point when it was chosen."
    assert note in " ".join(text.split())
    assert note in " ".join((OUT / "fewshot.md").read_text().split())
    assert row_of(markdown_rows((OUT / "fewshot.md").read_text()), "MiR")["50 images"].endswith(" ‡")
    assert r"17.0 \ddag{}" in (OUT / "schemes.tex").read_text()


def test_it_is_said_where_nothing_comes_nearer_to_a_target_than_what_was_taken() -> None:
    params = scheme_params(seeds=[0], targets=[0.2])
    write_results(params)
    for cell in cells(params):
        if cell.method in ("mir", "fskd"):
            change_latency(params, cell, reduction=0.17)
        if cell.method == "mir":
            change_result(Paths.of(params).select(cell), is_near=False)
    write_tables(params, OUT)
    assert (
        "‡ Measured more than one point away from the target: nothing that was found to prune comes nearer "
        "for MiR at 20 %; the others were within the point when they were chosen."
    ) in " ".join((OUT / "schemes.md").read_text().split())


def change_latency(params: Params, cell: Cell, network: str = "student", **changes: object) -> None:
    """Change what was measured of a network of what a cell chooses, the student or the original beside it."""
    path, pruning = (
        Paths.of(params).measured(cell.network),
        read_result(Paths.of(params).select(cell), "select"),
    )
    measured = read_result(path, "latency")["choices"]
    for one in measured:
        if Pruning.of(one) == Pruning.of(pruning):
            one[network] |= changes
    change_result(path, choices=measured)


def change_result(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text())
    content["result"] |= changes
    path.write_text(json.dumps(content))


def test_milliseconds_reductions_and_the_originals_time_go_together_in_every_table() -> None:
    params = scheme_params(targets=[0.2])
    write_results(params)
    write_tables(params, OUT)
    frames = {name: pd.read_csv(OUT / f"{name}.csv") for name in ("fewshot", "schemes", "latency")}
    original = read_result(Paths.of(params).latency("efficientnet_lite0"), "latency")["original"]["median_ms"]
    for name, ms, reduction in (
        ("fewshot", "median_ms", "measured_reduction"),
        ("schemes", "median_ms_mean", "measured_reduction_mean"),
        ("latency", "median_ms", "reduction"),
    ):
        np.testing.assert_allclose(frames[name][ms], original * (1 - frames[name][reduction]))
    assert set(frames["fewshot"]["median_ms_original"]) == {original}
    row = row_of(markdown_rows((OUT / "schemes.md").read_text()), "original")
    assert row["Median ms"] == f"{original:.2f}"


def test_filters_at_a_number_of_blocks_are_held_against_what_these_save() -> None:
    params = scheme_params(seeds=[0], targets=[4], latency__thinner=[4])
    write_results(params)
    write_tables(params, OUT)
    frame = pd.read_csv(OUT / "schemes.csv").set_index("method")
    assert frame.loc["mir", "wanted_reduction"] == pytest.approx(0.2)
    assert frame.loc["mir", "off_target"] == pytest.approx(frame.loc["mir", "measured_reduction_mean"] - 0.2)
    assert np.isnan(frame.loc["practise", "off_target"])
    rows = markdown_rows((OUT / "schemes.md").read_text())
    assert (row_of(rows, "PRACTISE")["Foretold %"], row_of(rows, "MiR")["Foretold %"]) == ("21.5", DASH)


def test_a_measurement_that_all_seeds_share_has_no_spread() -> None:
    params = scheme_params(seeds=[0, 1, 2], targets=[0.2])
    write_results(params)
    for cell in cells(params):
        if cell.method == "mir":
            change_latency(params, cell, reduction=0.19, median_ms=4.2)
    write_tables(params, OUT)
    text = (OUT / "schemes.md").read_text()
    rows = markdown_rows(text)
    assert row_of(rows, "MiR")["Measured %"] == "19.0"
    original = float(row_of(rows, "original")["Median ms"])
    assert float(row_of(rows, "MiR")["Median ms"]) == pytest.approx(0.81 * original, abs=0.01)
    assert "±" in row_of(rows, "PRACTISE")["Measured %"]
    assert "A time without ± is one measurement, which networks of the same layers share." in text


def test_only_where_latencies_match_the_caption_says_so() -> None:
    sentence = "Every scheme prunes until its measured latency meets the target."
    by_macs = {"criterion": "l1_filters", "loss": "mimic", "preset": "default", "select": {"match": "macs"}}
    for changes, said in (
        ({}, True),
        ({"methods": ["practise", "bp_blocks"], "targets": [2]}, False),
        ({"methods": ["practise", "mine"], "methods__mine": by_macs}, False),
    ):
        params = scheme_params(seeds=[0], **changes)
        write_results(params)
        write_tables(params, OUT)
        assert (sentence in " ".join((OUT / "schemes.md").read_text().split())) == said


def test_a_method_that_leads_by_more_than_the_spread_is_bold() -> None:
    params = scheme_params(num_images=[50, 500])
    written = write_results(params)
    write_tables(params, OUT)
    header, *body = markdown_rows((OUT / "fewshot.md").read_text())
    assert header == ["Target", "Method", "50 images", "500 images", "KL, 50 images", "KL, 500 images"]
    titles = {"practise": "PRACTISE", "mir": "MiR", "fskd": "FSKD", "bp_blocks": "BP (blocks)"}
    for target in params.grid.targets:
        for count in params.grid.num_images:
            top1 = {method: [] for method in titles}
            for cell, values in written.items():
                if (cell.target, cell.num_images) == (target, count):
                    top1[cell.method].append(values["top1"])
            best, second, *_ = sorted(top1, key=lambda method: np.mean(top1[method]), reverse=True)
            lead = np.mean(top1[best]) - np.mean(top1[second])
            leads = lead > np.hypot(np.std(top1[best], ddof=1), np.std(top1[second], ddof=1))
            for method, title in titles.items():
                row = next(row for row in body if row[:2] == [f"{100 * target:g} %", title])
                mean, std = np.mean(top1[method]), np.std(top1[method], ddof=1)
                bold = "**" if leads and method == best else ""
                assert row[header.index(f"{count} images")] == f"{bold}{mean:.1f} ± {std:.1f}{bold}"


def test_a_recovery_without_steps_has_no_loss() -> None:
    params = scheme_params(targets=[0.2])
    write_results(params)
    write_tables(params, OUT)
    row = row_of(markdown_rows((OUT / "recovery.md").read_text()), "FSKD")
    assert (row["Steps"], row["First loss"], row["Last loss"]) == ("0", DASH, DASH)
    assert row_of(markdown_rows((OUT / "recovery.md").read_text()), "MiR")["Steps"] == "60"


def test_thinner_networks_stand_behind_the_blocks() -> None:
    params = scheme_params(seeds=[0])
    write_results(params)
    write_tables(params, OUT)
    frame = pd.read_csv(OUT / "latency.csv")
    assert frame["pruned"].tolist() == ["nothing", *["block"] * len(BLOCKS), *["filters"] * 3]
    assert frame["filters_removed"].tolist()[-3:] == [0.2, 0.4, 0.6]
    assert frame["macs_reduction"].tolist()[-3:] == pytest.approx([0.18, 0.36, 0.54])
    header, *body = markdown_rows((OUT / "latency.md").read_text())
    last = dict(zip(header, body[-1], strict=True))
    assert (last["Without"], last["MACs reduction %"]) == ("60 % of filters", "54.00")
    assert last["Reduction %"] == f"{100 * frame['reduction'].iloc[-1]:.2f}"


def judged(params: Params) -> list[tuple[dict[str, Any], Losses]]:
    """Return the results of the comparison of criteria, trial by trial, as they are in the files."""
    paths = Paths.of(params)
    return [
        (read_result(paths.rank(trial), "rank"), read_lost(paths.lost(trial)))
        for trial in rank_trials(params)
    ]


def test_criteria_are_judged_by_the_mean_loss_of_all_seeds() -> None:
    params = make_params(rank__seeds=[0, 1, 2])
    write_results(params)
    frame, trials = criteria_frame(params).set_index("criterion"), judged(params)
    for column, kind in (("sets", "random"), ("blocks", "alone")):
        rows = [place for place, one in enumerate(trials[0][0]["sets"]) if one["kind"] == kind]
        kl = np.array([losses.kl[rows].mean(1) for _, losses in trials])
        itself = [spearmanr(kl[one], np.delete(kl, one, axis=0).mean(0)).statistic for one in range(3)]
        assert frame[f"ceiling_{column}"].tolist() == pytest.approx([np.mean(itself)] * len(frame))
        assert set(frame[f"num_{column}"]) == {len(rows)}
        for name in CRITERIA:
            scores = [[result["sets"][row]["scores"][name] for row in rows] for result, _ in trials]
            row = frame.loc[name]
            if np.ptp(scores, axis=1).min() == 0:
                assert pd.isna(row[f"correlation_{column}"])
                continue
            mean = np.mean([spearmanr(own, kl.mean(0)).statistic for own in scores])
            assert row[f"correlation_{column}"] == pytest.approx(mean)
            assert row[f"correlation_low_{column}"] <= mean <= row[f"correlation_high_{column}"]
            if name != frame.loc[name, "against"]:
                less = frame.loc[frame.loc[name, "against"], f"correlation_{column}"]
                assert row[f"difference_{column}"] == pytest.approx(mean - less)


def test_a_choice_is_held_against_the_best_set_known_that_meets_the_target() -> None:
    params = make_params(targets=[2, 4], rank__targets=[2, 4], rank__seeds=[0, 1, 2])
    write_results(params)
    frame, trials = criteria_frame(params), judged(params)
    assert len(frame) == 2 * len(CRITERIA)
    for target, rows in frame.groupby("target_reduction"):
        known: dict[tuple[str, ...], list[float]] = {}
        for result, losses in trials:
            for place, one in enumerate(result["sets"]):
                if target in one["meets"]:
                    known.setdefault(tuple(one["blocks"]), []).append(losses.kl[place].mean())
        best = min(known, key=lambda blocks: np.mean(known[blocks]))
        assert set(rows["best_known"]) == {" ".join(best)}
        for row in rows.itertuples():
            kl, lost = [], []
            for result, losses in trials:
                choice = next(
                    one["blocks"]
                    for one in result["choices"]
                    if (one["criterion"], one["target"]) == (row.criterion, target)
                )
                place = [one["blocks"] for one in result["sets"]].index(choice)
                kl.append(losses.kl[place].mean())
                lost.append(100 * (losses.right_original.mean() - losses.right[place].mean()))
            assert row.kl == pytest.approx(np.mean(kl))
            assert row.kl_std == pytest.approx(np.std(kl, ddof=1), rel=1e-4)
            assert row.regret == pytest.approx(np.mean(kl) - np.mean(known[best]), abs=1e-6)
            assert row.regret_low <= row.regret <= row.regret_high
            assert row.top1_lost == pytest.approx(np.mean(lost))


def test_a_comparison_without_its_losses_is_refused() -> None:
    params = make_params(seeds=[0])
    write_results(params)
    missing = Paths.of(params).lost(rank_trials(params)[0])
    missing.unlink()
    with pytest.raises(FileError, match=f"{missing}: no such file"):
        write_tables(params, OUT)


def test_claims_are_differences_of_the_same_seeds_to_the_best_of_the_rivals() -> None:
    methods = ["kd", "mir", "bp_blocks", "practise_official", "practise"]
    official = {"criterion": "recoverability", "loss": "mimic", "preset": "official"}
    params = make_params(
        **{"methods": methods, "targets": [0.2], "num_images": [50], "seeds": [0, 1, 2]},
        **{"latency__thinner": [0.2], "methods__practise_official": official},
    )
    written = write_results(params)
    write_tables(params, OUT)
    top1 = {
        method: np.array([written[cell]["top1"] for cell in cells(params) if cell.method == method])
        for method in methods
    }
    rival = max(("kd", "mir"), key=lambda method: top1[method].mean())
    frame = pd.read_csv(OUT / "claims.csv").set_index(["claim", "ours"])
    pairs = {
        ("blocks", "practise"): rival,
        ("blocks", "practise_official"): rival,
        ("first_blocks", "bp_blocks"): rival,
        ("baseline", "practise"): "bp_blocks",
        ("baseline", "practise_official"): "bp_blocks",
    }
    for (claim, ours), against in pairs.items():
        row, difference = frame.loc[(claim, ours)], top1[ours] - top1[against]
        assert row["against"] == against
        assert row["difference_mean"] == pytest.approx(difference.mean())
        assert row["difference_std"] == pytest.approx(difference.std(ddof=1))
        assert (row["in_favour"], row["seeds"]) == ((difference > 0).sum(), 3)
    assert set(frame.index) - set(pairs) == {
        ("macs", "filters"), ("ranking", "recoverability"), ("choice", "recoverability")
    }  # fmt: skip
    criteria = pd.read_csv(OUT / "criteria.csv").set_index("criterion")
    for claim, column, sign in (("ranking", "correlation_sets", 1), ("choice", "kl", -1)):
        values = sign * criteria[column]
        difference = values["recoverability"] - values[["feature_change", "output_divergence"]].max()
        assert frame.loc[(claim, "recoverability"), "difference_mean"] == pytest.approx(difference)


def test_a_grid_without_rivals_makes_no_claim_about_them(default_grid: Grid) -> None:
    frame = pd.read_csv(default_grid.folder / OUT / "claims.csv")
    assert "blocks" not in set(frame["claim"]) and set(frame.loc[frame["claim"] == "baseline", "ours"]) == {
        "practise"
    }
    header, *body = markdown_rows(default_grid.text("claims.md"))
    assert {row[header.index("Holds")] for row in body} <= {"yes", "no", "within the spread", DASH}


def test_claims_about_criteria_alone_have_no_target() -> None:
    params = make_params(methods=["practise"])
    write_results(params)
    write_tables(params, OUT)
    text = (OUT / "claims.md").read_text()
    header, *body = markdown_rows(text)
    assert {row[header.index("Target")] for row in body} == {DASH} and "nan" not in text


def test_differences_are_bold_where_their_interval_leaves_out_zero() -> None:
    params = make_params(targets=[0.1, 0.2], rank__targets=[0.1, 0.2], rank__seeds=[0, 1, 2])
    write_results(params)
    write_tables(params, OUT)
    frame = pd.read_csv(OUT / "criteria.csv").drop_duplicates("criterion")
    text = (OUT / "criteria.md").read_text()
    header, *body = markdown_rows(text)
    assert [row[0] for row in body[-2:]] == ["the oracle with itself", "best set known"]
    assert "Search" not in header and "by the search progressive" in " ".join(text.split())
    shown = {row[0]: dict(zip(header, row, strict=True)) for row in body}
    for row in frame.itertuples():
        cell = shown[criterion_title(row.criterion)]["Δρ, sets"]
        assert cell.startswith("**") == (row.difference_low_sets > 0 or row.difference_high_sets < 0)
        assert cell == DASH if row.criterion == row.against else "[" in cell
    assert shown["the oracle with itself"]["ρ, sets"] == f"{frame['ceiling_sets'].iloc[0]:.2f}"
    assert "at 10 % " in text.rpartition("Best set known: ")[2]


def test_several_searches_have_a_row_each() -> None:
    params = make_params(rank__searches=["lowest", "progressive"], rank__seeds=[0, 1])
    write_results(params)
    write_tables(params, OUT)
    header, *body = markdown_rows((OUT / "criteria.md").read_text())
    rows = [row[: header.index("Search") + 1] for row in body[:-2]]
    assert rows[:4] == [
        ["random", "lowest"],
        ["first blocks", "lowest"],
        ["latency alone", "lowest"],
        ["latency alone", "progressive"],
    ]


def test_where_the_oracle_does_not_agree_with_itself_no_correlation_is_shown() -> None:
    params = make_params(rank__seeds=[0, 1, 2])
    write_results(params)
    write_tables(params, OUT)
    frame = read_frame(OUT / "criteria.csv").assign(ceiling_sets=0.3)
    header, *body = markdown_rows(to_markdown(TABLES["criteria"].render(frame)))
    shown = [dict(zip(header, row, strict=True)) for row in body]
    assert {row["ρ, sets"] for row in shown} == {DASH, "0.30"}
    assert {row["Δρ, sets"] for row in shown} == {DASH}
    assert "[" in shown[-3]["ρ, blocks"]


def test_the_oracle_table_has_the_loss_without_each_set_and_everyones_place() -> None:
    params = make_params(rank__seeds=[0, 1])
    write_results(params)
    write_tables(params, OUT)
    trials = judged(params)
    places = [place for place, one in enumerate(trials[0][0]["sets"]) if one["kind"] != "chosen"]
    header, *body = markdown_rows((OUT / "oracle.md").read_text())
    assert header[-len(CRITERIA) :] == [criterion_title(name) for name in CRITERIA]
    assert len(body) == len(places)
    for place, row in zip(places, body, strict=True):
        shown, one = dict(zip(header, row, strict=True)), trials[0][0]["sets"][place]
        assert (shown["Dropped"], shown["Drawn"]) == (block_list([" ".join(one["blocks"])]), one["kind"])
        kl = [losses.kl[place].mean() for _, losses in trials]
        assert shown["KL"] == f"{np.mean(kl):.3f} ± {np.std(kl, ddof=1):.3f}"
        alike = [other for other in places if trials[0][0]["sets"][other]["kind"] == one["kind"]]
        scores = [
            np.mean([result["sets"][other]["scores"]["recoverability"] for result, _ in trials])
            for other in alike
        ]
        assert shown["recoverability"] == f"{rankdata(scores)[alike.index(place)]:.1f}"


def test_what_a_recovery_chose_stands_in_the_tables_with_how_many_seeds_chose_it() -> None:
    params = make_params(seeds=[0, 1, 2], sources__seeds=[0, 1, 2])
    write_results(params)
    write_tables(params, OUT)
    chosen = "pull 10; 50 % (2 of 3), pull 0.1; 50 % (1 of 3)"
    recovery = markdown_rows((OUT / "recovery.md").read_text())
    assert row_of(recovery, "PRACTISE")["Chosen"] == chosen
    assert row_of(recovery, "BP (blocks)")["Chosen"] == DASH
    header, *rows = markdown_rows((OUT / "outofdomain.md").read_text())
    ours = [dict(zip(header, row, strict=True)) for row in rows if "PRACTISE" in row]
    assert ours and all(row["Chosen, 50 images"] == chosen for row in ours)
    told = pd.read_csv(OUT / "recovery.csv").drop_duplicates(["method", "seed"]).set_index(["method", "seed"])
    assert told.loc[("practise", 1), ["fit", "share"]].tolist() == ["pull 0.1", 0.5]


def test_all_images_have_a_column_of_their_own_after_the_numbers() -> None:
    params = make_params(
        num_images=["all", 50], seeds=[0, 1], sources__num_images=["all", 500, 50], synthesize__num_images=500
    )
    write_results(params)
    write_tables(params, OUT)
    for table, counts in {"fewshot": ["all", "50"], "outofdomain": ["50", "500", "all"]}.items():
        header, *_ = markdown_rows((OUT / f"{table}.md").read_text())
        told = [title.split()[0] for title in header if title.endswith(" images")]
        chosen = ["Chosen,"] * len(counts) if table == "outofdomain" else []
        assert told == [*counts, *["KL,"] * len(counts), *chosen]
        frame = read_frame(OUT / f"{table}.csv")
        assert set(frame["num_images"]) == {int(count) if count != "all" else count for count in counts}
        assert frame_csv(frame) == (OUT / f"{table}.csv").read_text()


@pytest.mark.parametrize("target", [0.16, 2], ids=["latency", "blocks"])
def test_the_papers_value_stands_beside_ours_only_in_the_papers_setting(target: float) -> None:
    params = paper_params(num_images=[50, 100], methods=["bp_blocks", "practise"], targets=[target])
    written = write_results(params, image_size=224, num_evaluation=50_000)
    write_tables(params, OUT)
    header, *body = markdown_rows((OUT / "schemes.md").read_text())
    shown = {(row[header.index("Method")], row[header.index("Handed over")]): row for row in body}
    ours = np.mean(
        [
            value["top1"]
            for cell, value in written.items()
            if cell.method == "bp_blocks" and cell.num_images == 50
        ]
    )
    known = shown["BP (blocks)", "50"]
    assert known[header.index("Paper %")] == "66.5"
    assert known[header.index("Δ")] == f"{ours - 66.5:+.1f}"
    for unknown in (shown["PRACTISE", "50"], shown["BP (blocks)", "100"], shown["original", DASH]):
        assert unknown[header.index("Paper %")] == unknown[header.index("Δ")] == DASH


@pytest.mark.parametrize(
    ("changes", "image_size", "num_evaluation"),
    [
        ({}, 224, 5000),
        ({}, 160, 50_000),
        ({"targets": [0.22]}, 224, 50_000),
        ({"targets": [3]}, 224, 50_000),
        ({"networks__resnet34": PAPER_NETWORK | {"architecture": "resnet50"}}, 224, 50_000),
        ({"networks__resnet34": PAPER_NETWORK | {"head": "elpv"}}, 224, 50_000),
    ],
)
def test_another_setting_has_no_paper_column(
    changes: dict[str, object], image_size: int, num_evaluation: int
) -> None:
    params = paper_params(**changes)
    write_results(params, image_size=image_size, num_evaluation=num_evaluation)
    write_tables(params, OUT)
    assert pd.read_csv(OUT / "fewshot.csv")["paper_top1"].isna().all()
    assert "Paper" not in (OUT / "schemes.md").read_text()


def test_every_caption_names_hardware_and_n(default_grid: Grid) -> None:
    for name in ("schemes", "fewshot", "latency", "blocks"):
        text = " ".join(default_grid.text(f"{name}.md").split())
        assert "Example CPU, 2 threads, fp32, batch 1, 128 × 128 pixels" in text
        assert "n = " in text


def test_further_batch_sizes_are_further_columns_in_every_format() -> None:
    params = make_params(latency__also=[16, 4])
    written = write_results(params)
    write_tables(params, OUT)
    frame = pd.read_csv(OUT / "fewshot.csv")
    rows = markdown_rows((OUT / "schemes.md").read_text())
    at = rows[0].index("Measured %")
    assert rows[0][at : at + 4] == [
        "Measured %",
        "Reduction % at batch 16",
        "Reduction % at batch 4",
        "Median ms",
    ]
    assert row_of(rows, "original")["Reduction % at batch 16"] == DASH
    for method, title in {"bp_blocks": "BP (blocks)", "practise": "PRACTISE"}.items():
        saved = np.array([values["reduction"] for cell, values in written.items() if cell.method == method])
        for size in (16, 4):
            own = saved * (0.5 - 1 / size / 100)
            in_csv = frame.loc[frame["method"] == method, f"measured_reduction_batch{size}"]
            np.testing.assert_allclose(in_csv, own)
            spread = "" if method == "bp_blocks" else f" ± {100 * own.std(ddof=1):.1f}"
            shown = f"{100 * own.mean():.1f}{spread}"
            assert row_of(rows, title)[f"Reduction % at batch {size}"] == shown
            assert shown in (OUT / "schemes.html").read_text()
            assert shown.replace("±", r"$\pm$") in (OUT / "schemes.tex").read_text()
    for name in ("fewshot", "schemes"):
        text = (OUT / f"{name}.csv").read_text()
        assert frame_csv(parse_frame(text)) == text


def test_an_unstable_time_at_a_further_batch_size_is_marked_there_alone() -> None:
    params = make_params(seeds=[0], latency__also=[16])
    write_results(params)
    path = Paths.of(params).measured(cells(params)[0].network)
    measured = read_result(path, "latency")["choices"]
    measured[0]["also"][0]["original"]["unstable"] = True  # of the first cell's
    change_result(path, choices=measured)
    write_tables(params, OUT)
    text = (OUT / "schemes.md").read_text()
    shown = row_of(markdown_rows(text), "BP (blocks)")
    assert shown["Reduction % at batch 16"].endswith("†")
    assert "†" not in shown["Measured %"] + shown["Median ms"]
    assert "† This time spread more than allowed" in text


def test_without_further_batch_sizes_there_is_no_such_column(default_grid: Grid) -> None:
    assert not any("batch" in column for column in markdown_rows(default_grid.text("schemes.md"))[0])
    assert default_grid.text("fewshot.csv").partition("\n")[0].split(",") == list(FEWSHOT_COLUMNS)


def test_unstable_times_are_marked() -> None:
    params = make_params(seeds=[0])
    write_results(params)
    change_latency(params, cells(params)[0], unstable=True)
    write_tables(params, OUT)
    rows = markdown_rows((OUT / "schemes.md").read_text())
    assert row_of(rows, "BP (blocks)")["Median ms"].endswith("†")
    assert "†" not in row_of(rows, "PRACTISE")["Median ms"]


def test_a_preset_is_named_with_what_a_method_replaces() -> None:
    def title(**settings: object) -> str:
        method = {"criterion": "recoverability", "loss": "mimic", "preset": "official"}
        return preset_title(make_params(methods__practise=method | settings), "practise")

    assert title() == "official"
    assert title(score={"steps": 100}, recover={"steps": 100}) == "official (steps=100)"
    assert title(recover={"lr": 0.1}) == "official (recover lr=0.1)"
    assert title(score={"steps": 5}, recover={"steps": 7}) == "official (score steps=5; recover steps=7)"


def test_two_processes_write_the_same_bytes(default_grid: Grid, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(default_grid.folder)
    code = "from pathlib import Path; from render_results import make_params; "
    code += (
        "from practise.render.tables.writing import write_tables; write_tables(make_params(), Path('again'))"
    )
    run_python(code, PYTHONHASHSEED="1")
    files = sorted(path.name for path in OUT.iterdir())
    assert files == sorted(path.name for path in Path("again").iterdir())
    assert len(files) == 4 * len(TABLES) + 2
    for name in files:
        assert (OUT / name).read_bytes() == Path("again", name).read_bytes()


def test_the_stage_needs_no_torch() -> None:
    assert not STAGES["tables"].torch and not STAGES["figures"].torch
    run_python(
        "import sys, practise.stages.tables, practise.stages.figures; sys.exit('torch' in sys.modules)"
    )


def test_a_frame_comes_back_from_its_csv_to_the_last_digit(default_grid: Grid) -> None:
    for name in TABLES:
        text = default_grid.text(f"{name}.csv")
        assert frame_csv(parse_frame(text)) == text


def test_names_that_look_like_missing_values_or_numbers_stay_names() -> None:
    frame = parse_frame("network,images,method,top1\nNA,007,None,1.5\n")
    assert frame.iloc[0].tolist() == ["NA", "007", "None", 1.5]


def test_long_histories_are_averaged_over_equal_stretches() -> None:
    values = np.arange(1000.0)
    history = [{"step": int(step), "value": float(step), "lr": 0.1} for step in values]
    thinned = thin(history, 10)
    assert [point["step"] for point in thinned] == list(range(99, 1000, 100))
    np.testing.assert_allclose([point["value"] for point in thinned], values.reshape(10, 100).mean(axis=1))


def test_numbers_are_written_with_a_dash_for_the_unknown() -> None:
    assert number(float("nan"), 1) == mean_and_std([float("nan")], 1) == scientific([]) == DASH
    assert number(-0.26, 1) == "−0.3"
    assert mean_and_std([1.0, 2.0, 3.0], 2) == "2.00 ± 1.00"
    assert scientific([2e-7, 4e-7]) == "3.000e−07 ± 1e−07"


def test_block_lists_say_how_often_where_seeds_disagree() -> None:
    assert (
        block_list(["layer1.1 layer2.1", "layer1.1 layer2.10"])
        == "layer1.1, layer2.1 (1 of 2), layer2.10 (1 of 2)"
    )
    assert block_list(["blocks.9 blocks.10"]) == "blocks.{9, 10}"
    assert block_list([""]) == DASH


def test_what_stands_out_does_so_in_every_format() -> None:
    table = RenderedTable("t", "c", ("A", "B"), (("a_b", Strong("50 %")),))
    assert "| a_b | **50 %** |" in to_markdown(table)
    assert r"a\_b & \textbf{50 \%} \\" in to_tex(table)
    assert '<td>a_b</td><td class="r"><b>50 %</b></td>' in to_html(table)


def test_special_characters_survive_every_format() -> None:
    table = RenderedTable("a_b", "50 % & more", ("x|y",), (("<i>",),))
    assert r"x\|y" in to_markdown(table)
    assert r"a\_b. 50 \% \& more" in to_tex(table)
    assert "&lt;i&gt;" in to_html(table)
