"""Lines of predictions between the points of a sweep: performed, stored and resumed; no table has them; a picture is
drawn from what is stored and computes nothing."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from matplotlib.axes import Axes

import tsmech
from tests import gauge
from tests.gauge import Gauge
from tsmech.errors import ConvergenceError
from tsmech.experiment import Experiment, build
from tsmech.problem.curve import Curve
from tsmech.problem.system import System
from tsmech.runs import add_lines, carry_out, lacks_lines, lines, merging, publish, tables
from tsmech.runs.progress import Progress
from tsmech.runs.shards import Shard
from tsmech.store import Store

DESCENT = {"alpha": "0.1:4:40", "noise": [0.2, 0.5], "dimension": 60}


def descent(**options: Any) -> Experiment:
    return build("ridge", DESCENT, answers="theory,reduced", replicates=2, **options)


def lines_of(panel: Axes) -> list[Any]:
    return [line for line in panel.lines if line.get_linestyle() not in ("None", "")]


def picture(directory: Path) -> bytes:
    return (directory / "figure.png").read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("lines") / "run"
    with carry_out(descent(), directory, pictured=True) as store:
        publish(store)
    return directory


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    gauge.register(monkeypatch.setitem)


# Which points they are


def test_a_line_has_as_many_values_as_the_system_says_and_comes_close_to_poles_on_both_sides() -> None:
    experiment = descent()
    assert lines.axis(experiment) == "alpha"
    tasks = lines.tasks(experiment, "alpha")
    swept = {*experiment.axes["alpha"]}
    for noise in (0.2, 0.5):
        at = np.array([task.system.alpha for task in tasks if task.system.noise == noise])
        assert not swept & {*at.tolist()}
        assert 350 < len(at) <= 400 + 2 * len(lines.APPROACH) + 1
        assert (at < 1).any()
        assert min(abs(at - 1.0)) < 1e-5, "the pole itself is a point of the sweep"
    assert {(task.answer, task.replicate) for task in tasks} == {("theory", 0)}


def test_a_sweep_that_is_fine_itself_adds_only_what_lies_near_a_pole() -> None:
    along = np.linspace(0.1, 4.0, 500)
    assert lines.between(along, 400).size == 0
    near = lines.between(along, 400, (1.0,))
    assert 0 < near.size <= 2 * len(lines.APPROACH) + 1
    assert np.abs(near - 1.0).max() <= 4.0 / 399


def test_values_of_a_geometric_sweep_are_geometric() -> None:
    between = lines.between(np.geomspace(0.01, 100.0, 9), 100)
    np.testing.assert_allclose(np.diff(np.log(between)).max(), np.log(1e4) / 99, rtol=1e-9)


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({"alpha": "0.1:4:8", "penalty": "0.1:4:8"}, {}),  # a map
        ({"alpha": 1.5, "dimension": [50, 100]}, {}),  # a whole number
        ({"alpha": 1.5}, {}),  # one point
        ({"alpha": [0.5, 1.5]}, {"answers": "reduced"}),  # no prediction
        ({"alpha": [0.5, 1.5], "noise": "0.1:1:3"}, {"plot": {"x": "bias", "y": "variance"}}),  # a trajectory
    ],
)
def test_what_draws_no_line_along_a_parameter_needs_none(parameters: Any, options: Any) -> None:
    experiment = build("ridge", parameters, **options)
    assert lines.axis(experiment) is None


def test_whole_numbers_that_a_system_calls_dense_have_lines_of_whole_numbers() -> None:
    experiment = build("kernel_regression", {"examples": [3, 8, 300], "dimension": 5})
    assert lines.axis(experiment) == "examples"
    at = [task.system.examples for task in lines.tasks(experiment, "examples")]
    assert all(isinstance(value, int) for value in at)
    assert len(set(at)) == len(at) > 60
    assert not {3, 8, 300} & set(at)
    assert (min(at), max(at) < 300) == (4, True)


def test_very_many_lines_are_drawn_from_point_to_point(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = descent()
    monkeypatch.setattr(lines, "MOST", 2 * len(lines.tasks(experiment, "alpha")))
    assert lines.tasks(experiment, "alpha")
    monkeypatch.setattr(lines, "MOST", 100)
    assert not lines.tasks(experiment, "alpha")


# They are stored, and no table has them


def test_lines_change_no_table_no_count_and_no_summary(tmp_path: Path, finished: Path) -> None:
    with carry_out(descent(), tmp_path / "without") as bare, Store.open(finished) as store:
        assert store.line_points() > 700
        assert bare.line_points() == 0
        assert list(store.rows()) == list(bare.rows())
        assert store.columns() == bare.columns()
        assert store.counts() == bare.counts()
        assert store.timing().keys() == bare.timing().keys()
        assert store.failures() == bare.failures() == []
        assert store.experiment.digest() == bare.experiment.digest()
        assert store.lacks(store.experiment) == (0, 0)
        assert tables.to_csv(store.rows()) == (finished / "table.csv").read_text()


def test_a_picture_computes_nothing(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a picture computes")

    monkeypatch.setattr(System, "curve", refuse)
    (_, panel) = tsmech.draw(finished, y=["train_error", "test_error"])
    (first, second) = lines_of(panel)
    for line in (first, second):
        x, y = line.get_data()
        assert len(x) > 400
        assert np.isnan(y[x == 1.0]).all(), "it breaks at the pole"
        assert y[np.abs(x - 1.0) < 1e-3][0] > panel.get_ylim()[1]


def test_a_picture_imports_no_theory(finished: Path) -> None:
    """None but the value that describes inputs, which systems are declared with."""
    import subprocess

    code = (
        "import sys, tsmech; tsmech.draw(sys.argv[1]); "
        "print([name for name in sys.modules if name.startswith(('tsmech.theory.', 'tsmech.sims.'))"
        " and not name.startswith('tsmech.theory.spectra')])"
    )
    found = subprocess.run([sys.executable, "-c", code, str(finished)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_stored_line_is_drawn_though_the_formula_has_changed(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [line.get_data() for line in lines_of(tsmech.draw(finished, y="test_error"))]
    monkeypatch.setattr("tsmech.theory.ridge.isotropic", lambda *_: {"test_error": np.array(7.0)})
    after = [line.get_data() for line in lines_of(tsmech.draw(finished, y="test_error"))]
    np.testing.assert_array_equal(before, after)


def test_lines_run_along_their_own_parameter_alone(finished: Path) -> None:
    with Store.open(finished) as store:
        assert not list(store.lines("noise"))
        assert not list(store.lines("dimension"))
        words = lacks_lines(store, x="noise", y="test_error", by="alpha")
        assert "along noise" in words
        assert lacks_lines(store) == ""
        assert lacks_lines(store, x="alpha", y="bias") == ""
    for line in lines_of(tsmech.draw(finished, x="noise", y="test_error", by="alpha")):
        assert len(line.get_xdata()) == 2


def test_a_table_is_drawn_from_row_to_row() -> None:
    table = tsmech.run(descent(), progress=False)
    (_, first), *_ = [line.get_data() for line in lines_of(tsmech.draw(table, y="train_error"))]
    assert len(first) == 40


# An interruption, an extension, shards


class KilledError(Exception):
    """Stands for a kill in the midst of a run."""


def test_lines_that_were_cut_short_are_resumed(tmp_path: Path, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tsmech.runs.work.WRITE_SECONDS", 0.0)
    monkeypatch.setattr("tsmech.engine.dispatch.BLOCK_TASKS", 50)

    def interrupt(progress: Progress) -> None:
        if progress.total - progress.finished < 300:
            raise KilledError

    with pytest.raises(KilledError):
        carry_out(descent(), tmp_path / "run", pictured=True, report=interrupt)
    seen: list[tuple[int, int]] = []
    with carry_out(
        descent(), tmp_path / "run", pictured=True, report=lambda p: seen.append((p.finished, p.total))
    ) as store:
        publish(store)
    assert 250 <= seen[0][1] < 300, "what was finished is not performed again, and what is left is counted"
    assert seen[-1][0] == seen[-1][1]
    assert picture(tmp_path / "run") == picture(finished)
    with carry_out(descent(), tmp_path / "run", pictured=True, report=lambda p: seen.append((-1, p.total))):
        assert seen[-1] == (-1, 0)


def test_progress_counts_lines_as_work_and_not_as_points(tmp_path: Path) -> None:
    seen: list[Progress] = []
    experiment = descent()
    with carry_out(experiment, tmp_path / "run", pictured=True, report=seen.append) as store:
        last = seen[-1]
        assert last.total == last.finished == 3 * experiment.size + store.line_points()
        assert last.points == last.finished_points == experiment.size


def test_points_of_a_line_become_those_of_an_extended_sweep(tmp_path: Path) -> None:
    """... without being performed again; their curves and their failures then belong to the sweep."""
    directory = tmp_path / "run"
    with carry_out(build("ridge", {"alpha": [0.5, 2.0]}, answers="theory"), directory, pictured=True) as store:
        some = [row["alpha"] for row in store.lines("alpha")][5:8]
        between = store.line_points()
    larger = build("ridge", {"alpha": [0.5, 2.0, *some]}, answers="theory")
    totals: list[int] = []
    with carry_out(larger, directory, report=lambda p: totals.append(p.total)) as store:
        assert totals[0] == 0
        assert store.line_points() == between - 3
        rows = list(store.rows())
    with Store.open(directory) as again, carry_out(larger) as anew:
        assert list(again.rows()) == rows == list(anew.rows())


@pytest.mark.slow
def test_shards_have_no_lines_and_merging_gives_the_same_picture(tmp_path: Path, finished: Path) -> None:
    shards = [tmp_path / "one", tmp_path / "two"]
    for number, directory in enumerate(shards, 1):
        with carry_out(descent(), directory, shard=Shard(number, 2), pictured=True) as store:
            assert store.line_points() == 0
    with merging.merge(tmp_path / "merged", shards) as store:
        add_lines(store)
        publish(store)
        with Store.open(finished) as whole:
            assert store.line_points() == whole.line_points()
    assert picture(tmp_path / "merged") == picture(finished)
    with merging.merge(tmp_path / "again", [finished]) as store:
        publish(store)
    assert picture(tmp_path / "again") == picture(finished), "the lines of a whole run are merged with it"


@pytest.mark.slow
def test_workers_give_the_same_lines(tmp_path: Path, finished: Path) -> None:
    with carry_out(descent(), tmp_path / "run", workers=2, pictured=True) as store:
        publish(store)
    assert picture(tmp_path / "run") == picture(finished)


# What goes wrong


@dataclass(frozen=True)
class Gap(Gauge):
    """A gauge whose theory has no solution above 2 but at whole levels."""

    name = "gap"
    checks: ClassVar = ()

    def theory_curve(self) -> Curve:
        if self.level > 2 and self.level != round(self.level) and self.noise == 0.2:
            raise ConvergenceError("nothing found here")
        return super().theory_curve()


def test_a_line_that_fails_is_none_and_the_run_is_whole(tmp_path: Path) -> None:
    experiment = build(Gap, {"level": [1, 2, 3], "noise": [0.1, 0.2]}, answers="theory", plot={"x": "level"})
    last: list[Progress] = []
    with carry_out(experiment, tmp_path / "run", pictured=True, report=last.append) as store:
        assert store.failures() == []
        assert tsmech.runs.failure(store) is None
        assert last[-1].failed == 0
        assert {row["noise"] for row in store.lines("level")} == {0.1}


def test_a_sweep_of_which_nothing_was_finished_has_no_lines(known: None) -> None:
    with carry_out(build("gauge", {"level": [1, 2], "fault": "raise"}, answers="theory"), pictured=True) as store:
        assert store.is_empty()
        assert store.line_points() == 0
        assert len(store.failures()) == 2


def test_what_lines_hold_is_guarded_like_the_sweep(tmp_path: Path) -> None:
    import sqlite3

    directory = tmp_path / "run"
    carry_out(build("ridge", {"alpha": [0.5, 2.0]}, answers="theory"), directory, pictured=True).close()
    with sqlite3.connect(directory / "run.sqlite") as connection:
        connection.execute("UPDATE points SET line = 0 WHERE id = 20")
    with pytest.raises(tsmech.InputError, match="not those that were written"):
        Store.open(directory)
