"""The binary perceptron for N → ∞: published numbers, the branches, gradients, approximations and their limits."""

import doctest
import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.optimize import brentq

from tsmech.errors import InputError
from tsmech.theory import ising_perceptron
from tsmech.theory.gibbs.likelihood import mean_log, pull, second_moment
from tsmech.theory.ising_perceptron import _quenched, ising_transition, solve


def test_examples():
    assert doctest.testmod(ising_perceptron) == (0, 1)


def test_published_transitions():
    """Györgyi 1990 and Sompolinsky, Tishby & Seung 1990 (T → 0); Seung, Sompolinsky & Tishby 1992 (T → ∞)."""
    assert ising_transition(0.0) == pytest.approx((1.2447, 1.4926), abs=6e-5)
    assert ising_transition(1.0, "high_temperature") == pytest.approx((1.6959, 2.0821), abs=6e-5)
    assert solve(1.249, 0.0, "poor").entropy == pytest.approx(-0.0017, abs=6e-5)
    assert ising_transition(2000.0).transition / 2000 == pytest.approx(1.6959, abs=1e-3)
    assert ising_transition(1e-3) == pytest.approx(ising_transition(0.0), rel=1e-9)


BY_METHOD = [(method, T) for method in ("quenched", "annealed") for T in (0.0, 0.3, 2.0)]
BY_METHOD += [("high_temperature", T) for T in (0.3, 2.0)]  # the limit has no temperature 0


@pytest.mark.parametrize(("method", "temperature"), BY_METHOD)
def test_both_branches_meet_at_the_transition(method, temperature):
    transition, spinodal = ising_transition(temperature, method)
    at = solve(transition, temperature, "poor", method)
    assert at.log_partition == pytest.approx(0.0, abs=1e-9)
    below, above = (solve(transition * c, temperature, "stable", method) for c in (0.999, 1.001))
    assert (below.branch, above.branch) == ("poor", "perfect")
    assert above.R == 1
    assert solve(spinodal * 0.9999, temperature, "poor", method).R < 1
    assert solve(spinodal * 1.0001, temperature, "poor", method) is None
    assert solve(spinodal * 1.0001, temperature, "perfect", method).R == 1


@pytest.mark.parametrize("temperature", [0.0, 0.5, 1.5])
def test_the_free_energy_is_stationary_at_every_order_parameter(temperature):
    """Central differences of eq. 2 in q, R and both conjugates, the binary part by the trapezoidal rule."""
    state = solve(0.8, temperature, "poor")
    x = brentq(lambda x: _quenched(x, temperature).alpha - 0.8, 0.01, 1.0)
    z = np.linspace(-12, 12, 8001)
    normal = stats.norm.pdf(z) * (z[1] - z[0])

    def overlap(spread):
        return float(normal @ np.tanh(x + math.sqrt(spread) * z) ** 2) - state.q

    spread = brentq(overlap, 1e-6, 20.0, xtol=1e-14)

    def value(q, R, along, spread):
        cosh = np.logaddexp(along + math.sqrt(spread) * z, -along - math.sqrt(spread) * z)
        energy = 0.8 * mean_log(q, 1 - R * R / q, 1 - q, temperature, 0.0)
        return -0.5 * spread * (1 - q) - R * along + float(normal @ cosh) + energy

    at = np.array([state.q, state.R, x, spread])
    assert value(*at) == pytest.approx(state.log_partition, abs=1e-9)
    for i in range(4):
        step = np.zeros(4)
        step[i] = 1e-4
        assert abs(value(*(at + step)) - value(*(at - step))) / 2e-4 < 2e-6
    moved, step = at + np.array([0.0, 0.0, 0.05, 0.0]), np.array([0.0, 1e-4, 0.0, 0.0])
    slope = (value(*(moved + step)) - value(*(moved - step))) / 2e-4
    assert slope == pytest.approx(-0.05, abs=1e-5)  # negative control: at another R̂ it is not


def test_the_energy_is_the_derivative_of_the_free_energy():
    h = 1e-5
    for method in ("quenched", "annealed"):
        up, down, here = (solve(1.0, 0.7 + d, "poor", method) for d in (h, -h, 0.0))
        entropy = ((0.7 + h) * up.log_partition - (0.7 - h) * down.log_partition) / (2 * h)
        assert here.entropy == pytest.approx(entropy, rel=1e-6)


def test_limits():
    few = solve(1e-8, 0.0, "poor")
    assert few.entropy == pytest.approx(math.log(2), abs=1e-7)
    assert pytest.approx(0.0, abs=1e-7) == few.R
    assert solve(0.7, 0.0).q == pytest.approx(solve(0.7, 0.0).R)
    hot, expected = solve(1.5e4, 1e4), solve(1.5e4, 1e4, "stable", "high_temperature")
    assert (hot.R, hot.q) == pytest.approx((expected.R, expected.q), rel=1e-3)
    assert solve(1.0, 0.5, "stable", "annealed").q is None


def test_hot_students_keep_their_digits():
    """At T = 1e10 all three methods meet in eight digits, where 1 - ε/T has only six."""
    expected = ising_transition(1e10, "high_temperature")
    for method in ("quenched", "annealed"):
        assert ising_transition(1e10, method) == pytest.approx(expected, rel=1e-8)


def test_annealing_bounds_the_free_energy():
    for alpha in (0.3, 0.9, 1.4):
        assert solve(alpha, 0.5, "poor", "annealed").log_partition >= solve(alpha, 0.5, "poor").log_partition


def test_overlaps_by_quadrature():
    q, across, p = ising_perceptron._overlaps(0.7, 1.3)
    expected = [
        integrate.quad(lambda z, k=k: stats.norm.pdf(z) * math.tanh(0.7 + math.sqrt(1.3) * z) ** k, -12, 12)[0]
        for k in (1, 2)
    ]
    assert q == pytest.approx(expected[1], rel=1e-10)
    assert across == pytest.approx(1 - expected[0] ** 2 / expected[1], rel=1e-10)
    assert p == pytest.approx(1 - expected[1], rel=1e-10)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ((-1.0,), "temperature = -1"),
        ((1e13,), "temperature = 1"),
        ((0.0, "high_temperature"), "temperature = 0"),
        ((1.0, "cold"), "method = 'cold'"),
    ],
)
def test_bad_input_is_named(given, says):
    with pytest.raises(InputError, match=says):
        ising_transition(*given)


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
@pytest.mark.parametrize("x", [1e-3, 0.5, 1.5, 5.0])
def test_at_every_place_of_the_curve_the_other_equation_has_one_solution(temperature, x):
    """One change of sign over twelve decades of q̂: no start could lead to another saddle point."""
    signs = []
    for spread in x * np.geomspace(1e-6, 1e6, 97):
        q, across, p = ising_perceptron._overlaps(x, spread)
        if min(q, across, p) > 1e-14:
            along, squared = (average(q, across, p, temperature, 0.0) for average in (pull, second_moment))
            signs.append(np.sign(spread * along - x * squared))
    assert np.count_nonzero(np.diff(signs)) == 1


@pytest.mark.slow
@pytest.mark.parametrize("temperature", [0.0, 0.1, 1.0])
def test_the_curve_rises_to_the_spinodal_and_falls_from_there(temperature):
    """... so that each alpha below has one solution before it, the branch, and one beyond, of a higher free energy.

    Up to R̂ = 9, R = 0.997, where F > 0 and the perfect branch has 0; at T = 0.1 there are more from R̂ = 11 on.
    """
    points = [_quenched(x, temperature) for x in np.geomspace(1e-3, 9, 60)]
    alphas = [point.alpha for point in points]
    top = int(np.argmax(alphas))
    assert (np.diff(alphas[: top + 1]) > 0).all()
    assert (np.diff(alphas[top:]) < 0).all()
    assert max(alphas) == pytest.approx(ising_transition(temperature).spinodal, rel=5e-3)
    for point in points[top + 1 :]:
        assert point.log_partition < max(0.0, solve(point.alpha, temperature, "poor").log_partition)
