"""Mean-field theory of large steps: closed forms, limits, and what must fail."""

import math

import numpy as np
import pytest

from tsmech.errors import InputError
from tsmech.kernels.rule import Rule
from tsmech.kernels.schedules import constant
from tsmech.theory.overlaps import generalization_error
from tsmech.theory.sample_reuse import linear_unit, mean_field, paths_too_large, too_long
from tsmech.theory.sample_reuse.large_steps import SETS
from tsmech.theory.sample_reuse.paths import Paths

Q, R, T = np.array([[0.35, 0.08], [0.08, 0.21]]), np.array([[0.3, 0.1], [0.0, 0.2]]), np.eye(2)
V, A = np.array([1.0, 0.8]), np.array([1.0, 1.2])


def rule(activation="erf", rate=0.7, **others):
    return Rule(activation, activation, constant(rate), **others)


def follow(steps, *, alpha=1.5, seed=0, start=(Q, R, T, V, A), learn=None, **options):
    return mean_field(*start, learn or rule(), steps, alpha=alpha, rng=np.random.default_rng(seed), **options)


@pytest.mark.parametrize("decay", [0.0, 0.02])
@pytest.mark.parametrize("alpha", [0.6, 1.5])
def test_a_linear_unit_is_its_closed_form(alpha, decay):
    """All its averages are of second order, and those are exact in each set of paths, over 300 steps (to 8e-9)."""
    steps = np.arange(0, 301, 20)
    learn = rule("linear", 0.3, noise=0.5, weight_decay=decay)
    found = follow(
        steps, alpha=alpha, start=([[0.5]], [[0.3]], [[1.0]], [1.0], [1.0]), learn=learn, paths=2**11, tolerance=1e-5
    )
    closed = linear_unit(steps, alpha, 0.5, Q=0.5, R=0.3, rate=0.3, decay=decay, discrete=True)
    for name in ("generalization_error", "train_error"):
        np.testing.assert_allclose(getattr(found, name), np.tile(getattr(closed, name), (SETS, 1)), atol=3e-8)
    np.testing.assert_allclose(found.R[:, :, 0, 0], np.tile(closed.R, (SETS, 1)), atol=3e-8)


def test_without_the_memory_a_linear_unit_is_not_its_closed_form(monkeypatch):
    """The negative control: examples that do not remember how they have pulled."""
    original = Paths.__init__

    def forgetful(self, *arguments):
        original(self, *arguments)
        self._root = 0.0

    monkeypatch.setattr(Paths, "__init__", forgetful)
    start = [[0.5]], [[0.3]], [[1.0]], [1.0], [1.0]
    found = follow([20], start=start, learn=rule("linear", 0.3, noise=0.5), paths=2**11)
    closed = linear_unit([20], 1.5, 0.5, Q=0.5, R=0.3, rate=0.3, discrete=True)
    assert np.all(np.abs(found.train_error / closed.train_error - 1) > 0.05)


def with_standard_error(values):
    return values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(SETS)


@pytest.mark.parametrize("activation", ["erf", "relu", "quadratic", "tanh"])
def test_one_step_moves_the_overlaps_by_the_averages_of_the_odes(activation):
    """With E[f λ], E[f ν] and E[f f] from the derivatives of the one-pass ODEs at two rates (eqs. 25, 27)."""
    from tsmech.theory.online_sgd import velocity

    alpha, eta, noise, kappa = 0.6, 0.5, 0.3, 0.1

    def slopes(rate):
        learn = Rule(activation, activation, constant(rate), noise=noise)
        dQ, dR, _ = velocity(Q, R, T, V, A, learn)
        return dQ, dR

    (one_Q, one_R), (two_Q, _two_R) = slopes(1.0), slopes(2.0)
    squared = (two_Q - 2 * one_Q) / 2  # E[f fᵀ]; what is left of dQ is -E[f λᵀ] - E[λ fᵀ]
    mixed, along = (one_Q - squared) / -1.0, -one_R
    found = follow([0, 1], alpha=alpha, learn=rule(activation, eta, noise=noise, weight_decay=kappa), paths=2**13)
    mean, error = with_standard_error(found.R[:, 1])
    np.testing.assert_array_less(np.abs(mean - ((1 - kappa) * R - eta * along)), 6 * error + 1e-4)
    joint = np.block([[T, R.T], [R, Q]])
    basis = np.linalg.cholesky(joint)
    drift_lambda = found.Q[:, 1]  # Q' = (1-κ)² Q - (1-κ) η mixed + η² (drift drift + squared/α)
    mean, error = with_standard_error(drift_lambda)
    fields = np.linalg.solve(basis, np.vstack([along.T, _lambda_averages(activation, noise)]))  # E[f V]
    expected = (1 - kappa) ** 2 * Q - (1 - kappa) * eta * mixed + eta**2 * (fields.T @ fields + squared / alpha)
    np.testing.assert_array_less(np.abs(mean - expected), 6 * error + 1e-4)


def _lambda_averages(activation, noise):
    """E[λ_j f_k], shape (K, K), rows j, by a sample of its own."""
    from tsmech.kernels.activations import functions

    g, slope = functions(activation)
    rng = np.random.default_rng(5)
    basis = np.linalg.cholesky(np.block([[T, R.T], [R, Q]]))
    total = np.zeros((2, 2))
    for _each in range(40):
        fields = basis @ rng.standard_normal((4, 100_000))
        nu, lam = fields[:2], fields[2:]
        delta = V @ g(lam) - A @ g(nu) - noise * rng.standard_normal(100_000)
        total += lam @ (slope(lam) * V[:, None] * delta).T / 100_000
    return total / 40


@pytest.mark.parametrize("activation", ["erf", "relu"])
def test_many_examples_are_gradient_descent_on_the_generalization_error(activation):
    """Equation (18), the gradient by differences of ε_g in the coordinates of the weights, both layers."""
    eta, second, kappa = 0.7, 0.3, 0.05
    learn = rule(activation, eta, second_layer_rate=second, weight_decay=kappa)
    found = follow([0, 10], alpha=1e9, learn=learn, paths=2**13)
    factor = np.linalg.cholesky(np.block([[T, R.T], [R, Q]]))
    L, omega, v = factor[:2, :2], factor[2:], V.copy()

    def error(omega, v):
        overlaps = omega @ omega.T, omega[:, :2] @ L.T, T
        return float(generalization_error(*overlaps, v, A, activation, activation))

    h = 1e-5
    for _step in range(10):
        gradient, pull = np.zeros_like(omega), np.zeros_like(v)
        for index in np.ndindex(omega.shape):
            moved = np.zeros_like(omega)
            moved[index] = h
            gradient[index] = (error(omega + moved, v) - error(omega - moved, v)) / (2 * h)
        for k in range(2):
            moved = h * np.eye(2)[k]
            pull[k] = (error(omega, v + moved) - error(omega, v - moved)) / (2 * h)
        omega, v = (1 - kappa) * omega - eta * gradient, (1 - kappa) * v - second * pull
    for values, expected in ((found.Q[:, 1], omega @ omega.T), (found.v[:, 1], v)):
        mean, spread = with_standard_error(values)
        np.testing.assert_array_less(np.abs(mean - expected), 6 * spread + 1e-3)
    assert np.all(np.abs(found.train_error[:, 1] / found.generalization_error[:, 1] - 1) < 0.01)


def test_the_same_generator_gives_the_same_theory_and_sets_differ():
    one, other = (follow([0, 5], paths=2**11) for _ in range(2))
    np.testing.assert_array_equal(one.Q, other.Q)
    assert len({float(value) for value in one.train_error[:, 1]}) == SETS


def test_more_paths_are_taken_where_the_accuracy_asks_for_them():
    learn = rule(noise=0.3)
    coarse, fine = (follow([0, 8], learn=learn, accuracy=accuracy) for accuracy in (1e-2, 7e-4))
    assert coarse.paths < fine.paths
    test = fine.generalization_error + 0.045
    mean, error = with_standard_error(test)
    assert np.all(error < 1e-3 * mean)
    difference, spread = with_standard_error(coarse.generalization_error - fine.generalization_error)
    assert np.all(np.abs(difference) < 6 * spread + 1e-12)


def test_a_run_that_diverges_says_at_which_step():
    found = follow(range(60), learn=rule("linear", 6.0), paths=2**11)
    assert found.diverged_at is not None
    assert found.Q.shape[1] <= found.diverged_at
    late = follow([50, 60], learn=rule("linear", 6.0), paths=2**11)
    assert late.diverged_at == found.diverged_at
    assert late.Q.shape == (SETS, 0, 2, 2)


def test_a_share_of_one_is_all_examples_and_a_smaller_one_is_noisier():
    whole, half = (follow([0, 15], share=share, paths=2**12, learn=rule(noise=0.3)) for share in (1.0, 0.3))
    assert half.generalization_error[:, 1].mean() > whole.generalization_error[:, 1].mean() + 0.01


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"alpha": 0.0}, "alpha = 0"),
        ({"share": 0.0}, "share = 0 is not allowed: it must be above 0 and at most 1"),
        ({"share": 1.5}, "share = 1.5"),
        ({"steps": [3000]}, "3000 full steps of 2 units are too many: units times steps can be 4000"),
    ],
)
def test_bad_values_are_named(options, says):
    options = dict(options)
    with pytest.raises(InputError, match=says):
        follow(options.pop("steps", [1]), **options)


def test_memory_is_estimated_before_it_is_taken(monkeypatch):
    monkeypatch.setattr("tsmech.machine.memory.available", lambda *_: 10**7)
    assert too_long(2, 500) is None
    assert "paths of 500 steps" in str(paths_too_large(2, 500))
