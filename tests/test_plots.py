"""What a picture shows: theory as lines, reduced filled, direct open, and nothing broken by infinity."""

import math
import random
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from tests.gauge import Gauge, Walk
from tsmech import plots
from tsmech.errors import InputError
from tsmech.experiment import Experiment, build
from tsmech.plots import MARKERS, choose, draw, draw_panel, is_geometric, save
from tsmech.runs import carry_out


def finished(kind: Any = Gauge, plot: Any = None, **parameters: Any) -> tuple[Experiment, list[dict[str, Any]]]:
    """Return an experiment and the rows that it gives."""
    experiment = build(kind, parameters, replicates=3, plot=plot)
    with carry_out(experiment) as store:
        return experiment, list(store.rows())


SWEEP = {"level": [1, 2, 3], "noise": [0.1, 0.2]}


@pytest.fixture(scope="module")
def sweep() -> tuple[Experiment, list[dict[str, Any]]]:
    return finished(**SWEEP)


def labels(figure: Figure) -> list[str]:
    """Return the words of the legend, wherever it is."""
    legends = [*figure.legends, *(panel.get_legend() for panel in figure.axes)]
    return [text.get_text() for legend in legends if legend for text in legend.get_texts()]


# What is shown


def test_the_longest_axis_is_horizontal_and_the_next_tells_curves_apart() -> None:
    assert choose(build(Gauge, SWEEP)) == ("level", ["level_read", "spread"], "noise")
    assert choose(build(Gauge, {"level": [1, 2], "noise": [1, 2, 3]})) == ("noise", ["level_read", "spread"], "level")
    assert choose(build(Gauge, {"level": 1})) == ("level", ["level_read", "spread"], None)


def test_the_coordinate_is_horizontal_where_there_is_one() -> None:
    assert choose(build(Walk, {"drift": [0, 1]})) == ("time", ["position", "overlap"], "drift")
    assert choose(build(Walk, {"drift": [0, 1]}), x="drift", y=["position"]) == ("drift", ["position"], None)


def test_what_is_asked_for_goes_before_what_the_experiment_says() -> None:
    experiment = build(Gauge, SWEEP, plot={"x": "noise", "y": "spread", "by": "level"})
    assert choose(experiment) == ("noise", ["spread"], "level")
    assert choose(experiment, x="level", by="noise") == ("level", ["spread"], "noise")
    assert choose(experiment, y=["luck", "level-read"]) == ("noise", ["luck", "level_read"], "level")


def test_a_word_can_tell_curves_apart_but_be_no_axis() -> None:
    experiment = build(Gauge, {"level": [1, 2], "fault": ["none", "inf"]})
    assert choose(experiment) == ("level", ["level_read", "spread"], "fault")
    with pytest.raises(InputError, match="--x fault"):
        choose(experiment, x="fault")


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"x": "levle"}, r"--x levle cannot be drawn: did you mean level\?"),
        ({"y": ["sprad"]}, r"--y sprad cannot be drawn: did you mean spread\?"),
        ({"by": "nois"}, r"--by nois cannot be drawn: did you mean noise\?"),
        ({"by": "dimension"}, "--by dimension"),
        ({"x": "level", "by": "level"}, "--by level"),
    ],
)
def test_what_cannot_be_drawn_is_refused(choice: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        choose(build(Gauge, SWEEP), **choice)


# How it is shown


def test_theory_is_a_line_and_simulations_are_markers(sweep: tuple[Experiment, list[dict[str, Any]]]) -> None:
    experiment, rows = sweep
    (panel,) = draw(experiment, rows, y=["level_read"]).axes
    lines = [line for line in panel.lines if line.get_linestyle() != "None"]
    marked = [line for line in panel.lines if line.get_marker() in MARKERS]
    assert len(lines) == 2
    assert len(marked) == 2 * 2
    for line in lines:
        assert line.get_marker() in ("None", "")
        stored = {row["level"]: row["level_read"] for row in rows if row["answer"] == "theory"}
        drawn = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
        assert stored.items() <= drawn.items(), "the line must pass through the stored points"
        assert list(drawn) == sorted(drawn)
    faces = [to_rgba(line.get_markerfacecolor()) for line in marked]
    filled = [to_rgba(line.get_color()) for line in marked]
    assert sum(face == colour for face, colour in zip(faces, filled, strict=True)) == 2
    assert faces.count(to_rgba("white")) == 2


def test_markers_are_the_means_with_their_standard_errors(sweep: tuple[Experiment, list[dict[str, Any]]]) -> None:
    experiment, rows = sweep
    panel = draw_panel(experiment, rows, "level", "spread", "noise")
    shown = {
        (x, y) for line in panel.lines if line.get_marker() in MARKERS for x, y in zip(*line.get_data(), strict=True)
    }
    assert shown == {(row["level"], row["spread"]) for row in rows if row["answer"] != "theory"}
    bars = [container.lines[2][0].get_segments() for container in panel.containers]
    lengths = {float(segment[1, 1] - segment[0, 1]) for segments in bars for segment in segments}
    errors = [2 * row["spread_sem"] for row in rows if row["answer"] != "theory"]
    np.testing.assert_allclose(sorted(lengths), sorted(errors), rtol=1e-9)


def test_colour_is_never_the_only_code(sweep: tuple[Experiment, list[dict[str, Any]]]) -> None:
    experiment, rows = sweep
    panel = draw_panel(experiment, rows, "level", "spread", "noise")
    lines = [line for line in panel.lines if line.get_linestyle() != "None"]
    marked = [line for line in panel.lines if line.get_marker() in MARKERS]
    for group in (lines, marked):
        assert len({line.get_color() for line in group}) == 2
    assert len({line.get_linestyle() for line in lines}) == 2
    assert len({line.get_marker() for line in marked}) == 2


def test_the_legend_names_the_answers_and_the_values(sweep: tuple[Experiment, list[dict[str, Any]]]) -> None:
    found = labels(draw(*sweep))
    assert {"theory", "reduced", "direct"} <= set(found)
    assert any("σ" in label and "0.1" in label for label in found)
    assert any("σ" in label and "0.2" in label for label in found)


def test_axis_labels_carry_symbol_and_words(sweep: tuple[Experiment, list[dict[str, Any]]]) -> None:
    figure = draw(*sweep)
    assert len(figure.axes) == 2
    assert "what is read" in figure.axes[0].get_xlabel()
    assert figure.axes[0].get_xlabel().lstrip("$").startswith("l")
    assert "mean square deviation of the readings" in figure.axes[1].get_ylabel()
    assert "read" in figure.axes[0].get_ylabel()
    walk = draw(*finished(Walk, drift=[0, 1]), y=["position"])
    assert walk.axes[0].get_xlabel() == "time"


def test_the_title_is_shown() -> None:
    experiment = build(Gauge, {"level": [1, 2]}, answers="theory", title="A gauge")
    with carry_out(experiment) as store:
        figure = draw(experiment, store.rows())
    assert figure.get_suptitle() == "A gauge"


def test_infinity_breaks_no_axis() -> None:
    """... and where there is nothing else the picture is drawn all the same."""
    for parameters in ({"level": [1, 2, 3], "fault": ["none", "inf"]}, {"level": [1, 2], "fault": "inf"}):
        experiment, rows = finished(**parameters)
        figure = draw(experiment, rows)
        figure.draw_without_rendering()
        for panel in figure.axes:
            assert np.isfinite([*panel.get_xlim(), *panel.get_ylim()]).all()


@pytest.mark.parametrize("alpha", [1.0, [0.5, 1.0, 2.0], [1.0, 2.0]])
def test_an_infinite_theory_breaks_no_axis(alpha: Any) -> None:
    experiment = build("ridge", {"alpha": alpha, "penalty": 0}, answers="theory")
    with carry_out(experiment) as store:
        figure = draw(experiment, store.rows())
    figure.draw_without_rendering()
    for panel in figure.axes:
        assert np.isfinite([*panel.get_xlim(), *panel.get_ylim()]).all()


def test_a_line_leaves_the_picture_on_both_sides_of_an_infinite_value() -> None:
    experiment = build("ridge", {"alpha": [0.5, 1.0, 2.0]}, answers="theory")
    with carry_out(experiment) as store:
        panel = draw_panel(experiment, store.rows(), "alpha", "generalization_error")
    (line,) = panel.lines
    x, y = line.get_data()
    assert np.isnan(y[x == 1.0]).all()
    below, above = y[(x < 1.0)][-1], y[(x > 1.0)][0]
    assert min(below, above) > 10 * max(y[0], y[-1])


def test_a_line_is_fine_where_theory_is_quick_and_coarse_where_the_axis_is_whole() -> None:
    for parameters, x, fine in (
        ({"level": [1.0, 2.0]}, "level", True),
        ({"level": 1, "dimension": [2, 4]}, "dimension", False),
    ):
        experiment = build(Gauge, parameters, answers="theory")
        with carry_out(experiment) as store:
            panel = draw_panel(experiment, store.rows(), x, "level_read")
        assert (len(panel.lines[0].get_xdata()) > 100) == fine


def test_a_theory_that_fails_between_the_points_leaves_the_line_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, rows = finished(level=[1, 2, 3])
    original = Gauge.theory_curve

    def fail(gauge: Gauge) -> Any:
        if gauge.level != round(gauge.level):
            raise ArithmeticError("no solution here")
        return original(gauge)

    monkeypatch.setattr(Gauge, "theory_curve", fail)
    panel = draw_panel(experiment, rows, "level", "level_read")
    line = next(line for line in panel.lines if line.get_linestyle() != "None")
    assert {(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)} <= set(zip(*line.get_data(), strict=True))


def test_geometric_sweeps_have_logarithmic_axes() -> None:
    assert draw_panel(*finished(level="log:0.01:10:6"), "level", "luck").get_xscale() == "log"
    assert draw_panel(*finished(level="0.1:4:6"), "level", "luck").get_xscale() == "linear"
    assert draw_panel(*finished(level=[1, 2], noise="log:0.01:10:4"), "noise", "spread").get_yscale() == "log"


@given(st.floats(1e-3, 1e3), st.floats(10, 1e6), st.integers(3, 30), st.integers(0, 100))
@settings(deadline=None)
def test_geometric_spacing_is_told_from_even_spacing(start: float, ratio: float, count: int, seed: int) -> None:
    order = random.Random(seed).sample(range(count), count)
    assert is_geometric(np.geomspace(start, start * ratio, count)[order])
    assert not is_geometric(np.linspace(start, start * ratio, count)[order])
    assert not is_geometric(np.linspace(-start, start * ratio, count))


def test_many_values_have_as_many_colours() -> None:
    experiment, rows = finished(level=[1, 2], noise=[k / 10 for k in range(1, 13)])
    panel = draw_panel(experiment, rows, "level", "spread", "noise")
    assert len({str(line.get_color()) for line in panel.lines if line.get_linestyle() != "None"}) == 12


def test_axes_come_in_and_go_out_and_the_style_stays_inside(sweep: tuple[Experiment, list[dict[str, Any]]]) -> None:
    before = dict(mpl.rcParams)
    mine = Figure().add_subplot()
    assert draw_panel(*sweep, "level", "spread", ax=mine) is mine
    assert draw_panel(*sweep, "level", "spread") is not mine
    draw(*sweep)
    assert dict(mpl.rcParams) == before


def test_pictures_are_the_same_every_time(tmp_path: Path, sweep: tuple[Experiment, list[dict[str, Any]]]) -> None:
    found = []
    for name in ("one", "two"):
        files = save(draw(*sweep), tmp_path, name)
        assert files == [tmp_path / f"{name}.png", tmp_path / f"{name}.svg"]
        found.append([file.read_bytes() for file in files])
    assert found[0] == found[1]
    assert found[0][0].startswith(b"\x89PNG")
    assert b"<svg" in found[0][1]
    assert len(list(tmp_path.iterdir())) == 4


def test_a_run_of_one_point_is_drawn() -> None:
    experiment, rows = finished(level=1)
    draw(experiment, rows).draw_without_rendering()


def test_a_run_along_a_coordinate_is_drawn_over_it_and_over_a_parameter() -> None:
    experiment, rows = finished(Walk, drift=[0, 1, 2], length=5)
    draw(experiment, rows, y=["position"]).draw_without_rendering()
    draw(experiment, rows, x="drift", y=["position"]).draw_without_rendering()


def test_single_draws_have_no_error_bars_and_are_drawn() -> None:
    experiment = build(Gauge, {"level": [1, 2]}, replicates=1)
    with carry_out(experiment) as store:
        draw(experiment, store.rows()).draw_without_rendering()


def test_zeros_and_negative_values_are_drawn() -> None:
    for parameters in ({"level": [-1, 0, 1]}, {"level": 0, "noise": [0, 1e-3, 10]}, {"level": [0, 1], "noise": 0}):
        figure = draw(*finished(**parameters))
        figure.draw_without_rendering()
        for panel in figure.axes:
            low, high = panel.get_ylim()
            assert math.isfinite(low)
            assert low < high


def test_colours_are_told_apart_without_colour_vision() -> None:
    """Okabe and Ito's palette, without the yellow that is unreadable on white."""
    with mpl.style.context(plots.STYLE):
        cycle = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    palette = {"0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "000000"}
    assert {colour.lstrip("#").upper() for colour in cycle} == palette
