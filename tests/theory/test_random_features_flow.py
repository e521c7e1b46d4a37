"""Gradient flow on random features: its end is regression on them, its start is known, its descents in time."""

import doctest

import numpy as np
import pytest

from tsmech.errors import InputError
from tsmech.theory import random_features_flow
from tsmech.theory.fields.hermite import hermite_constants
from tsmech.theory.random_features import errors
from tsmech.theory.random_features_flow import features_spectrum, learning_curve

RELU, LINEAR = hermite_constants("relu"), hermite_constants("linear")


def test_examples() -> None:
    assert doctest.testmod(random_features_flow) == (0, 3)


@pytest.mark.parametrize(
    ("alpha", "psi", "penalty", "name"),
    [(2.0, 1.0, 0.0, "relu"), (0.5, 3.0, 0.1, "tanh"), (1.0, 0.4, 0.0, "erf"), (20.0, 1.5, 0.01, "relu"),
     (0.5, 3.0, 0.0, "linear"), (2.0, 5.0, 0.2, "linear")],
)  # fmt: skip
def test_its_end_is_regression_on_the_features(alpha: float, psi: float, penalty: float, name: str) -> None:
    """The rational functions of `random_features`, with which it shares no formula."""
    constants = hermite_constants(name)
    found = learning_curve(1e9, alpha, psi, constants, 0.5, signal=1.3, nonlinearity=0.1, penalty=penalty)
    expected = errors(alpha, psi, penalty, constants, 0.5, 1.3, 0.1)
    for key, value in found.items():
        assert float(value) == pytest.approx(float(expected[key]), rel=1e-6, abs=1e-7), key


def test_its_start_is_that_of_a_random_network() -> None:
    """An error V/2 + v₀ E[g²]/2, the mean of g left out."""
    found = learning_curve(0.0, 2.0, 3.0, RELU, 0.5, signal=1.2, initial_scale=2.0)
    assert float(found["generalization_error"]) == pytest.approx(1.2 / 2 + 4.0 * (RELU.linear**2 + RELU.rest) / 2)
    assert float(found["train_error"]) == pytest.approx(float(found["test_error"]))


@pytest.mark.parametrize("psi", [0.3, 1.0, 4.0])
def test_the_population_has_the_moments_of_the_features(psi: float) -> None:
    """Of μ₁² F Fᵀ/D + μ*²: mean μ₁² + μ*², variance μ₁⁴ ψ; the seen part of the teacher against its closed form."""
    spectrum = features_spectrum(psi, RELU, 1.3, 40)
    s, shares, _ = spectrum.varying
    m = RELU.linear**2
    assert shares @ s == pytest.approx(m + RELU.rest)
    assert shares @ s**2 - (shares @ s) ** 2 == pytest.approx(m**2 * psi)
    # what the best second layer misses: 1 - (1/D) tr A (A + ζ)^-1 at ζ = μ*²/μ₁², A = FᵀF/D, by ridge's fixed point
    zeta = RELU.rest / m
    b = zeta + 1 - psi
    missed = (b + np.sqrt(b * b + 4 * zeta * psi)) / 2  # κ of ζ = κ (ψ - 1/(1 + κ)), times ψ
    kappa = missed / psi
    assert spectrum.clean_variance == pytest.approx(1.3 / (1 + kappa), rel=1e-8)


def test_epoch_wise_double_descent_needs_a_start_and_a_small_penalty() -> None:
    times = np.geomspace(0.03, 1e3, 60)
    given = {"alpha": 2.0, "features": 8.0, "constants": RELU, "noise": 1.0}
    curve = learning_curve(times, **given, penalty=1e-3, initial_scale=1.5)["test_error"]
    turns = np.flatnonzero(np.diff(np.sign(np.diff(curve))))
    assert len(turns) == 2  # down, up, down
    bottom, top = curve[turns + 1]
    assert top > 1.1 * bottom
    assert curve[-1] < 0.95 * top
    for other in ({"penalty": 0.0, "initial_scale": 1.5}, {"penalty": 1e-3, "initial_scale": 0.0}):
        without = learning_curve(times, **given, **other)["test_error"]
        assert without[-1] > 0.999 * without[10:].max()
    penalised = learning_curve(times, **given, penalty=0.5, initial_scale=1.5)["test_error"]
    assert penalised[-1] == pytest.approx(penalised.min(), rel=1e-3)


@pytest.mark.parametrize(("name", "value"), [("alpha", 0.0), ("features", -1.0), ("penalty", -1.0), ("times", -1.0)])
def test_bad_numbers_are_named(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        learning_curve(**{"times": 1.0, "alpha": 1.0, "features": 1.0, "constants": RELU, name: value})
