"""Figures: what is drawn equals the tables, the same tables give the same bytes, and odd grids still draw."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from PIL import Image
from render_results import BLOCKS, make_params, run_python, write_results

from practise.errors import FileError
from practise.render.canvas import METHOD_STYLES, method_styles, project_style, save
from practise.render.curves import draw_curves
from practise.render.figures import FIGURES, write_figures
from practise.render.frames import blocks_frame, fewshot_frame, recovery_frame
from practise.render.recoverability import draw_recoverability
from practise.render.tidy import frame_csv
from practise.render.tradeoff import draw_tradeoff
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
    frames = {"fewshot": fewshot_frame, "blocks": blocks_frame, "recovery": recovery_frame}
    for name, frame in frames.items():
        (TABLES / f"{name}.csv").write_text(frame_csv(frame(params)))


def svg_bytes(draw: Callable[[Path], Figure]) -> bytes:
    with project_style():
        save(draw(TABLES), Path("figures"), "figure", formats=("svg",))
    return Path("figures/figure.svg").read_bytes()


def drawn_points(figure: Figure, color: str) -> list[tuple[float, float]]:
    """Return the points of all lines of one colour in the first panel."""
    lines = [line for line in figure.axes[0].get_lines() if same_color(line.get_color(), color)]
    return [point for line in lines for point in zip(*line.get_data(), strict=True)]


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
    code += "from pathlib import Path; from practise.render.figures import write_figures; "
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
        drawn = np.array(drawn_points(figure, METHOD_STYLES[method].color))
        for point in expected:
            assert np.isclose(drawn, point, rtol=1e-9).all(axis=1).any()


def test_tradeoff_marks_the_original_and_labels_axes_with_units() -> None:
    make_tables()
    with project_style():
        figure = draw_tradeoff(TABLES)
    ax = figure.axes[0]
    stars = [line for line in ax.get_lines() if line.get_marker() == "*"]
    assert [(*star.get_xdata(), *star.get_ydata()) for star in stars] == [(11.5, 84.2)]
    assert ax.get_xlabel() == "latency of a batch of 1 (ms)"
    assert ax.get_ylabel() == "top-1 accuracy (%)"
    assert {"latency reduction (%)", "original  84.2 %"} <= set(texts_of(figure))
    assert any("Example CPU, 2 threads" in " ".join(text.split()) for text in texts_of(figure))


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


def test_a_large_grid_has_a_panel_for_each_setting() -> None:
    make_tables(num_images=[50, 500], targets=[0.1, 0.2], seeds=[0])
    with project_style():
        assert [ax.get_title(loc="left") for ax in draw_tradeoff(TABLES).axes] == ["50 images", "500 images"]
        titles = [ax.get_title(loc="left") for ax in draw_curves(TABLES).axes]
    assert titles == [
        f"{n} images · {loss}" for n in (50, 500) for loss in ("cross-entropy", "feature mimicking")
    ]


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
