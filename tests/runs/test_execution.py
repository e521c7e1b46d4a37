"""From an experiment to the table and the picture, as Python calls it."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import tsmech
from tests.gauge import Gauge, register
from tsmech.errors import ConvergenceError, IncompleteError, InputError
from tsmech.experiment import build
from tsmech.runs import carry_out, draw_files, failure, publish, resolve
from tsmech.runs.progress import Progress
from tsmech.runs.report import remarks, summarise
from tsmech.store import Store
from tsmech.store.directory import PRODUCTS


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)


def test_a_run_is_a_table_of_what_was_asked() -> None:
    frame = tsmech.run("gauge", level=[1, 2], replicates=3, seed=1)
    assert frame.columns.tolist() == [
        "system", "answer", "level", "level_read", "spread", "luck",
        "level_read_sem", "spread_sem", "luck_sem", "replicates",
    ]  # fmt: skip
    assert frame.answer.tolist() == ["theory", "reduced", "direct"] * 2
    assert frame.level.tolist() == [1.0] * 3 + [2.0] * 3
    assert frame.replicates.isna().tolist() == [True, False, False] * 2
    with carry_out(build("gauge", {"level": 2}, answers="direct", replicates=3, seed=1)) as store:
        ((_, _, curves),) = store.curves()
    mean = math.fsum(curve.observables["spread"][0] for curve in curves) / 3
    assert frame.spread[5] == pytest.approx(mean, rel=1e-15)


def test_a_run_with_a_directory_leaves_table_and_picture_there(tmp_path: Path) -> None:
    frame = tsmech.run("gauge", level=[1, 2], replicates=2, out=tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"run.sqlite", *PRODUCTS}
    lines = (tmp_path / "run" / "table.csv").read_text().splitlines()
    assert lines[0] == ",".join(frame.columns)
    assert len(lines) == 1 + len(frame)
    with Store.open(tmp_path / "run") as store:
        drawn = draw_files(store, tmp_path, "again", x="level", y=["spread"])
    assert drawn == [tmp_path / "again.png", tmp_path / "again.svg"]


def test_workers_and_executors_change_nothing() -> None:
    expected = tsmech.run("gauge", level=[1, 2], replicates=3)
    assert tsmech.run("gauge", level=[1, 2], replicates=3, workers=2).equals(expected)
    with ThreadPoolExecutor(2) as executor:
        assert tsmech.run("gauge", level=[1, 2], replicates=3, executor=executor).equals(expected)


def test_what_may_be_run(tmp_path: Path) -> None:
    file = tmp_path / "e.toml"
    file.write_text('system = "gauge"\nreplicates = 2\n[parameters]\nlevel = [1, 2]\n')
    frames = [
        tsmech.run("gauge", level=[1, 2], replicates=2),
        tsmech.run(Gauge, level="1,2", replicates=2),
        tsmech.run(str(file)),
        tsmech.run(file),
        tsmech.run(build("gauge", {"level": [1, 2]}, replicates=2)),
    ]
    for frame in frames[1:]:
        assert frame.equals(frames[0])


@pytest.mark.parametrize("what", [3, None, dict, [], object(), int])
def test_what_cannot_be_run_is_refused(what: Any) -> None:
    with pytest.raises(InputError, match="cannot be run"):
        tsmech.run(what)


def test_an_experiment_holds_its_parameters_and_takes_no_others() -> None:
    experiment = build("gauge", {"level": 1})
    for more in ({"level": 2}, {"seed": 3}, {"answers": "theory"}):
        with pytest.raises(InputError, match=f"{next(iter(more))} cannot be given beside an experiment"):
            tsmech.run(experiment, **more)
    assert resolve(experiment, {}, seed=None) is experiment


@pytest.mark.parametrize("workers", [0, -1])
def test_a_number_of_workers_below_one_is_refused(workers: int) -> None:
    with pytest.raises(InputError, match="workers"):
        tsmech.run("gauge", level=1, workers=workers)


def test_progress_is_reported_from_nothing_to_all() -> None:
    seen: list[tuple[int, int, int]] = []

    def report(progress: Progress) -> None:
        seen.append((progress.finished, progress.total, progress.failed))

    experiment = build("gauge", {"level": [1, 2], "fault": ["none", "raise"]}, replicates=2)
    carry_out(experiment, report=report).close()
    assert seen[0] == (0, 20, 0)
    assert seen[-1] == (20, 20, 10)
    assert seen == sorted(seen)


def test_failures_are_an_error_that_says_how_many_and_why(tmp_path: Path, unpainted: None) -> None:
    with pytest.raises(IncompleteError, match=r"6 tasks failed, the first \w+: ZeroDivisionError"):
        tsmech.run("gauge", level=[1, 2], fault=["none", "raise"], replicates=1, out=tmp_path / "run")
    table = (tmp_path / "run" / "table.csv").read_text()
    assert table.count("none") == 6
    assert "raise" not in table
    assert "nan" not in table.lower()


def test_only_solvers_that_do_not_converge_are_an_error_of_their_own() -> None:
    for faults, error in (("unsolved", ConvergenceError), ("raise", IncompleteError), ("none", None)):
        with carry_out(build("gauge", {"level": 1, "fault": faults}, replicates=1)) as store:
            found = failure(store)
            assert type(found) is (error or type(None))
    with carry_out(build("gauge", {"level": 1, "fault": ["unsolved", "raise"]}, replicates=1)) as store:
        assert type(failure(store)) is IncompleteError


def test_a_run_of_which_nothing_is_finished_has_no_products(tmp_path: Path) -> None:
    experiment = build("gauge", {"level": 1, "fault": "raise"}, replicates=1)
    with carry_out(experiment, tmp_path / "run") as store:
        assert publish(store) == []
        assert list(store.rows()) == summarise(store, "spread").rows == []


# The short table


def test_the_short_table_lays_the_answers_side_by_side() -> None:
    with carry_out(build("gauge", {"level": [2, 1], "noise": [0.1, 0.2]}, replicates=4)) as store:
        lines = summarise(store, "level_read").rows
    assert [(line["level"], line["noise"]) for line in lines] == [(1, 0.1), (2, 0.1), (1, 0.2), (2, 0.2)]
    for line in lines:
        assert list(line) == ["level", "noise", "theory", "reduced", "direct", "agreement"]
        assert line["theory"] == str(int(line["level"]))
        assert "±" in line["reduced"]
        assert line["agreement"].endswith("σ")


def test_of_a_long_sweep_evenly_spaced_values_are_shown() -> None:
    with carry_out(build("gauge", {"level": "0:100:101", "noise": [0.1, 0.2]}, answers="theory")) as store:
        lines, notes = summarise(store, "level_read", most=20)
    shown = [line["level"] for line in lines if line["noise"] == 0.1]
    assert len(lines) == 20
    assert notes == ["20 of 202 rows, among them the ends and the extremes"]
    assert shown[0] == 0.0
    assert shown[-1] == 100.0
    assert shown == sorted(shown)


def test_the_short_table_runs_along_the_coordinate() -> None:
    with carry_out(build("walk", {"drift": [0, 1], "length": 3}, answers="theory")) as store:
        lines = summarise(store, "position").rows
    assert [(line["drift"], line["time"]) for line in lines] == [(d, t) for d in (0, 1) for t in (1, 2, 3)]


def test_the_short_table_of_one_point_is_one_line() -> None:
    with carry_out(build("gauge", {"level": 1}, answers="theory")) as store:
        assert summarise(store, "level_read") == ([{"theory": "1", "agreement": ""}], [])


def test_the_short_table_does_without_the_axis_that_the_picture_names() -> None:
    """The experiment's picture has the level as its x, and the person asks for one level alone."""
    experiment = build("gauge", {"level": 1, "noise": [0.1, 0.2]}, answers="theory", plot={"x": "level"})
    with carry_out(experiment) as store:
        assert [line["noise"] for line in summarise(store, "spread").rows] == [0.1, 0.2]


def test_of_a_long_sweep_the_extremes_are_kept() -> None:
    with carry_out(build("gauge", {"level": "0:100:101"}, answers="reduced", replicates=2, seed=3)) as store:
        found = {row["level"]: row["spread"] for row in store.rows()}
        lines, notes = summarise(store, "spread", most=10)
    shown = {line["level"] for line in lines}
    assert {0.0, 100.0, min(found, key=found.__getitem__), max(found, key=found.__getitem__)} <= shown
    assert notes == [f"{len(lines)} of 101 rows, among them the ends and the extremes"]
    assert len(lines) <= 12


def test_a_table_of_forty_rows_is_whole_and_of_many_curves_some_are_shown() -> None:
    with carry_out(build("gauge", {"level": "1:15:15", "noise": [0.1, 0.2]}, answers="theory")) as store:
        assert len(summarise(store, "spread").rows) == 30
    experiment = build("gauge", {"level": "1:3:50", "noise": "0.1:1:10"}, answers="theory", plot={"x": "noise"})
    with carry_out(experiment) as store:
        lines, notes = summarise(store, "level_read")
    assert len(lines) <= 30
    assert notes == [f"{len(lines)} of 500 rows, among them the ends and the extremes"]
    assert {1.0, 3.0} <= {line["level"] for line in lines}


# Agreement


def test_the_table_says_once_what_agreement_is() -> None:
    with carry_out(build("gauge", {"level": [1, 2]}, replicates=2)) as store:
        lines, notes = summarise(store, "level_read")
    assert all(line["agreement"].endswith(" σ") for line in lines)
    assert [note for note in notes if note.startswith("agreement: ")] == notes


def test_an_envelope_is_no_prediction_and_is_not_compared() -> None:
    fixed = {"alpha": 2, "dimension": 20, "duration": 2, "samples": 2, "noise": 0.3}
    with carry_out(build("sample_reuse", fixed, replicates=3)) as store:
        lines, notes = summarise(store, "test_error")
    assert [line["agreement"] for line in lines] == ["", "", ""]
    assert notes == []
    linear = {"order": "with", "student_units": 1, "teacher_units": 1, "activation": "linear"}
    with carry_out(build("sample_reuse", {**fixed, **linear}, replicates=3)) as store:
        assert summarise(store, "test_error").rows[-1]["agreement"].endswith("σ")


def test_means_near_a_pole_of_theory_are_not_compared() -> None:
    fixed = {"alpha": [0.5, 0.97, 1.03, 2.0], "dimension": 60, "penalty": [0.0, 0.1]}
    with carry_out(build("ridge", fixed, answers="theory,reduced", replicates=3)) as store:
        lines, notes = summarise(store, "test_error")
    left_out = {(line["alpha"], line["penalty"]) for line in lines if not line["agreement"]}
    assert left_out == {(0.97, 0.0), (1.03, 0.0)}
    assert any("near a pole" in note for note in notes)


def test_what_diverged_is_told_in_one_line_an_answer() -> None:
    """Linear tasks above the critical rate; theory has no draws."""
    fixed = {"student_units": 1, "teacher_units": 1, "activation": "linear", "dimension": 50, "duration": 60}
    experiment = build("online_sgd", {**fixed, "learning_rate": [0.5, 3, 4, 5]}, answers="theory,reduced", replicates=2)
    with carry_out(experiment) as store:
        found = remarks(store)
    assert len(found) == 2
    assert any(line.startswith("reduced: 6 draws diverged at 3 of 4 points, the first at alpha = ") for line in found)
    (theory,) = [line for line in found if line.startswith("theory: ")]
    assert theory.startswith("theory: diverged at 3 of 4 points, the first at alpha = ")
    assert theory.endswith(", learning_rate = 5")
    assert "draw" not in theory


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"out": ""}, "out is empty: name a directory, or leave it out"),
        ({"workers": 100_000}, "workers = 100000 is not allowed: it must be a whole number of at least 1 and at most"),
        ({"workers": "two"}, "workers = two is not allowed"),
        ({"workers": 0}, "workers = 0 is not allowed"),
        ({"timeout": "soon"}, "timeout = soon is not allowed: it must be a number of seconds above 0"),
        ({"timeout": math.nan}, "timeout = nan is not allowed"),
        ({"executor": "\x1b[31m"}, r"executor = \u001b[31m is unknown"),
        ({"shard": 3, "out": "d"}, "shard = 3 is not allowed: it must be a number of a count, such as 3/10"),
        ({"shard": "1/" + "9" * 5000, "out": "d"}, "shard = 1/999"),
        ({"replicates": 10**20}, "replicates = 100000000000000000000 is not allowed"),
    ],
)
def test_wrong_options_are_refused_in_one_short_line_and_nothing_is_written(
    wrong: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as refused:
        tsmech.run("gauge", level=1, answers="theory", **wrong)
    assert str(refused.value).startswith(says)
    assert len(str(refused.value)) < 300
    assert not list(tmp_path.iterdir())


def test_nothing_cannot_be_merged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is nothing to merge"):
        tsmech.merge(tmp_path / "out", [])
    assert not list(tmp_path.iterdir())
