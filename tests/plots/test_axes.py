"""The axes of a picture: where theory is infinite, numbers that can be read, zeros on logarithms, panels."""

import itertools
from typing import Any

import numpy as np
import pytest

from tests.gauge import Walk
from tests.plots.drawn import Runaway, draw_panel, drawn, finished, labels, laid_out, panel_of, words
from tsmech.experiment import Experiment, build
from tsmech.plots import draw
from tsmech.plots.curves import MARKERS
from tsmech.problem.curve import Curve
from tsmech.runs import carry_out


def ridge(alpha: Any, answers: str = "theory", **more: Any) -> tuple[Experiment, list[dict[str, Any]]]:
    experiment = build("ridge", {"alpha": alpha, **more}, answers=answers, replicates=2)
    with carry_out(experiment) as store:
        return experiment, list(store.rows())


@pytest.mark.parametrize("alpha", ["0.1:4:39", "0.1:4:40", "0.35:2.9:7", [0.5, 0.999, 1.5]])
def test_a_pole_is_infinite_whether_or_not_the_sweep_meets_it(alpha: Any) -> None:
    panel = panel_of("ridge", "alpha", "test_error", alpha=alpha)
    x, y = panel.lines[0].get_data()
    assert np.isnan(y[x == 1.0]).all()
    assert (x == 1.0).sum() == 1
    (place,) = np.flatnonzero(x == 1.0)
    assert min(y[place - 1], y[place + 1]) > 100 * panel.get_ylim()[1]


def test_the_height_of_a_peak_does_not_depend_on_the_grid() -> None:
    """The range is that of theory at a fortieth of the axis from the pole or farther."""
    heights = []
    for alpha in ("0.1:3.4:34", "0.1:3.4:133", "0.1:3.4:331", [*np.linspace(0.1, 3.4, 34), 0.9999, 1.0001]):
        heights.append(panel_of("ridge", "alpha", "generalization_error", alpha=alpha).get_ylim()[1])
        heights.append(draw_panel(*ridge(alpha), "alpha", "generalization_error").get_ylim()[1])
    nearest = 0.025 * 3.3
    assert max(heights) <= 1.5 * 0.125 * (1 + nearest) / nearest * 1.01
    assert max(heights) < 1.2 * min(heights)


def test_a_finite_observable_has_no_break_at_the_pole_of_others() -> None:
    panel = panel_of("ridge", "alpha", "train_error", alpha="0.1:4:39")
    assert np.isfinite(panel.lines[0].get_ydata()).all()


def test_a_peak_of_simulations_alone_does_not_stretch_the_axis_at_a_declared_pole() -> None:
    heights = [
        draw_panel(*ridge(alpha, answers="reduced", dimension=400), "alpha", "test_error").get_ylim()[1]
        for alpha in ("0.2:3:15", "0.2:3:29")
    ]
    assert max(heights) < 10, "at alpha = 1, which both have, the error is of the order of the dimension"


def test_a_line_along_a_parameter_is_smooth_where_answers_are_curves() -> None:
    """Between alpha = 0.8 and 1.2 the error at t = 300 is far above the chord of the stored points."""
    fixed = {"noise": 0.7, "duration": 300, "samples": 3}
    experiment = build("gradient_flow", {"alpha": [0.8, 1.2, 1.6], **fixed}, answers="theory", plot={"x": "alpha"})
    with carry_out(experiment, pictured=True) as store:
        panel = draw_panel(experiment, store.rows(), "alpha", "final_error", lines=store.lines("alpha"))
    x, y = panel.lines[0].get_data()
    assert len(x) > 100
    assert y[np.abs(x - 1.0).argmin()] > 1.9 * max(y[0], y[x == 1.2][0])


class Early(Walk):
    """A walk whose theory diverges before its first time with a drift above 1."""

    name = "early"

    def curve(self, answer: str, rng: Any = None) -> Curve:
        whole = super().curve(answer, rng)
        if self.drift <= 1 or answer != "theory":
            return whole
        first = {name: values[:1] for name, values in whole.observables.items()}
        return Curve.along("time", np.ones(1), first, diverged_at=1.5)


def test_a_theory_that_diverges_before_its_second_value_draws_no_line() -> None:
    figure = drawn(Early, drift=[1, 2, 3], length=5, asked={"y": ["position"]})
    lines = [line for line in figure.axes[0].lines if line.get_linestyle() != "None"]
    assert len(lines) == 1
    assert "theory: 2 of 3 curves diverged" in words(figure)


def test_what_diverges_does_not_hide_what_does_not() -> None:
    figure = drawn(Runaway, drift=[0.5, 1, 2], length=5, asked={"y": ["position"]})
    assert figure.axes[0].get_ylim()[1] < 100


def texts(axis: Any) -> list[Any]:
    """Return the extents of an axis's numbers that are shown."""
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    return [
        tick.label1.get_window_extent() for tick in ticks if tick.label1.get_text() and low <= tick.get_loc() <= high
    ]


@pytest.mark.parametrize(
    "decades",
    [
        *(0.2, 0.7, 1.4, 2.0, 2.3, 5.0, 14.0),
        *(pytest.param(decades, marks=pytest.mark.slow) for decades in (0.5, 1.0, 3.0, 9.0)),
    ],
)
def test_the_numbers_of_a_logarithmic_axis_do_not_overlap_and_are_enough(decades: float) -> None:
    penalties = np.geomspace(1.0, 10.0**decades, 9).tolist()
    rows = [{"answer": "direct", "penalty": x, "bias": 0.3 * x, "bias_sem": 0.0, "replicates": 2} for x in penalties]
    figure = draw(build("ridge", {"alpha": 1, "penalty": penalties}), rows, y=["bias"], log="x,y")
    figure.draw_without_rendering()
    (panel,) = figure.axes
    for axis in (panel.xaxis, panel.yaxis):
        found = texts(axis)
        assert len(found) >= 2
        for one, other in itertools.combinations(found, 2):
            assert not one.overlaps(other)


def test_zeros_lie_below_the_floor_of_a_logarithmic_axis_that_is_asked_for() -> None:
    """An error that falls to nothing: a line that leaves the picture, and arrowheads at its edge."""
    times = np.arange(1.0, 9.0)
    values = np.append(10.0 ** -(3 * times[:6]), [0.0, 0.0])
    experiment = build(Walk, {"drift": 0, "length": 8})
    theory = [{"answer": "theory", "time": t, "position": v} for t, v in zip(times, values, strict=True)]
    direct = [{**row, "answer": "direct", "position_sem": 0.0, "replicates": 3} for row in theory]
    assert draw(experiment, theory + direct, y=["position"]).axes[0].get_yscale() == "linear"
    figure = draw(experiment, theory + direct, y=["position"], log="y")
    figure.draw_without_rendering()
    (panel,) = figure.axes
    low, high = panel.get_ylim()
    assert panel.get_yscale() == "log"
    assert 1e-19 <= low < 1e-15
    assert high > 1e-3
    line = next(line for line in panel.lines if line.get_linestyle() != "None")
    assert (line.get_ydata()[:5] == values[:5]).all()
    assert (line.get_ydata()[6:] > 0).all()
    assert (line.get_ydata()[6:] < low).all()
    (arrows,) = [line for line in panel.lines if line.get_marker() == "v"]
    assert arrows.get_ydata().tolist() == [low, low]
    assert "off the scale" in labels(figure)


def test_three_by_three_panels_are_three_by_three() -> None:
    figure = laid_out(
        level=[1, 2], noise=[0.1, 0.2, 0.3], dimension=[2, 3, 4], fault=["none", "inf"], answers="theory",
        asked={"x": "level", "y": ["spread"], "by": "fault"},
    )  # fmt: skip
    assert len(figure.axes) == 9
    places = [panel.get_position() for panel in figure.axes]
    assert len({round(place.x0, 3) for place in places}) == len({round(place.y0, 3) for place in places}) == 3
    four = laid_out(
        level=[1, 2], noise=[1, 2, 3, 4], dimension=[2, 3], answers="theory", asked={"by": "dimension", "y": ["spread"]}
    )
    assert len({round(panel.get_position().x0, 3) for panel in four.axes}) == 2


def test_markers_keep_the_ends_the_middle_and_the_extremes() -> None:
    experiment, rows = finished(level=np.linspace(0, 1, 201).tolist(), answers="direct", replicates=2)
    peak = {**next(row for row in rows if row["level"] == 0.615), "spread": 9.0}
    rows = [peak if row["level"] == 0.615 else row for row in rows]
    panel = draw_panel(experiment, rows, "level", "spread")
    shown = {x for line in panel.lines if line.get_marker() in MARKERS for x in line.get_xdata()}
    assert {0.0, 0.5, 0.615, 1.0} <= shown
    assert len(shown) <= 43
