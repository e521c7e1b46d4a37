"""Averages of activations of one's own, and of tanh: right values by other routes, and refusals where rules differ."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tests.rules import by_keywords
from tsmech.errors import ConvergenceError, InputError
from tsmech.kernels.activations import functions
from tsmech.kernels.schedules import constant
from tsmech.theory import online_sgd
from tsmech.theory.fields.kinks import kinks
from tsmech.theory.fields.lattice import Lattice
from tsmech.theory.fields.mixtures import Mixture, TwoSlopes, parts, two_slopes
from tsmech.theory.fields.panels import Panels, Unit
from tsmech.theory.fields.quadrature import PANELS, Quadrature
from tsmech.theory.online_sgd import critical_learning_rate, generalization_error
from tsmech.theory.overlaps import measured

integrate = by_keywords(online_sgd.integrate)

STEP = (lambda x: (x > 0.0) * 1.0, lambda x: 0.0 * x)
SIZE = (np.abs, np.sign)
TANH = functions("tanh")


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
    units = {"student": activation, "teacher": activation}
    found = generalization_error(Q, R, T, [1.0], [1.0], independent=independent, **units)
    assert found == pytest.approx(error, rel=1e-6)


@pytest.mark.parametrize("activation", ["tanh", TANH])
def test_wide_tanh_far_from_the_start(activation):
    """From erf parts and from quadrature of tanh itself, at T = 4: 56 % off with 32 nodes."""
    found = integrate(
        [[4.0]], [[0.4]], [[4.0]], [1.0], [1.0], student=activation, teacher=activation,
        schedule=constant(1.0), alphas=[5.0, 20.0],
    )  # fmt: skip
    np.testing.assert_allclose(found.generalization_error, [0.26468807, 0.00305374665], rtol=1e-6)


@pytest.mark.parametrize(("T", "Q", "R"), [(4.0, 4.0, 0.4), (1.0, 0.5, 0.3)])
def test_wide_tanh_by_an_integration_of_its_own(T, Q, R):
    """K = M = 1 by plain trapezoids in the plane of both fields and a Runge-Kutta method: nothing is shared.

    Three averages are all there is: E[g' Δ λ], E[g' Δ ρ] and E[g'² Δ²], λ = √Q z and ρ given it; step 0.1 to ±8.
    """
    z = np.arange(-8.0, 8.05, 0.1)
    weight = np.outer(np.exp(-0.5 * z**2), np.exp(-0.5 * z**2))
    weight /= weight.sum()

    def velocity(_, state):
        q, r = state
        own = np.sqrt(q) * z[:, None]
        other = r / np.sqrt(q) * z[:, None] + np.sqrt(max(T - r * r / q, 0.0)) * z
        delta, slope = np.tanh(own) - np.tanh(other), 1.0 - np.tanh(own) ** 2
        pull = weight * slope * delta
        return [-2.0 * (pull * own).sum() + (weight * (slope * delta) ** 2).sum(), -(pull * other).sum()]

    times = [0.0, 5.0, 20.0]
    end = solve_ivp(velocity, (0.0, 20.0), [Q, R], t_eval=times, method="DOP853", rtol=1e-10, atol=1e-12).y
    run = integrate(
        [[Q]], [[R]], [[T]], [1.0], [1.0], student="tanh", teacher="tanh",
        schedule=constant(1.0), alphas=times,
    )  # fmt: skip
    np.testing.assert_allclose([run.Q[:, 0, 0], run.R[:, 0, 0]], end, rtol=1e-6)
    if T == 4.0:
        np.testing.assert_allclose(run.generalization_error[1:], [0.264689, 0.00305375], rtol=4e-6)


def test_a_student_without_a_slope_stays_still():
    """A step has slope zero: no gradient moves it, whatever it jumps; one with another slope is refused."""
    start = [[1.0, 0.2], [0.2, 0.7]], [[0.5], [0.1]], [[1.0]], [1.0, 0.5], [1.0]
    options = {"schedule": constant(0.5), "noise": 0.2, "alphas": [0.0, 3.0]}
    run = integrate(*start, student=STEP, teacher=SIZE, **options)
    np.testing.assert_allclose(run.Q, np.tile(start[0], (2, 1, 1)), rtol=1e-14)
    np.testing.assert_allclose(run.R, np.tile(start[1], (2, 1, 1)), rtol=1e-14)
    assert run.generalization_error[0] == pytest.approx(run.generalization_error[1], rel=1e-12)
    tilted = (lambda x: (x > 0.5) * 1.0 + 0.1 * x, lambda x: 0.1 + 0.0 * x)
    with pytest.raises(InputError, match=r"jumps at x = 0\.5, which gradient descent does not see") as refused:
        integrate(*start, student=tilted, teacher=SIZE, **options)
    assert "\n" not in str(refused.value)


def test_functions_that_grow_too_fast_diverge_in_finite_time():
    """exp, cubes: Q reaches infinity at the alpha to which dα/dQ integrates, E of exponentials in closed form."""

    def squares(Q, R, T):  # E[g'² Δ²], E[g' Δ λ], E[g' Δ ρ] of exp: E[e^y] = e^{var y / 2}, E[e^y x] = cov(x, y) e^{..}
        F = np.exp(8.0 * Q) - 2.0 * np.exp(0.5 * (9.0 * Q + 6.0 * R + T)) + np.exp(2.0 * (Q + R * 2.0 + T))
        mixed = np.exp(0.5 * (Q + 2.0 * R + T))
        return F, 2.0 * Q * np.exp(2.0 * Q) - (Q + R) * mixed, 2.0 * R * np.exp(2.0 * Q) - (R + T) * mixed

    def rates(_, state):  # in Q, which grows, as the variable: dα/dQ and dR/dQ
        F, own, other = squares(_, state[1], 1.0)
        dQ = -2.0 * eta * own + eta * eta * F
        return [1.0 / dQ, -eta * other / dQ]

    eta = 2.0
    end = solve_ivp(rates, (0.5, 5.0), [0.0, 0.3], method="DOP853", rtol=1e-10, atol=1e-14).y[0, -1]
    run = integrate(
        [[0.5]], [[0.3]], [[1.0]], [1.0], [1.0], student=(np.exp, np.exp),
        teacher=(np.exp, np.exp), schedule=constant(eta), alphas=[0.0, 1.0],
    )  # fmt: skip
    assert run.alpha.tolist() == [0.0]
    assert run.diverged_at == pytest.approx(end, rel=1e-5)  # the accuracy of F


def test_critical_rate_of_tanh():
    assert critical_learning_rate("tanh", 4.0) == pytest.approx(2.85612, rel=2e-6)
    assert critical_learning_rate(TANH, 4.0) == pytest.approx(2.85612, rel=2e-6)
    assert critical_learning_rate("leaky_relu") == pytest.approx(2 * 1.0001 / 1.00000001)


def test_kinks_are_found_and_smooth_functions_have_none():
    assert kinks(*SIZE).tolist() == [0.0]
    np.testing.assert_allclose(kinks(lambda x: np.clip(x, -1, 0.3), lambda x: ((x > -1) & (x < 0.3)) * 1.0), [-1, 0.3])
    for smooth in ("tanh", "erf", "quadratic", "linear"):
        assert kinks(*functions(smooth)).size == 0


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


@pytest.mark.slow
def test_simulations_measure_kinks_by_a_rule_of_their_own():
    """Clipped and jumping functions, kinks at zero and elsewhere, fields near to parallel and opposite: 1e-9."""
    clip = (lambda x: np.clip(x, -1.0, 0.3), lambda x: ((x > -1.0) & (x < 0.3)) * 1.0)
    gate = (lambda x: (x > 0.4) * 1.0, lambda x: 0.0 * x)
    rng = np.random.default_rng(2)
    for student, teacher in ((clip, clip), (gate, SIZE), (TANH, gate), (STEP, clip)):
        for near in (1.0, 1e-2, 1e-5):
            W = np.concatenate([W := rng.normal(size=(2, 4)), [[1.0], [-1.0]] * W + near * rng.normal(size=(2, 4))])
            C, c = W @ W.T, np.array([1.0, 0.7, -1.0, 0.5])
            theirs = Panels(Unit(*student), Unit(*teacher), *PANELS[2]).squared_output(C, c, 2)
            assert Lattice(student, teacher).squared_output(C, c, 2) == pytest.approx(theirs, abs=1e-8)
    assert not isinstance(measured(clip, gate), Quadrature)


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "K", "starts", "rate", "end", "last"),
    [
        ("leaky_relu", 2, 6, 0.5, 300, 1e-12),
        pytest.param("leaky_relu", 2, 40, 0.5, 300, 1e-12, marks=pytest.mark.slow),
        ("tanh", 1, 6, 1.0, 120, 1e-14),
        pytest.param("tanh", 2, 3, 1.0, 300, 1e-11, marks=pytest.mark.slow),
    ],
)
def test_errors_of_sums_fall_from_every_start(name, K, starts, rate, end, last):
    """Starts of N = 1000: ε_g falls at each of 300 times, and is never 0."""
    for seed in range(starts):
        rng = np.random.default_rng(seed)
        w, b = rng.normal(size=(K, 1000)), np.linalg.qr(rng.normal(size=(1000, K)))[0].T * np.sqrt(1000)
        run = integrate(
            w @ w.T / 1000, w @ b.T / 1000, np.eye(K), np.ones(K), np.ones(K), student=name,
            teacher=name, schedule=constant(rate), alphas=np.linspace(0.0, end, 301),
        )  # fmt: skip
        assert (np.diff(run.generalization_error) < 0).all()
        assert 0 < run.generalization_error[-1] < last


@pytest.mark.slow
@pytest.mark.parametrize("pair", [TANH, (lambda x: np.clip(x, -1.0, 1.0), lambda x: (np.abs(x) < 1.0) * 1.0)])
def test_a_pair_is_learnt_down_to_what_its_rules_see_and_rests_there(pair):
    """1e-11 of E[φ²]: below it the solver followed the rules' rounding, without end."""
    run = integrate(
        [[0.5]], [[0.3]], [[1.0]], [1.0], [1.0], student=pair, teacher=pair,
        schedule=constant(1.0), alphas=[0.0, 20.0, 40.0, 300.0, 1e7],
    )  # fmt: skip
    assert (np.diff(run.generalization_error[:4]) < 0).all()
    assert 0 < run.generalization_error[3] == run.generalization_error[4] < 1e-11


def test_what_no_rule_resolves_is_an_error_and_no_number():
    sharp = (lambda x: np.tanh(300.0 * x), lambda x: 300.0 / np.cosh(np.minimum(300.0 * np.abs(x), 300.0)) ** 2)
    with pytest.raises(ConvergenceError, match="are known to") as refused:
        generalization_error([[1.0]], [[0.5]], [[1.0]], [1.0], [1.0], student=sharp, teacher=sharp)
    assert "\n" not in str(refused.value)
