"""Convex classifiers for N → ∞: ridge regression, maximum stability, proximal operators, other people's limits."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.optimize import brentq, minimize_scalar, root
from scipy.special import expit

from tsmech.theory import convex_classifier, ridge
from tsmech.theory.convex_classifier import LOSSES, _averages, examples, solve
from tsmech.theory.perceptron import hebb, maximum_stability, pseudo_inverse, separability_threshold
from tsmech.theory.spectra import ISOTROPIC, Spectrum, two_level

LOSS = {
    "logistic": lambda p: np.logaddexp(0, -p),
    "hinge": lambda p: np.maximum(1 - p, 0),
    "square": lambda p: (1 - p) ** 2,
}


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
@pytest.mark.parametrize("V", [0.01, 0.7, 30.0, 1e5])
def test_the_force_is_that_of_the_proximal_operator(loss, V):
    """The minimum by bounded search at some nodes of the rule, and the derivative by differences of other roots."""
    x, _, g, slopes = examples(loss, V, 20.0, 5.0)
    h = 1e-4
    for at, found, slope in list(zip(x, g, slopes, strict=True))[:: x.size // 7]:
        best = minimize_scalar(
            lambda p, at=at: LOSS[loss](p) + (p - at) ** 2 / (2 * V),
            bounds=(at - 1e-9, at + V + 1e-9),
            method="bounded",
            options={"xatol": 1e-10 * (1 + V)},
        )
        assert at + V * found == pytest.approx(best.x, abs=2e-5 * (1 + V))
        if loss == "hinge":
            assert slope == (1 / V if 1 - V < at < 1 else 0)
        else:
            up, down = (brentq(lambda p, y=y: p - V * expit(-p) - y, y, y + V, xtol=1e-13) for y in (at + h, at - h))
            assert slope == pytest.approx((expit(-down) - expit(-up)) / (2 * h), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("V", "along", "across"), [(0.03, 0.2, 4.0), (2.0, 1.0, 1.0), (500.0, 90.0, 25.0)])
def test_derivatives_of_averages_are_those_of_their_differences(loss, V, along, across):
    at = np.array([V, along, across])
    averages, found = _averages(loss, *at, 0.1)
    for k in range(3):
        step = 1e-4 * at[k] * np.eye(3)[k]
        near = [_averages(loss, *(at + n * step), 0.1)[0] for n in (-2, -1, 1, 2)]
        expected = (near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * step[k])
        np.testing.assert_allclose(at[k] * found[:, k] / averages, at[k] * expected / averages, atol=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_averages_are_those_over_fields_of_teacher_and_student(loss):
    """A double integral over the teacher's field and the rest of the student's, with the operator found by search."""
    V, along, across, flip = 0.8, 1.5, 0.9, 0.1
    z, weights = np.polynomial.hermite_e.hermegauss(60)
    u, half = np.polynomial.legendre.leggauss(60)
    u, half = 5 * (1 + u), 5 * half * 2 * stats.norm.pdf(5 * (1 + u))  # |u| of the teacher
    x = (along * u)[:, None] + math.sqrt(across) * z
    p = np.linspace(-40, 40, 400_001)
    unlearnt = p + V * -_force_after(loss, p)

    def mean(power):
        def of(x):
            return _force_after(loss, np.interp(x, unlearnt, p)) ** power

        return half @ ((1 - flip) * of(x) + flip * of(-x)) @ weights / math.sqrt(2 * math.pi)

    found = _averages(loss, V, along, across, flip)[0]
    assert found[2] == pytest.approx(mean(2), rel=2e-3 if loss == "hinge" else 1e-6)
    signed = half @ (
        (1 - flip) * _force_after(loss, np.interp(x, unlearnt, p)) * u[:, None]
        - flip * _force_after(loss, np.interp(-x, unlearnt, p)) * u[:, None]
    )
    m = signed @ weights / math.sqrt(2 * math.pi)  # E[y u g] = m̂ √ρ/alpha - along V̂/alpha, by parts
    assert m == pytest.approx(found[1] - along * found[0], rel=2e-3 if loss == "hinge" else 1e-6)


def _force_after(loss, p):
    """Return -ℓ' at the field after learning, the hinge's kink being a short slope."""
    if loss == "logistic":
        return 1 / (1 + np.exp(p))
    return 2 * (1 - p) if loss == "square" else np.clip((1 - p) / 2e-4, 0, 1)


@pytest.mark.parametrize(
    "spectrum", [ISOTROPIC, two_level(8.0, 0.3, 1.0), Spectrum([2.0, 0.5], teacher_weights=[0.2, 3.0])]
)
@pytest.mark.parametrize(("alpha", "penalty", "flip"), [(0.5, 0.1, 0.0), (2.0, 1.0, 0.2)])
def test_square_loss_is_ridge_regression(spectrum, alpha, penalty, flip):
    """Of a linear teacher with the weights β = (1 - 2f) √(2/πρ) b and the noise variance 1 - β·C·β."""
    state = solve(alpha, "square", penalty, flip, spectrum)
    s, shares, t = spectrum.varying
    rho = float(shares @ (t * s))
    gain = (1 - 2 * flip) ** 2 * 2 / (math.pi * rho)
    counts = np.rint(shares * 10).astype(int)
    linear = Spectrum(np.repeat(s, counts), teacher_weights=np.repeat(gain * t, counts))
    expected = ridge.spectral(alpha, math.sqrt(1 - gain * rho), penalty, linear)
    assert state.norm == pytest.approx(float(expected["weight_norm"]), rel=1e-8)
    distance = state.field - 2 * state.R * math.sqrt(state.field * gain * rho) + gain * rho
    assert 0.5 * distance == pytest.approx(float(expected["generalization_error"]), rel=1e-8)


@pytest.mark.parametrize("alpha", [0.5, 1.5, 4.0])
def test_without_penalty_the_hinge_student_has_the_maximum_stability(alpha):
    found, expected = solve(alpha, "hinge", 1e-7, 0.0, ISOTROPIC), maximum_stability(alpha, 0.0)
    assert pytest.approx(expected.R, abs=1e-6) == found.R
    assert found.norm == pytest.approx(1 / expected.stability**2, rel=1e-5)
    assert found.train_error == pytest.approx(0.0, abs=1e-12)


def test_the_logistic_student_goes_there_as_its_norm_grows():
    """As 1/|w| ~ 1/ln(1/λ)."""
    end = maximum_stability(2.0, 0.0).R
    gaps = [solve(2.0, "logistic", penalty, 0.0, ISOTROPIC).R - end for penalty in (1e-4, 1e-8)]
    assert 0 < gaps[1] < 0.7 * gaps[0] < 0.02


@pytest.mark.parametrize(("alpha", "flip"), [(0.5, 0.1), (2.0, 0.1), (2.0, 0.0)])
def test_without_penalty_square_loss_is_the_pseudo_inverse(alpha, flip):
    assert pytest.approx(pseudo_inverse(alpha, flip).R, rel=1e-6) == solve(alpha, "square", 1e-10, flip, ISOTROPIC).R
    assert solve(alpha, "square", 1e-10, flip, ISOTROPIC).train_error == pytest.approx(
        pseudo_inverse(alpha, flip).train_error, abs=1e-6
    )


def test_at_the_threshold_square_loss_learns_nothing():
    assert solve(1.0, "square", 1e-10, 0.0, ISOTROPIC).R < 0.01


@pytest.mark.parametrize("loss", LOSSES)
def test_with_a_large_penalty_every_loss_is_hebb_s_rule(loss):
    """All forces are then -ℓ'(0)."""
    for alpha, flip in ((0.5, 0.0), (3.0, 0.2)):
        assert pytest.approx(hebb(alpha, flip).R, rel=1e-5) == solve(alpha, loss, 1e6, flip, ISOTROPIC).R


def test_the_norm_diverges_below_the_separability_transition_and_not_beyond():
    threshold = separability_threshold(0.1)
    below, above = (
        [solve(c * threshold, "logistic", penalty, 0.1, ISOTROPIC).norm for penalty in (1e-5, 1e-9)] for c in (0.9, 1.5)
    )
    assert below[1] > 2 * below[0]
    assert above[1] == pytest.approx(above[0], rel=0.02)


def test_the_scale_of_the_teacher_does_not_matter():
    one, other = (solve(1.0, "logistic", 0.1, 0.1, Spectrum([1.0], teacher_weights=v)) for v in (1.0, 7.0))
    assert (one.R, one.norm) == pytest.approx((other.R, other.norm), rel=1e-9)


@pytest.mark.slow
def test_extreme_parameters_are_solved():
    for loss, alpha, penalty, flip in itertools.product(LOSSES, (1e-3, 1.0, 30.0), (1e-6, 1.0, 1e4), (0.0, 0.3)):
        state = solve(alpha, loss, penalty, flip, ISOTROPIC)
        assert 0 < state.R < 1
        assert state.residual < 1e-9
        assert 0 <= state.train_error <= 0.5


@pytest.mark.parametrize("loss", LOSSES)
def test_other_starts_lead_to_the_same_fixed_point(loss, monkeypatch):
    """The problem is convex.  Ten starts over six decades at λ itself, in place of the path from λ → ∞."""
    expected, ends = solve(2.0, loss, 0.1, 0.1, ISOTROPIC), []
    shifts = iter(np.random.default_rng(0).uniform(-7, 7, (10, 3)))

    def one_search(equations, start, end, longest):
        found = root(equations, start + next(shifts), args=(end,), jac=True, tol=1e-12)
        return found.x, float(np.abs(equations(found.x, end)[0]).max()), found.nfev

    monkeypatch.setattr(convex_classifier, "LONGEST", (1.0,))
    monkeypatch.setattr(convex_classifier, "newton", one_search)
    monkeypatch.setattr(convex_classifier, "follow", lambda *arguments, **options: (np.zeros(3), np.inf, 0))
    for _ in range(10):
        state = solve(2.0, loss, 0.1, 0.1, ISOTROPIC)
        if state.residual < 1e-9:
            ends.append((state.R, state.norm))
    assert len(ends) >= 4
    for end in ends:
        assert end == pytest.approx((expected.R, expected.norm), rel=1e-7)


@pytest.mark.parametrize(("V", "deviation"), [(10.0, 1e3), (1e3, 1e3), (1e3, 1e5)])
def test_averages_resolve_where_the_logistic_force_saturates(V, deviation):
    """At -V, within a field of order 1 among fields of order 1000; adaptive quadrature is broken there."""
    centres = [(-V, 1.0), (0.0, 1.0), (math.log1p(V), 1.0)]
    ends = sorted({-12.0, 12.0, *((c + k * w) / deviation for c, w in centres for k in (-100, -20, -5, 0, 5, 20, 100))})

    def average(power):
        def integrand(z):
            law = 2 * stats.norm.pdf(z) * (0.1 + 0.8 * stats.norm.cdf(z))
            p = brentq(lambda p: p - V * expit(-p) - deviation * z, deviation * z, deviation * z + V, xtol=1e-13)
            return law * expit(-p) ** power

        return sum(
            integrate.quad(integrand, a, b, epsabs=1e-13, epsrel=1e-10, limit=200)[0]
            for a, b in itertools.pairwise(ends)
        )

    across = deviation**2 / 2
    found = _averages("logistic", V, math.sqrt(across), across, 0.1)[0]
    assert found[2] == pytest.approx(average(2), rel=1e-8)


def test_the_transition_is_crossed_at_the_smallest_penalty():
    """Just below alpha = 2.992 the norm still grows from λ = 1e-9 to 1e-12, just beyond nothing changes any more."""
    norms = {a: [solve(a, "logistic", penalty, 0.1, ISOTROPIC).norm for penalty in (1e-9, 1e-12)] for a in (2.95, 3.05)}
    assert norms[2.95][1] > 1.5 * norms[2.95][0]
    assert norms[3.05][1] == pytest.approx(norms[3.05][0], rel=1e-3)


@pytest.mark.parametrize("loss", ["logistic", "hinge"])
def test_eigenvalues_far_apart_are_solved_where_hardly_anything_sets_the_scale(loss):
    """The margin is small among fields of 1e4: the logistic norm grows with 1/λ all the same."""
    far = two_level(1e8, 0.7, 1.0)
    norms = [solve(alpha, loss, 1e-12, 0.0, far).norm for alpha in (300, 300.0003)]
    assert norms[1] == pytest.approx(norms[0], rel=1e-5)
    stronger = solve(300, loss, 1e-9, 0.0, far).norm
    assert stronger < 0.5 * norms[0] if loss == "logistic" else stronger == pytest.approx(norms[0], rel=1e-6)
