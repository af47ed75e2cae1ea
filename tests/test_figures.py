"""Figures: what is drawn equals the tables, the same tables give the same bytes, and odd grids still draw."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import rgb_to_hsv, same_color, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image
from render_results import BLOCKS, make_params, run_python, write_results

from practise.errors import FileError
from practise.render.figures.canvas import method_styles, project_style, save
from practise.render.figures.criteria import draw_criteria
from practise.render.figures.curves import draw_curves
from practise.render.figures.labels import Point, place_names
from practise.render.figures.macs_vs_latency import draw_macs_vs_latency
from practise.render.figures.recoverability import draw_recoverability
from practise.render.figures.sources import draw_sources
from practise.render.figures.tradeoff import draw_tradeoff
from practise.render.figures.writing import FIGURES, write_figures
from practise.render.methods import METHODS, method_title
from practise.render.names import RECOVERABILITIES, RECOVERABILITY, criterion_title
from practise.render.tables.writing import TABLES as TABLES_MADE
from practise.render.tidy import frame_csv, read_frame
from practise.scoring.registry import CRITERIA
from practise.stages import figures, tables

TABLES = Path("tables")
FIGURES_FOLDER = Path("figures")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_tables(**changes: object) -> None:
    params = make_params(**changes)
    write_results(params)
    TABLES.mkdir(exist_ok=True)
    for name, table in TABLES_MADE.items():
        (TABLES / f"{name}.csv").write_text(frame_csv(table.frame(params)))


def svg_bytes(draw: Callable[[Path], Figure]) -> bytes:
    with project_style():
        save(draw(TABLES), Path("figures"), "figure", formats=("svg",))
    return Path("figures/figure.svg").read_bytes()


def drawn_points(figure: Figure, color: str) -> list[tuple[float, float]]:
    """Return the points of all lines of one colour in the first panel."""
    lines = [line for line in figure.axes[0].get_lines() if same_color(line.get_color(), color)]
    return [point for line in lines for point in zip(*line.get_data(), strict=True)]


MIR = {"criterion": "l1_filters", "loss": "mimic", "preset": "default"}
SCHEMES = {
    "methods": ["practise", "practise_official", "bp_blocks", "mir", "kd", "fskd"],
    "methods__practise_official": {"criterion": "recoverability", "loss": "mimic", "preset": "official"},
    "methods__mir": MIR,
    "methods__kd": MIR | {"loss": "distil"},
    "methods__fskd": MIR | {"recover": {"steps": 0, "start": "fskd"}},
    "targets": [0.16, 0.22],
    "latency__thinner": [0.16, 0.22],
}
"""A grid of schemes of both styles, one of which takes no steps."""


def boxes_of(figure: Figure, words: set[str]) -> list[Bbox]:
    """Return where the texts with these words lie."""
    figure.draw_without_rendering()
    found = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_text() in words)
    return [Text.get_window_extent(text) for text in found]  # without the line of an annotation


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]


@pytest.fixture(scope="module")
def default_grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the stages made tables and figures of the default grid."""
    folder = tmp_path_factory.mktemp("default")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        params = make_params()
        write_results(params)
        tables.run(params, out=TABLES)
        figures.run(params, tables=TABLES, out=FIGURES_FOLDER)
    return folder


def test_every_figure_comes_in_every_format_at_a_readable_size(default_grid: Path) -> None:
    folder = default_grid / FIGURES_FOLDER
    names = {f"{name}.{ending}" for name in FIGURES for ending in ("svg", "pdf", "png")}
    assert {path.name for path in folder.iterdir()} == names
    for name in FIGURES:
        width, _ = Image.open(folder / f"{name}.png").size
        assert width >= 1400, "twice the 700 pixels at which it is shown"


def test_two_processes_draw_the_same_bytes_whatever_the_users_settings(default_grid: Path) -> None:
    code = "import matplotlib; matplotlib.rcParams.update({'font.size': 30, 'svg.hashsalt': None}); "
    code += "from pathlib import Path; from practise.render.figures.writing import write_figures; "
    code += f"write_figures(Path({str(default_grid / TABLES)!r}), Path('again'))"
    run_python(code, PYTHONHASHSEED="7", SOURCE_DATE_EPOCH="1", TZ="Asia/Tokyo")
    for path in sorted((default_grid / FIGURES_FOLDER).iterdir()):
        assert path.read_bytes() == Path("again", path.name).read_bytes(), path.name


def test_no_figure_carries_a_date(default_grid: Path) -> None:
    for path in (default_grid / FIGURES_FOLDER).iterdir():
        assert not re.search(rb"CreationDate|<dc:date>|20\d\d-\d\d-\d\d", path.read_bytes())


def test_tradeoff_shows_every_seed_and_the_mean_of_each_method() -> None:
    make_tables()
    frame = pd.read_csv(TABLES / "fewshot.csv")
    frame["median_ms"] = frame["median_ms_original"].mean() * (1 - frame["measured_reduction"])
    with project_style():
        figure = draw_tradeoff(TABLES)
    for method in ("bp_blocks", "practise"):
        own = frame[frame["method"] == method][["median_ms", "top1"]].to_numpy()
        expected = np.vstack([own, own.mean(axis=0)])
        drawn = np.array(drawn_points(figure, METHODS[method].color))
        for point in expected:
            assert np.isclose(drawn, point, rtol=1e-9).all(axis=1).any()


def test_tradeoff_marks_the_original_and_labels_axes_with_units() -> None:
    make_tables()
    with project_style():
        figure = draw_tradeoff(TABLES)
    ax = figure.axes[0]
    stars = [line for line in ax.get_lines() if line.get_marker() == "*"]
    original_ms = pd.read_csv(TABLES / "latency.csv")["median_ms"].iloc[0]
    (star,) = stars
    assert (*star.get_xdata(), *star.get_ydata()) == pytest.approx((original_ms, 84.2))
    assert ax.get_xlabel() == "latency of a batch of 1 (ms)"
    assert ax.get_ylabel() == "top-1 accuracy (%)"
    assert {"latency reduction (%)", "original  84.2 %"} <= set(texts_of(figure))
    assert any("Example CPU, 2 threads" in " ".join(text.split()) for text in texts_of(figure))


def test_tradeoff_joins_the_targets_of_a_scheme_and_draws_filters_open_and_dashed() -> None:
    make_tables(**SCHEMES)
    frame = pd.read_csv(TABLES / "fewshot.csv")
    with project_style():
        figure = draw_tradeoff(TABLES)
    joined = [
        line
        for line in figure.axes[0].get_lines()
        if len(line.get_xdata()) == 2 and line.get_marker() != "None"
    ]
    assert len(joined) == 6
    for line, (method, own) in zip(joined, frame.groupby("method", sort=False), strict=True):
        heights = own.groupby("target_reduction")["top1"].mean()
        np.testing.assert_allclose(line.get_ydata().astype(float), heights)
        is_open = same_color(line.get_markerfacecolor(), "white")
        assert is_open == line.is_dashed() == (method in ("mir", "kd", "fskd"))


def test_tradeoff_names_every_scheme_without_names_that_overlap() -> None:
    make_tables(**SCHEMES)
    with project_style():
        figure = draw_tradeoff(TABLES)
        boxes = boxes_of(figure, {*map(method_title, SCHEMES["methods"]), "original  84.2 %"})
        assert len(boxes) == 7
        assert not any(box.count_overlaps(boxes[:index]) for index, box in enumerate(boxes))


def test_criteria_show_the_mean_of_each_set_over_the_seeds_and_mark_the_chosen_ones() -> None:
    make_tables(rank__seeds=[0, 1, 2])
    frame = read_frame(TABLES / "oracle.csv")
    criteria = read_frame(TABLES / "criteria.csv").set_index("criterion")
    with project_style():
        figure = draw_criteria(TABLES)
    names = ["recoverability", "output_divergence", "feature_change"]
    assert len(figure.axes) == 3
    for ax, criterion in zip(figure.axes, names, strict=True):
        own, row = frame[frame["criterion"] == criterion], criteria.loc[criterion]
        chosen = set(row["dropped_blocks"].split("; "))
        own = own[(own["kind"] != "chosen") | own["dropped_blocks"].isin(chosen)]
        means = own.groupby("dropped_blocks", sort=False)[["score", "kl"]].mean()
        marks = [line for line in ax.get_lines() if line.get_marker() in ("o", "D")]
        np.testing.assert_allclose([line.get_xydata()[0] for line in marks], means)
        assert sum(line.get_marker() == "D" for line in marks) == len(chosen)
        words = {text.get_text() for text in ax.texts}
        assert {name.removeprefix("blocks.") for name in BLOCKS} <= words
        value, low, high = (row[f"correlation{end}_sets"] for end in ("", "_low", "_high"))
        ceiling = row["ceiling_sets"]
        told = f"ρ = {value:.2f} [{low:.2f}, {high:.2f}], ceiling {ceiling:.2f}".replace("-", "−")
        assert told in words and ax.get_title(loc="left") == criterion_title(criterion)


def test_criteria_have_every_mark_in_the_legend_and_no_words_that_are_cut() -> None:
    make_tables(rank__seeds=[0, 1, 2])
    with project_style():
        figure = draw_criteria(TABLES)
        figure.draw_without_rendering()
    (legend,) = figure.legends
    stages = [f"blocks.{stage}" for stage in (1, 2, 3, 4)]
    kinds = ["a random set", "chosen by the criterion"]
    assert [text.get_text() for text in legend.get_texts()] == [*stages, *kinds]
    labels = [text for ax in figure.axes for text in (*ax.texts, ax.xaxis.label, ax.yaxis.label)]
    for text in [*labels, *figure.texts, *legend.get_texts()]:
        if text.get_text():
            box = text.get_window_extent()
            assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1, text


def test_criteria_of_an_oracle_that_contradicts_itself_are_told_no_correlation() -> None:
    make_tables(rank__seeds=[0, 1, 2])
    read_frame(TABLES / "criteria.csv").assign(ceiling_sets=0.3).to_csv(TABLES / "criteria.csv", index=False)
    with project_style():
        words = texts_of(draw_criteria(TABLES))
    assert "ceiling 0.30" in words and not any(text.startswith("ρ") for text in words)


@pytest.mark.parametrize(("spread", "scale"), [(1.5, "linear"), (200.0, "log")])
def test_criteria_have_a_logarithmic_axis_only_over_decades(spread: float, scale: str) -> None:
    make_tables(rank__seeds=[0])
    frame = pd.read_csv(TABLES / "oracle.csv")
    frame["score"] = frame["dropped_blocks"].map({BLOCKS[0]: 1.0}).fillna(spread)
    frame.to_csv(TABLES / "oracle.csv", index=False)
    with project_style():
        assert {ax.get_xscale() for ax in draw_criteria(TABLES).axes} == {scale}


def test_macs_stand_against_latency_for_blocks_filters_and_schemes() -> None:
    make_tables(**SCHEMES)
    latency, cells = pd.read_csv(TABLES / "latency.csv"), pd.read_csv(TABLES / "fewshot.csv")
    with project_style():
        figure = draw_macs_vs_latency(TABLES)
    lines = [np.array(line.get_xydata()) for line in figure.axes[0].get_lines()]
    for pruned, start in (("block", []), ("filters", [[0.0, 0.0]])):
        own = latency[latency["pruned"] == pruned][["macs_reduction", "reduction"]].to_numpy()
        expected = np.vstack([*start, 100 * own]) if start else 100 * own
        assert any(line.shape == expected.shape and np.allclose(line, expected) for line in lines)
    for _, own in cells.groupby(["method", "target_reduction"]):
        x = 100 * (1 - own["gmacs"] / own["gmacs_original"]).mean()
        expected = np.array([[x, 100 * own["measured_reduction"].mean()]])
        assert any(line.shape == (1, 2) and np.allclose(line, expected) for line in lines)
    assert {"20 %", "40 %", "60 %"} <= set(texts_of(figure))


def test_names_cover_neither_each_other_nor_points() -> None:
    rng = np.random.default_rng(0)
    points = [Point(*at, name=f"b.{i}", color="black") for i, at in enumerate(rng.normal(0, 1, (25, 2)))]
    with project_style():
        figure = Figure(figsize=(5, 4))
        FigureCanvasAgg(figure)
        ax = figure.subplots()
        ax.plot([point.x for point in points], [point.y for point in points], "o", markersize=5)
        left_out = place_names(ax, points)
        placed = {point.name for point in points} - set(left_out)
        boxes = boxes_of(figure, placed)
    assert len(boxes) == len(placed) >= 20
    assert not any(box.count_overlaps(boxes[:index]) for index, box in enumerate(boxes))
    at = ax.transData.transform([(point.x, point.y) for point in points])
    assert not any(box.contains(x, y) for box in boxes for x, y in at)


def test_a_crowd_of_points_leaves_out_names_rather_than_cover_others() -> None:
    points = [Point(0.5 + i / 1e4, 0.5, name=f"a long name {i}", color="black") for i in range(100)]
    with project_style():
        figure = Figure(figsize=(3, 3))
        FigureCanvasAgg(figure)
        left_out = place_names(figure.subplots(), points)
        boxes = boxes_of(figure, {point.name for point in points})
    assert len(boxes) == 100 - len(left_out) < 100
    assert not any(box.count_overlaps(boxes[:index]) for index, box in enumerate(boxes))


def test_recoverability_shows_the_mean_of_each_block_and_fills_those_dropped() -> None:
    make_tables()
    frame = pd.read_csv(TABLES / "blocks.csv")
    ours = frame[frame["method"] == "practise"]
    with project_style():
        figure = draw_recoverability(TABLES)
    bold = [line for line in figure.axes[0].get_lines() if line.get_markersize() == 9]
    assert [line.get_xdata()[0] for line in bold] == list(range(len(BLOCKS)))
    for line, block in zip(bold, BLOCKS, strict=True):
        own = ours[ours["block"] == block]
        assert line.get_ydata()[0] == pytest.approx(own["score"].mean())
        assert same_color(line.get_markerfacecolor(), "white") != own["dropped"].any()
    counts = [f"{count}/3" for count in ours.groupby("block", sort=False)["dropped"].sum() if count]
    assert [text for text in texts_of(figure) if text.endswith("/3")][-len(counts) :] == counts


def test_recoverabilities_of_two_units_have_an_axis_each() -> None:
    plain = {"criterion": RECOVERABILITY, "loss": "mimic", "preset": "official"}
    make_tables(methods=["practise", "practise_official"], methods__practise_official=plain, seeds=[0])
    _, other = RECOVERABILITIES
    with project_style():
        figure = draw_recoverability(TABLES)
        left, _, right = figure.axes
    assert left.get_ylabel() == "recoverability R\n(mean squared error)"
    assert right.get_ylabel() == f"{CRITERIA[other].title}\n({CRITERIA[other].unit})"
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        "PRACTISE (right axis)",
        "PRACTISE official",
    }
    frame = pd.read_csv(TABLES / "blocks.csv")
    for ax, method in ((left, "practise_official"), (right, "practise")):
        drawn = [line.get_ydata()[0] for line in ax.get_lines() if line.get_markersize() == 9]
        assert drawn == frame.loc[frame["method"] == method, "score"].tolist()


def test_recoverability_does_not_change_with_measured_times() -> None:
    make_tables(seeds=[0])
    before = svg_bytes(draw_recoverability)
    frame = pd.read_csv(TABLES / "blocks.csv")
    frame["latency_reduction"] *= 1.01
    frame["pruning_score"] *= 0.99
    frame["device_name"] = "another"
    frame.to_csv(TABLES / "blocks.csv", index=False)
    assert svg_bytes(draw_recoverability) == before


@pytest.mark.parametrize(("spread", "scale"), [(1.5, "linear"), (200.0, "log")])
def test_recoverability_has_a_logarithmic_axis_only_over_decades(spread: float, scale: str) -> None:
    make_tables()
    frame = pd.read_csv(TABLES / "blocks.csv")
    frame["score"] = np.geomspace(1.0, spread, len(frame))
    frame.to_csv(TABLES / "blocks.csv", index=False)
    with project_style():
        assert draw_recoverability(TABLES).axes[0].get_yscale() == scale


def test_curves_draw_the_mean_over_the_seeds_and_kinds_of_loss_apart() -> None:
    make_tables()
    frame = pd.read_csv(TABLES / "recovery.csv")
    with project_style():
        figure = draw_curves(TABLES)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["cross-entropy", "feature mimicking"]
    assert [ax.get_ylabel() for ax in figure.axes] == ["cross-entropy (nats)", "mean squared feature error"]
    for ax, method in zip(figure.axes, ("bp_blocks", "practise"), strict=True):
        expected = frame[frame["method"] == method].groupby("step")["value"].mean()
        steps, values = ax.get_lines()[0].get_data()
        np.testing.assert_array_equal(steps, expected.index)
        np.testing.assert_allclose(values, expected)
        assert ax.get_yscale() == "log"


def test_a_recovery_without_steps_draws_no_line_and_alone_no_panel() -> None:
    make_tables(**SCHEMES | {"targets": [0.16], "methods": ["mir", "fskd"]})
    with project_style():
        (ax,) = draw_curves(TABLES).axes
    assert len(ax.get_lines()) == 1 and same_color(ax.get_lines()[0].get_color(), METHODS["mir"].color)
    make_tables(**SCHEMES | {"methods": ["fskd"]}, rank__method="practise")
    with project_style():
        assert "nothing to draw: the grid holds no such cell" in texts_of(draw_curves(TABLES))


def test_a_large_grid_has_a_panel_for_each_setting() -> None:
    make_tables(num_images=[50, 500], targets=[0.1, 0.2], seeds=[0])
    with project_style():
        assert [ax.get_title(loc="left") for ax in draw_tradeoff(TABLES).axes] == ["50 images", "500 images"]
        titles = [ax.get_title(loc="left") for ax in draw_curves(TABLES).axes]
    assert titles == [
        f"{n} images · {loss}" for n in (50, 500) for loss in ("cross-entropy", "feature mimicking")
    ]


def test_all_images_stand_on_the_axis_beyond_the_largest_number() -> None:
    make_tables(seeds=[0, 1], sources__num_images=["all", 50, 500], synthesize__num_images=500)
    with project_style():
        figure = draw_sources(TABLES)
        figure.draw_without_rendering()
    for ax in figure.axes:
        labels = {label.get_text(): label.get_position()[0] for label in ax.get_xticklabels()}
        assert list(labels) == ["50", "500", "all"]
        assert labels["all"] > labels["500"]
        assert ax.get_xlim()[1] > labels["all"]


def test_one_seed_of_one_method_draws_without_a_warning(recwarn: pytest.WarningsRecorder) -> None:
    make_tables(seeds=[0], methods=["practise"])
    write_figures(TABLES, FIGURES_FOLDER, formats=("svg",))
    assert not [str(warning.message) for warning in recwarn]


def test_a_grid_without_recoverability_says_so() -> None:
    make_tables(seeds=[0], methods=["bp_blocks"])
    with project_style():
        assert "no method of this grid scores recoverability" in texts_of(draw_recoverability(TABLES))


def test_tables_without_rows_draw_a_panel_that_says_so() -> None:
    make_tables(seeds=[0])
    for path in TABLES.glob("*.csv"):
        path.write_text(path.read_text().partition("\n")[0] + "\n")
    with project_style():
        for draw in FIGURES.values():
            assert "nothing to draw: the grid holds no such cell" in texts_of(draw(TABLES))


def test_a_missing_table_is_named() -> None:
    with pytest.raises(FileError, match="tables/fewshot.csv: no such file"):
        write_figures(TABLES, Path("figures"))


def test_a_method_looks_alike_in_every_grid_and_unlike_the_others() -> None:
    few = method_styles(pd.DataFrame({"method": ["practise", "mine"]}))
    many = method_styles(pd.DataFrame({"method": ["kd", "mine", "cd", "yours", "practise"]}))
    assert few["practise"] == many["practise"]
    assert (
        len({style.color for style in many.values()}) == len({style.marker for style in many.values()}) == 5
    )
    known = [method.style for method in METHODS.values()]
    assert len({style.color for style in known}) == len({style.marker for style in known}) == len(known)


def test_a_variant_has_the_shade_of_its_method_and_another_marker() -> None:
    names = ["practise_official", "practise_mine", "practise", "cd_adam", "cd"]
    styles = method_styles(pd.DataFrame({"method": names}))
    for variant, base in {
        "practise_official": "practise",
        "practise_mine": "practise",
        "cd_adam": "cd",
    }.items():
        hues = [rgb_to_hsv(to_rgb(styles[name].color))[0] for name in (variant, base)]
        assert hues[0] == pytest.approx(hues[1], abs=0.01)
        assert styles[variant].marker != styles[base].marker
    assert len(set(styles.values())) == 5
