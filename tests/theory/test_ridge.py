import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from tsmech.errors import InputError
from tsmech.theory import ridge, spectra
from tsmech.theory.spectra import Spectrum

NAMES = ["generalization_error", "test_error", "train_error", "bias", "variance", "weight_norm"]

alphas = st.one_of(
    st.floats(-3, 3).map(lambda x: 10**x),
    st.floats(-14, -1).map(lambda x: 1 - 10**x),
    st.floats(-14, -1).map(lambda x: 1 + 10**x),
    st.just(1.0),
)
penalties = st.one_of(st.just(0.0), st.floats(-14, 4).map(lambda x: 10**x))
noises = st.one_of(st.just(0.0), st.floats(-3, 2).map(lambda x: 10**x))
signals = st.one_of(st.just(0.0), st.floats(-3, 3).map(lambda x: 10**x))
shares_unseen = st.floats(0, 1)


def test_examples():
    assert doctest.testmod(ridge) == (0, 5)


def test_the_dictionary_to_other_papers():
    """Each conversion of theory/conventions.md, for ridge regression and for gradient flow."""
    note = Path(__file__).parents[2] / "theory" / "conventions.md"
    failed, run = doctest.testfile(str(note), module_relative=False)
    assert failed == 0
    assert run >= 50


def test_numpy_is_all_that_a_closed_form_needs():
    code = """
import sys
from tsmech.theory import ridge
ridge.isotropic(2.0, 0.5, 0.0)
assert not {"scipy", "numba", "pandas"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Two routes that share no formula ------------------------------------------------------------------------------


@given(alphas, noises, penalties, signals, shares_unseen)
@example(1.0, 0.5, 0.0, 1.0, 0.0)
@example(1.0, 0.0, 0.0, 1.0, 0.0)
@example(1.0, 0.5, 1e-12, 1.0, 0.3)
@example(1e-3, 0.5, 1e-12, 1.0, 0.0)
@example(1e3, 0.5, 1e-12, 1.0, 0.0)
@settings(deadline=None, max_examples=120)
def test_closed_forms_and_fixed_point_agree(alpha, noise, penalty, signal, unseen):
    closed = ridge.isotropic(alpha, noise, penalty, signal, unseen)
    general = ridge.spectral(
        alpha, noise, penalty, Spectrum([1.0, 1.0], shares=[0.3, 0.7], teacher_weights=[signal, signal]), unseen
    )
    assert list(closed) == list(general) == NAMES
    for name in NAMES:
        np.testing.assert_allclose(closed[name], general[name], rtol=1e-10, atol=1e-200, err_msg=name)


@pytest.mark.parametrize("alpha", [0.2, 0.8, 1.5, 6.0])
@pytest.mark.parametrize("penalty", [0.01, 0.7])
def test_closed_forms_are_averages_over_the_marchenko_pastur_law(alpha, penalty):
    """Averages of (4) and (5) over the eigenvalues of A, a semicircle in x = √(edges) cos θ; quad is good to 1e-10."""
    noise, signal = 0.6, 1.3
    mean, half_width = 1 + alpha, 2 * np.sqrt(alpha)

    def average(function):
        """Integrate over the density √((a₊ - a)(a - a₋)) / 2πa and add the share max(1 - alpha, 0) at a = 0."""

        def integrand(angle):
            a = mean + half_width * np.cos(angle)
            return function(a) * (half_width * np.sin(angle)) ** 2 / (2 * np.pi * a)

        return quad(integrand, 0, np.pi, epsabs=0, epsrel=1e-11)[0] + max(1 - alpha, 0) * function(0.0)

    assert average(lambda a: 1.0) == pytest.approx(1, rel=1e-9)
    answer = ridge.isotropic(alpha, noise, penalty, signal)
    bias = average(lambda a: signal * penalty**2 / (a + penalty) ** 2) / 2
    variance = average(lambda a: noise**2 * a / (a + penalty) ** 2) / 2
    weights = average(lambda a: (signal * a**2 + noise**2 * a) / (a + penalty) ** 2)
    residual = average(lambda a: penalty**2 * (signal * a + noise**2) / (a + penalty) ** 2) + (alpha - 1) * noise**2
    assert answer["bias"] == pytest.approx(bias, rel=1e-9)
    assert answer["variance"] == pytest.approx(variance, rel=1e-9)
    assert answer["weight_norm"] == pytest.approx(weights, rel=1e-9)
    assert answer["train_error"] == pytest.approx(residual / (2 * alpha), rel=1e-9)


# Limits --------------------------------------------------------------------------------------------------------


@given(st.floats(1e-3, 0.999), noises, signals)
@settings(deadline=None)
def test_fewer_examples_than_inputs_without_penalty(alpha, noise, signal):
    """Hastie et al. 2022, the isotropic ridgeless limit for γ > 1, in our units (eq. 29)."""
    answer = ridge.isotropic(alpha, noise, 0.0, signal)
    np.testing.assert_allclose(answer["bias"], signal * (1 - alpha) / 2, rtol=1e-12)
    np.testing.assert_allclose(answer["variance"], noise**2 * alpha / (2 * (1 - alpha)), rtol=1e-12)
    np.testing.assert_allclose(answer["weight_norm"], signal * alpha + noise**2 * alpha / (1 - alpha), rtol=1e-12)
    assert answer["train_error"] == 0


@given(st.floats(1.001, 1e3), noises, signals)
@settings(deadline=None)
def test_more_examples_than_inputs_without_penalty(alpha, noise, signal):
    """Hastie et al. 2022, the isotropic ridgeless limit for γ < 1, in our units (eq. 29)."""
    answer = ridge.isotropic(alpha, noise, 0.0, signal)
    assert answer["bias"] == 0
    np.testing.assert_allclose(answer["variance"], noise**2 / (2 * (alpha - 1)), rtol=1e-12)
    np.testing.assert_allclose(answer["train_error"], noise**2 * (1 - 1 / alpha) / 2, rtol=1e-12)
    np.testing.assert_allclose(answer["weight_norm"], signal + noise**2 / (alpha - 1), rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.3, 0.9, 1.1, 3.0])
def test_a_small_penalty_tends_to_none(alpha):
    """E(λ) - E(0) is linear in λ or, for some biases, quadratic, with corrections of about 10 λ / (1 - α)²."""
    small = 1e-5 * (1 - alpha) ** 2
    for theory, order in (
        (ridge.isotropic, 2),
        (
            lambda a, n, p: ridge.spectral(a, n, p, Spectrum([3.0, 0.2, 1.0], teacher_weights=[0.4, 2.0, 1.0])),
            1 if alpha < 1 else 2,
        ),
    ):
        at_zero, near, far = (theory(alpha, 0.5, penalty) for penalty in (0.0, small, 10 * small))
        for name, power in (("bias", order), ("variance", 1), ("weight_norm", 1)):
            ratio = (far[name] - at_zero[name]) / (near[name] - at_zero[name])
            assert ratio == pytest.approx(10**power, rel=5e-3), name


@pytest.mark.parametrize("penalty", [1e-6, 1e-10])
def test_the_divergence_at_the_threshold(penalty):
    """Eq. 23: κ = √λ, D = 2√λ for s = 1, with corrections of relative order √λ."""
    answer = ridge.isotropic(1.0, 0.5, penalty)
    assert answer["variance"] == pytest.approx(0.25 / (4 * np.sqrt(penalty)), rel=2 * np.sqrt(penalty))


@pytest.mark.parametrize("alpha", [1.0, np.linspace(0.1, 4, 40)[9], 1 + 2e-16, 1 - 1e-16])
def test_at_the_threshold_what_diverges_is_inf(alpha):
    for answer in (
        ridge.isotropic(alpha, 0.5, 0.0, 2.0, 0.25),
        ridge.spectral(alpha, 0.5, 0.0, Spectrum([3.0, 0.2], teacher_weights=[2.5, 2.5]), 0.25),
    ):
        for name in ("generalization_error", "test_error", "variance", "weight_norm"):
            assert answer[name] == np.inf
        assert answer["train_error"] == 0
    assert ridge.isotropic(alpha, 0.5, 0.0, 2.0, 0.25)["bias"] == 0.25


def test_at_the_threshold_without_noise_all_is_finite():
    for answer in (
        ridge.isotropic(1.0, 0.0, 0.0, 2.0),
        ridge.spectral(1.0, 0.0, 0.0, Spectrum([3.0, 0.2], teacher_weights=[1.0, 3.0])),
    ):
        assert answer["generalization_error"] == answer["train_error"] == 0
        assert answer["weight_norm"] == 2


def test_directions_without_input_move_the_threshold():
    s, t = [2.0, 0.0, 1.0, 1.0], [1.0, 9.0, 1.0, 1.0]
    assert ridge.spectral(0.75, 0.5, 0.0, Spectrum(s, teacher_weights=t))["variance"] == np.inf
    assert np.isfinite(ridge.spectral(1.0, 0.5, 0.0, Spectrum(s, teacher_weights=t))["variance"])
    with_shares = ridge.spectral(
        0.75, 0.5, 0.0, Spectrum([2.0, 0.0, 1.0], shares=[0.25, 0.25, 0.5], teacher_weights=[1.0, 9.0, 1.0])
    )
    assert with_shares["variance"] == np.inf
    assert ridge.spectral(3.0, 0.5, 0.0, Spectrum(s, teacher_weights=t))["variance"] == pytest.approx(
        0.25 / 2 * 0.75 / 2.25
    )  # eq. 22


def test_many_examples_and_huge_penalties():
    many = ridge.spectral(1e6, 0.5, 1.0, Spectrum([3.0, 0.2], teacher_weights=[1.0, 2.0]))
    assert many["generalization_error"] < 1e-6
    assert many["weight_norm"] == pytest.approx(1.5, rel=1e-5)
    nothing = ridge.spectral(2.0, 0.5, 1e12, Spectrum([3.0, 0.2], teacher_weights=[1.0, 2.0]))
    variance = (3.0 * 1.0 + 0.2 * 2.0) / 2
    assert nothing["generalization_error"] == pytest.approx(variance / 2, rel=1e-10)
    assert nothing["train_error"] == pytest.approx((variance + 0.25) / 2, rel=1e-10)


# Relations -----------------------------------------------------------------------------------------------------


@given(alphas, noises, st.floats(-9, 3).map(lambda x: 10**x), shares_unseen)
@settings(deadline=None)
def test_generalized_cross_validation(alpha, noise, penalty, unseen):
    """Eq. 16, with κ from the fixed point."""
    s, t = [3.0, 0.2, 1.0], [0.4, 2.0, 1.0]
    answer = ridge.spectral(alpha, noise, penalty, Spectrum(s, teacher_weights=t), unseen)
    kappa = spectra.effective_penalty(alpha, penalty, Spectrum(s))
    np.testing.assert_allclose(
        answer["train_error"], answer["test_error"] * (penalty / (alpha * kappa)) ** 2, rtol=1e-10, atol=1e-200
    )


@given(alphas, noises, penalties, st.floats(0.1, 10), shares_unseen)
@settings(deadline=None)
def test_signal_sets_the_scale(alpha, noise, penalty, signal, unseen):
    """E(σ, λ, V) = V E(σ / √V, λ, 1): a formula for a unit teacher alone does not pass."""
    answer = ridge.isotropic(alpha, noise, penalty, signal, unseen)
    unit = ridge.isotropic(alpha, noise / np.sqrt(signal), penalty, 1.0, unseen)
    for name in NAMES:
        np.testing.assert_allclose(answer[name], signal * unit[name], rtol=1e-9, atol=1e-200)


@given(alphas, noises, penalties, signals, shares_unseen)
@settings(deadline=None)
def test_what_is_unseen_is_noise_and_an_error_that_stays(alpha, noise, penalty, signal, unseen):
    answer = ridge.isotropic(alpha, noise, penalty, signal, unseen)
    hidden = unseen * signal
    seen = ridge.isotropic(alpha, np.sqrt(noise**2 + hidden), penalty, signal - hidden)
    np.testing.assert_allclose(answer["bias"], seen["bias"] + hidden / 2, rtol=1e-9)
    np.testing.assert_allclose(answer["variance"], seen["variance"], rtol=1e-9)
    np.testing.assert_allclose(answer["train_error"], seen["train_error"], rtol=1e-9, atol=1e-200)


def test_equal_directions_may_be_merged_and_the_order_is_free():
    whole = ridge.spectral(0.7, 0.5, 0.1, Spectrum([1.0, 4.0, 1.0], teacher_weights=[2.0, 0.5, 2.0]))
    merged = ridge.spectral(0.7, 0.5, 0.1, Spectrum([4.0, 1.0], shares=[1 / 3, 2 / 3], teacher_weights=[0.5, 2.0]))
    for name in NAMES:
        assert whole[name] == pytest.approx(float(merged[name]), rel=1e-13)


def test_shapes_and_order_of_points():
    answer = ridge.isotropic(np.linspace(0.1, 4, 7)[:, None], [0.0, 0.5, 1.0], 0.1)
    assert {values.shape for values in answer.values()} == {(7, 3)}
    scalar = ridge.spectral(2.0, 0.5, 0.1, Spectrum([1.0]))
    assert all(isinstance(values, np.ndarray) and values.shape == () for values in scalar.values())
    grid = ridge.spectral([[2.0], [0.5]], [0.1, 0.7], [0.3, 0.0], Spectrum([2.0, 1.0], teacher_weights=[1.0, 3.0]))
    for i, alpha in enumerate([2.0, 0.5]):
        for j, (noise, penalty) in enumerate([(0.1, 0.3), (0.7, 0.0)]):
            point = ridge.spectral(alpha, noise, penalty, Spectrum([2.0, 1.0], teacher_weights=[1.0, 3.0]))
            assert all(grid[name][i, j] == point[name] for name in NAMES)


# The best penalty ----------------------------------------------------------------------------------------------


@given(st.floats(0.05, 20), st.floats(0.05, 3), shares_unseen.filter(lambda u: u < 0.99), st.floats(0.3, 3))
@settings(deadline=None)
def test_for_equal_weights_the_best_penalty_is_noise_over_signal(alpha, noise, unseen, factor):
    """Krogh & Hertz 1992: of the size of the noise's variance.  Value there: eq. 31; no other penalty is better."""
    s, t = [3.0, 0.2, 1.0], [1.5, 1.5, 1.5]
    best = ridge.optimal_penalty(alpha, noise, Spectrum(s, teacher_weights=t), unseen=unseen)
    hidden = unseen * 1.5 * 1.4
    assert best == pytest.approx((noise**2 + hidden) / (1.5 * (1 - unseen)), rel=1e-14)
    answer = ridge.spectral(alpha, noise, [best, best * factor], Spectrum(s, teacher_weights=t), unseen)
    kappa = float(spectra.effective_penalty(alpha, best, Spectrum(s)))
    assert answer["test_error"][0] == pytest.approx(alpha * 1.5 * (1 - unseen) * kappa / 2, rel=1e-12)
    assert answer["generalization_error"][0] <= answer["generalization_error"][1] * (1 + 1e-14)


def test_at_the_best_penalty_more_examples_always_help():
    """The peak at alpha = 1 is gone (Advani & Saxe 2017)."""
    curve = ridge.isotropic(np.geomspace(0.01, 100, 300), 0.5, 0.25)["generalization_error"]
    assert np.all(np.diff(curve) < 0)


@st.composite
def directions(draw):
    size = draw(st.integers(2, 5))
    row = st.lists(st.floats(-2, 2).map(lambda x: 10**x), min_size=size, max_size=size)
    return draw(row), draw(row)


@given(directions(), st.floats(-1.5, 1), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.0, 0.3]))
@settings(deadline=None, max_examples=40)
def test_for_any_weights_no_penalty_is_better(case, log_alpha, noise, unseen):
    """Against a plain scan of λ, ends included; the scan cannot win by more than rounding."""
    (s, t), alpha = case, 10**log_alpha
    best = ridge.optimal_penalty(alpha, noise, Spectrum(s, teacher_weights=t), unseen=unseen)
    at_best = ridge.spectral(alpha, noise, best, Spectrum(s, teacher_weights=t), unseen)["generalization_error"]
    scan = ridge.spectral(alpha, noise, [0.0, *np.geomspace(1e-9, 1e9, 400)], Spectrum(s, teacher_weights=t), unseen)
    assert at_best <= scan["generalization_error"].min() * (1 + 1e-12) + 1e-300


def test_the_best_penalty_is_a_stationary_point():
    """A central difference of step h has an error of h²: the slope there falls by 4 when h is halved, to nothing."""
    s, t, alpha = [3.0, 0.2, 1.0], [0.1, 4.0, 1.0], 0.8
    best = ridge.optimal_penalty(alpha, 0.5, Spectrum(s, teacher_weights=t))

    def slope(step):
        pair = ridge.spectral(alpha, 0.5, best * np.exp([-step, step]), Spectrum(s, teacher_weights=t))[
            "generalization_error"
        ]
        return (pair[1] - pair[0]) / (2 * step)

    assert slope(0.1) / slope(0.05) == pytest.approx(4, rel=0.05)
    assert abs(4 * slope(0.05) - slope(0.1)) < 0.01 * abs(slope(0.1))


def test_the_ends():
    aligned = Spectrum([4.0, 0.1], teacher_weights=[1.0, 1e-4])
    assert ridge.optimal_penalty(0.4, 0.0, aligned) == 0  # more penalty only hurts
    assert ridge.optimal_penalty(2.0, 0.0, Spectrum([3.0, 1.0], teacher_weights=[1.0, 2.0])) == 0  # perfect without one
    assert (
        ridge.optimal_penalty(2.0, 0.5, Spectrum([3.0, 1.0], teacher_weights=[0.0, 0.0])) == np.inf
    )  # nothing to learn
    assert ridge.optimal_penalty(2.0, 0.5, Spectrum([3.0, 1.0], teacher_weights=[1.0, 2.0]), unseen=1.0) == np.inf
    assert ridge.optimal_penalty(2.0, 0.0, Spectrum([3.0, 1.0], teacher_weights=[0.0, 0.0])) == 0  # no matter
    assert (
        ridge.optimal_penalty(2.0, 0.5, Spectrum([3.0, 0.0], teacher_weights=[0.5, 7.0])) == 0.5
    )  # the weight that no input reaches


# Bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ridge.isotropic(0.0, 0.5, 0.0), "alpha = 0.0"),
        (lambda: ridge.isotropic([1.0, -2.0], 0.5, 0.0), "alpha = -2.0"),
        (lambda: ridge.isotropic(1.0, -0.5, 0.0), "noise = -0.5"),
        (lambda: ridge.isotropic(1.0, 0.5, np.inf), "penalty = inf"),
        (lambda: ridge.isotropic(1.0, 0.5, 0.0, np.nan), "signal = nan"),
        (lambda: ridge.isotropic(1.0, 0.5, 0.0, 1.0, 1.5), "unseen = 1.5"),
        (lambda: ridge.spectral(1.0, 0.5, 0.0, Spectrum([1.0], teacher_weights=[-1.0])), "teacher_weights = -1.0"),
        (
            lambda: ridge.spectral(1.0, 0.5, 0.0, Spectrum([1.0, 2.0], teacher_weights=[1.0])),
            "teacher_weights of shape .* 2 eigenvalues",
        ),
        (
            lambda: ridge.spectral(1.0, 0.5, 0.0, Spectrum([-1.0, 2.0], teacher_weights=[1.0, 1.0])),
            "eigenvalues = -1.0",
        ),
        (lambda: ridge.optimal_penalty(1.0, -1.0, Spectrum([1.0])), "noise = -1.0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
