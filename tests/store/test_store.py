"""The run directory: what is finished stays, what fits extends it, and everything else is refused with the reason."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.commands import command
from tests.gauge import LOG, Gauge, register
from tsmech.engine import Outcome, perform
from tsmech.errors import IncompleteError, InputError
from tsmech.experiment import Task, build
from tsmech.problem.curve import Curve
from tsmech.runs import carry_out, publish
from tsmech.runs.merging import merge
from tsmech.runs.shards import Shard
from tsmech.store import Store, origin
from tsmech.store.locks import FILE


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Register the toy systems, and keep a log of what is performed."""
    register(monkeypatch.setitem)
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(LOG, str(path))
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run"


def run(directory: Path | None, level: Any = (1, 2), **options: Any) -> list[dict[str, Any]]:
    parameters = {name: options.pop(name) for name in list(options) if name in Gauge.parameters()}
    experiment = build("gauge", {"level": level, **parameters}, **{"replicates": 2, **options})
    with carry_out(experiment, directory) as store:
        return list(store.rows())


def performed(log: Path) -> int:
    """Count the tasks performed since the last call."""
    lines = log.read_text().splitlines()
    log.write_text("")
    return sum(not line.startswith("end") for line in lines)


# Resuming and extending


def test_the_same_again_performs_nothing_and_says_the_same(directory: Path, log: Path) -> None:
    first = run(directory)
    assert performed(log) == 2 * 5
    assert run(directory) == first
    assert performed(log) == 0


@pytest.mark.parametrize(
    ("more", "added"),
    [
        ({"level": (1, 2, 3)}, 5),
        ({"level": (0, 3)}, 10),
        ({"replicates": 5}, 2 * 2 * 3),
        ({"answers": "theory"}, 0),
        ({"level": (2, 3), "replicates": 3}, 2 + 7),
    ],
)
def test_more_of_the_same_experiment_reuses_what_is_finished(
    directory: Path, log: Path, more: dict[str, Any], added: int
) -> None:
    before = run(directory)
    performed(log)
    after = run(directory, **more)
    assert performed(log) == added
    if "replicates" not in more:
        assert [row for row in after if row in before] == before, "a number that was there has changed"


def test_answers_are_added(directory: Path, log: Path) -> None:
    theory = run(directory, answers="theory")
    assert performed(log) == 2
    rows = run(directory, answers="direct")
    assert performed(log) == 4
    assert [row for row in rows if row["answer"] == "theory"] == theory
    assert {row["answer"] for row in rows} == {"theory", "direct"}


def test_an_extended_run_is_the_run_that_was_asked_for_at_once(tmp_path: Path) -> None:
    run(tmp_path / "slowly", level=(2, 3), replicates=1, answers="direct")
    run(tmp_path / "slowly", level=(1, 3), replicates=3, answers="theory")
    grown = run(tmp_path / "slowly", level=(1, 2, 3), replicates=3)
    assert grown == run(tmp_path / "at once", level=(1, 2, 3), replicates=3)


def test_one_point_grows_into_a_sweep_and_a_sweep_takes_one_of_its_points(directory: Path, log: Path) -> None:
    run(directory, level=1)
    assert performed(log) == 5
    rows = run(directory, level=(1, 2))
    assert performed(log) == 5
    assert run(directory, level=2) == rows
    assert performed(log) == 0


def test_an_axis_may_grow_from_a_default_that_depends(directory: Path, log: Path) -> None:
    """Ridge's dimension is 400 where none is given: a later sweep of it finds that point."""
    first = build("ridge", {"alpha": 2.0}, answers="theory")
    carry_out(first, directory).close()
    with carry_out(build("ridge", {"alpha": 2.0, "dimension": [400, 800]}, answers="theory"), directory) as store:
        assert [row["dimension"] for row in store.rows()] == [400, 800]
        assert store.counts() == {"theory": 2}


def test_a_file_is_the_same_by_any_path(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "sub").mkdir()
    rows = []
    for path in (tmp_path / "s.csv", tmp_path / "sub" / "t.csv"):
        path.write_text("1\n2\n")
        with carry_out(build("ridge", {"alpha": [1, 2], "spectrum": str(path)}, answers="theory"), directory) as store:
            rows.append(list(store.rows()))
            assert list(store.experiment.axes) == ["alpha"]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"level": 3}, r"level is an axis .* there and 3\.0 here"),
        ({"noise": 0.5}, r"noise is 0\.2 there and 0\.5 here"),
        ({"dimension": 30}, r"dimension is 20 there and 30 here"),
        ({"fault": "inf"}, r"fault is none there and inf here"),
        ({"seed": 1}, r"seed is 0 there and 1 here"),
    ],
)
def test_another_experiment_is_refused_with_what_differs(directory: Path, other: dict[str, Any], says: str) -> None:
    run(directory)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    with pytest.raises(InputError, match=says) as refused:
        run(directory, **other)
    assert str(directory) in str(refused.value)
    assert "--fresh" in str(refused.value)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_another_system_is_refused(directory: Path) -> None:
    run(directory)
    with pytest.raises(InputError, match="system is gauge there and walk here"):
        carry_out(build("walk", {}), directory)


def test_what_a_default_says_may_be_said(directory: Path, log: Path) -> None:
    run(directory)
    performed(log)
    run(directory, noise=0.2, fault="none")
    assert performed(log) == 0


def test_a_failure_is_recorded_and_tried_again(directory: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gauge, "_end", lambda *_: 1 / 0)
    rows = run(directory, level=1)
    assert [row["answer"] for row in rows] == ["theory"]
    with Store.open(directory) as store:
        failures = store.failures()
    assert len(failures) == 4
    assert failures[0]["answer"] == "direct"
    assert failures[0]["level"] == 1.0
    assert failures[0]["error"] == "ZeroDivisionError: division by zero"
    assert "Traceback" in failures[0]["trace"]
    monkeypatch.undo()
    register(monkeypatch.setitem)
    rows = run(directory, level=1)
    assert {row["answer"] for row in rows} == {"theory", "reduced", "direct"}
    with Store.open(directory) as store:
        assert store.failures() == []


@pytest.mark.parametrize("seed", [2**63 - 1, 2**63, 2**64 + 1, 10**40])
def test_a_seed_of_any_size_runs_continues_and_merges(tmp_path: Path, log: Path, seed: int) -> None:
    expected = run(None, seed=seed)
    directory = tmp_path / "run"
    run(directory, level=1, seed=seed)
    performed(log)
    assert run(directory, seed=seed) == expected
    assert performed(log) == 5
    with Store.open(directory) as store:
        assert store.experiment.seed == seed
        assert list(store.rows()) == expected
    experiment = build("gauge", {"level": (1, 2)}, replicates=2, seed=seed)
    shards = [tmp_path / "a", tmp_path / "b"]
    for number, place in enumerate(shards, 1):
        carry_out(experiment, place, shard=Shard(number, 2)).close()
    with merge(tmp_path / "merged", shards) as store:
        assert list(store.rows()) == expected
    with open(directory / FILE, "r+b") as file:
        file.truncate(6 * 4096)
    with pytest.raises(InputError, match="is damaged"):
        Store.open(directory)
    assert run(directory, seed=seed) == expected


# What is kept


def test_a_run_in_memory_writes_nothing(tmp_path: Path, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.rglob("*"))
    with carry_out(build("gauge", {"level": [1, 2]}, replicates=2), None) as store:
        assert publish(store) == []
        rows = list(store.rows())
    assert set(tmp_path.rglob("*")) == before
    assert rows == run(tmp_path / "stored")


def test_a_closed_run_is_one_plain_file(directory: Path) -> None:
    run(directory)
    assert [path.name for path in directory.iterdir()] == [FILE]
    with sqlite3.connect(directory / FILE) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_opening_a_run_finds_the_experiment_the_rows_and_where_they_come_from(directory: Path) -> None:
    rows = run(directory, title="A gauge")
    before = (directory / FILE).read_bytes()
    with Store.open(directory) as store:
        assert list(store.rows()) == rows
        assert store.experiment.title == "A gauge"
        assert store.experiment.axes == {"level": (1.0, 2.0)}
        assert store.counts() == {"theory": 2, "reduced": 4, "direct": 4}
        assert all(seconds >= 0 for seconds in store.timing().values())
        (begun,) = store.history()
        assert {"begun", "tsmech", "numpy", "python", "machine"} <= set(begun)
    assert (directory / FILE).read_bytes() == before


def made_by(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Let commands be those of another version."""
    there = {**origin.provenance(), "begun": f"with {version}", "tsmech": version}
    monkeypatch.setattr(origin, "provenance", lambda: dict(there))


def test_a_run_that_two_versions_made_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warning = "this run was made by several versions, commits or machines"
    for version, level, told in (("1.0", (1,), 1), ("1.0", (1, 2), 1), ("1.1", (1, 2, 3), 2), ("1.0", (1, 4), 3)):
        made_by(monkeypatch, version)
        run(directory, level=level)
        with Store.open(directory) as store:
            history = store.history()
        assert len(history) == told
        assert history[-1]["tsmech"] == version
        assert (warning in command("show", directory).out) == (told > 1)
    assert [entry["tsmech"] for entry in history] == ["1.0", "1.1", "1.0"]


def test_a_merged_run_says_which_versions_made_its_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """... but not which one merged them, as that makes no number."""
    asked = build("gauge", {"level": (1, 2)}, replicates=2)
    places = [tmp_path / f"shard{number}" for number in (1, 2)]
    for number, place in enumerate(places, 1):
        made_by(monkeypatch, f"1.{number}")
        carry_out(asked, place, shard=Shard(number, 2)).close()
    made_by(monkeypatch, "2.0")
    for sources, versions in ((places[:1], ["1.1"]), (places, ["1.1", "1.2"])):
        with merge(tmp_path / f"merged{len(versions)}", sources):
            pass
        with Store.open(tmp_path / f"merged{len(versions)}") as store:
            assert [entry["tsmech"] for entry in store.history()] == versions


def test_a_run_can_be_read_while_it_is_written(directory: Path) -> None:
    experiment = build("gauge", {"level": [1, 2]}, answers="direct", replicates=3)
    with Store.create(experiment, directory) as writing:
        writing.add(perform(list(experiment.tasks())[:4], 0))
        with Store.open(directory) as reading:
            assert sum(reading.counts().values()) == 4
            writing.add(perform(list(experiment.tasks())[4:], 0))
            assert sum(reading.counts().values()) == 6


def test_matrices_and_coordinates_are_kept(directory: Path) -> None:
    experiment = build("walk", {"length": 3}, replicates=2)
    with carry_out(experiment, directory):
        pass
    with Store.open(directory) as store:
        rows = list(store.rows())
        (_, answer, (theory,)), (_, _, draws) = store.curves()
    assert answer == "theory"
    assert list(theory.coordinates) == ["time"]
    assert theory.observables["overlap"].shape == (3, 2, 2)
    np.testing.assert_array_equal(theory.observables["overlap"][2], [[1, 3], [3, 12]])
    assert len(draws) == 2
    assert [row["time"] for row in rows] == [1, 2, 3, 1, 2, 3]
    assert [rows[2][f"overlap[{i}, {j}]"] for i in (0, 1) for j in (0, 1)] == [1, 3, 3, 12]
    assert {f"overlap[{i}, {j}]_sem" for i in (0, 1) for j in (0, 1)} <= set(rows[3])


@given(
    st.integers(1, 4).flatmap(
        lambda count: st.dictionaries(
            st.text(min_size=1, max_size=4),
            st.sampled_from([(), (2,), (2, 3)]).flatmap(
                lambda shape: arrays.arrays(float, (count, *shape), elements=st.floats(allow_nan=False))
            ),
            min_size=1,
            max_size=3,
        )
    )
)
@settings(deadline=None, max_examples=40)
def test_a_curve_comes_back_bit_for_bit(observables: dict[str, np.ndarray]) -> None:
    experiment = build(Gauge, {"level": 1}, answers="theory")
    task = Task(Gauge(level=1.0), "theory", 0)
    with Store.create(experiment, None) as store:
        store.add([Outcome(task, Curve(observables), 0.1)])
        ((_, _, (found,)),) = store.curves()
    assert list(found.observables) == list(observables)
    for name, values in observables.items():
        assert found.observables[name].shape == values.shape
        assert found.observables[name].tobytes() == values.tobytes()


def test_what_is_lacking_is_told_without_going_through_it(directory: Path) -> None:
    experiment = build("gauge", {"level": (1, 2, 3)}, replicates=2)
    with Store.create(experiment, directory) as store:
        assert store.lacks(experiment) == (15, 3)
        store.add(perform(list(experiment.tasks())[:7], 0))
        assert store.lacks(experiment) == (8, 2)
        assert store.lacks(build("gauge", {"level": (1, 2)}, replicates=2)) is None
    more = build("gauge", {"level": (1, 2, 3)}, replicates=3)
    with Store.create(more, directory) as store:
        remaining = list(store.remaining(more.tasks()))
        assert store.lacks(more) == (len(remaining), len({task.system for task in remaining}))


def test_what_does_not_fit_beside_others_is_stored_alone(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk in the midst of a batch: what still fits stays, and what was entered with the rest is taken back."""
    experiment = build("gauge", {"level": (1, 2, 3)}, answers="theory")
    outcomes = perform(experiment.tasks(), 0)
    original = Store._row

    def fail(store: Store, outcome: Outcome, line: bool) -> Any:
        if outcome.task == outcomes[2].task:
            raise sqlite3.OperationalError("database or disk is full")
        return original(store, outcome, line)

    with Store.create(experiment, directory) as store:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "_row", fail)
            with pytest.raises(IncompleteError, match="disk is full"):
                store.add(outcomes)
        assert store.counts() == {"theory": 2}
        store.add(outcomes[2:])
    with Store.open(directory) as store:
        assert [row["level"] for row in store.rows()] == [1, 2, 3]
