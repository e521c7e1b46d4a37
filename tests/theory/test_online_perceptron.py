"""One-pass perceptrons for N → ∞: closed forms in the overlaps, asymptotes, published numbers."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tsmech.theory.online_perceptron import RULES, asymptote, follow

START = (0.7, 0.2)
TIMES = np.array([0.0, 0.5, 2.0, 10.0])


def closed_forms(rule, eta, flip):
    """Return dR/dα and dQ/dα of eq. 7 from textbook averages (Biehl & Schwarze 1992; Engel & Van den Broeck, ch. 9)."""
    g, root = 1 - 2 * flip, math.sqrt(2 / math.pi)

    def hebb(R, Q):
        return g * eta * root, 2 * g * eta * root * R + eta**2

    def perceptron(R, Q):
        rho = R / math.sqrt(Q)
        wrong = flip + g * math.acos(rho) / math.pi
        yu = eta / math.sqrt(2 * math.pi) * (g - rho)
        yh = eta * math.sqrt(Q / (2 * math.pi)) * (g * rho - 1)
        return yu, 2 * yh + eta**2 * wrong

    def adatron(R, Q):
        rho = R / math.sqrt(Q)
        sine = math.sqrt(1 - rho**2)
        clean = (math.acos(rho) - rho * sine) / math.pi  # ⟨s² θ(-s)⟩ without flips
        squared = g * clean + flip  # and 1 - it with one: f (1 - clean) + (1 - f) clean
        cross = g * (sine**3 / math.pi) - rho * squared  # of |s| y u over s < 0
        return eta * math.sqrt(Q) * cross, (eta**2 - 2 * eta) * Q * squared

    return {"hebb": hebb, "perceptron": perceptron, "adatron": adatron}[rule]


@pytest.mark.parametrize("rule", ["hebb", "perceptron", "adatron"])
@pytest.mark.parametrize("flip", [0.0, 0.15])
def test_the_overlaps_follow_their_closed_forms(rule, flip):
    eta = 1.3
    derivatives = closed_forms(rule, eta, flip)
    start = [START[0] * START[1], START[0] ** 2]
    expected = solve_ivp(lambda _, y: derivatives(*y), (0, 10), start, t_eval=TIMES, rtol=1e-10, atol=1e-12).y
    found = follow(rule, eta, flip, START, TIMES)
    np.testing.assert_allclose(found.root * np.cos(found.angle), expected[0], rtol=1e-6)
    np.testing.assert_allclose(found.root**2, expected[1], rtol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_a_step_moves_the_overlaps_as_the_mean_of_many_examples(rule):
    """The derivative at the start from 10⁶ examples drawn one by one, with flips; 4.5 standard errors."""
    flip, eta, (root, rho) = 0.1, 0.8, START
    rng = np.random.default_rng(3)
    n = 1_000_000
    u, z = rng.standard_normal((2, n))
    h = root * (rho * u + math.sqrt(1 - rho**2) * z)
    y = np.sign(u) * np.where(rng.random(n) < flip, -1, 1)
    s = y * h / root
    if rule == "optimal":
        v = s * rho / math.sqrt(1 - rho**2)
        normal = np.exp(-0.5 * v * v) / math.sqrt(2 * math.pi)
        cumulative = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in v[:200_000]])
        u, h, y, normal = u[:200_000], h[:200_000], y[:200_000], normal[:200_000]
        F = root / rho * math.sqrt(1 - rho**2) * 0.8 * normal / (flip + 0.8 * cumulative)
    else:
        field = y * h
        F = {
            "hebb": np.full(n, eta),
            "perceptron": eta * (field < 0),
            "adatron": eta * np.maximum(-field, 0),
            "logistic": eta / (1 + np.exp(field)),
            "hinge": eta * (field < 1),
        }[rule]
    along, square = F * y * u, 2 * F * y * h + F**2
    step = 1e-4
    found = follow(rule, eta, flip, START, np.array([0.0, step]))
    moved = (np.diff(found.root * np.cos(found.angle))[0] / step, np.diff(found.root**2)[0] / step)
    for sample, slope in zip((along, square), moved, strict=True):
        assert slope == pytest.approx(sample.mean(), abs=4.5 * sample.std() / math.sqrt(sample.size) + 1e-3)


@pytest.mark.parametrize(
    ("rule", "eta", "late", "within"),
    [("hebb", 1.0, 1e6, 1e-3), ("perceptron", 1.0, 1e8, 1e-4), ("adatron", 1.0, 1e6, 1e-4), ("adatron", 1.5, 1e6, 1e-4),
     ("adatron", 2.7, 1e7, 1e-3), ("optimal", 1.0, 1e6, 1e-4)],
)  # fmt: skip
def test_asymptotes_are_reached(rule, eta, late, within):
    times = np.array([0.0, late])
    found = follow(rule, eta, 0.0, (1.0, 0.0), times).angle[-1] / math.pi
    assert found == pytest.approx(asymptote(rule, eta, times)[-1], rel=within)


def test_constants():
    """0.883/α (Kinouchi & Caticha 1992), 3/2 and at best 4/3 (AdaTron), (2/3)^{1/3}/π; the optimum is reached late."""
    one = np.array([10.0, 1e3])
    assert asymptote("optimal", 1.0, one)[1] * 1e3 == pytest.approx(0.8834, abs=1e-4)
    assert asymptote("adatron", 1.0, one)[1] * 1e3 == pytest.approx(1.5)
    assert asymptote("adatron", 1.5, one)[1] * 1e3 == pytest.approx(4 / 3)
    assert asymptote("perceptron", 1.0, one)[1] * 10 == pytest.approx((2 / 3) ** (1 / 3) / math.pi)
    assert asymptote("hinge", 1.0, one) is None
    assert asymptote("adatron", 3.0, one) is None
    early = follow("optimal", 1.0, 0.0, (1.0, 0.0), np.array([0.0, 10.0])).angle[-1] / math.pi
    assert 10 * early == pytest.approx(0.712, abs=5e-4)


def test_adatron_does_not_learn_the_rule_beyond_a_rate_of_three():
    """The error ends at a constant, from a good start too; at 2.9 it goes on falling as 1/alpha."""
    late = np.array([0.0, 3e3, 6e3])
    ends = [follow("adatron", 3.1, 0.0, (1.0, rho), late).angle for rho in (0.0, 0.999)]
    assert ends[0][1:] == pytest.approx(ends[1][1:], rel=1e-6)
    assert ends[0][2] == pytest.approx(ends[0][1], rel=1e-6)
    assert ends[0][2] > 0.3
    below = follow("adatron", 2.9, 0.0, (1.0, 0.0), late).angle
    assert below[2] == pytest.approx(below[1] / 2, rel=0.05)


def test_the_optimal_rule_is_the_best_at_every_time():
    """From the same overlap with the teacher, with and without flips."""
    for flip in (0.0, 0.2):
        best = follow("optimal", 1.0, flip, START, TIMES).angle
        for rule in RULES:
            assert np.all(follow(rule, 1.0, flip, START, TIMES).angle >= best * (1 - 1e-7)), rule


def test_the_optimal_rule_keeps_the_ratio_of_length_and_cosine_and_needs_no_scale():
    found = follow("optimal", 1.0, 0.1, START, TIMES)
    np.testing.assert_allclose(found.root / np.cos(found.angle), START[0] / START[1], rtol=1e-7)
    np.testing.assert_allclose(found.angle, follow("optimal", 1.0, 0.1, (50.0, 0.2), TIMES).angle, rtol=1e-7)
    from_nothing = follow("optimal", 1.0, 0.1, (1.0, 0.0), np.array([0.0, 1.0]))
    assert from_nothing.root[0] == pytest.approx(0.0, abs=1e-12)
    nearly = follow("optimal", 1.0, 0.1, (1.0, 1e-6), np.array([0.0, 1.0]))
    assert from_nothing.angle[1] == pytest.approx(nearly.angle[1], rel=1e-6)


def test_weights_that_grow_without_end_have_diverged():
    found = follow("adatron", 8.0, 0.0, (1.0, 0.0), np.linspace(0, 1000, 11))
    assert found.diverged_at is not None
    assert found.angle.size < 11
    assert np.isfinite(found.root).all()


def test_a_student_that_points_away_from_the_teacher_turns_round():
    found = follow("hebb", 1.0, 0.0, (1.0, -0.99), np.array([0.0, 1.0, 100.0]))
    assert found.angle[0] == pytest.approx(math.acos(-0.99))
    assert found.angle[-1] < 0.2
