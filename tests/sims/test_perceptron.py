"""Perceptrons at finite N: reductions in law, kernels against their definitions, equilibrium."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog

from tsmech.errors import ConvergenceError
from tsmech.sims import perceptron, version_space
from tsmech.sims.equilibrium import autocorrelation_time, judge
from tsmech.sims.separation import maximum_stability


def draws(function, count, seed, *arguments):
    rng = np.random.default_rng(seed)
    found = [function(*arguments, rng) for _ in range(count)]
    return {name: np.array([draw[name] for draw in found]) for name in found[0]}


@pytest.mark.parametrize("rule", perceptron.LINEAR)
@pytest.mark.parametrize("examples", [1, 2, 3, 11, 12, 13, 30])
def test_reduced_and_direct_have_one_law(rule, examples):
    """Kolmogorov-Smirnov at N = 12 with P below, at and above N; at a level of 1e-4 the 42 tests fail once in 240."""
    one = draws(perceptron.draw_reduced, 700, 1, rule, examples, 0.15, 12)
    other = draws(perceptron.draw_direct, 700, 2, rule, examples, 0.15, 12)
    for name in ("R", "train_error", "stability"):
        assert stats.ks_2samp(one[name], other[name]).pvalue > 1e-4, name


def test_a_wrong_reduction_would_be_noticed(monkeypatch):
    """The negative control: one degree of freedom too many in the Wishart matrix."""
    right = perceptron.wishart
    monkeypatch.setattr(perceptron, "wishart", lambda degrees, rng: right(degrees + 1, rng))
    one = draws(perceptron.draw_reduced, 700, 1, "pseudo_inverse", 11, 0.15, 12)
    other = draws(perceptron.draw_direct, 700, 2, "pseudo_inverse", 11, 0.15, 12)
    assert stats.ks_2samp(one["stability"], other["stability"]).pvalue < 1e-4


def test_least_squares_is_numpy_s():
    rng = np.random.default_rng(0)
    for P, N in ((3, 8), (8, 8), (20, 8), (1, 5)):
        X, y = rng.standard_normal((P, N)), rng.choice([-1.0, 1.0], P)
        expected = np.linalg.lstsq(X, y, rcond=None)[0]
        np.testing.assert_allclose(perceptron._least_squares(X, y), expected, rtol=1e-8, atol=1e-10)


def test_the_maximum_stability_is_that_of_another_program():
    """Bisection in κ by linear programmes cannot be had on the sphere; the margin of a soft machine of large C can."""
    svm = pytest.importorskip("sklearn.svm")
    rng = np.random.default_rng(3)
    for P, N in ((5, 20), (30, 20), (60, 40)):
        drawn = perceptron.draw_examples(P, 0.0, N, rng)
        found = maximum_stability(drawn.oriented)
        machine = svm.SVC(C=1e9, kernel="linear", tol=1e-8).fit(
            np.vstack([drawn.oriented, -drawn.oriented]), np.repeat([1, -1], P)
        )  # both copies: the hyperplane goes through zero
        w = machine.coef_[0]
        assert found.stability == pytest.approx((drawn.oriented @ w).min() / np.linalg.norm(w), rel=1e-5)
        assert found.gap < 1e-8


def test_examples_that_cannot_be_separated_are_known():
    rng = np.random.default_rng(4)
    seen = set()
    for _ in range(30):
        Z = rng.standard_normal((16, 8))
        programme = linprog(np.zeros(8), A_ub=-Z, b_ub=-np.ones(16), bounds=[(None, None)] * 8)
        assert (maximum_stability(Z) is not None) == (programme.status == 0)
        seen.add(programme.status == 0)
    assert seen == {True, False}
    with pytest.raises(ConvergenceError, match="no student separates"):
        perceptron.draw_direct("max_stability", 40, 0.4, 5, rng)


# Monte Carlo


def reference_rotation(w, v, Z, beta):
    """A quarter turn by its definition: find the next event by its angle, rotate everything, change the velocity."""
    left, last = math.pi / 2, -1
    while True:
        h, g = Z @ w, Z @ v
        angles = np.mod(np.arctan2(h, -g), np.pi)
        if last >= 0:
            angles[last] = np.pi
        at = int(np.argmin(angles))
        turn = min(angles[at], left)
        w, v = w * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - w * np.sin(turn)
        left -= turn
        if left <= 0 or angles[at] > turn:
            return w
        speed, square = Z[at] @ v, Z[at] @ Z[at]
        if speed > 0:
            after = math.sqrt(speed**2 + 2 * beta * square)
        elif speed**2 > 2 * beta * square:
            after = -math.sqrt(speed**2 - 2 * beta * square)
        else:
            after = -speed
        v = v + (after - speed) / square * Z[at]
        last = at


@pytest.mark.parametrize("beta", [0.0, 0.7, version_space.COLD])
def test_a_rotation_is_the_plain_one(beta):
    rng = np.random.default_rng(5)
    for P, N in ((1, 3), (6, 5), (25, 12)):
        drawn = perceptron.draw_examples(P, 0.0, N, rng)
        Z, w, v = drawn.oriented, drawn.teacher * math.sqrt(N), rng.standard_normal(N)
        pulls, kicks = np.empty(P), np.empty(P)
        events = version_space.rotate(Z @ w, Z @ v, Z @ Z.T, beta, pulls, kicks)
        expected = reference_rotation(w, v, Z, beta)
        np.testing.assert_allclose(v + kicks @ Z, expected, atol=1e-9)
        assert events > 0 or P < 6
        if beta == version_space.COLD:
            assert (Z @ expected > -1e-9).all()


@pytest.mark.parametrize("temperature", [0.0, 0.6])
def test_the_chain_has_the_gibbs_law(temperature):
    """In the plane the law of the angle is known: arcs between the examples' lines, each weighted by its energy.

    16 000 students against the exact shares of 40 bins; each within 4.5 standard errors of independent draws times
    the root of twice the autocorrelation time.
    """
    rng = np.random.default_rng(6)
    drawn = perceptron.draw_examples(5, 0.0, 2, rng)
    chain = version_space.sample(drawn.oriented, drawn.teacher, drawn.teacher, temperature, (100, 16_000), rng)
    grid = (np.arange(40_000) + 0.5) / 40_000 * 2 * np.pi
    energy = (drawn.oriented @ np.array([np.cos(grid), np.sin(grid)]) < 0).sum(axis=0)
    weight = (energy == 0) * 1.0 if temperature == 0 else np.exp(-energy / temperature)
    exact = weight.reshape(40, -1).sum(axis=1) / weight.sum()
    angles = np.mod(np.arctan2(chain.students[:, 1], chain.students[:, 0]), 2 * np.pi)
    found = np.bincount((angles / (2 * np.pi) * 40).astype(int), minlength=40) / angles.size
    tau = autocorrelation_time(chain.overlaps)
    assert np.all(abs(found - exact) <= 4.5 * np.sqrt(2 * max(tau, 1.0) * exact / angles.size) + 1e-4)
    assert np.mean(energy * weight) / weight.mean() == pytest.approx(chain.errors.mean(), abs=0.1)


def test_autocorrelation_times_are_those_of_a_known_process():
    """x' = a x + noise has τ = ½ (1 + a)/(1 - a); 40 000 states give it to about √(2 (2 W + 1)/n) = 4 % and 7 %."""
    rng = np.random.default_rng(7)
    for a in (0.0, 0.5, 0.9):
        noise, x = rng.standard_normal(40_000), np.empty(40_000)
        x[0] = noise[0]
        for t in range(1, x.size):
            x[t] = a * x[t - 1] + noise[t]
        assert autocorrelation_time(x) == pytest.approx(0.5 * (1 + a) / (1 - a), rel=0.2)
    assert autocorrelation_time(np.ones(100)) == 0.5


def test_equilibrium_is_refused_where_chains_differ_or_began_too_late():
    rng = np.random.default_rng(8)
    x, y = rng.standard_normal((2, 400))
    assert judge(x, y, 100).equilibrated
    assert not judge(x, y + 1.0, 100).equilibrated
    assert not judge(x, y, 5).equilibrated
    assert not judge(x, np.ones(400) * 3, 100).equilibrated


def test_the_teacher_makes_errors_and_the_chain_starts_without():
    rng = np.random.default_rng(9)
    for _ in range(5):
        drawn = perceptron.draw_examples(30, 0.2, 30, rng)
        inside = maximum_stability(drawn.oriented)
        start = perceptron._first_without_error(drawn.oriented, drawn.teacher, inside.weights)
        assert (drawn.oriented @ start > 0).all()


def test_a_mean_of_students_is_biased_and_the_centre_is_not():
    """R of the mean of n = 4 students of one version space against eq. 23 with the q of that version space."""
    ensemble = perceptron.sample_gibbs(40, 0.0, 0.0, 40, 2000, np.random.default_rng(10))
    centre, few = ensemble.observe_centre(0.0), ensemble.observe_means(4, 0.0)
    q, R = few["q"], ensemble.observe(0.0)["R"]
    assert few["R"] == pytest.approx(4 * R / math.sqrt(4 + 12 * q), rel=0.01)
    assert centre["R"] == pytest.approx(R / math.sqrt(q), rel=0.01)
    assert centre["train_error"] == 0


def test_a_seed_gives_one_training_set():
    for rule, seed in itertools.product(perceptron.LINEAR, (1, 2)):
        one, same = (perceptron.draw_direct(rule, 30, 0.1, 20, np.random.default_rng(seed)) for _ in range(2))
        assert one == same
