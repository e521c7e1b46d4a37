"""Vectors, matrices, trajectories, reference lines, and coordinates of names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PolyCollection

import tsmech
from tests.commands import command
from tests.gauge import Gauge
from tests.plots.drawn import finished, legend, lines
from tsmech.errors import InputError
from tsmech.experiment import Experiment, build, experiments, from_file, read_plot, split_names
from tsmech.plots import draw
from tsmech.plots.curves import DASHES, MARKERS
from tsmech.plots.families import columns, styles
from tsmech.plots.picture import choose
from tsmech.problem.answers import prediction, simulation
from tsmech.problem.curve import Curve
from tsmech.problem.observables import Coordinate, Observable
from tsmech.problem.parameters import parameter
from tsmech.problem.system import System
from tsmech.runs import carry_out

TIMES = np.array([0.0, 1.0, 2.0, 4.0])


@dataclass(frozen=True)
class Tasks(System):
    """Two tasks in time, with a vector, a symmetric matrix and one whose axes differ."""

    name = "tasks"
    title = "Tasks"
    coordinates: ClassVar = {"task": Coordinate("τ", "task", names=True), "time": Coordinate("t", "time")}
    observables: ClassVar = {
        "memory": Observable("μ", "memory"),
        "m": Observable("m", "means", axes=("half",)),
        "S": Observable("S_in", "symmetric overlaps", axes=("unit", "unit")),
        "R": Observable("R", "overlaps", axes=("unit", "fate")),
    }
    answers: ClassVar = {"exact": prediction(0), "reduced": simulation(1), "direct": simulation(2)}

    rate: float = parameter("γ", "decay", default=0.5)

    def exact_curve(self) -> Curve:
        return self._curve(0.0)

    def reduced_curve(self, rng: np.random.Generator) -> Curve:
        return self._curve(0.01 * float(rng.standard_normal()))

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        return self._curve(0.01 * float(rng.standard_normal()))

    def _curve(self, shift: float) -> Curve:
        memory = np.concatenate([np.exp(-self.rate * TIMES), 1.0 - np.exp(-self.rate * TIMES)]) + shift
        m = np.stack([memory, 2.0 * memory], axis=-1)
        symmetric = m[:, :, None] * m[:, None, :]
        other = np.stack([m, -m], axis=-1)
        tasks = tuple(name for name in ("first", "second") for _ in TIMES)
        return Curve(
            {"memory": memory, "m": m, "S": symmetric, "R": other},
            {"task": tasks, "time": np.tile(TIMES, 2)},
            labels={"fate": ("keep", "lose")},
        )


@dataclass(frozen=True)
class Items(System):
    """One number for each of three items, whose names have no order."""

    name = "items"
    title = "Items"
    coordinates: ClassVar = {"item": Coordinate("i", "item", names=True)}
    observables: ClassVar = {"score": Observable("s", "score")}

    level: float = parameter("l", "level", default=1.0)

    def theory_curve(self) -> Curve:
        return Curve({"score": self.level * np.array([3.0, 1.0, 2.0])}, {"item": ("pear", "apple", "fig")})

    def direct_curve(self, rng: np.random.Generator) -> Curve:
        noise = 0.01 * rng.standard_normal(3)
        return Curve({"score": self.level * np.array([3.0, 1.0, 2.0]) + noise}, {"item": ("pear", "apple", "fig")})


Finished = tuple[Experiment, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def learning() -> Finished:
    """Two student units that learn from two, in theory and in two draws of the reduced simulation."""
    small = {"duration": 4.0, "samples": 4, "dimension": 50}
    return finished("online_sgd", answers=["theory", "reduced"], replicates=2, **small)


def stored(found: Finished, column: str, answer: str = "theory") -> list[float]:
    return [row[column] for row in found[1] if row["answer"] == answer]


# Families


def test_a_matrix_is_a_family_of_lines_with_a_legend_beside_its_panel(learning: Finished) -> None:
    figure = draw(*learning, y=["R", "Q", "generalization_error"])
    R, Q, error = figure.axes
    entries = ["R[0, 0]", "R[0, 1]", "R[1, 0]", "R[1, 1]"]
    assert [line.get_ydata().tolist() for line in lines(R)] == [stored(learning, column) for column in entries]
    assert legend(R) == ["$R_{00}$", "$R_{01}$", "$R_{10}$", "$R_{11}$"]
    assert legend(Q) == ["$Q_{00}$", "$Q_{01}$", "$Q_{11}$"], "Q is symmetric: Q[1, 0] is Q[0, 1]"
    assert len(lines(Q)) == 3
    assert not legend(error)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["theory", "reduced"]
    assert "student-teacher overlaps" in R.get_ylabel()


def test_entries_are_told_apart_by_colour_and_dashes_and_the_diagonal_is_solid(learning: Finished) -> None:
    (panel,) = draw(*learning, y="R").axes
    looks = [(line.get_color(), line.get_linestyle()) for line in lines(panel)]
    assert len({*looks}) == 4
    assert [dashes for _, dashes in looks] == ["-", "--", "--", "-"]
    assert looks[0][0] == looks[1][0] != looks[2][0] == looks[3][0]
    markers = [line for line in panel.lines if line.get_marker() in MARKERS]
    assert len(markers) == 4
    assert all(line.get_markerfacecolor() == line.get_color() for line in markers), "reduced dots are filled"


def test_one_entry_is_named_with_or_without_a_space(learning: Finished) -> None:
    for words in ("R[0,1]", "R[0, 1]", ["R[ 0 , 1 ]"]):
        (panel,) = draw(*learning, y=words).axes
        (line,) = lines(panel)
        assert line.get_ydata().tolist() == stored(learning, "R[0, 1]")
        assert panel.get_ylabel().startswith("$R_{01}$")


def test_a_family_along_a_parameter_is_the_end_of_each_curve() -> None:
    rates = [0.5, 1.0, 2.0]
    found = finished("online_sgd", answers="theory", learning_rate=rates, duration=3.0, samples=3)
    (panel,) = draw(*found, x="learning_rate", y="Q").axes
    last = [[row["Q[0, 1]"] for row in found[1] if row["learning_rate"] == rate][-1] for rate in rates]
    assert lines(panel)[1].get_xdata().tolist() == rates
    assert lines(panel)[1].get_ydata().tolist() == last


def test_a_sweep_of_families_has_panels() -> None:
    found = finished("online_sgd", answers="theory", learning_rate=[0.5, 1.0], duration=3.0, samples=3)
    figure = draw(*found, y="R,v")
    assert [ax.get_title() for ax in figure.axes] == ["η = 0.5", "η = 1"] * 2
    assert [len(lines(ax)) for ax in figure.axes] == [4, 4, 2, 2]


def test_a_sweep_over_sizes_shows_in_each_panel_the_entries_that_are_there() -> None:
    found = finished("online_sgd", answers="theory", student_units=[1, 2], duration=3.0, samples=3)
    assert [len(lines(ax)) for ax in draw(*found, y="v").axes] == [1, 2]
    assert [legend(ax) for ax in draw(*found, y="v").axes] == [["$v_{0}$"], ["$v_{0}$", "$v_{1}$"]]


def test_a_theory_of_points_has_a_smooth_line_for_each_entry() -> None:
    class Power(Gauge):
        name = "power"
        observables: ClassVar = {"p": Observable("p", "powers", axes=("power",))}

        def theory_curve(self) -> Curve:
            return Curve.point({"p": [self.level, self.level**2]})

        reduced_curve = direct_curve = None  # it has theory alone

    experiment = build(Power, {"level": [1.0, 2.0, 3.0]}, answers="theory")
    with carry_out(experiment, pictured=True) as store:
        (panel,) = draw(experiment, store.rows(), lines=store.lines("level"), y="p").axes
    one, two = lines(panel)
    assert len(one.get_xdata()) > 100
    np.testing.assert_allclose(two.get_ydata(), two.get_xdata() ** 2)


def test_a_symmetric_matrix_is_recognised_by_its_axes_and_its_values() -> None:
    rows = [{"S[0, 0]": 1.0, "S[0, 1]": 2.0, "S[1, 0]": 2.0, "S[1, 1]": 3.0}]
    assert columns(Tasks, "S", rows) == ["S[0, 0]", "S[0, 1]", "S[1, 1]"]
    assert len(columns(Tasks, "S", [*rows, {**rows[0], "S[1, 0]": 2.1}])) == 4
    assert len(columns(Tasks, "R", [{name.replace("S", "R"): 1.0 for name in rows[0]}])) == 4


def test_large_families_have_a_legend_that_is_short() -> None:
    matrix = [f"S[{i}, {j}]" for i in range(6) for j in range(6)]
    found = styles(Tasks, matrix)
    assert {style.label for style in found.values()} == {
        r"$S_{\mathrm{in}}$, diagonal",
        r"$S_{\mathrm{in}}$, off the diagonal",
    }
    assert found["S[2, 2]"].look == found["S[5, 5]"].look != found["S[2, 3]"].look
    vector = styles(Tasks, [f"m[{i}]" for i in range(50)])
    assert len({style.look[0] for style in vector.values()}) == 50
    assert sum(bool(style.label) for style in vector.values()) == 5
    few = styles(Tasks, [f"m[{i}]" for i in range(4)])
    assert [style.look[2] for style in few.values()] == list(DASHES)


def test_together_all_entries_share_one_panel(learning: Finished) -> None:
    (panel,) = draw(*learning, y="R,v", together=True).axes
    assert len(lines(panel)) == len({(line.get_color(), line.get_linestyle()) for line in lines(panel)}) == 6
    assert len(legend(panel)) == 6


def test_names_are_separated_outside_of_brackets() -> None:
    assert split_names("Q, R[0,1],v") == ["Q", "R[0,1]", "v"]
    assert read_plot({"y": "Q, R[0,1]"}, tsmech.OnlineSGD) == {"y": ["Q", "R[0, 1]"]}


@pytest.mark.slow
def test_the_command_line_and_a_file_say_it_in_the_same_words(tmp_path: Path) -> None:
    file = tmp_path / "overlaps.toml"
    file.write_text(
        'system = "online_sgd"\nanswers = "theory"\n[parameters]\nduration = 3\nsamples = 3\n'
        '[plot]\ny = ["R", "Q[0,1]"]\nreference = { "a bound" = 0.5 }\n'
    )
    out = tmp_path / "run"
    done = command("run", file, "--out", out)
    assert done.code == 0, done.err
    assert "student-student overlaps, Q[0, 1]:" in done.out, "the short table is of single numbers"
    assert 'reference = { "a bound" = 0.5 }' in command("show", out).out
    for words in (
        ["--y", "R"],
        ["--y", "Q,R[0,1],v"],
        ["--matrix", "R", "--at", "0,2"],
        ["--x", "R[0,0]", "--y", "v[0]"],
    ):
        said = command("plot", out, *words, "--out", tmp_path / "picture.png")
        assert (said.code, said.err) == (0, "")
    assert command("plot", out, "--y", "R[5,5]").err.count("\n") == 1


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"y": "R[2,0]"}, r"--y R\[2, 0\] cannot be drawn: the run has R\[0, 0\], R\[0, 1\], R\[1, 0\], R\[1, 1\]$"),
        ({"y": "R[0]"}, r"--y R\[0\] cannot be drawn: R has the indices student unit, teacher unit"),
        ({"y": "test_error[0]"}, "test_error is one number, without indices"),
        ({"y": "W"}, "--y W cannot be drawn: known: "),
        ({"x": "R", "y": "Q"}, r"--x R cannot be drawn: an axis has single numbers, such as R\[0, 0\]"),
        ({"x": "R[0,0]", "y": "Q"}, r"--y Q cannot be drawn against R\[0, 0\]: name its entries one by one"),
        ({"x": "R[7,0]", "y": "v[0]"}, r"the run has no .* along R\[7, 0\]"),
        ({"matrix": "v"}, "--matrix v cannot be drawn: known: Q, R"),
        ({"matrix": "R", "at": "9"}, "--at 9 cannot be drawn: the run has alpha from 0 to 4"),
        ({"matrix": "R", "at": "soon"}, "--at soon is not allowed: it must be numbers, such as 0,10,100"),
        ({"matrix": "R", "y": "Q"}, "--y cannot be drawn beside a matrix"),
        ({"at": "1"}, "--at chooses when a matrix is shown: give matrix too"),
        ({"reference": {"a": "b"}}, "--reference a = 'b' is not allowed: it must be a number"),
        ({"reference": 3}, "--reference = 3 is not allowed: it must be a table of numbers by label"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_one_line(learning: Finished, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        draw(*learning, **asked)
    assert "\n" not in str(refused.value)


# Matrices at some times


def test_a_matrix_at_chosen_times_has_a_panel_for_each_answer_and_time(learning: Finished) -> None:
    figure = draw(*learning, matrix="R", at=[0, 2.1, 4])
    *panels, bar = figure.axes
    assert [ax.get_title() for ax in panels] == [
        f"{answer}, α = {at}" for answer in ("theory", "reduced") for at in (0, 2, 4)
    ]
    shown = panels[2].images[0].get_array()
    last = [row for row in learning[1] if row["answer"] == "theory"][-1]
    assert shown.tolist() == [[last[f"R[{i}, {j}]"] for j in range(2)] for i in range(2)]
    assert panels[3].get_xlabel() == "teacher unit"
    assert panels[0].get_ylabel() == panels[3].get_ylabel() == "student unit"
    assert "student-teacher overlaps" in bar.get_ylabel()
    assert panels[2].texts[0].get_text() == f"{last['R[0, 0]']:.2f}".replace("-", "−")
    assert len(draw(*learning, matrix="Q").axes) == 2 * 3 + 1


def test_cells_of_named_indices_bear_their_names() -> None:
    figure = draw(*finished(Tasks, answers="exact"), matrix="R", at=[4])
    assert [ax.get_title() for ax in figure.axes[:-1]] == ["exact, τ = first, t = 4", "exact, τ = second, t = 4"]
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["keep", "lose"]
    norm = figure.axes[0].images[0].norm
    assert norm.vmin == -norm.vmax, "zero is in the middle where signs differ"


# Trajectories


def test_a_trajectory_has_the_coordinate_as_colour(learning: Finished) -> None:
    figure = draw(*learning, x="R[0,0]", y="R[0,1],v[0]")
    first, second, bar = figure.axes
    (line,) = [found for found in first.collections if isinstance(found, LineCollection) and found.get_zorder() == 2]
    path = [segment[0].tolist() for segment in line.get_segments()]
    expected = list(zip(stored(learning, "R[0, 0]"), stored(learning, "R[0, 1]"), strict=True))
    assert path == [list(pair) for pair in expected[:-1]]
    assert len({tuple(colour) for colour in line.get_colors()}) == len(path)
    assert bar.get_ylabel().startswith("α")
    assert (first.get_xlabel()[:8], second.get_ylabel()[:7]) == ("$R_{00}$", "$v_{0}$")
    dots = [found for found in first.collections if len(found.get_offsets()) == len(expected)]
    np.testing.assert_allclose(dots[-1].get_offsets()[:, 0], stored(learning, "R[0, 0]", "reduced"))


def test_a_star_draws_a_path_for_each_index_into_one_panel(learning: Finished) -> None:
    """... with its name beside its end, in the order of the ends where these lie together."""
    figure = draw(*learning, x="R[*,0]", y="R[*,1]")
    panel, _ = figure.axes
    lines = [found for found in panel.collections if isinstance(found, LineCollection) and found.get_zorder() == 2]
    pairs = [(column, column.replace(", 1]", ", 0]")) for column in columns(learning[0].system, "R[*, 1]", learning[1])]
    assert len(lines) == len(pairs) > 1
    for line, (y, x) in zip(lines, pairs, strict=True):
        expected = list(zip(stored(learning, x), stored(learning, y), strict=True))
        assert [segment[0].tolist() for segment in line.get_segments()] == [list(pair) for pair in expected[:-1]]
    named = [name for text in panel.texts for name in text.get_text().split("\n")]
    assert sorted(named) == sorted(y.partition("[")[2].partition(",")[0] for y, _ in pairs)
    with pytest.raises(InputError, match="cannot be drawn: the run has"):
        draw(*learning, x="R[*,0]", y="R[*,9]")


def test_a_trajectory_without_a_coordinate_runs_along_the_sweep() -> None:
    found = finished(Gauge, level=[1.0, 2.0, 3.0])
    assert choose(found[0], x="level_read", y="spread").along == "level"
    assert draw(*found, x="level_read", y="spread").axes[-1].get_ylabel().startswith("l")
    with pytest.raises(InputError, match="--x level_read needs what runs along a trajectory"):
        draw(*finished(Gauge, level=1.0), x="level_read", y="spread")


# Reference lines


def test_a_reference_is_a_horizontal_line_in_the_picture_and_in_the_legend() -> None:
    figure = draw(
        *finished(plot={"y": "spread", "reference": {"a bound": 0.3, "a limit": 0.2}}, kind=Gauge, level=[1, 2])
    )
    (panel,) = figure.axes
    flat = [line for line in panel.lines if [*line.get_xdata()] == [0, 1] and len({*line.get_ydata()}) == 1]
    assert sorted(line.get_ydata()[0] for line in flat) == [0.2, 0.3]
    assert len({line.get_linestyle() for line in flat} | {str(line._unscaled_dash_pattern) for line in flat}) >= 2
    assert panel.get_ylim()[1] > 0.3, "the range holds it"
    assert {"a bound", "a limit"} <= {text.get_text() for text in figure.legends[0].get_texts()}


def test_a_reference_is_said_of_the_observable_that_is_named() -> None:
    experiment = build(Gauge, {"level": [1, 2]}, plot={"y": "spread", "reference": {"bound": 0.3}})
    assert choose(experiment).reference == (("bound", 0.3),)
    assert choose(experiment, y=["luck"]).reference == ()
    assert choose(experiment, y=["luck"], reference={"half": 0.5}).reference == (("half", 0.5),)


# Coordinates of names


def test_tasks_are_told_apart_and_never_joined() -> None:
    found = finished(Tasks)
    (panel,) = draw(*found, y="memory").axes
    assert len(lines(panel)) == 2
    assert all((np.diff(line.get_xdata()) > 0).all() for line in lines(panel)), "a line stays in its task"
    figure = draw(*found, y="m")
    assert [ax.get_title() for ax in figure.axes] == ["τ = first", "τ = second"]
    figure = draw(*finished(Tasks, rate=[0.5, 1.0]), y="memory", by="task")
    assert [ax.get_title() for ax in figure.axes] == ["γ = 0.5", "γ = 1"]


def test_tasks_at_the_end_of_curves_and_items_are_discrete_positions() -> None:
    for found, x, names in (
        (finished(Tasks), "task", ["first", "second"]),
        (finished(Items), None, ["pear", "apple", "fig"]),
    ):
        (panel,) = draw(*found, x=x, y="memory" if x else "score").axes
        assert not lines(panel), "nothing joins what has no order"
        assert [text.get_text() for text in panel.get_xticklabels()] == names
        assert panel.lines[0].get_xdata().tolist() == [float(place) for place in range(len(names))]
    scores = panel.lines[0].get_ydata().tolist()
    assert scores == [3.0, 1.0, 2.0]


def test_items_have_their_own_curves_along_a_parameter() -> None:
    (panel,) = draw(*finished(Items, level=[1.0, 2.0]), by="item").axes
    assert sorted(line.get_ydata().tolist() for line in lines(panel)) == [[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]


def test_the_published_figure_comes_along() -> None:
    experiment = from_file(experiments()["online_sgd_saad_solla"])
    assert experiment.plot["y"] == ["R", "Q"]
    assert (experiment.fixed["student_units"], experiment.fixed["teacher_units"]) == (3, 3)


# Spread


def test_spread_is_a_band_of_one_standard_deviation_between_draws() -> None:
    draws = 5
    experiment, rows = finished(plot={"y": "memory", "spread": True}, kind=Tasks, replicates=draws)
    figure = draw(experiment, rows)
    polygons = [band for panel in figure.axes for band in panel.collections if isinstance(band, PolyCollection)]
    found = sorted(float(np.ptp(band.get_paths()[0].vertices[:, 1])) for band in polygons)
    simulated = [row for row in rows if row["answer"] != "exact"]
    tops: dict[Any, list[float]] = {}
    for row in simulated:
        deviation = row["memory_sem"] * np.sqrt(draws)
        tops.setdefault((row["answer"], row["task"]), []).extend([row["memory"] - deviation, row["memory"] + deviation])
    assert found == pytest.approx(sorted(float(np.ptp(ends)) for ends in tops.values()), rel=1e-12)
    assert "one standard deviation between draws" in figure.get_supxlabel()
    assert not any(
        isinstance(band, PolyCollection)
        for panel in draw(experiment, rows, spread=False).axes
        for band in panel.collections
    )


def test_spread_along_a_parameter_is_a_bar_of_each_point() -> None:
    experiment, rows = finished(Gauge, level=[1.0, 2.0], replicates=4)
    (panel,) = draw(experiment, rows, y="spread", spread=True).axes
    bars = [segment for container in panel.containers for segment in container.lines[2][0].get_segments()]
    lengths = sorted(float(segment[1, 1] - segment[0, 1]) for segment in bars)
    expected = sorted(2 * 2 * row["spread_sem"] for row in rows if row["answer"] != "theory")
    assert lengths == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("plot", "words"),
    [
        ({"spread": 1}, "plot spread = 1 is not allowed: it must be true or false"),
        ({"value": "spread", "spread": True}, "plot spread cannot be drawn beside a value: it shows means"),
    ],
)
def test_a_spread_that_no_picture_shows_is_refused(plot: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_plot(plot, Gauge)
