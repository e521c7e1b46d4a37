"""Averages of activations of one's own, and of tanh: right values by other routes, and refusals where rules differ."""

import numpy as np
import pytest

from tsmech.errors import ConvergenceError
from tsmech.kernels.schedules import constant
from tsmech.theory.fields.kinks import kinks
from tsmech.theory.fields.mixtures import Mixture, parts
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


def test_closed_forms_of_leaky_relu_agree_with_panels():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(4, 6)) / 2
    C, c, K = X @ X.T, np.array([1.0, 0.7, -1.0, -0.5]), 2
    unit = Unit(*FUNCTIONS["leaky_relu"])
    exact, rule = Mixture(parts("leaky_relu"), parts("leaky_relu")), Panels(unit, unit, 10.0, 14, 10)
    assert rule.squared_output(C, c, K) == pytest.approx(exact.squared_output(C, c, K), rel=1e-9)
    for mine, theirs in zip(rule.drift_averages(C, c, K), exact.drift_averages(C, c, K), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-8)
    np.testing.assert_allclose(rule.fluctuation(C, c, K), exact.fluctuation(C, c, K), rtol=1e-3)


def test_what_no_rule_resolves_is_an_error_and_no_number():
    sharp = (lambda x: np.tanh(300.0 * x), lambda x: 300.0 / np.cosh(np.minimum(300.0 * np.abs(x), 300.0)) ** 2)
    with pytest.raises(ConvergenceError, match="are known to") as refused:
        generalization_error(
            [[1.0]], [[0.5]], [[1.0]], [1.0], [1.0], student_activation=sharp, teacher_activation=sharp
        )
    assert "\n" not in str(refused.value)
