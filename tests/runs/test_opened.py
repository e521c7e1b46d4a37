"""A run directory opened from Python."""

from pathlib import Path

import pandas as pd
import pytest

import tsmech
from tests.gauge import Walk, register
from tsmech.errors import InputError
from tsmech.experiment import build
from tsmech.problem.display import picture
from tsmech.runs import carry_out


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    register(monkeypatch.setitem)
    with carry_out(build("walk", {"drift": [0.0, 1.0]}, replicates=3), tmp_path / "run"):
        pass
    return tmp_path / "run"


def test_it_gives_the_table_and_the_draws_of_which_the_table_is_the_mean(place: Path) -> None:
    run = tsmech.open_run(place)
    assert run.experiment.axes == {"drift": (0.0, 1.0)}
    draws = run.draws("direct")
    assert list(draws.columns[:3]) == ["drift", "replicate", "time"]
    assert len(draws) == 2 * 3 * 4
    means = draws.groupby(["drift", "time"])["overlap[0, 1]"].mean()
    table = run.table.query("answer == 'direct'").set_index(["drift", "time"])["overlap[0, 1]"]
    pd.testing.assert_series_equal(means, table, check_names=False)
    (system,) = build("walk", {"drift": 1.0}).points()
    again = system.curve("direct", system.stream("direct", 0, 2)).observables["position"]
    assert run.draws("direct", drift=1.0).query("replicate == 2").position.tolist() == again.tolist()
    assert len(run.draws("theory", drift=0)) == 4


def test_it_draws_and_says_what_failed(place: Path) -> None:
    run = tsmech.open_run(place)
    assert run.draw(y="position").lines
    assert (run.failures, run.remarks) == ([], [])
    assert "walk, 2 points" in repr(run)


def test_what_it_does_not_hold_is_refused(place: Path, tmp_path: Path) -> None:
    run = tsmech.open_run(place)
    for answer, given, says in (
        ("drawn", {}, "no answer drawn"),
        ("direct", {"length": 4}, "not several values of length"),
        ("direct", {"drift": 7}, "no point at drift = 7"),
    ):
        with pytest.raises(InputError, match=says):
            run.draws(answer, **given)
    with pytest.raises(InputError, match="nowhere"):
        tsmech.open_run(tmp_path / "nowhere")


def test_a_system_shows_its_parameters_and_a_picture() -> None:
    shown = tsmech.Ridge(alpha=2.0, noise=0.3)._repr_html_()
    assert all(words in shown for words in ("α", "training examples per input dimension", "0.3", "<svg", "polyline"))
    assert "<svg" in Walk(drift=2.0)._repr_html_()
    assert "polyline" in picture(tsmech.GradientFlow(alpha=1.0))


def test_what_was_given_is_bold_and_what_follows_from_it_is_not() -> None:
    shown = {dimension: tsmech.Ridge(alpha=2.0, dimension=dimension)._repr_html_() for dimension in (None, 400, 50)}
    assert "normal'><td style='text-align:left'>N<" in shown[None]
    assert shown[400] == shown[None]
    assert "bold'><td style='text-align:left'>N<" in shown[50]


def test_the_picture_runs_along_what_has_no_default_and_says_where_its_axis_is_logarithmic() -> None:
    features = picture(tsmech.RandomFeatures(alpha=2.0, features=4.0, networks=3))
    assert "α (alpha): 0.1 … 4<" in features
    kernels = picture(tsmech.KernelRegression(examples=30))
    assert "P (examples): 10 … 1e+04, logarithmic<" in kernels
    errors = [tsmech.KernelRegression(examples=P).theory().generalization_error[0] for P in (10, 10_000)]
    assert f"ε_g (theory): 0 … {errors[0]:.3g}<" in kernels  # what falls by orders of magnitude is not cut off
    assert errors[1] < errors[0] / 4
    waiting = picture(tsmech.WideNetwork(centred=True))
    assert "t (time): 0.03 … 300, logarithmic<" in waiting


def test_a_line_is_broken_at_its_pole() -> None:
    assert picture(tsmech.Ridge(alpha=2.0)).count("<polyline") == 2
    assert picture(tsmech.Ridge(alpha=2.0, penalty=0.1)).count("<polyline") == 1


def test_a_table_of_rows_has_its_picture_too() -> None:
    assert "m (training rows): 100 … 1.6e+03<" in picture(tsmech.LearningCurve(data="made_up"))
