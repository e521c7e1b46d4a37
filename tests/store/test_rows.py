"""What a run's table says: means and errors, draws that diverge, the order of rows and of columns."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gauge import Gauge, register
from tsmech.engine import Outcome, perform
from tsmech.experiment import build
from tsmech.problem.curve import Curve
from tsmech.runs import carry_out, tables
from tsmech.store import Store


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "run"


def add_draws(values: list[float]) -> dict[str, Any]:
    """Return the row of draws of one observable."""
    experiment = build(Gauge, {"level": 1}, answers="direct", replicates=len(values))
    with Store.create(experiment, None) as store:
        store.add(
            Outcome(task, Curve.point({"luck": value}), 0.1)
            for task, value in zip(experiment.tasks(), values, strict=True)
        )
        (row,) = store.rows()
    return row


@given(st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=20))
@settings(deadline=None, max_examples=60)
def test_means_and_standard_errors_are_numpys(values: list[float]) -> None:
    row, scale = add_draws(values), max(map(abs, values))
    assert row["replicates"] == len(values)
    # Sums of at most 20 terms: NumPy's are off by some units in the last place of the largest.
    assert row["luck"] == pytest.approx(np.mean(values), rel=1e-13, abs=1e-13 * scale)
    expected = np.std(np.array(values), ddof=1) / math.sqrt(len(values))
    assert row["luck_sem"] == pytest.approx(expected, rel=1e-7, abs=1e-13 * scale)


@given(st.lists(st.floats(-1e100, 1e100), min_size=2, max_size=8))
@settings(deadline=None, max_examples=30)
def test_the_table_does_not_depend_on_the_order_in_which_draws_are_finished(values: list[float]) -> None:
    experiment = build(Gauge, {"level": 1}, answers="direct", replicates=len(values))
    draws = [
        Outcome(task, Curve.point({"luck": value}), 0.1) for task, value in zip(experiment.tasks(), values, strict=True)
    ]
    found = []
    for order in (draws, draws[::-1]):
        with Store.create(experiment, None) as store:
            store.add(order)
            found.append(list(store.rows()))
    assert found[0] == found[1]


def test_one_draw_has_no_standard_error() -> None:
    assert add_draws([1.5]) == {"system": "gauge", "answer": "direct", "luck": 1.5, "luck_sem": None, "replicates": 1}


@pytest.mark.parametrize(
    ("values", "mean"),
    [([1.0, math.inf], math.inf), ([-math.inf, 1.0], -math.inf), ([math.inf, math.inf], math.inf)],
)
def test_an_infinite_draw_makes_the_mean_infinite_and_leaves_no_error(values: list[float], mean: float) -> None:
    row = add_draws(values)
    assert row["luck"] == mean
    assert row["luck_sem"] is None


def test_no_nan_and_no_overflow_reach_the_table() -> None:
    for values in ([1e308, 1e308, -1e308], [1e308, 1e308], [1e200, -1e200]):
        row = add_draws(values)
        assert row["luck"] == pytest.approx(np.mean(np.array(values) / len(values)) * len(values), rel=1e-12)
        assert row["luck_sem"] is None or row["luck_sem"] >= 0


def walked(position: np.ndarray, end: float | None = None) -> Curve:
    """Return a walk with these positions, which ends where it diverged."""
    return Curve.along("time", np.arange(1.0, len(position) + 1), {"position": position}, diverged_at=end)


def test_draws_that_diverge_count_as_far_as_they_go(directory: Path) -> None:
    experiment = build("walk", {"drift": [0, 1], "length": 3}, answers="direct", replicates=3)
    ends = [None, 2.5, 1.5, None, None, None]
    with Store.create(experiment, directory) as store:
        store.add(
            Outcome(task, walked(np.full(rows, 2.0), end), 0.1)
            for task, end in zip(experiment.tasks(), ends, strict=True)
            for rows in [3 if end is None else int(end)]
        )
    with Store.open(directory) as store:
        rows = list(store.rows())
        assert store.divergences() == [{"drift": 0.0, "answer": "direct", "diverged": 2, "diverged_at": 1.5}]
        ((_, _, curves), _) = store.curves()
        assert [curve.diverged_at for curve in curves] == ends[:3]
    assert [(row["time"], row["replicates"]) for row in rows[:3]] == [(1.0, 3), (2.0, 2), (3.0, 1)]
    assert [row["diverged_at"] for row in rows[:3]] == [1.5] * 3
    assert "diverged_at" not in rows[3]
    assert not any(isinstance(value, float) and math.isnan(value) for row in rows for value in row.values())


def test_rows_are_in_the_order_of_the_parameters_not_of_the_work(directory: Path) -> None:
    for levels in ((3, 5), (4, 1)):
        with carry_out(build("gauge", {"level": levels}, replicates=2), directory) as store:
            rows = list(store.rows())
    assert [row["level"] for row in rows] == [level for level in (1, 3, 4, 5) for _ in range(3)]
    assert [row["answer"] for row in rows[:3]] == ["theory", "reduced", "direct"]


def test_columns_are_those_of_the_rows_in_their_order(tmp_path: Path) -> None:
    for number, experiment in enumerate(
        (
            build("gauge", {"level": [1, 2], "noise": [0.1, 0.2]}, replicates=2),
            build("walk", {"drift": [0, 1], "length": 3}, replicates=2),
            build("gauge", {"level": 1}, answers="theory"),
        )
    ):
        with carry_out(experiment, tmp_path / str(number)) as store:
            assert store.columns() == tables.columns(store.rows())


def test_rows_of_some_points_are_those_of_the_whole_table(directory: Path) -> None:
    experiment = build("gauge", {"level": (3, 1, 2), "noise": (0.1, 0.2)}, replicates=2)
    with carry_out(experiment, directory) as store:
        whole = list(store.rows())
        for wanted in ({(1.0, 0.2), (3.0, 0.1)}, {(2.0, 0.1)}, set(), {(9.0, 0.1)}):
            part = [row for row in whole if (row["level"], row["noise"]) in wanted]
            assert list(store.rows(only=wanted)) == part


def test_rows_are_in_the_order_of_the_axes_in_whatever_order_they_were_stored(directory: Path) -> None:
    experiment = build("gauge", {"level": (3, 1, 2), "fault": ("none", "inf")}, answers="theory")
    outcomes = perform(experiment.tasks(), 0)
    with Store.create(experiment, directory) as store:
        for place in (4, 0, 5, 2, 1):
            store.add([outcomes[place]])
            assert [(row["level"], row["fault"]) for row in store.rows()] == sorted(
                (row["level"], row["fault"]) for row in store.rows()
            ), "what was added since the last time is seen"
        store.add([outcomes[3]])
        found = [(row["level"], row["fault"]) for row in store.rows()]
    assert found == sorted(found)
    assert len(found) == 6
    with Store.open(directory) as store:
        assert [(row["level"], row["fault"]) for row in store.rows()] == found
