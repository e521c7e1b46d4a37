"""Rules of a spherical perceptron: published numbers, limits, and gradients of the free energy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import root

from tsmech.errors import InputError
from tsmech.theory.perceptron import (
    annealed,
    bayes,
    hebb,
    high_temperature,
    maximum_stability,
    pseudo_inverse,
    quenched,
    separability_threshold,
)
from tsmech.theory.perceptron.gibbs import _conjugates, _order, bayes_temperature, free_energy
from tsmech.theory.stabilities import disagreement


def error(state):
    return float(disagreement(state.R, state.distance))


def test_published_numbers():
    """Gibbs and Bayes at alpha = 1 (Györgyi & Tishby 1990; Opper & Haussler 1991), and Opper et al. 1990."""
    gibbs = quenched(1.0, 0.0, 0.0)
    assert (gibbs.q, gibbs.R, error(gibbs)) == pytest.approx((0.486264, 0.486264, 0.338359), abs=6e-7)
    assert error(bayes(1.0, 0.0)) == pytest.approx(0.254373, abs=6e-7)
    widest = maximum_stability(1.7861, 0.0)
    assert (widest.stability, widest.R) == pytest.approx((0.5, 0.80614), abs=1e-5)
    assert pytest.approx(0.442121, abs=6e-7) == annealed(1.0, 0.0, 0.0).R


@pytest.mark.parametrize(
    ("alpha", "flip", "expected"), [(0.5, 0.0, 0.339479), (1.0, 0.0, 0.5), (2.0, 0.0, 0.205952), (2.0, 0.1, 0.279635)]
)
def test_pseudo_inverse(alpha, flip, expected):
    assert error(pseudo_inverse(alpha, flip)) == pytest.approx(expected, abs=6e-7)


@pytest.mark.parametrize(("flip", "threshold"), [(0.05, 3.810), (0.1, 2.992), (0.2, 2.391), (0.5, 2.0)])
def test_where_labels_with_errors_can_be_separated(flip, threshold):
    assert separability_threshold(flip) == pytest.approx(threshold, abs=6e-4)
    assert separability_threshold(0.0) == math.inf


def test_how_the_error_falls_for_many_examples():
    """ε alpha → 0.6247 (Gibbs), 0.4417 (Bayes), 0.5005 (maximum stability); corrections are of order 1/alpha."""
    found = [error(s) * 1e5 for s in (quenched(1e5, 0.0, 0.0), bayes(1e5, 0.0), maximum_stability(1e5, 0.0))]
    assert found == pytest.approx([0.6247, 0.4417, 0.5005], abs=6e-5)
    assert error(hebb(1e8, 0.0)) * 1e4 == pytest.approx(1 / math.sqrt(2 * math.pi), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 5.0, 50.0])
def test_the_order_of_the_rules(alpha):
    states = (bayes(alpha, 0.0), maximum_stability(alpha, 0.0), quenched(alpha, 0.0, 0.0))
    errors = [error(state) for state in states]
    assert errors == sorted(errors)
    assert error(hebb(alpha, 0.0)) >= errors[1] - 1e-9
    assert (error(hebb(alpha, 0.0)) > errors[2]) == (alpha > 2)  # for few examples Gibbs is worse than Hebb


@pytest.mark.parametrize(("temperature", "flip"), [(0.0, 0.0), (0.5, 0.0), (0.1, 0.05), (1.0, 0.2), (0.0, 0.1)])
def test_the_free_energy_is_stationary(temperature, flip):
    """Central differences of eq. 12, of order h² and divided by a curvature of order 1, against eqs. 13-15."""
    state = quenched(1.5, temperature, flip)
    assert state.residual < 1e-9
    h = 1e-4

    def value(q, R):
        return free_energy(q, R, 1.5, temperature, flip)

    at_q = (value(state.q + h, state.R) - value(state.q - h, state.R)) / (2 * h)
    at_R = (value(state.q, state.R + h) - value(state.q, state.R - h)) / (2 * h)
    if state.q == state.R:  # the matched state is a saddle along q = R, both derivatives vanish there too
        assert state.q == pytest.approx(state.R)
    assert max(abs(at_q), abs(at_R)) < 1e-6
    off = (value(state.q + 0.02 + h, state.R) - value(state.q + 0.02 - h, state.R)) / (2 * h)
    assert abs(off) > 1e-3  # negative control: elsewhere it is not


def test_the_energy_is_the_derivative_of_the_free_energy():
    alpha, flip, T, h = 2.0, 0.1, 0.6, 1e-5
    for rule in (quenched, annealed):
        up, down, here = rule(alpha, T + h, flip), rule(alpha, T - h, flip), rule(alpha, T, flip)
        entropy = -(up.free_energy - down.free_energy) / (2 * h)
        assert here.entropy == pytest.approx(entropy, rel=1e-6)
        assert here.free_energy == pytest.approx(alpha * here.train_error - T * here.entropy, rel=1e-10)


def test_limits_of_gibbs_learning():
    assert quenched(1e-9, 0.0, 0.0).entropy == pytest.approx(0.0, abs=1e-8)
    hot, cold = quenched(2.0, 1e3, 0.1), quenched(2.0, 0.01, 0.0)
    assert hot.train_error == pytest.approx(0.5, abs=1e-3)
    assert (cold.R, cold.entropy) == pytest.approx(
        (quenched(2.0, 0.0, 0.0).R, quenched(2.0, 0.0, 0.0).entropy), rel=1e-6
    )
    for flip in (0.05, 0.2):
        matched = quenched(2.0, bayes_temperature(flip), flip)
        near = quenched(2.0, bayes_temperature(flip) * (1 + 1e-7), flip)
        assert (matched.R, matched.q) == pytest.approx((near.R, near.q), rel=1e-5)
        assert matched.q == pytest.approx(matched.R)
        assert matched.train_error == pytest.approx(flip, abs=1e-12)  # the student is as good as the teacher


def test_at_high_temperature_all_three_methods_agree():
    alpha, T = 2e4, 1e4
    expected = high_temperature(alpha, T, 0.1)
    for state in (quenched(alpha, T, 0.1), annealed(alpha, T, 0.1)):
        assert pytest.approx(expected.R, rel=1e-3) == state.R
    assert quenched(alpha, T, 0.1).q == pytest.approx(expected.q, rel=1e-3)


def test_the_annealed_free_energy_bounds_the_quenched_one():
    for alpha, T in itertools.product([0.5, 2.0, 6.0], [0.2, 1.0]):
        assert annealed(alpha, T, 0.0).free_energy <= quenched(alpha, T, 0.0).free_energy


def test_training_errors_of_linear_rules_by_monte_carlo():
    """Eqs. 7 and 10 from 4·10⁵ cavity fields drawn one by one; 4.5 standard errors."""
    rng = np.random.default_rng(0)
    n = 400_000
    u, z = np.abs(rng.standard_normal(n)), rng.standard_normal(n)
    sign = np.where(rng.random(n) < 0.15, -1.0, 1.0)
    m = 0.7 * math.sqrt(2 / math.pi)
    for alpha in (0.5, 3.0):
        wrong = np.mean(1.0 + alpha * m * sign * u + math.sqrt(alpha) * z < 0)
        assert hebb(alpha, 0.15).train_error == pytest.approx(wrong, abs=4.5 * math.sqrt(wrong / n))
    width = math.sqrt((1 - m * m) / 2.0)
    wrong = np.mean(1 / 3 + 2 / 3 * (m * sign * u + width * z) < 0)
    assert pseudo_inverse(3.0, 0.15).train_error == pytest.approx(wrong, abs=4.5 * math.sqrt(wrong / n))
    assert pseudo_inverse(0.7, 0.15).train_error == 0


def test_few_samples_of_the_posterior_are_worse_than_its_centre():
    q = quenched(1.0, 0.0, 0.0).q
    assert pytest.approx(q) == bayes(1.0, 0.0, 1).R
    assert pytest.approx(20 * q / math.sqrt(20 + 20 * 19 * q)) == bayes(1.0, 0.0, 20).R
    assert pytest.approx(bayes(1.0, 0.0).R) == bayes(1.0, 0.0, 10**9).R


def test_maximum_stability_of_the_smallest_problems():
    """For alpha → 0 all examples are nearly orthogonal: κ = 1/√alpha, and the student is Hebb's."""
    state = maximum_stability(1e-6, 0.1)
    assert state.stability * 1e-3 == pytest.approx(1.0, rel=2e-3)
    assert pytest.approx(hebb(1e-6, 0.1).R, rel=2e-3) == state.R


def test_the_smallest_of_a_gaussian_orthant_is_right():
    """At f = ½ the maximum stability is Gardner's: alpha ∫_{-κ} Dt (t + κ)² = 1, here near f = ½."""
    state = maximum_stability(1.0, 0.4999999)
    k = state.stability
    gardner = (1 + k * k) * stats.norm.cdf(k) + k * stats.norm.pdf(k)
    assert gardner == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("rule", [lambda: maximum_stability(3.0, 0.1), lambda: quenched(3.0, 0.0, 0.1)])
def test_an_empty_version_space_is_named(rule):
    with pytest.raises(InputError, match=r"2\.99"):
        rule()


@pytest.mark.parametrize(("alpha", "temperature", "flip"), [(0.5, 0.5, 0.0), (3.0, 0.3, 0.1), (8.0, 1.0, 0.0)])
def test_other_starts_lead_to_the_same_saddle_point(alpha, temperature, flip):
    """Eqs. 13-15 solved from 30 random starts over ten decades: where a solver ends at a solution, it is the one."""
    rng = np.random.default_rng(0)
    expected = quenched(alpha, temperature, flip)

    def residuals(x):
        return np.log(_conjugates(*_order(x), alpha, temperature, flip)) - x

    ends = []
    for start in rng.uniform(-8, 4, (30, 2)):
        found = root(residuals, start, tol=1e-12)
        if np.abs(residuals(found.x)).max() < 1e-9:
            ends.append(_order(found.x))
    assert len(ends) >= 10
    for q, across, _ in ends:
        assert (q, math.sqrt(q * (1 - across))) == pytest.approx((expected.q, expected.R), rel=1e-6)
