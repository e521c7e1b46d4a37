"""How a picture is drawn: theory as lines, reduced filled, direct open, and nothing broken by infinity."""

import math
import random
from dataclasses import dataclass
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
from tests.plots.drawn import draw_panel, drawn, finished, labels, laid_out, panel_of, words
from tsmech import plots
from tsmech.errors import InputError
from tsmech.experiment import Experiment, build
from tsmech.plots import draw, save
from tsmech.plots.curves import MARKERS
from tsmech.plots.picture import is_geometric
from tsmech.runs import carry_out

SWEEP = {"level": [1, 2, 3], "noise": [0.1, 0.2]}


@pytest.fixture(scope="module")
def sweep() -> tuple[Experiment, list[dict[str, Any]]]:
    return finished(**SWEEP)


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
    assert faces.count(to_rgba("none")) == 2


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


def test_a_value_has_one_colour_in_every_panel_also_where_another_has_no_rows(
    sweep: tuple[Experiment, list[dict[str, Any]]],
) -> None:
    """Noise 0.1 does not report the spread: its panel then has the colour of noise 0.2 alone, that of the legend."""
    experiment, rows = sweep
    kept = [{k: v for k, v in row.items() if k != "spread" or row["noise"] > 0.1} for row in rows]
    first, second = draw(experiment, kept, x="level", y=["level_read", "spread"], by="noise").axes
    colours = [list(dict.fromkeys(to_rgba(line.get_color()) for line in panel.lines)) for panel in (first, second)]
    assert len(colours[0]) == 2
    assert colours[1] == colours[0][1:]


def test_axis_labels_carry_symbol_and_words(sweep: tuple[Experiment, list[dict[str, Any]]]) -> None:
    figure = draw(*sweep)
    assert len(figure.axes) == 2
    assert "what is read" in figure.axes[0].get_xlabel()
    assert figure.axes[0].get_xlabel().lstrip("$").startswith("l")
    assert "mean square deviation of the readings" in figure.axes[1].get_ylabel()
    assert "read" in figure.axes[0].get_ylabel()
    walk = draw(*finished(Walk, drift=[0, 1]), y=["position"])
    assert walk.axes[0].get_xlabel() == "t   (time)"


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
    (line,) = panel_of("ridge", "alpha", "generalization_error", alpha=[0.5, 1.0, 2.0]).lines
    x, y = line.get_data()
    assert np.isnan(y[x == 1.0]).all()
    below, above = y[(x < 1.0)][-1], y[(x > 1.0)][0]
    assert min(below, above) > 10 * max(y[0], y[-1])


def test_a_line_is_fine_where_theory_is_quick_and_coarse_where_the_axis_is_whole() -> None:
    for parameters, x, fine in (
        ({"level": [1.0, 2.0]}, "level", True),
        ({"level": 1, "dimension": [2, 4]}, "dimension", False),
    ):
        panel = panel_of(Gauge, x, "level_read", **parameters)
        assert (len(panel.lines[0].get_xdata()) > 100) == fine


def test_a_theory_that_fails_between_the_points_leaves_the_line_through_them(monkeypatch: pytest.MonkeyPatch) -> None:
    original = Gauge.theory_curve

    def fail(gauge: Gauge) -> Any:
        if gauge.level > 2 and gauge.level != round(gauge.level):
            raise ArithmeticError("no solution here")
        return original(gauge)

    monkeypatch.setattr(Gauge, "theory_curve", fail)
    panel = panel_of(Gauge, "level", "level_read", level=[1, 2, 3])
    assert [*zip(*panel.lines[0].get_data(), strict=True)] == [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]


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
        files = save(draw(*sweep, y="spread"), tmp_path, name)
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


# Several observables, single networks, small multiples


def test_observables_together_share_a_panel_and_are_told_apart_by_colour_and_in_the_legend() -> None:
    figure = drawn(level=[1, 2, 3], asked={"y": ["level_read", "spread"], "together": True})
    (panel,) = figure.axes
    lines = [line for line in panel.lines if line.get_linestyle() != "None"]
    assert len({line.get_color() for line in lines}) == len({line.get_linestyle() for line in lines}) == len(lines) == 2
    assert {"mean of the readings", "mean square deviation of the readings"} <= set(labels(figure))
    assert "mathrm{read}" in panel.get_ylabel()
    assert "s" in panel.get_ylabel()


def test_observables_together_leave_a_panel_to_each_value_of_the_other_axes_and_keep_their_colour() -> None:
    figure = laid_out(**SWEEP, asked={"y": ["level_read", "spread"], "together": True})
    assert [panel.get_title() for panel in figure.axes] == ["σ = 0.1", "σ = 0.2"]
    colours = [[line.get_color() for line in panel.lines] for panel in figure.axes]
    assert colours[0] == colours[1]


def test_single_networks_along_the_coordinate_are_thin_lines_and_theory_is_dashed() -> None:
    figure = drawn(Walk, drift=[0, 1], length=30, replicates=1, asked={"y": ["position"]})
    (panel,) = figure.axes
    dashed = [line for line in panel.lines if line.get_linestyle() == "--"]
    solid = [line for line in panel.lines if line.get_linestyle() == "-"]
    assert len(dashed) == len(solid) == 2
    assert max(line.get_linewidth() for line in solid) < min(line.get_linewidth() for line in dashed)
    assert {line.get_color() for line in dashed} == {line.get_color() for line in solid}
    assert all(len(line.get_xdata()) == 30 for line in solid)
    assert len({line.get_marker() for line in solid}) == 2
    assert any("one network" in label for label in labels(figure))


def test_means_of_several_networks_are_markers_along_the_coordinate_too() -> None:
    figure = drawn(Walk, drift=1, length=30, replicates=2, asked={"y": ["position"]})
    assert [line.get_linestyle() for line in figure.axes[0].lines if line.get_marker() in MARKERS] == ["None"]
    assert not any("one network" in label for label in labels(figure))


def test_a_third_axis_makes_small_multiples_on_one_scale() -> None:
    figure = drawn(level=[1, 2, 3], noise=[0.1, 0.2], dimension=[10, 20], asked={"y": ["spread"]})
    assert [panel.get_title() for panel in figure.axes] == ["N = 10", "N = 20"]
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    for panel in figure.axes:
        assert len([line for line in panel.lines if line.get_linestyle() != "None"]) == 2
    assert [bool(panel.get_ylabel()) for panel in figure.axes] == [True, False]


def test_a_panel_holds_the_rows_of_its_own_values_alone() -> None:
    experiment, rows = finished(level=[1, 2, 3], noise=[0.1, 0.2], dimension=[10, 20])
    figure = draw(experiment, rows, y=["spread"])
    for panel, dimension in zip(figure.axes, (10, 20), strict=True):
        found = {y for line in panel.lines if line.get_marker() in MARKERS for y in line.get_ydata()}
        kept = [row for row in rows if row["answer"] != "theory" and row["dimension"] == dimension]
        assert found == {row["spread"] for row in kept}


def test_of_a_long_axis_some_values_have_panels_and_the_small_print_says_so() -> None:
    figure = drawn(
        level=[1, 2], noise=[0.1, 0.2], dimension="2:40:20", answers="theory", asked={"x": "level", "y": ["spread"]}
    )
    assert len(figure.axes) == 6
    assert "6 of the 20 values of dimension" in words(figure)


def test_many_numbers_have_a_colour_bar_and_many_words_stay_in_the_legend() -> None:
    figure = laid_out(level=[1, 2], noise=[k / 10 for k in range(1, 31)], asked={"x": "level", "y": ["spread"]})
    panel, bar = figure.axes
    assert not any("σ" in label for label in labels(figure))
    assert "σ" in bar.get_ylabel()
    assert bar.get_ylim() == (0.1, 3.0)
    lines = [line for line in panel.lines if line.get_linestyle() != "None"]
    light = [sum(line.get_color()[:3]) for line in lines]
    assert len(lines) == 30
    assert light == sorted(light), "the colour follows the number"
    few = drawn(level=[1, 2], noise=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], asked={"x": "level", "y": ["spread"]})
    assert sum("σ" in label for label in labels(few)) == 6


def test_a_long_title_is_broken_into_lines() -> None:
    figure = drawn(level=[1, 2], answers="theory", title="a title of many words " * 6, asked={"y": ["spread"]})
    assert max(map(len, figure.get_suptitle().splitlines())) < 70


# What a reader must know


@dataclass(frozen=True)
class Hedged(Gauge):
    """A gauge whose theory is no prediction at a high level."""

    name = "hedged"

    def remark(self) -> str | None:
        return "the readings are rounded" if self.level > 1 else None

    def answer_label(self, answer: str) -> str:
        return "envelope for N → ∞" if answer == "theory" else super().answer_label(answer)


def test_a_remark_of_the_system_is_in_the_small_print() -> None:
    assert "the readings are rounded" in words(drawn(Hedged, level=[1, 2]))
    assert "the readings are rounded" in words(drawn(Hedged, level=[1, 2], noise=[1, 2], asked={"value": "spread"}))
    assert words(drawn(Hedged, level=[0, 1])) == "N = 20, means of 3 draws"


def test_a_network_alone_needs_no_remark_on_theory() -> None:
    assert words(drawn(Hedged, level=[1, 2], answers="direct")) == "N = 20, means of 3 draws"


@pytest.mark.parametrize(
    ("answers", "line", "marked", "filled"),
    [("theory", True, False, False), ("direct", False, True, False), ("theory,reduced", True, True, True)],
)
def test_the_legend_shows_a_value_as_the_picture_does(answers: str, line: bool, marked: bool, filled: bool) -> None:
    figure = drawn(**SWEEP, answers=answers)
    entry = next(handle for handle in figure.legends[0].legend_handles if "σ" in handle.get_label())
    assert (entry.get_linestyle() != "None") == line
    assert (entry.get_marker() in set(MARKERS)) == marked
    assert (entry.get_markerfacecolor() == entry.get_color()) == filled


def test_the_system_names_its_answers_in_legend_and_titles() -> None:
    found = labels(drawn(Hedged, level=[1, 2]))
    assert "envelope for N → ∞" in found
    assert "theory" not in found
    assert "direct" in found
    figure = drawn(Hedged, level=[1, 2], noise=[1, 2], asked={"value": "spread"})
    assert [panel.get_title() for panel in figure.axes[:3]] == ["envelope for N → ∞", "reduced", "direct"]


def test_where_curves_are_shown_by_their_ends_the_small_print_says_where() -> None:
    figure = laid_out(Walk, drift=[0, 1], length=5, asked={"x": "drift", "y": ["position"]})
    assert words(figure) == "n = 5, means of 3 draws; at time = 5"
    figure = drawn(Walk, drift=[0, 1], length=[5, 6], asked={"x": "drift", "y": ["position"]})
    assert words(figure) == "means of 3 draws; at the end of each curve"


def test_zero_on_a_logarithmic_axis_is_owned_up_to() -> None:
    assert "level = 0 has no place" in words(drawn(level=[0, 0.01, 0.1, 1, 10]))
    assert "no place" not in words(drawn(level=[0, 1, 2, 3]))


def test_a_matrix_is_left_out_where_it_was_not_asked_for_and_is_no_value_of_a_map() -> None:
    assert len(laid_out(Walk, drift=1).axes) == 1
    assert len(laid_out(Walk, drift=1, asked={"y": ["position", "overlap"]}).axes) == 2
    with pytest.raises(InputError, match="--value overlap cannot be drawn: a map shows single numbers"):
        drawn(Walk, drift=[0, 1], asked={"value": "overlap"})


# What a picture says


def test_a_picture_without_a_title_has_that_of_the_system_and_states_its_parameters() -> None:
    figure = drawn("ridge", alpha=[0.5, 1, 2], dimension=20, penalty=0.1, replicates=4)
    assert figure.get_suptitle() == "Ridge regression of a noisy linear teacher"
    assert words(figure) == "σ = 0.5, λ = 0.1, N = 20, means of 4 draws"
    assert words(drawn("ridge", alpha=[0.5, 1, 2], answers="theory", noise=1)) == "σ = 1"


def test_a_marked_number_is_a_line_in_curves_and_in_maps() -> None:
    plot = {"x": "alpha", "y": "test_error", "by": "penalty", "mark": {"alpha": 0.3, "penalty": 0.25}}
    figure = drawn("ridge", alpha=[0.2, 1, 2], penalty=[0.1, 0.2, 0.3], answers="theory", plot=plot)
    (line,) = [line for line in figure.axes[0].lines if [*line.get_xdata()] == [0.3, 0.3]]
    assert line.get_linestyle() != "-"
    assert "α = 0.3" in labels(figure)
    assert "λ = 0.25" not in labels(figure)
    shown = drawn(
        "ridge", alpha=[0.2, 1, 2], penalty=[0.1, 0.2, 0.3], answers="theory", plot=plot, asked={"value": "test_error"}
    )
    assert {(*line.get_xdata(),) for line in shown.axes[0].lines} == {(0.3, 0.3), (0.0, 1.0)}
    assert "dotted: α = 0.3, λ = 0.25" in words(shown)


def test_an_observable_that_theory_alone_has_is_a_line_in_the_legend() -> None:
    figure = drawn(
        "gradient_flow", alpha=[0.5, 2.0], dimension=20, duration=5, samples=5, answers=["theory", "reduced"],
        asked={"x": "alpha", "y": ["early_stopping_error", "best_ridge_error"], "together": True},
    )  # fmt: skip
    marked = {str(entry.get_label()): entry.get_marker() in {*MARKERS} for entry in figure.legends[0].legend_handles}
    assert marked["test error at the best time to stop"]
    assert not marked["test error of ridge at its best penalty"]


def test_the_first_time_of_a_logarithmic_report_needs_no_remark() -> None:
    figure = laid_out("gradient_flow", alpha=1, duration=50, samples=20, spacing="log", answers="theory")
    assert figure.axes[0].get_xscale() == "log"
    assert "no place" not in words(figure)
