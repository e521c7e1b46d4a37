import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ive

from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.spectra import Spectrum, power_law, two_level
from tsmech.theory.spectra import marchenko_pastur as mp

alphas = st.one_of(
    st.floats(-2, 3).map(lambda x: 10**x),
    st.floats(-12, -1).map(lambda x: 1 - 10**x),
    st.floats(-12, -1).map(lambda x: 1 + 10**x),
    st.just(1.0),
)
SPECTRA = {
    "isotropic": Spectrum([1.0]),
    "two levels": two_level(10.0, 0.5, [1.0, 2.0]),
    "far apart": two_level(1e4, 0.1, [1.0, 2.0]),
    "power law": power_law(1.0, 60, 1 + np.arange(60) % 5.0),
    "steep": power_law(2.0, 60, 1 + np.arange(60) % 5.0),
    "with zeros": Spectrum([0.0, 1.0, 2.0, 4.0], teacher_weights=[1.0, 2.0, 3.0, 4.0]),
}


def test_examples():
    assert doctest.testmod(mp) == (0, 1)


# Sums that are known exactly -----------------------------------------------------------------------------------


@given(alphas, st.floats(0.1, 10))
@settings(deadline=None, max_examples=40)
def test_moments_of_the_isotropic_law(alpha, scale):
    """Narayana polynomials in 1/alpha; the rule is good to 1e-14, a sum of 400 positive terms to 1e-13."""
    law = mp.isotropic(alpha, 2.0, [], scale)
    gamma = 1 / alpha
    moments = [1, 1, 1 + gamma, 1 + 3 * gamma + gamma**2, 1 + 6 * gamma + 6 * gamma**2 + gamma**3]
    for power, moment in enumerate(moments):
        assert law.mean(law.nodes**power) == pytest.approx(moment * scale**power, rel=1e-13)
    assert law.weights[-1] == max(1 - alpha, 0)
    assert law.input_mean(law.nodes) == pytest.approx(scale**2, rel=1e-13)
    assert law.pair_mean(law.nodes, law.nodes) == pytest.approx(2 * scale**3 * moments[2], rel=1e-13)
    assert (law.weights >= 0).all()


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize(
    "alpha", [0.01, 1.0, *(pytest.param(x, marks=pytest.mark.slow) for x in (0.75, 1 + 1e-12, 50.0))]
)
def test_moments_of_any_law(name, alpha):
    """Wishart moments, tr Θ Ĉ C Ĉ included, whose second term is what two examples have in common.

    All terms are of the size of the result but for the 1/alpha of the subtraction in eq. 19, so 1e-13 / alpha.
    """
    spectrum = SPECTRA[name]
    s, tau = spectrum.eigenvalues, spectrum.teacher_weights
    law = mp.anisotropic(alpha, spectrum, [1e-3])

    def average(values):
        return float(spectrum.shares @ values)

    one, x = np.ones(law.nodes.size), law.nodes
    m1, m2, m3 = average(s), average(s**2), average(s**3)
    for found, expected in (
        (law.mean(one), 1.0),
        (law.mean(x), m1),
        (law.mean(x**2), m2 + m1**2 / alpha),
        (law.mean(x**3), m3 + 3 * m1 * m2 / alpha + m1**3 / alpha**2),
        (law.input_mean(one), m1),
        (law.input_mean(x), m2),
        (law.teacher_mean(x), average(tau * s)),
        (law.pair_mean(one, one), average(tau * s)),
        (law.pair_mean(one, x), average(tau * s**2)),
        (law.pair_mean(x, one), average(tau * s**2)),
        (law.pair_mean(x, x), average(tau * s**3) + m2 * average(tau * s) / alpha),
    ):
        assert found == pytest.approx(expected, rel=1e-13 / min(alpha, 1))


def test_one_over_the_eigenvalues():
    """Inverse Wishart means: (1/N) tr 1/Ĉ = alpha/(alpha - 1) ⟨1/s⟩, weighted with C alpha/(alpha - 1)."""
    s, shares = SPECTRA["two levels"].eigenvalues, SPECTRA["two levels"].shares
    law = mp.anisotropic(3.0, Spectrum(s, shares=shares, teacher_weights=s), [])
    inverse = np.append(1 / law.nodes[:-1], 0.0)
    assert law.mean(inverse) == pytest.approx(1.5 * float(shares @ (1 / s)), rel=1e-12)
    assert law.input_mean(inverse) == pytest.approx(1.5, rel=1e-12)


# Functions of time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.0, 0.1, 3.0, 1e3, 1e9, 1e20])
def test_at_the_threshold_decay_is_a_bessel_function(t):
    """Eq. 16.  exp(-z) I(z) is SciPy's ive, good to 1e-14; for large z, where it has none, 2 - 1/(4z) over √(2πz)."""
    law = mp.isotropic(1.0, 1.0, [1 / max(t, 1)])
    z = 2 * t
    expected = ive(0, z) + ive(1, z) if t < 1e6 else (2 - 1 / (4 * z)) / np.sqrt(2 * np.pi * z)
    assert law.mean(np.exp(-law.nodes * t)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.4, 0.95, 1.05, 3.0])
@pytest.mark.parametrize("t", [0.5, 20.0])
def test_decay_by_adaptive_quadrature(alpha, t):
    """In the angle of eq. 14, where quad meets no singularity and is good to 1e-11."""
    mean, half_width = 1 + 1 / alpha, 2 / np.sqrt(alpha)

    def integrand(angle):
        x = mean + half_width * np.cos(angle)
        return 2 / np.pi * np.sin(angle) ** 2 / x * np.exp(-x * t)

    expected = quad(integrand, 0, np.pi, epsabs=0, epsrel=1e-12, limit=200)[0] + max(1 - alpha, 0)
    law = mp.isotropic(alpha, 1.0, [1 / t])
    assert law.mean(np.exp(-law.nodes * t)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 0.999, 1.0, 1.0001, 2.0, 40.0])
def test_the_contour_and_the_real_axis_agree(alpha):
    """Two routes that share the grid alone.  exp(-l t) at times until it has fallen by 1e-250."""
    times = [x for x in (0.0, 0.3, 5.0, 80.0, 1e4, 1e8) if x * mp.edges(alpha, Spectrum([1.0]))[0] < 575]
    scales = [1 / max(times[-1], 1)]
    real, contour = (
        mp.isotropic(alpha, 1.5, scales),
        mp.anisotropic(alpha, Spectrum([1.0], teacher_weights=[1.5]), scales),
    )
    assert (contour.low, contour.high) == pytest.approx((real.low, real.high), rel=1e-12)
    for t in times:
        for power in (0, 1):
            values = [x.mean((x.nodes != 0) * x.nodes**power * np.exp(-x.nodes * t)) for x in (real, contour)]
            assert values[1] == pytest.approx(values[0], rel=1e-10, abs=0)


def test_functions_of_steps_near_the_largest():
    """(1 - step l)^k changes near the upper edge then: at k = 10⁶ on a scale of 1e-6 of the width."""
    steps, k = 0.5, 1_000_001.0
    real, contour = (
        mp.isotropic(1.0, 1.0, [1 / k]),
        mp.anisotropic(1.0, Spectrum([1.0], teacher_weights=[1.0]), [1 / k]),
    )
    expected = real.mean((1 - steps * real.nodes) ** k)
    log = np.log(1 - steps * contour.nodes)
    assert contour.mean(np.exp(k * log)) == pytest.approx(expected, rel=1e-9)
    assert expected > 0.01 / np.sqrt(k)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 1.5])
def test_two_functions_reduce_to_one_for_equal_teacher_weights(alpha):
    """The double contour integral (eq. 30) against the single one, on the same spectrum, for exp(-3l) and exp(-50l)."""
    one, two = (mp.anisotropic(alpha, two_level(1e4, 0.1, t), [0.01]) for t in (1.5, [1.5, 1.5 + 1e-14]))
    assert one.pairs is None
    assert two.pairs is not None
    f, g = np.exp(-3 * one.nodes), np.exp(-50 * one.nodes)
    assert two.pair_mean(f, g) == pytest.approx(1.5 * one.input_mean(f * g), rel=1e-11)
    assert two.pair_mean(g, f) == pytest.approx(two.pair_mean(f, g), rel=1e-11)


@pytest.mark.parametrize("name", ["two levels", "with zeros"])
def test_averages_of_dense_matrices(name):
    """Relative fluctuations of a linear statistic are of order 1/N; 8/N is allowed, and a control sees 30/N."""
    N, alpha, t = 480, 0.8, 2.0
    s, tau = SPECTRA[name].at(N)
    X = np.random.default_rng(3).standard_normal((round(alpha * N), N)) * np.sqrt(s)
    values, vectors = np.linalg.eigh(X.T @ X / len(X))
    decay = vectors @ (np.exp(-np.maximum(values, 0) * t)[:, None] * vectors.T)
    law = mp.anisotropic(alpha, SPECTRA[name], [1 / t])
    f = np.exp(-law.nodes * t)
    dense = np.trace(decay), np.trace(s[:, None] * decay), tau @ (decay**2 @ s)
    wrong = law.teacher_mean(f**2)
    for found, expected in zip((law.mean(f), law.input_mean(f), law.pair_mean(f, f)), dense, strict=True):
        assert found == pytest.approx(expected / N, rel=8 / N)
    assert abs(wrong * N / dense[2] - 1) > 30 / N


# Edges and resolution ------------------------------------------------------------------------------------------


@given(st.floats(-3, 3), st.floats(-3, 3))
@settings(deadline=None)
def test_edges_of_the_isotropic_law(log_alpha, log_scale):
    alpha, scale = 10**log_alpha, 10**log_scale
    low, high = mp.edges(alpha, Spectrum([scale]))
    assert high == pytest.approx(scale * (1 + alpha**-0.5) ** 2, rel=1e-12)
    assert low == pytest.approx(scale * (1 - alpha**-0.5) ** 2, rel=1e-9)


@pytest.mark.parametrize("alpha", [0.5, 1.6, 8.0])
def test_edges_of_a_large_matrix(alpha):
    """Tracy-Widom: within about 5 (edge) N^(-2/3) of the extreme eigenvalues at N = 400."""
    spectrum = two_level(4.0, 0.25)
    X = np.random.default_rng(0).standard_normal((round(alpha * 400), 400)) * np.sqrt(spectrum.at(400)[0])
    small = X @ X.T if alpha < 1 else X.T @ X
    values = np.linalg.eigvalsh(small / len(X))
    low, high = mp.edges(alpha, spectrum)
    assert values[0] == pytest.approx(low, abs=5 * low * 400 ** (-2 / 3))
    assert values[-1] == pytest.approx(high, abs=5 * high * 400 ** (-2 / 3))


def test_the_lower_edge_touches_zero_at_the_threshold_alone():
    spectrum = Spectrum([0.0, 1.0, 2.0, 3.0])
    assert mp.edges(0.75, spectrum)[0] == 0
    for alpha in (0.75 - 1e-6, 0.75 + 1e-6):
        # ⟨s²/(s + κ)²⟩ ≈ f - 2κ⟨1/s⟩ and l ≈ κ²⟨1/s⟩/alpha: the edge is the square of the distance.
        assert mp.edges(alpha, spectrum)[0] == pytest.approx(1e-12 / (4 * 0.75 * (11 / 24)), rel=1e-4)


@pytest.mark.parametrize("name", ["two levels", pytest.param("steep", marks=pytest.mark.slow)])
def test_spacing(name, monkeypatch):
    """Half the step changes nothing; three times the step is seen: exp(-π²/(6 · 0.15)) is 2e-5."""

    def answer():
        law = mp.anisotropic(0.9, SPECTRA[name], [0.1])
        f = np.exp(-10 * law.nodes)
        return np.array([law.mean(f**2), law.pair_mean(f, f)])

    usual = answer()
    monkeypatch.setattr(mp, "CONTOUR_STEP", mp.CONTOUR_STEP / 2)
    np.testing.assert_allclose(answer(), usual, rtol=1e-12)
    monkeypatch.setattr(mp, "RESOLUTION", 1.0)
    monkeypatch.setattr(mp, "CONTOUR_STEP", mp.CONTOUR_STEP * 6)
    assert (abs(answer() / usual - 1) > 1e-9).all()


def test_a_spectrum_that_is_not_resolved_is_an_error(monkeypatch):
    monkeypatch.setattr(mp, "CONTOUR_STEP", 1.0)
    with pytest.raises(ConvergenceError, match=r"alpha = 0\.9 was not resolved"):
        mp.anisotropic(0.9, Spectrum([1.0, 4.0], teacher_weights=[1.0, 1.0]), [])


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"alpha = 0\.0"):
        mp.edges(0.0, Spectrum([1.0]))


@pytest.mark.parametrize("alpha", [0.4, 3.0])
def test_a_coarser_contour_that_sees_no_upper_edge_averages_decays(alpha: float) -> None:
    """Errors of exp(-π²/0.45) = 3e-10, and where decays change at the upper edge there is nothing left of them."""
    spectrum = two_level(10.0, 0.3, [1.0, 3.0])
    times = np.geomspace(0.01, 1e3, 12)
    whole, coarse = (mp.anisotropic(alpha, spectrum, [1e-3], **given) for given in ({}, {"upper": (), "coarser": 1.5}))
    assert len(coarse.nodes) < 0.65 * len(whole.nodes)
    one, two = (np.exp(-np.multiply.outer(times, law.nodes)) for law in (whole, coarse))
    assert coarse.input_mean(two) == pytest.approx(whole.input_mean(one), abs=1e-8)
    assert coarse.pair_mean(two, two) == pytest.approx(whole.pair_mean(one, one), abs=1e-8)
    fine = mp.anisotropic(alpha, spectrum, [1e-3], upper=())
    three = np.exp(-np.multiply.outer(times, fine.nodes))
    assert fine.pair_mean(three, three) == pytest.approx(whole.pair_mean(one, one), rel=1e-12, abs=1e-13)
