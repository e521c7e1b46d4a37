"""Sample reuse at large steps: the network, revealed inputs and mean-field theory."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from tsmech.errors import InputError
from tsmech.problem.stopping import first_below
from tsmech.systems.sample_reuse import LINEAR, SampleReuse

TWO_UNITS: dict[str, Any] = {"Q": [[0.35, 0.08], [0.08, 0.21]], "R": [[0.3, 0.1], [0.0, 0.2]]}
LARGE = [
    {"order": "full"},
    {"order": "sampled", "batch_share": 0.3},
    {"order": "full", "activation": "relu", "second_layer_rate": 0.2, "weight_decay": 0.03},
]


def large(N: int, **more: Any) -> SampleReuse:
    times = {"samples": (1.0, 3.0, 12.0), "duration": 12.0}
    return SampleReuse(
        **{
            "alpha": 1.5,
            "order": "full",
            "dimension": N,
            "learning_rate": 0.7,
            "noise": 0.4,
            "initial": TWO_UNITS,
            **times,
            **more,
        }
    )


def draws(system: SampleReuse, answer: str, count: int) -> dict[str, NDArray[np.float64]]:
    """Return entries of the observables in many draws, shape (count, times)."""
    curves = [system.curve(answer, np.random.default_rng([i, len(answer)])).observables for i in range(count)]
    found = {name: np.array([curve[name] for curve in curves]) for name in ("test_error", "train_error")}
    return (
        found
        | {"Q": np.array([curve["Q"][:, 0, 1] for curve in curves])}
        | {"R": np.array([curve["R"][:, 0, 0] for curve in curves])}
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGE)
@pytest.mark.parametrize("N", [60, 160])
def test_a_network_on_revealed_inputs_has_the_law_of_the_network(kind: dict[str, Any], N: int) -> None:
    direct, reduced = (draws(large(N, **kind), answer, 200) for answer in ("direct", "reduced"))
    for name, values in direct.items():
        for t in range(values.shape[1]):
            assert ks_2samp(values[:, t], reduced[name][:, t]).pvalue > 1e-4, (name, t)


@pytest.mark.parametrize(("alpha", "N"), [pytest.param(0.15, 60, marks=pytest.mark.slow), (3.0, 8)])
def test_that_law_holds_where_directions_are_used_up(alpha: float, N: int) -> None:
    """Nine examples, or eight inputs, and 24 directions asked for."""
    direct, reduced = (draws(large(N, alpha=alpha), answer, 150) for answer in ("direct", "reduced"))
    for name, values in direct.items():
        for t in range(values.shape[1]):
            assert ks_2samp(values[:, t], reduced[name][:, t]).pvalue > 1e-4, (name, t)


def test_a_rate_that_is_off_by_alpha_is_noticed() -> None:
    """The control of the law: mean over P in place of N."""
    right, wrong = draws(large(60), "direct", 60), draws(large(60, learning_rate=0.7 * 1.5), "reduced", 60)
    assert min(ks_2samp(right[name][:, 1], wrong[name][:, 1]).pvalue for name in right) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("kind", LARGE)
def test_revealed_networks_tend_to_mean_field_theory(kind: dict[str, Any]) -> None:
    """At N = 20 000 within standard errors and what 1/N leaves, ten times of which N = 200 may show."""
    theory = large(1000, **kind).curve("theory")
    entries = {"test_error": (), "train_error": (), "Q": (0, 1), "R": (0, 0)}
    for N, count in ((20_000, 8), (400, 100)):
        for name, values in draws(large(N, **kind), "reduced", count).items():
            at = (slice(None), *entries[name])
            mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(count)
            spread = np.hypot(error, theory.errors[name][at])
            difference = np.abs(mean - theory.observables[name][at])
            assert (difference < 5 * spread + 3.0 / N).all(), (name, N, difference, spread)


def test_a_sign_teacher_is_learnt_alike_by_all_three() -> None:
    """Labels that jump: network and revealed inputs in law, at fewer examples than inputs, and theory at large N."""
    kind = {"activation": "sign", "student_activation": "erf", "alpha": 0.7, "samples": (1.0, 6.0), "duration": 6.0}
    direct, reduced = (draws(large(60, **kind), answer, 150) for answer in ("direct", "reduced"))
    for name, values in direct.items():
        for t in range(values.shape[1]):
            assert ks_2samp(values[:, t], reduced[name][:, t]).pvalue > 1e-4, (name, t)
    theory, count = large(1000, **kind).curve("theory"), 12
    values = draws(large(10_000, **kind), "reduced", count)
    for name in ("test_error", "train_error"):
        error = np.hypot(values[name].std(axis=0, ddof=1) / np.sqrt(count), theory.errors[name])
        assert (np.abs(values[name].mean(axis=0) - theory.observables[name]) < 5 * error + 3e-4).all()
        smooth = large(1000, **{**kind, "activation": "erf"}).curve("theory").observables[name]
        assert abs(values[name].mean(axis=0) - smooth)[0] > 20 * error[0]


def test_a_memory_that_is_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control of the theory: examples that forget how they have pulled."""
    from tsmech.theory.sample_reuse.paths import Paths

    original = Paths.__init__

    def forgetful(self: Any, *arguments: Any) -> None:
        original(self, *arguments)
        self._root = 0.0

    monkeypatch.setattr(Paths, "__init__", forgetful)
    theory = large(1000).curve("theory").observables["train_error"]
    values = draws(large(2000), "reduced", 20)["train_error"]
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(20)
    assert (np.abs(mean - theory)[1:] > 20 * error[1:]).all()


@pytest.mark.parametrize("answer", ["theory", "reduced", "direct"])
def test_a_run_that_diverges_before_its_first_report_has_no_row_and_says_when(answer: str) -> None:
    times = {"samples": (50.0, 60.0), "duration": 60.0}
    curve = large(60, activation="relu", learning_rate=40.0, **times).curve(answer, np.random.default_rng(0))
    assert curve.rows == 0
    assert curve.diverged_at is not None
    assert 0 < curve.diverged_at < 10


def test_theory_is_the_same_every_time_and_carries_its_standard_error() -> None:
    table = large(100).theory()
    assert table.equals(large(100).theory())
    assert (table["test_error_sem"] < 2e-3 * table["test_error"]).all()
    assert {"R[0, 0]_sem", "train_error_sem"} <= set(table.columns)


def test_a_linear_unit_in_full_steps_is_the_closed_form_and_in_sampled_ones_close_to_it() -> None:
    given = {**LINEAR, "alpha": 2.0, "noise": 0.5, "learning_rate": 0.2, "duration": 8, "samples": 2, "dimension": 100}
    given["initial"] = {"Q": [[0.5]], "R": [[0.3]]}
    full, whole = SampleReuse(order="full", **given), SampleReuse(order="sampled", **given)
    assert not full.mean_field
    assert whole.mean_field
    one, two = full.curve("theory"), whole.curve("theory")
    for name in ("test_error", "train_error", "Q", "R"):
        np.testing.assert_allclose(two.observables[name], one.observables[name], rtol=1e-6)


@pytest.mark.slow
def test_when_to_stop_and_when_the_training_set_is_fitted() -> None:
    system = SampleReuse(
        alpha=1.5, order="full", noise=0.7, learning_rate=1.0, duration=12, samples=12, dimension=200, initial=TWO_UNITS
    )
    stop = system.optimal_stopping()
    curve = system.curve("theory")
    test, train = curve.observables["test_error"], curve.observables["train_error"]
    assert abs(stop.time - curve.coordinates["epoch"][np.argmin(test)]) <= 0.5
    assert stop.error == test.min()
    assert stop.final_error == test[-1] > 1.05 * stop.error
    level = 1.01 * float(train[6])
    time = system.interpolation_time(level)
    first = int(np.argmax(train <= level))
    assert curve.coordinates["epoch"][first - 1] < time <= curve.coordinates["epoch"][first]


def test_a_level_that_is_never_reached_has_no_time() -> None:
    times, values = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.1, 0.01])
    assert first_below(times, values, 0.1) == 1.0
    assert first_below(times, values, 10**-1.5) == pytest.approx(1.5)
    assert first_below(times, values, 2.0) == 0.0
    assert first_below(times, values, 1e-3) == np.inf
    with pytest.raises(InputError, match="level = 0 is not allowed"):
        first_below(times, values, 0.0)
