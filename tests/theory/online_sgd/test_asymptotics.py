"""Where runs of online SGD end and where they rest: critical rates, the asymptotic error, the symmetric plateau."""

import math

import numpy as np
import pytest

from tests.theory.online_sgd.odes import NAMES, integrate, named, velocity
from tsmech.kernels.activations import functions
from tsmech.kernels.schedules import constant
from tsmech.theory.online_sgd import (
    asymptotic_error,
    critical_learning_rate,
    generalization_error,
    specialization,
    symmetric_plateau,
)


@pytest.mark.parametrize(
    ("name", "value"), [("erf", math.pi * math.sqrt(5 / 3)), ("linear", 2), ("relu", 2), ("quadratic", 1 / 6)]
)
def test_critical_learning_rate(name, value):
    """Biehl and Schwarze 1995 (erf); the eigenvalues of the right-hand side at Q = R = T, by central differences."""
    assert critical_learning_rate(name) == pytest.approx(value, rel=1e-14)
    assert critical_learning_rate(name, batch=3) == pytest.approx(3 * value, rel=1e-14)
    if name != "relu":
        assert critical_learning_rate(functions(name), 0.5) == pytest.approx(
            critical_learning_rate(name, 0.5), rel=1e-10
        )
    for T in (1.0, 2.5):
        at = critical_learning_rate(name, T)
        for rate, sign in ((0.98 * at, -1), (1.02 * at, 1)):
            # the part of Q across the teacher is Q − R²/T: its growth rate at Q = T + h, R = T
            h = 1e-4
            dQ, dR, _ = velocity([[T + h]], [[T]], [[T]], [1.0], [1.0], **named(name), rate=rate)
            growth = (dQ[0, 0] - 2 * dR[0, 0]) / h
            assert np.sign(growth) == sign
            assert abs(growth) < 0.2 * rate * 4 * T


@pytest.mark.parametrize("name", NAMES)
def test_runs_converge_below_the_critical_rate_and_not_above(name):
    at = critical_learning_rate(name)
    for factor, converges in ((0.9, True), (1.1, False)):
        options = {"schedule": constant(factor * at), "alphas": [0.0, 30.0]}
        run = integrate([[1.001]], [[1.0]], [[1.0]], [1.0], [1.0], **named(name), **options)
        assert (run.generalization_error[1] < run.generalization_error[0]) == converges


def test_diverging_runs_stop_and_say_where():
    """A linear unit at η = 2.5 grows as exp((η² − 2η) α): a million times its start at about alpha = ln(10⁶) / 1.25."""
    options = {"schedule": constant(2.5), "alphas": np.arange(0.0, 50.0)}
    run = integrate([[1.0]], [[0.5]], [[1.0]], [1.0], [1.0], **named("linear"), **options)
    assert run.diverged_at == pytest.approx(math.log(1e6) / 1.25, abs=0.5)
    assert run.alpha[-1] == math.floor(run.diverged_at)
    assert len(run.alpha) == len(run.Q) == len(run.R) == len(run.v) == len(run.generalization_error)
    assert np.isfinite(run.Q).all()
    in_finite_time = integrate([[1.0]], [[0.5]], [[1.0]], [1.0], [1.0], **named("quadratic"), **options)
    assert 0 < in_finite_time.diverged_at < 1
    np.testing.assert_array_equal(in_finite_time.alpha, [0.0])


@pytest.mark.parametrize(
    ("name", "K", "M", "eta"),
    [
        ("erf", 2, 2, 0.02),
        ("erf", 3, 2, 0.02),
        ("linear", 2, 2, 0.02),
        ("relu", 2, 2, 0.02),
        ("quadratic", 1, 1, 0.002),
    ],
)
def test_label_noise_leaves_the_asymptotic_error(name, K, M, eta):
    """To first order in η: the relative error of the formula halves with η, and is below 3 % at these rates."""
    R = np.eye(K, M)
    Q = R @ R.T + 0.05 * np.diag([0.0] * M + [1.0] * (K - M))
    misses = []
    for rate in (eta, eta / 2):
        options = {"schedule": constant(rate), "noise": 0.1, "alphas": [400 / eta]}
        run = integrate(Q, R, np.eye(M), np.ones(K), np.ones(M), **named(name), **options)
        leaves = asymptotic_error(name, np.ones(K), [1.0] * M + [0.0] * (K - M), learning_rate=rate, noise=0.1)
        misses.append(run.generalization_error[0] / leaves - 1)
    assert abs(misses[0]) < 0.03
    assert misses[0] / misses[1] == pytest.approx(2, abs=0.15)


def test_the_error_of_an_overparameterised_student_with_both_layers_shared():
    """K/M units a teacher unit, v = M/K: 1/K for equal shares, more for others; two students of one unit by the ODE."""
    errors = [asymptotic_error("erf", np.full(K, 1 / K), np.ones(K), learning_rate=0.1, noise=0.2) for K in (1, 2, 4)]
    assert errors[0] == pytest.approx(4 * errors[2], rel=1e-13)
    unequal = asymptotic_error("erf", [0.7, 0.1, 0.1, 0.1], np.ones(4), learning_rate=0.1, noise=0.2)
    assert errors[2] < unequal < errors[0]
    Q, R = np.ones((2, 2)), np.ones((2, 1))
    run = integrate(Q, R, [[1.0]], [0.5, 0.5], [1.0], **named("erf"), schedule=constant(0.01), noise=0.2, alphas=[3e4])
    leaves = asymptotic_error("erf", [0.5, 0.5], [1.0, 1.0], learning_rate=0.01, noise=0.2)
    assert run.generalization_error[0] == pytest.approx(leaves, rel=0.02)


def test_two_spare_units_make_the_asymptotic_error_a_long_plateau():
    """K − M = 2, v = 1 fixed: noise drives w = −w' outwards on the scale 1/(η²σ²), and the error goes on falling."""
    eta, sigma = 0.2, 1.0
    Q = np.diag([1.0, 0.1, 0.1])
    alphas = np.array([3.0, 30.0]) / (eta * sigma) ** 2
    run = integrate(
        Q,
        [[1.0], [0.0], [0.0]],
        [[1.0]],
        np.ones(3),
        [1.0],
        **named("erf"),
        schedule=constant(eta),
        noise=sigma,
        alphas=alphas,
    )
    law = asymptotic_error("erf", np.ones(3), [1.0, 0.0, 0.0], learning_rate=eta, noise=sigma)
    assert law > run.generalization_error[0] > 1.1 * run.generalization_error[1]
    assert run.Q[1, 1, 1] > 2 * run.Q[0, 1, 1]
    assert run.Q[1, 1, 2] < -0.8 * run.Q[1, 1, 1]


@pytest.mark.parametrize("K", [2, 3, 6])
@pytest.mark.parametrize("T", [1.0, 0.4])
def test_the_symmetric_plateau_is_at_rest(K, T):
    """Saad and Solla 1995: at T = 1, Q = 1/(2K−1) and ε = (K/π) (π/6 − K arcsin 1/2K); at rest as η → 0."""
    plateau = symmetric_plateau(K, T)
    start = np.full((K, K), plateau.Q), np.full((K, K), plateau.R), T * np.eye(K), np.ones(K), np.ones(K)
    assert generalization_error(*start, **named("erf")) == pytest.approx(plateau.generalization_error, rel=1e-11)
    dQ, dR, _ = velocity(*start, **named("erf"), rate=1e-8)
    assert max(abs(dQ).max(), abs(dR).max()) < 1e-8 * 1e-6
    if T == 1.0:
        np.testing.assert_allclose([plateau.Q, plateau.R**2], [1 / (2 * K - 1), 1 / (K * (2 * K - 1))], rtol=1e-14)
        assert plateau.generalization_error == pytest.approx(K / math.pi * (math.pi / 6 - K * math.asin(1 / (2 * K))))


@pytest.mark.parametrize(("K", "T"), [(2, 1.0), (3, 1.0), (4, 0.5), (2, 3.0)])
def test_an_asymmetry_grows_at_the_escape_rate_of_the_plateau(K, T):
    """Equation (30), as the derivative of the ODEs' right-hand side along the asymmetry, at a vanishing rate."""
    plateau = symmetric_plateau(K, T)
    ones, units = np.ones(K), {"student": "erf", "teacher": "erf", "rate": 1e-9}
    asymmetry = np.eye(K) - 1.0 / K
    small = 1e-5 * plateau.R

    def change(size):
        R = np.full((K, K), plateau.R) + size * asymmetry
        return velocity(R @ R.T / T, R, T * np.eye(K), ones, ones, **units)[1] / 1e-9

    growth = (change(small) - change(-small)) / (2.0 * small)
    np.testing.assert_allclose(growth, plateau.escape_rate * asymmetry, atol=1e-6 * plateau.escape_rate)


def test_a_run_visits_the_plateau_and_leaves_it():
    """K = M = 2, small η: the error stays within 10 % of the plateau's, then falls; a symmetric start stays there."""
    plateau, eta = symmetric_plateau(2), 0.05
    Q, R = 0.1 * np.eye(2), 1e-4 * np.array([[1.0, 0.0], [0.0, 0.0]])
    options = {**named("erf"), "schedule": constant(eta), "alphas": np.linspace(0, 400, 401) / eta}
    run = integrate(Q, R, np.eye(2), np.ones(2), np.ones(2), **options)
    close = abs(run.generalization_error / plateau.generalization_error - 1) < 0.1
    assert close.sum() > 20
    assert run.generalization_error[-1] < 1e-3 * plateau.generalization_error
    assert specialization(run.Q, run.R, np.eye(2))[close].min() < 0.1
    assert specialization(run.Q[-1], run.R[-1], np.eye(2)).min() > 0.99
    still = integrate(Q, 1e-4 * np.ones((2, 2)), np.eye(2), np.ones(2), np.ones(2), **options)
    assert still.generalization_error[-1] == pytest.approx(plateau.generalization_error, rel=0.1)
