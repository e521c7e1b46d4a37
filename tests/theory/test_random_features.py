"""Random features in the limit: against ridge regression by two routes that share no formula, limits and peaks."""

import doctest

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tsmech.errors import InputError
from tsmech.kernels.activations import Activation
from tsmech.theory import random_features, ridge
from tsmech.theory.fields import hermite
from tsmech.theory.fields.hermite import HermiteConstants, hermite_constants
from tsmech.theory.random_features import effective_sizes, errors, optimal_penalty
from tsmech.theory.spectra import Spectrum

RELU, ERF, LINEAR = (hermite_constants(name) for name in ("relu", "erf", "linear"))
PARTS = ("bias", "variance_noise", "variance_features", "variance_examples")
sizes = st.floats(-1, 1).map(lambda x: 10**x)
penalties = st.one_of(st.just(0.0), st.floats(-6, 2).map(lambda x: 10**x))


def test_examples() -> None:
    assert doctest.testmod(random_features) == (0, 5)
    assert doctest.testmod(hermite) == (0, 2)


def of_features(psi: float, constants: HermiteConstants, signal: float) -> tuple[Spectrum, float]:
    """Return the spectrum of n_f Ω with the teacher's weights in it, and the variance that it sees (note, section 3).

    Marchenko and Pastur's law of F Fᵀ/D by Gauss and Chebyshev's rule: exact but for 1e-12.
    """
    nodes = np.cos(np.pi * (np.arange(1600) + 0.5) / 1600)
    low, high = (psi**0.5 - 1) ** 2, (psi**0.5 + 1) ** 2
    x = (low + high) / 2 + (high - low) / 2 * nodes
    shares = ((high - low) / 2) ** 2 * (1 - nodes**2) / (2 * psi * x) / 1600  # density times √(1 - node²) π/1600
    x, shares = np.append(x, 0.0), np.append(shares, max(1 - 1 / psi, 0.0))
    s = constants.linear**2 * x + constants.rest
    t = psi * constants.linear**2 * x * signal / s**2
    return Spectrum(s, shares=shares / shares.sum(), teacher_weights=t), float(shares @ (t * s))


@settings(deadline=None, max_examples=40)
@given(sizes, sizes, penalties, st.sampled_from([RELU, ERF, HermiteConstants(0.0, 0.9, 1e-3)]), st.floats(0, 0.9))
@example(2.0, 1.5, 0.1, RELU, 0.3)
@example(1.0, 10**0.0078125, 0.0, RELU, 0.0)
def test_given_the_features_it_is_ridge_regression(
    alpha: float, psi: float, penalty: float, constants: HermiteConstants, hidden: float
) -> None:
    """Section 3 of the note backwards: the spectral fixed point of `ridge` at the features' covariance."""
    if abs(alpha / psi - 1) < 1e-2 or abs(psi - 1) < 1e-2:
        return  # the rule is not exact where the law has an edge at 0
    signal, noise = 1.3, 0.4
    spectrum, seen = of_features(psi, constants, (1 - hidden) * signal)
    spectrum = Spectrum(
        spectrum.eigenvalues, shares=spectrum.shares, teacher_weights=spectrum.teacher_weights * signal / seen
    )
    expected = ridge.spectral(alpha / psi, noise, penalty, spectrum, unseen=1 - seen / signal)
    found = errors(alpha, psi, penalty, constants, noise, signal, hidden)
    for name in ("generalization_error", "train_error"):
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-6, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(sizes, penalties, st.floats(0, 1))
@example(1.0, 0.0, 0.0)
@example(0.5, 0.0, 0.5)
def test_many_linear_features_are_ridge_regression(alpha: float, penalty: float, hidden: float) -> None:
    if 0.0 < abs(alpha - 1.0) < 1e-3:
        return  # so many features shift the threshold by 1e-12
    found = errors(alpha, 1e12, penalty, LINEAR, 0.5, 1.3, hidden)
    expected = ridge.isotropic(alpha, 0.5, penalty, 1.3, hidden)
    for name in ("generalization_error", "test_error", "train_error"):
        assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("penalty", [0.0, 0.3])
@pytest.mark.parametrize("psi", [0.5, 1.5, 4.0])
def test_infinitely_many_networks_are_ridge_regression_at_a_penalty_that_features_imply(
    psi: float, penalty: float
) -> None:
    """Section 4: the average over features is linear, with λ_r = κ [α - 1/(1 + κ)]; its peak is gone."""
    alpha = 1.5
    size = effective_sizes(alpha, psi, penalty, RELU)
    kappa = float(size.missed / (1 - size.missed))
    expected = ridge.isotropic(alpha, 0.5, kappa * (alpha - 1 / (1 + kappa)), 1.0, 0.2)
    found = errors(alpha, psi, penalty, RELU, 0.5, 1.0, 0.2, networks=1e30)
    if penalty == 0 and psi == alpha:
        assert found["generalization_error"] == np.inf
        return
    assert float(found["generalization_error"]) == pytest.approx(float(expected["generalization_error"]), rel=1e-10)


def test_the_effective_penalty_solves_its_equation() -> None:
    alpha, psi, lam = np.meshgrid([0.1, 1.0, 5.0], [0.2, 1.0, 30.0], [1e-12, 1e-3, 1.0, 1e6])
    for constants in (RELU, ERF, LINEAR, HermiteConstants(1.0, 0.0, 0.5)):
        size = effective_sizes(alpha, psi, lam, constants)
        m = constants.linear**2
        k = constants.rest / size.curved if constants.rest else m * size.missed / (1 - size.missed)
        np.testing.assert_allclose(k * size.over_examples * size.over_features, psi * lam, rtol=1e-9)
        np.testing.assert_allclose(size.over_examples, alpha - (1 - size.missed) - size.curved, atol=1e-9 * alpha.max())
        assert (size.over_examples > 0).all()
        assert (size.over_features > 0).all()


@given(sizes, sizes, penalties, st.floats(0, 1), st.integers(1, 9))
@settings(deadline=None, max_examples=60)
def test_the_components_sum_and_none_is_negative(
    alpha: float, psi: float, penalty: float, hidden: float, networks: int
) -> None:
    found = errors(alpha, psi, penalty, RELU, 0.7, 1.0, hidden, networks)
    assert all(found[name] >= 0 for name in (*PARTS, "train_error"))
    total = sum(float(found[name]) for name in PARTS)
    assert float(found["generalization_error"]) == pytest.approx(total, rel=1e-12)
    if np.isfinite(total):
        ratio = float(found["train_error"] / found["test_error"])
        size = effective_sizes(alpha, psi, penalty, RELU)
        assert ratio == pytest.approx(float(size.over_examples / alpha) ** 2, rel=1e-9, abs=1e-30)


def test_the_threshold_is_infinite_and_small_penalties_lead_to_the_minimum_norm() -> None:
    at = errors(2.0, 2.0, 0.0, RELU, 0.5)
    assert at["generalization_error"] == at["variance_noise"] == at["variance_features"] == np.inf
    assert at["train_error"] == 0.0
    assert np.isfinite([at["bias"], at["variance_examples"]]).all()
    assert np.isfinite(errors(2.0, 2.0, 1e-12, RELU, 0.5)["generalization_error"])
    for alpha, psi in ((1.0, 2.0), (2.0, 0.9), (0.5, 0.6)):
        for constants in (RELU, LINEAR):
            if alpha == 1.0 and constants is LINEAR:
                continue  # its own threshold
            ends = [errors(alpha, psi, penalty, constants, 0.5, 1.0, 0.1) for penalty in (0.0, 1e-13)]
            for name, value in ends[0].items():
                assert float(ends[1][name]) == pytest.approx(float(value), rel=1e-9, abs=1e-11), name


def test_limits_of_linear_features_without_a_penalty() -> None:
    """Where all ratios are 0/0: many examples and features recover the teacher, P = D is ridge's threshold."""
    exact = errors(2.0, [1.0, 2.0, 5.0], 0.0, LINEAR, 0.0)
    assert (exact["generalization_error"] == 0.0).all()
    noisy = errors([2.0, 1.0], [1.0, 3.0], 0.0, LINEAR, 0.5)
    assert noisy["generalization_error"].tolist() == [pytest.approx(0.125), np.inf]
    # α = ψ = 1: λ = k³, and three equal terms in Δ leave a third of the teacher to the features
    both = errors(1.0, 1.0, 0.0, LINEAR, 0.0)
    assert float(both["generalization_error"]) == pytest.approx(1 / 6)
    near = errors(1.0, 1.0, 1e-15, LINEAR, 0.0)
    assert float(near["generalization_error"]) == pytest.approx(1 / 6, rel=1e-4)


@pytest.mark.parametrize(
    "constants", [RELU, LINEAR, HermiteConstants(0.0, 0.9, 1e-12), HermiteConstants(1.0, 0.0, 0.5)]
)
def test_extreme_sizes_are_numbers(constants: HermiteConstants) -> None:
    """Neither NaN nor a warning, and the train error is the test error's share δ_α²/α², to rounding."""
    ends = [1e-15, 1e-6, 1 - 1e-9, 1.0, 1 + 1e-15, 1e6, 1e15]
    alpha, psi, lam = np.meshgrid(ends, ends, [0.0, 1e-100, 1e-12, 1.0, 1e15])
    found = errors(alpha, psi, lam, constants, 0.5, 1.0, 0.1)
    for name, values in found.items():
        assert not np.isnan(values).any(), name
        assert (values >= 0).all(), name
    assert np.isfinite(found["train_error"]).all()
    assert (found["train_error"] <= found["test_error"] * (1 + 1e-9)).all()


# What must come out ------------------------------------------------------------------------------------------


def peaks(values: np.ndarray) -> list[int]:
    return [i for i in range(1, len(values) - 1) if values[i - 1] < values[i] > values[i + 1]]


@pytest.mark.parametrize("along", ["alpha", "features"])
def test_double_descent_peaks_where_features_meet_examples(along: str) -> None:
    grid = np.geomspace(0.1, 20, 200)
    arguments = {"alpha": 2.0, "features": 2.0, along: grid}
    found = errors(arguments["alpha"], arguments["features"], 1e-6, RELU, 0.5)["test_error"]
    (peak,) = peaks(found)
    assert grid[peak] == pytest.approx(2.0, rel=0.03)
    best = [optimal_penalty(**{"alpha": 2.0, "features": 2.0, along: x}, constants=RELU, noise=0.5) for x in grid[::10]]
    arguments[along] = grid[::10]
    removed = errors(arguments["alpha"], arguments["features"], best, RELU, 0.5)["test_error"]
    assert (np.diff(removed) < 1e-9).all()


def test_a_nearly_linear_activation_has_a_second_peak() -> None:
    """Triple descent: at P = D and at P = n_f; ReLU has the second alone."""
    grid = np.geomspace(0.1, 50, 400)
    tanh = errors(grid, 5.0, 1e-9, hermite_constants("tanh"), 2.0)["test_error"]
    relu = errors(grid, 5.0, 1e-9, RELU, 2.0)["test_error"]
    linear, curved = peaks(tanh)
    assert grid[linear] == pytest.approx(1.0, rel=0.2)
    assert grid[curved] == pytest.approx(5.0, rel=0.02)
    assert [grid[i] for i in peaks(relu)] == [pytest.approx(5.0, rel=0.02)]


def test_the_best_penalty_is_the_best() -> None:
    for alpha, psi in ((2.0, 2.0), (0.5, 3.0), (5.0, 0.5)):
        best = optimal_penalty(alpha, psi, RELU, 0.5, 1.0, 0.1, networks=2)
        others = best * np.array([1.0, 0.9, 1.1, 0.1, 10.0])
        found = errors(alpha, psi, np.append(others, 0.0), RELU, 0.5, 1.0, 0.1, 2)["generalization_error"]
        assert np.argmin(found) == 0
    assert optimal_penalty(2.0, 1e9, LINEAR, 0.5, 1.5) == pytest.approx(0.25 / 1.5, rel=1e-6)
    assert optimal_penalty(2.0, 1.0, RELU, 0.5, nonlinearity=1.0) == np.inf
    assert optimal_penalty(2.0, 1.0, HermiteConstants(0.0, 0.0, 1.0), 0.5) == np.inf
    assert optimal_penalty(2.0, 1e6, LINEAR, 0.0) == 0.0


# The activation's constants ----------------------------------------------------------------------------------


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def step(x: np.ndarray) -> np.ndarray:
    return (x > 0.0) * 1.0


def bent(x: np.ndarray) -> np.ndarray:
    return np.maximum(x - 0.37, 0.0)


def test_constants_by_quadrature_are_those_in_closed_form() -> None:
    from scipy.special import ndtr

    found = hermite_constants(Activation("own relu", relu, step))
    np.testing.assert_allclose(found, RELU, rtol=1e-12)
    kinked = hermite_constants(Activation("bent", bent, lambda x: (x > 0.37) * 1.0))
    assert kinked.linear == pytest.approx(float(ndtr(-0.37)), rel=1e-12)  # E[g']
    tanh = hermite_constants("tanh")
    grid = np.linspace(-12, 12, 4001)
    weight = np.exp(-(grid**2) / 2) * 0.006 / np.sqrt(2 * np.pi)
    assert tanh.linear == pytest.approx(float(weight @ (1 / np.cosh(grid) ** 2)), rel=1e-10)
    assert tanh.rest == pytest.approx(float(weight @ np.tanh(grid) ** 2) - tanh.linear**2, rel=1e-8)


def test_a_constant_is_no_activation() -> None:
    with pytest.raises(InputError, match="constant"):
        hermite_constants(Activation("flat", lambda x: 0.0 * x + 2.0, lambda x: 0.0 * x))


@pytest.mark.parametrize(
    ("name", "value"), [("alpha", 0.0), ("features", -1.0), ("penalty", -1e-3), ("noise", -1.0), ("networks", 0)]
)
def test_bad_numbers_are_named(name: str, value: float) -> None:
    arguments = {"alpha": 1.0, "features": 1.0, "penalty": 0.1, "constants": RELU, name: value}
    with pytest.raises(InputError, match=name):
        errors(**arguments)
