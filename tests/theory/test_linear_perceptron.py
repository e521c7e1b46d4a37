"""Gibbs learning of a linear teacher: ridge regression, Bayes' identities, the saddle point, limits."""

import itertools
import math

import numpy as np
import pytest

from tsmech.theory import ridge
from tsmech.theory.linear_perceptron import _state, solve

POINTS = list(itertools.product([0.3, 1.0, 2.5], [0.05, 0.5, 3.0], [0.0, 0.7]))


@pytest.mark.parametrize(("alpha", "temperature", "noise"), POINTS)
def test_the_mean_of_gaussian_students_is_ridge_regression(alpha, temperature, noise):
    """At λ = T, by the closed forms of ridge regression, which share no formula with these."""
    state, expected = solve(alpha, temperature, noise, "gaussian"), ridge.isotropic(alpha, noise, temperature)
    assert 0.5 * state.distance == pytest.approx(float(expected["generalization_error"]), rel=1e-12)
    assert state.common == pytest.approx(float(expected["weight_norm"]), rel=1e-12)
    left = temperature / (temperature + state.variance)
    mean_error = state.train_error - 0.5 * state.variance * left
    assert mean_error == pytest.approx(float(expected["train_error"]), rel=1e-12)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_at_the_true_temperature_student_and_teacher_are_exchangeable(alpha, noise):
    """Also on the sphere, from which the teacher comes in the limit too."""
    for prior in ("gaussian", "spherical"):
        state = solve(alpha, noise**2, noise, prior)
        assert state.along == pytest.approx(state.common, rel=1e-9)
        assert state.square == pytest.approx(1.0, rel=1e-9)
        assert state.train_error == pytest.approx(0.5 * noise**2, rel=1e-9)
    for other in (0.5, 2.0):
        wrong = solve(alpha, other * noise**2, noise, "gaussian")
        assert wrong.distance > solve(alpha, noise**2, noise, "gaussian").distance
        assert abs(wrong.along - wrong.common) > 1e-3  # negative control


@pytest.mark.parametrize(("alpha", "temperature", "noise"), POINTS)
def test_the_spherical_free_energy_is_stationary(alpha, temperature, noise):
    """Central differences of the replica-symmetric free energy in its textbook form, in q and R."""
    state = solve(alpha, temperature, noise, "spherical")
    assert state.square == pytest.approx(1.0, abs=1e-9)
    assert state.residual < 1e-10
    beta = 1 / temperature

    def value(q, R):
        x = beta * (1 - q)
        energy = math.log1p(x) + beta * (q - 2 * R + 1 + noise**2) / (1 + x)
        return 0.5 * math.log(1 - q) + 0.5 * (q - R * R) / (1 - q) - 0.5 * alpha * energy

    q, R = state.common, state.along
    h = 1e-5 * (1 - q)
    scale = 1 / (1 - q) ** 2 + beta
    assert abs(value(q + h, R) - value(q - h, R)) / (2 * h) < 1e-5 * scale
    assert abs(value(q, R + h) - value(q, R - h)) / (2 * h) < 1e-5 * scale
    off = R - 0.05 * (1 - q)
    assert abs(value(q, off + h) - value(q, off - h)) / (2 * h) > 1e-3


def test_limits():
    hot = solve(1.0, 1e9, 0.3, "spherical")
    assert (hot.along, hot.common, hot.generalization_error) == pytest.approx((0.0, 0.0, 1.0), abs=1e-8)
    many = solve(1e6, 0.5, 0.5, "spherical")
    assert many.generalization_error == pytest.approx(0.0, abs=1e-5)
    cold = solve(2.0, 1e-9, 0.0, "spherical")
    assert cold.generalization_error == pytest.approx(0.0, abs=1e-8)
    few = solve(0.5, 1e-9, 0.0, "spherical")  # N/2 directions are known, and the student is random in the others
    assert few.along == pytest.approx(0.5, abs=1e-6)
    nothing = solve(1e-12, 1.0, 0.5, "gaussian")
    assert nothing.generalization_error == pytest.approx(1.0)


@pytest.mark.parametrize("prior", ["spherical", "gaussian"])
def test_extreme_parameters_are_solved(prior):
    for alpha, T, noise in itertools.product([1e-6, 0.999999, 1.0, 1e4], [1e-100, 1e-8, 1.0, 1e8], [0.0, 1.0, 100.0]):
        state = solve(alpha, T, noise, prior)
        assert math.isfinite(state.generalization_error)
        assert state.generalization_error >= 0
        assert state.train_error >= 0
        if prior == "spherical":
            assert state.square == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("alpha", "temperature", "noise"), POINTS)
def test_the_spherical_solution_is_unique(alpha, temperature, noise):
    """Q grows with p all the way to where it diverges or p = 1, so that Q = 1 once."""
    largest = min(1.0, temperature / (math.sqrt(alpha) - 1) * (1 - 1e-9)) if alpha > 1 else 1.0
    squares = [_state(alpha, temperature, noise, p, 0.0).square for p in np.geomspace(1e-12, largest, 300)]
    assert (np.diff(squares) > -1e-12 * np.abs(squares[1:])).all()
    assert squares[0] < 1 <= squares[-1] * (1 + 1e-9)
