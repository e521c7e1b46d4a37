"""Rules of a spherical perceptron: published numbers, limits, and gradients of the free energy."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.optimize import root

from tsmech.errors import InputError
from tsmech.theory.gibbs.likelihood import Likelihood, mean_log, second_moment
from tsmech.theory.gibbs.saddle import others
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
from tsmech.theory.perceptron import gibbs as solver
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


@pytest.mark.parametrize(("alpha", "temperature", "flip"), [(0.5, 0.5, 0.0), (3.0, 0.02, 0.1), (50.0, 1.0, 0.3)])
def test_the_solver_begins_elsewhere_too_and_comes_to_the_same(alpha, temperature, flip):
    """... from both starts; with the solution taken for another one they are reported."""
    state = quenched(alpha, temperature, flip)

    def equations(x, at):
        return np.log(_conjugates(*_order(x), at, temperature, flip)) - x

    found = others(equations, solver.STARTS, alpha, np.array([-50.0, -50.0]))
    assert len(found) == 1  # the second start ends where the first did
    q, across, _ = _order(found["from the teacher"][0])
    assert (q, math.sqrt(q * (1 - across))) == pytest.approx((state.q, state.R), rel=1e-7)
    alone = others(equations, {"frozen": solver.STARTS["from a frozen student"]}, alpha, np.array([-50.0, -50.0]))
    assert _order(alone["frozen"][0]) == pytest.approx(_order(found["from the teacher"][0]), rel=1e-7)
    assert state.branch == "from few examples"


def test_of_several_solutions_that_of_the_lowest_free_energy_is_returned(monkeypatch):
    """Roots of a cubic; two states; and a solver that is told of a second saddle point, of R = 0.01 and q = 0.5."""
    cubic = others(
        lambda x, at: at * (x + 1) * x * (x - 2), {"low": np.array([-1.3]), "high": np.array([2.4])}, 1.0, np.zeros(1)
    )
    assert [cubic[name][0][0] for name in ("low", "high")] == pytest.approx([-1, 2])
    state = quenched(2.0, 0.5, 0.1)
    lower = dataclasses.replace(state, free_energy=state.free_energy - 0.1, entropy=state.entropy - 0.1)
    assert solver._stable([state, lower], 0.5) is lower
    assert solver._stable([lower, state], 0.0) is state
    told = {"invented": (np.log([0.02, 2.0]), 0.0, 1)}
    monkeypatch.setattr(solver, "others", lambda *_: told)
    assert quenched(2.0, 0.5, 0.1) == state
    monkeypatch.setattr(solver, "_stable", lambda states, _: min(states, key=lambda each: -each.free_energy))
    assert quenched(2.0, 0.5, 0.1).branch == "invented"  # it was among those that were compared


@pytest.mark.parametrize("flip", [0.0, 0.01, 0.4])
def test_the_matched_solution_is_unique(flip):
    """ln alpha falls all along ln (1 - q)/q, by ½ to 1: no alpha has two solutions."""
    slopes = np.diff(solver._matched_curve(flip)) / np.diff(solver.LOGITS)
    assert slopes.min() > 0.49
    assert slopes.max() < 1.01


@pytest.mark.parametrize("temperature", [0.3, 0.2, 0.05, 0.01, 1e-4])
def test_averages_resolve_where_an_ensemble_gives_a_label_up(temperature):
    """At h = -√(2p/T), against adaptive quadrature that is broken there."""
    q, across, p, flip = 0.97, 0.02, 0.03, 0.1
    likelihood = Likelihood(p, temperature)
    step = math.sqrt(2 * p / temperature / q)
    ends = sorted({-12.0, 0.0, 12.0, *(-step * (1 + c) for c in (-0.5, -0.2, -0.05, -0.01, 0, 0.01, 0.05, 0.2, 0.5))})

    def average(function):
        def integrand(s):
            law = 2 * stats.norm.pdf(s) * (flip + (1 - 2 * flip) * stats.norm.cdf(s * math.sqrt((1 - across) / across)))
            return law * float(function(np.array(math.sqrt(q) * s)))

        return sum(
            integrate.quad(integrand, a, b, epsabs=1e-13, epsrel=1e-11, limit=300)[0]
            for a, b in itertools.pairwise(ends) if a >= -12 and b <= 12
        )  # fmt: skip

    assert second_moment(q, across, p, temperature, flip) == pytest.approx(
        average(lambda h: likelihood.slope(h) ** 2), rel=1e-9
    )
    assert mean_log(q, across, p, temperature, flip) == pytest.approx(average(likelihood.log), rel=1e-9)


@pytest.mark.parametrize(("alpha", "flip"), [(10.0, 0.1), (300.0, 0.1), (5.0, 0.3)])
def test_cold_students_of_labels_that_cannot_be_separated(alpha, flip):
    """T → 0 at finite χ = (1 - q)/T: examples with -√(2χ) < h < 0 are learnt, those below are given up.

    The two equations of the limit in closed form and by quadrature; what is left at T = 1e-7 is of the order T.
    """

    def equations(logs):
        edge, tangent = np.exp(logs)
        R, sine = 1 / math.hypot(1, tangent), tangent / math.hypot(1, tangent)
        learnt = integrate.quad(
            lambda s: s * s * 2 * stats.norm.pdf(s) * (flip + (1 - 2 * flip) * stats.norm.cdf(s / tangent)), -edge, 0,
            epsabs=1e-13,
        )[0]  # fmt: skip
        pull = sine / math.sqrt(2 * math.pi) * -math.expm1(-0.5 * (edge / sine) ** 2)
        return [alpha * learnt - sine**2, alpha * (1 - 2 * flip) * math.sqrt(2 / math.pi) * pull - R]

    state = quenched(alpha, 1e-7, flip)
    start = np.log([math.sqrt(2e7 * (1 - state.q)), math.sqrt(1 - state.R**2) / state.R])
    edge, tangent = np.exp(root(equations, start * 1.02, tol=1e-12).x)
    assert pytest.approx(1 / math.hypot(1, tangent), abs=1e-5) == state.R
    wrong = integrate.quad(
        lambda s: 2 * stats.norm.pdf(s) * (flip + (1 - 2 * flip) * stats.norm.cdf(s / tangent)), -12, -edge
    )[0]
    assert state.train_error == pytest.approx(wrong, abs=1e-5)


@pytest.mark.slow
def test_extreme_parameters_are_solved():
    """Also temperatures of 0.01 and less with wrong labels and many examples."""
    for alpha, T, flip in itertools.product([1e-6, 3.0, 1e4], [1e-6, 1e-3, 0.03, 1e4], [0.0, 0.1, 0.49]):
        state = quenched(alpha, T, flip)
        assert 0 < state.R <= 1
        assert 0 <= state.train_error <= 0.5
        assert state.residual < 1e-9


def test_small_cosines_keep_their_digits():
    """R = √(2 alpha/π) (1 - 2f) of Hebb, least squares, Bayes; (1 - 2f) 2 alpha/π of Gibbs at T = 0; 1 - 2f = 2e-7."""
    alpha, flip = 1e-9, 0.4999999
    gain = 1 - 2 * flip
    for state in (hebb(alpha, flip), pseudo_inverse(alpha, flip), bayes(alpha, flip)):
        assert pytest.approx(math.sqrt(2 * alpha / math.pi) * gain, rel=1e-6) == state.R
    assert pytest.approx(2 * alpha / math.pi * gain, rel=1e-4) == quenched(alpha, 0.0, flip).R


def test_an_answer_does_not_depend_on_which_alphas_were_asked_before():
    """Paths from few examples share their beginnings: the same bits with and without what is known of them."""
    alphas = (0.2, 6.0, 0.7, 3.0)
    solver._path.cache_clear()
    together = [quenched(alpha, 0.5, 0.1) for alpha in alphas]
    assert solver._path(0.5, 0.1)
    for alpha, state in zip(alphas, together, strict=True):
        solver._path.cache_clear()
        assert quenched(alpha, 0.5, 0.1) == state
