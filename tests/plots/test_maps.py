"""Maps: cells, planes, contours, what is infinite or diverged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.contour import ContourSet

from tests.gauge import Walk
from tests.plots.drawn import Runaway, drawn, finished, laid_out, words
from tsmech.plots import draw, save

MAP = {"level": "1:3:5", "noise": "0.1:0.4:4"}


def cells(panel: Any) -> np.ma.MaskedArray:
    """Return the table of values that a map shows."""
    (mesh,) = [found for found in panel.collections if isinstance(found, QuadMesh)]
    return mesh.get_array()


def test_a_map_has_a_panel_for_each_answer_with_its_own_values_on_one_scale_with_one_bar() -> None:
    experiment, rows = finished(**MAP)
    figure = draw(experiment, rows, value="spread", x="level", y="noise")
    assert [panel.get_title() for panel in figure.axes[:3]] == ["theory", "reduced", "direct"]
    assert len(figure.axes) == 4
    for panel in figure.axes[:3]:
        expected = {(row["level"], row["noise"]): row["spread"] for row in rows if row["answer"] == panel.get_title()}
        table = [[expected[level, noise] for level in (1, 1.5, 2, 2.5, 3)] for noise in (0.1, 0.2, 0.3, 0.4)]
        np.testing.assert_array_equal(cells(panel), table)
        assert "what is read" in panel.get_xlabel()
    scales = {panel.collections[0].norm.vmin for panel in figure.axes[:3]}
    assert len(scales) == 1
    assert "mean square deviation" in figure.axes[3].get_ylabel()


def test_a_map_follows_a_plane_along_the_right_axes() -> None:
    """The cell around (x, y) has the value of (x, y), and the map ends where its values end."""
    panel = drawn(**MAP, answers="theory", asked={"value": "level_read", "x": "noise", "y": "level"}).axes[0]
    table = cells(panel)
    assert table.shape == (5, 4)
    assert (table == np.array([1, 1.5, 2, 2.5, 3])[:, None]).all()
    assert (*panel.get_xlim(), *panel.get_ylim()) == (0.1, 0.4, 1, 3)


def test_the_coordinate_can_be_an_axis_of_a_map() -> None:
    figure = drawn(Walk, drift=[0, 1, 2], length=4, answers="theory", asked={"value": "position", "x": "drift"})
    np.testing.assert_array_equal(cells(figure.axes[0]), [[0, t, 2 * t] for t in (1, 2, 3, 4)])
    assert figure.axes[0].get_ylabel() == "t   (time)"


def test_contours_lie_where_the_value_has_the_levels_of_the_bar() -> None:
    """The mean square is σ², so that its contours are at the roots of their levels."""
    figure = laid_out(level=[1, 2, 3], noise="1:2:80", answers="theory", asked={"value": "spread", "y": "noise"})
    panel, bar = figure.axes
    (contours,) = [found for found in panel.collections if isinstance(found, ContourSet)]
    heights = [path.vertices[:, 1].mean() for path in contours.get_paths()]
    np.testing.assert_allclose(heights, np.sqrt(bar.get_yticks()), rtol=1e-3)
    assert len(heights) >= 3


def test_colours_are_logarithmic_where_the_range_asks_for_it() -> None:
    for noise, logarithmic in (("log:0.01:10:8", True), ("1:1.5:8", False)):
        panel = drawn(level=[1, 2], noise=noise, answers="theory", asked={"value": "spread"}).axes[0]
        assert isinstance(panel.collections[0].norm, LogNorm) == logarithmic
    assert panel.get_xscale() == panel.get_yscale() == "linear"


def test_infinite_values_are_hatched_and_stretch_no_scale() -> None:
    figure = laid_out(
        "ridge", alpha="0.5:1.5:5", penalty=[0, 0.5, 1], dimension=20, answers=["theory", "reduced"],
        asked={"value": "test_error", "y": "penalty"},
    )  # fmt: skip
    theory, reduced, _ = figure.axes
    assert cells(theory).mask.sum() == 1
    assert cells(theory).mask[0, 2]
    assert [found.get_hatch() for found in theory.collections if found.get_hatch()] == ["////"]
    assert not any(found.get_hatch() for found in reduced.collections)
    assert "hatched: infinite" in words(figure)
    inside = np.delete(np.stack([cells(theory).filled(0), cells(reduced).filled(0)]).reshape(2, -1), 2, axis=1)
    norm = theory.collections[0].norm
    assert (norm.vmin, norm.vmax) == (inside.min(), inside.max())


def test_maps_of_nothing_but_infinity_or_of_one_value_are_laid_out() -> None:
    laid_out(level=[1, 2], dimension=[2, 3], fault="inf", answers="reduced", asked={"value": "level_read"})
    drawn(level=[1, 2], dimension=[2, 3], noise=0, asked={"value": "spread"})


def test_more_axes_make_a_map_for_each_value_and_answer() -> None:
    figure = drawn(**MAP, dimension=[10, 20], asked={"value": "spread", "x": "level", "y": "noise"})
    titles = [f"{answer}, N = {N}" for answer in ("theory", "reduced", "direct") for N in (10, 20)]
    assert [panel.get_title() for panel in figure.axes[:-1]] == titles


def test_what_diverged_is_grey_and_does_not_set_the_scale() -> None:
    figure = laid_out(Runaway, drift=[0.5, 1, 2], length=5, asked={"value": "position", "y": "drift"})
    for panel in figure.axes[:2]:
        missing = np.ma.getmaskarray(cells(panel))
        assert missing.tolist() == [[False] * 5, [False] * 5, [False, False, True, True, True]]
        assert panel.collections[0].norm.vmax < 100
    assert "theory: 1 of 3 curves diverged; direct: some draws of 1 of 3 curves diverged" in words(figure)
    assert "grey: no value" in words(figure)


def test_what_diverged_has_no_value_at_its_end() -> None:
    figure = drawn(Runaway, drift=[0.5, 1, 2], length=5, asked={"x": "drift", "y": ["position"]})
    theory = next(line for line in figure.axes[0].lines if line.get_linestyle() == "-")
    assert np.isfinite(theory.get_ydata()).tolist() == [True, True, False]
    assert "at time = 5" in words(figure)
    shown = drawn(Runaway, drift=[0.5, 1, 2], length=[5, 6], asked={"value": "position", "x": "drift", "y": "length"})
    assert "hatched: infinite, or diverged" in words(shown)
    assert np.ma.getmaskarray(cells(shown.axes[0])).tolist() == [[False, False, True]] * 2


@pytest.mark.slow
def test_maps_are_the_same_every_time(tmp_path: Path) -> None:
    experiment, rows = finished(**MAP)
    for name in ("one", "two"):
        save(draw(experiment, rows, value="spread"), tmp_path, name)
    for suffix in (".png", ".svg"):
        assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_a_map_of_two_rows_ends_at_its_values_and_has_no_contours() -> None:
    figure = laid_out(
        "ridge", alpha="0.2:2:7", penalty=[0.1, 0.3], dimension=20, replicates=2, asked={"value": "test_error"}
    )
    for panel in figure.axes[:-1]:
        assert (*panel.get_xlim(), *panel.get_ylim()) == (0.2, 2.0, 0.1, 0.3)
        assert not [found for found in panel.collections if isinstance(found, ContourSet)]
        assert [text.get_text() for text in panel.get_yticklabels()] == ["0.1", "0.3"]
    assert "contours" not in words(figure)
