"""What pages draw, without a browser: matrices, trajectories and maps hold the numbers of the table."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("panel")


import tsmech
from tests.systems.test_every_kind import TwoTasks
from tsmech import plots
from tsmech.engine.tasks import perform
from tsmech.errors import InputError
from tsmech.experiment import Experiment, build
from tsmech.explore.cells import tabulate
from tsmech.explore.drawing import Drawing
from tsmech.explore.frame import Pictures
from tsmech.explore.heat import PIXELS, CellCanvas, _pixels
from tsmech.explore.lanes import Summary
from tsmech.explore.products import as_run, file
from tsmech.explore.series import MOST_CURVES, draw
from tsmech.explore.stages import draws, levels_of, predictions
from tsmech.explore.underlay import with_saved
from tsmech.plots.curves import MOST_MARKERS
from tsmech.runs import carry_out, tables
from tsmech.systems import find

Row = dict[str, float]


def drawn(**asked: object) -> tuple[Experiment, list[Row], Drawing]:
    """Return an experiment, its rows, and what a page shows of them."""
    plot = asked.pop("plot")
    system = asked.pop("system", TwoTasks)
    answers = asked.pop("answers", None)
    experiment = build(system, asked, replicates=3, plot=plot, answers=answers)
    rows = tsmech.run(experiment, workers=1).to_dict("records")
    return experiment, rows, draw(experiment, rows)


def test_a_matrix_has_the_entries_of_the_table_with_their_errors_the_first_row_on_top() -> None:
    _, rows, drawing = drawn(rate=0.5, plot={"matrix": "C", "at": [0, 2]})
    assert len(drawing.panels) == 2 * 2 * 2  # tasks, answers, times
    panel = next(one for one in drawing.panels if one.title == "drawn, τ = second, t = 2")
    assert (panel.names, panel.y_names) == (("keep", "lose"), ("1", "0"))
    assert (panel.x_label, panel.y_label) == ("fate", "half")
    row = next(one for one in rows if (one["answer"], one["task"], one["time"]) == ("drawn", "second", 2))
    assert panel.cells is not None
    assert panel.cells.table[1, 0] == row["C[0, keep]"]
    assert panel.cells.table[0, 1] == row["C[1, lose]"]
    assert panel.cells.errors[0, 1] == row["C[1, lose]_sem"]


def test_a_trajectory_has_both_observables_of_each_place_with_their_errors() -> None:
    _, rows, drawing = drawn(rate=0.5, plot={"x": "memory", "y": ["m[0]"]})
    assert [panel.title for panel in drawing.panels] == ["τ = first", "τ = second"]
    assert drawing.panels[0].trails is not None
    line, dots = drawing.panels[0].trails.trails
    assert (line.answer, line.joined, dots.answer, dots.joined) == ("exact", True, "drawn", False)
    there = [row for row in rows if (row["answer"], row["task"]) == ("drawn", "first")]
    for name, found in (("memory", dots.x), ("m[0]", dots.y), ("memory_sem", dots.x_error), ("time", dots.along)):
        np.testing.assert_array_equal(found, [row[name] for row in there])
    assert len(dots.x) <= MOST_MARKERS + 2


def test_maps_share_their_axes_though_one_is_not_full_yet() -> None:
    x, y = np.array([1.0, 2.0, 1.0]), np.array([0.1, 0.1, 0.3])
    whole, part = tabulate([[x, y, x * y, 0 * x], [x[:1], y[:1], x[:1], x[:1] / 2]])
    np.testing.assert_array_equal(whole.table, [[0.1, 0.2], [0.3, np.nan]])
    np.testing.assert_array_equal(part.table, [[1.0, np.nan], [np.nan, np.nan]])
    assert part.errors[0, 0] == 0.5


@pytest.mark.parametrize("up", ["noise", "penalty"])
def test_a_map_in_the_symbols_of_a_paper_is_scaled_where_its_cells_stay_in_rows_and_lines(up: str) -> None:
    """Hastie et al. have γ = 1/alpha, and a penalty that is ours over alpha: over alpha that is no grid."""
    plot = {"x": "alpha", "y": up, "value": "test_error"}
    asked = {"system": "ridge", "alpha": [0.5, 2, 4], up: [0.1, 0.2], "answers": "theory"}
    papers = ("tsmech", "Hastie et al. 2022")
    ours, theirs = (drawn(**asked, plot={**plot, "convention": paper})[2].panels[0] for paper in papers)
    assert ours.cells is not None
    assert theirs.cells is not None
    if up == "penalty":
        assert (theirs.x_label, theirs.y_label) == (ours.x_label, ours.y_label)
        np.testing.assert_array_equal(theirs.cells.table, ours.cells.table)
        return
    assert theirs.x_label.startswith("γ   (ours: α")
    np.testing.assert_allclose(theirs.cells.xs, [0.25, 0.5, 2.0])
    np.testing.assert_allclose(theirs.cells.table, 2.0 * ours.cells.table[:, ::-1] - ours.cells.ys[:, None] ** 2)


def test_of_many_curves_evenly_spaced_ones_are_drawn_and_that_is_said() -> None:
    rates = np.linspace(0.1, 1.0, 2 * MOST_CURVES).tolist()
    _, _, drawing = drawn(rate=rates, plot={"x": "time", "y": ["memory"], "by": "rate"})
    labels = {one.label for panel in drawing.panels for one in panel.series}
    assert len({label.partition("γ = ")[2] for label in labels}) == MOST_CURVES
    assert drawing.notes == [f"{MOST_CURVES} of the {2 * MOST_CURVES} values of rate are drawn"]


def test_what_is_not_there_is_refused_in_a_line() -> None:
    experiment = build(TwoTasks, {"rate": 0.5}, plot={"matrix": "C"})
    with pytest.raises(InputError, match="C cannot be drawn"):
        draw(experiment, [{"answer": "exact", "task": "first", "time": 0.0}])


@pytest.mark.parametrize("logarithmic", [False, True])
def test_pixels_of_a_few_cells_show_each_of_them_and_of_many_those_in_the_window(logarithmic: bool) -> None:
    space = np.geomspace if logarithmic else np.linspace
    few = space(0.1, 10.0, 9)
    low, extent, places = _pixels(few, (1.0, 2.0), logarithmic, False)
    assert (low, low + extent) == pytest.approx((0.1, 10.0))
    assert [*np.bincount(places)] == [1, *[2] * 7, 1]  # the outermost cells end at their values
    many = space(0.1, 10.0, 10_000)
    low, extent, places = _pixels(many, (1.0, 2.0), logarithmic, False)
    assert (low, low + extent) == pytest.approx((1.0, 2.0))
    assert len(places) == PIXELS
    assert 1.0 <= many[places[0]] < many[places[-1]] <= 2.0


def test_a_panel_of_another_scale_is_made_anew_and_the_others_are_kept() -> None:
    pictures = Pictures()
    _, _, one = drawn(rate=0.5, plot={"x": "time", "y": ["memory"]})
    pictures.show(one)
    before = list(pictures._canvases)
    pictures.show(one._replace(panels=[one.panels[0]._replace(y_log=True, y_range=(0.1, 1.0)), *one.panels[1:]]))
    assert pictures._canvases[0] is not before[0]
    assert pictures._canvases[1:] == before[1:]
    _, _, cells = drawn(rate=0.5, plot={"matrix": "C"})
    pictures.show(cells)
    assert all(isinstance(canvas, CellCanvas) for canvas in pictures._canvases)


def test_stages_are_all_tasks_once_and_the_first_spans_the_axis() -> None:
    asked = build("ridge", {"alpha": "0.1:4:40", "noise": [0.1, 0.2]}, answers="theory", plot={"x": "alpha"})
    stages = [list(stage) for stage in predictions(asked)]
    tasks = [task for stage in stages for task in stage]
    assert len({*tasks}) == len(tasks)
    assert {*asked.tasks()} <= {*tasks}
    for noise in (0.1, 0.2):
        first = sorted(task.system.alpha for task in stages[0] if task.system.noise == noise)
        assert 5 <= len(first) <= 21
        assert (first[0], first[-1]) == (0.1, 4.0)


@pytest.mark.parametrize("count", [1, 2, 19, 20, 21, 1000])
def test_levels_begin_with_few_values_and_end_with_all(count: int) -> None:
    levels = levels_of(range(count))
    assert [*sorted(levels)] == [*range(count)]
    coarse = [value for value, level in levels.items() if level == 0]
    assert min(count, 5) <= len(coarse) <= 21
    assert {*levels.values()} == {*range(max(levels.values()) + 1)}
    assert math.isclose(max(coarse), count - 1)


def test_a_saved_map_stands_beside_the_live_one_in_the_same_colours_and_trails_lie_under_theirs() -> None:
    asked = {"system": "ridge", "alpha": [0.5, 1, 2], "penalty": [0.1, 0.2], "answers": "theory"}
    plot = {"x": "alpha", "y": "penalty", "value": "test_error"}
    live, saved = (drawn(**asked, noise=noise, plot=plot)[2] for noise in (0.5, 1.0))
    laid, count = with_saved(live, saved.panels)
    assert [panel.title for panel in laid.panels] == ["theory", "saved: theory"]
    assert count == 1
    one, other = (panel.cells for panel in laid.panels)
    assert one is not None
    assert other is not None
    assert one.colours == other.colours
    assert (one.colours.low, one.colours.high) == (one.table.min(), other.table.max())
    line = {"x": "memory", "y": ["m[0]"]}
    trails = drawn(rate=0.5, plot=line)[2]
    laid, count = with_saved(trails, drawn(rate=0.7, plot=line)[2].panels)
    assert count == len(trails.panels) == len(laid.panels)
    assert all(panel.trails is not None and len(panel.trails.under) == 2 for panel in laid.panels)
    assert with_saved(trails, saved.panels) == (trails, 0)


def test_what_is_saved_is_the_run_s_table_and_its_lines_go_from_left_to_right() -> None:
    asked = {"noise": "0.5,0.1", "alpha": "0.5:2:30", "dimension": 10}
    experiment = build(find("ridge"), asked, answers=["theory", "reduced"], replicates=2, plot={"by": "noise"})
    summary = Summary(experiment)
    summary.add(perform(itertools.chain(*predictions(experiment), *draws(experiment, ["reduced"])), experiment.seed))
    rows, between = as_run(experiment, summary.rows())  # those of a page are from coarse to fine, answer by answer
    with carry_out(experiment) as store:
        assert file(experiment, rows, "csv", between).read().decode() == tables.to_csv(store.rows())
    figure = plots.draw(experiment, rows, lines=between)
    at = [line.get_xdata() for line in figure.axes[0].lines if len(line.get_xdata()) > 2]
    assert sum(len(one) > 30 for one in at) == 2  # of theory, with what is between its points
    assert all((np.diff(one) > 0).all() for one in at)


def test_several_targets_of_a_table_differ_in_colour(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).standard_normal((40, 5))
    np.savetxt(tmp_path / "t.csv", numbers, delimiter=",", header="a,b,c,unit_1,unit_2", comments="")
    given = {"data": str(tmp_path / "t.csv"), "target": "unit_*", "penalty": "1,10"}
    _, _, drawing = drawn(system=find("learning_curve"), **given, answers=["theory"], plot={"by": "penalty"})
    assert [len({one.colour for one in panel.series}) for panel in drawing.panels] == [2, 2, 2, 2]
    assert len({colour for colour, _, _ in drawing.legend}) == 2
