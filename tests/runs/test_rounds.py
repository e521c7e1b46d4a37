"""Replicates until an error is reached: judged on the first draws alone, so the same however the run is made."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tsmech
from tests.commands import command
from tests.gauge import LOG, Gauge, Walk, register
from tsmech.experiment import Experiment, build, from_file
from tsmech.problem.curve import Curve
from tsmech.runs import carry_out, tables
from tsmech.runs.progress import Progress
from tsmech.runs.rounds import reached
from tsmech.store import Store
from tsmech.store.summary import relative_error


@pytest.fixture(autouse=True)
def _toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch.setitem)
    monkeypatch.chdir(tmp_path)


def experiment(target: float = 0.02, cap: int = 200, **more: Any) -> Experiment:
    options = {"replicates": 5, "target_error": target, "max_replicates": cap, "answers": "theory,direct"} | more
    return build(Gauge, {"level": [0.1, 1, 10]}, plot={"y": ["level_read"]}, **options)


def expected_count(level: float, asked: Experiment) -> int:
    """The rule once more, from draws that are made here: 5, 10, 20, ... until the error is reached."""
    draws = []
    with carry_out(build(Gauge, {"level": level}, answers="direct", replicates=asked.max_replicates)) as store:
        ((_, _, curves),) = store.curves()
        draws = [float(curve.observables["level_read"][0]) for curve in curves]
    count = asked.replicates
    while count < asked.max_replicates:
        first = np.array(draws[:count])
        if first.std(ddof=1) / math.sqrt(count) <= asked.target_error * abs(first.mean()):
            break
        count = min(2 * count, asked.max_replicates)
    return count


def counts(store: Store) -> dict[float, int]:
    return {row["level"]: row["replicates"] for row in store.rows() if row["answer"] == "direct"}


def test_each_point_has_the_replicates_that_its_own_draws_ask_for() -> None:
    """The mean of 20 readings has a standard deviation of 0.045: 45 %, 4.5 % and 0.45 % of the levels."""
    asked = experiment()
    with carry_out(asked) as store:
        found = counts(store)
        assert found == {level: expected_count(level, asked) for level in (0.1, 1.0, 10.0)}
        words = reached(store)
    assert found[0.1] == 200
    assert found[10.0] == 5
    assert 5 <= found[1.0] < 200
    assert "relative standard error of level_read: at most 0.0" in words
    assert "(target 0.02) with 5 to 200 replicates; 1 of 3 simulations stopped at the cap of 200" in words


def test_the_replicates_do_not_depend_on_workers_interruption_or_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = experiment()
    with carry_out(asked) as store:
        expected = tables.to_csv(store.rows())
    with carry_out(asked, workers=2) as store:
        assert tables.to_csv(store.rows()) == expected
    original, performed = Gauge.curve, 0

    def curve(gauge: Gauge, answer: str, rng: Any = None) -> Curve:
        nonlocal performed
        performed += 1
        if performed % 23 == 0:
            raise KeyboardInterrupt
        return original(gauge, answer, rng)

    monkeypatch.setattr(Gauge, "curve", curve)
    interruptions = 0
    while True:
        try:
            with carry_out(asked, tmp_path / "run") as store:
                assert tables.to_csv(store.rows()) == expected
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions > 3


def test_a_finished_run_is_not_performed_again_and_a_smaller_target_extends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv(LOG, str(log))
    with carry_out(experiment(), tmp_path / "run") as store:
        before = sum(store.counts().values())
    assert log.read_text().count("begin") + 3 == before
    log.write_text("")
    carry_out(experiment(), tmp_path / "run").close()
    assert log.read_text() == ""
    with carry_out(experiment(0.01), tmp_path / "run") as store, carry_out(experiment(0.01)) as at_once:
        assert tables.to_csv(store.rows()) == tables.to_csv(at_once.rows())


def test_failures_do_not_keep_a_target_from_its_end() -> None:
    asked = build(
        Gauge, {"level": 1, "fault": ["none", "raise"]}, replicates=2, target_error=0.02, max_replicates=9,
        answers="direct",
    )  # fmt: skip
    with carry_out(asked) as store:
        assert len(store.failures()) == 2
        assert store.counts()["direct"] >= 2


@pytest.mark.parametrize(
    ("draws", "error"),
    [
        ([[1.0, 1.0], [1.0, 3.0]], 0.5),
        ([[1.0, 1.0], [3.0, 1.0]], 0.5),
        ([[2.0]], math.inf),
        ([[0.0], [0.0]], 0.0),
        ([[-1.0], [1.0]], math.inf),
        ([[-2.0], [-4.0]], 1 / 3),
        ([[math.inf], [1.0]], 0.0),
        ([], 0.0),
    ],
)
def test_the_error_is_that_of_the_worst_row(draws: list[list[float]], error: float) -> None:
    curves = [Curve.along("time", np.arange(float(len(draw))), {"position": np.array(draw)}) for draw in draws]
    assert relative_error(curves, Walk, "position") == pytest.approx(error, rel=1e-12)


def test_the_error_of_a_matrix_is_that_of_its_worst_entry() -> None:
    draws = [Walk().direct_curve(np.random.default_rng(seed)) for seed in range(3)]
    singles = [
        relative_error(
            [
                Curve.along("time", one.coordinates["time"], {"position": one.observables["overlap"][:, i, k]})
                for one in draws
            ],
            Walk,
            "position",
        )
        for i in range(2)
        for k in range(2)
    ]
    assert relative_error(draws, Walk, "overlap") == pytest.approx(max(singles), rel=1e-12)
    assert min(singles) == 0.0


def test_options_a_file_and_python_mean_the_same(tmp_path: Path, unpainted: None) -> None:
    file = tmp_path / "e.toml"
    file.write_text(
        'system = "gauge"\nanswers = ["direct"]\nreplicates = 2\ntarget_error = 0.05\nmax_replicates = 50\n'
        "[parameters]\nlevel = [0.3, 3]\n"
    )
    frame = tsmech.run(file)
    again = tsmech.run("gauge", level=[0.3, 3], answers="direct", replicates=2, target_error=0.05, max_replicates=50)
    assert frame.equals(again)
    words = [
        "run",
        "gauge",
        "--level",
        "0.3,3",
        "--answers",
        "direct",
        "--replicates",
        "2",
        "--target-error",
        "0.05",
        "--max-replicates",
        "50",
    ]
    said = command(*words, "--out", "run")
    assert said.code == 0
    assert "(target 0.05) with" in said.out
    assert len(Path("run/table.csv").read_text().splitlines()) == 3
    assert from_file(file).to_toml().splitlines()[4:6] == ["target_error = 0.05", "max_replicates = 50"]
    with Store.open(Path("run")) as store:
        assert store.experiment.target_error == 0.05


def test_the_current_error_is_reported() -> None:
    seen: list[tuple[int, float | None]] = []

    def report(progress: Progress) -> None:
        seen.append((progress.total, progress.error))

    carry_out(experiment(), report=report).close()
    errors = [error for _, error in seen if error is not None]
    assert errors
    assert all(error == 0.0 or error > 0.02 for error in errors)
    assert [total for total, _ in seen] == sorted(total for total, _ in seen)
