"""Averages of activations of one's own, and of tanh: right values by other routes, and refusals where rules differ."""

import numpy as np
import pytest

from tsmech.errors import ConvergenceError
from tsmech.kernels.schedules import constant
from tsmech.theory.fields.kinks import kinks
from tsmech.theory.fields.mixtures import Mixture, TwoSlopes, parts, two_slopes
from tsmech.theory.fields.panels import Panels, Unit
from tsmech.theory.fields.quadrature import FUNCTIONS
from tsmech.theory.online_sgd import critical_learning_rate, generalization_error, integrate

STEP = (lambda x: (x > 0.0) * 1.0, lambda x: 0.0 * x)
SIZE = (np.abs, np.sign)
TANH = FUNCTIONS["tanh"]


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize(
    ("activation", "overlaps", "error"),
    [
        (SIZE, (1.0, 0.5, 1.0), 0.28200444),
        (STEP, (1.0, 0.5, 1.0), 1 / 6),
        (TANH, (9.0, 4.5, 9.0), 0.44150449),
        (TANH, (9.0, 8.99, 9.0), 0.001735576),
        ("tanh", (9.0, 4.5, 9.0), 0.44150449),
        ("tanh", (9.0, 8.99, 9.0), 0.001735576),
    ],
)
def test_errors_of_functions_with_kinks_and_of_wide_fields(activation, overlaps, error, independent):
    """By the rule of the ODEs and by the one of simulations; Gauss-Hermite with 32 nodes was 10 % off."""
    Q, R, T = ([[value]] for value in overlaps)
    units = {"student_activation": activation, "teacher_activation": activation}
    found = generalization_error(Q, R, T, [1.0], [1.0], independent=independent, **units)
    assert found == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize("activation", ["tanh", TANH])
def test_wide_tanh_far_from_the_start(activation):
    """From erf parts and from quadrature of tanh itself, at T = 4: 56 % off with 32 nodes."""
    found = integrate(
        [[4.0]], [[0.4]], [[4.0]], [1.0], [1.0], student_activation=activation, teacher_activation=activation,
        schedule=constant(1.0), alphas=[5.0, 20.0],
    )  # fmt: skip
    np.testing.assert_allclose(found.generalization_error, [0.26468807, 0.00305374665], rtol=1e-6)


def test_critical_rate_of_tanh():
    assert critical_learning_rate("tanh", 4.0) == pytest.approx(2.85612, rel=2e-6)
    assert critical_learning_rate(TANH, 4.0) == pytest.approx(2.85612, rel=2e-6)
    assert critical_learning_rate("leaky_relu") == pytest.approx(2 * 1.0001 / 1.00000001)


def test_kinks_are_found_and_smooth_functions_have_none():
    assert kinks(*SIZE).tolist() == [0.0]
    np.testing.assert_allclose(kinks(lambda x: np.clip(x, -1, 0.3), lambda x: ((x > -1) & (x < 0.3)) * 1.0), [-1, 0.3])
    for smooth in ("tanh", "erf", "quadratic", "linear"):
        assert kinks(*FUNCTIONS[smooth]).size == 0


LEAKY, BOTH_SIDES = parts("leaky_relu"), two_slopes(-0.7, 0.4)


def network(seed, distance=None):
    """Coordinates X, S of two students and two teachers, their covariance and c; students near to the teachers."""
    rng = np.random.default_rng(seed)
    W, c = rng.normal(size=(4, 4)) / 2, np.array([1.0, 0.7, -1.0, -0.5])
    W[2:, 2:] = 0.0
    if distance is not None:
        W[:2] = W[2:] + distance * rng.normal(size=(2, 4))
        c[:2] = -c[2:] + distance * rng.normal(size=2)
    return W[:, :2], W[:2, 2:] @ W[:2, 2:].T, W @ W.T, c


@pytest.mark.parametrize("unit", [LEAKY, BOTH_SIDES, two_slopes(0.0, 1.0)])
def test_closed_forms_of_two_slopes_agree_with_panels_and_with_pairs_of_relus(unit):
    """s x + r x₊ by half-spaces, as the sum of two ReLUs, and by integration: three routes."""
    left, right = unit.slopes[0], sum(unit.slopes)
    pair = Unit(lambda x: np.where(x > 0, right * x, left * x), lambda x: np.where(x > 0, right, left))
    exact, rule = TwoSlopes(unit.slopes, unit.slopes), Panels(pair, pair, 10.0, 14, 10)
    X, S, C, c = network(3)
    assert exact.squared_output(C, c, 2) == pytest.approx(rule.squared_output(C, c, 2), rel=1e-9)
    *drift, F = exact.moving(X, S, C, c, 2)
    for mine, theirs in zip(drift, rule.drift_averages(C, c, 2), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-8)
    np.testing.assert_allclose(F, rule.fluctuation(C, c, 2), rtol=1e-3)
    for mine, theirs in zip((*drift, F), Mixture(unit, unit).moving(X, S, C, c, 2), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("unit", [LEAKY, BOTH_SIDES, parts("tanh")])
def test_small_deviations_of_sums_keep_their_digits(unit):
    """Over the squared distance E[Δ²] and F have limits; moments that cancel are lost at 1e-8."""
    mean = TwoSlopes(unit.slopes, unit.slopes) if unit.slopes else Mixture(unit, unit)

    def scaled(distance):
        X, S, C, c = network(1, distance)
        return np.append(mean.moving(X, S, C, c, 2)[3].ravel(), mean.mean_square(X, S, C, c, 2)) / distance**2

    X, S, C, c = network(1, 1e-3)
    assert mean.mean_square(X, S, C, c, 2) == pytest.approx(mean.squared_output(C, c, 2), rel=1e-6)
    limit = scaled(1e-5)
    assert (limit[[0, 3, 4]] > 0).all()
    for distance in (1e-6, 1e-8, 1e-9):
        np.testing.assert_allclose(scaled(distance), limit, rtol=0, atol=1e-3 * abs(limit).max())


@pytest.mark.parametrize(
    ("name", "starts"),
    [
        ("leaky_relu", 2),
        ("tanh", 1),
        pytest.param("leaky_relu", 12, marks=pytest.mark.slow),
        pytest.param("tanh", 5, marks=pytest.mark.slow),
    ],
)
def test_errors_of_sums_fall_from_every_start(name, starts):
    """Starts of N = 1000: ε_g falls at each time, to 1e-10 and less of the start's, and is never 0."""
    for seed in range(starts):
        rng = np.random.default_rng(seed)
        w, b = rng.normal(size=(2, 1000)), np.linalg.qr(rng.normal(size=(1000, 2)))[0].T * np.sqrt(1000)
        run = integrate(
            w @ w.T / 1000, w @ b.T / 1000, np.eye(2), np.ones(2), np.ones(2), student_activation=name,
            teacher_activation=name, schedule=constant(0.5), alphas=np.arange(501.0),
        )  # fmt: skip
        assert (np.diff(run.generalization_error) < 0).all()
        assert 0 < run.generalization_error[-1] < 1e-10


def test_what_no_rule_resolves_is_an_error_and_no_number():
    sharp = (lambda x: np.tanh(300.0 * x), lambda x: 300.0 / np.cosh(np.minimum(300.0 * np.abs(x), 300.0)) ** 2)
    with pytest.raises(ConvergenceError, match="are known to") as refused:
        generalization_error(
            [[1.0]], [[0.5]], [[1.0]], [1.0], [1.0], student_activation=sharp, teacher_activation=sharp
        )
    assert "\n" not in str(refused.value)
