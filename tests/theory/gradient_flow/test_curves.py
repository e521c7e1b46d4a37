import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import ive

from tsmech.errors import InputError
from tsmech.theory import ridge
from tsmech.theory.gradient_flow import largest_step, learning_curve, spectral_learning_curve
from tsmech.theory.spectra import Spectrum, marchenko_pastur

NAMES = ["generalization_error", "test_error", "train_error", "weight_norm"]
TIMES = np.append(np.geomspace(1e-3, 1e5, 33), np.inf)

alphas = st.one_of(
    st.floats(-2, 2).map(lambda x: 10**x),
    st.floats(-10, -1).map(lambda x: 1 - 10**x),
    st.floats(-10, -1).map(lambda x: 1 + 10**x),
    st.just(1.0),
)
penalties = st.one_of(st.just(0.0), st.floats(-8, 2).map(lambda x: 10**x))
noises = st.one_of(st.just(0.0), st.floats(-2, 1).map(lambda x: 10**x))
scales = st.one_of(st.just(0.0), st.floats(0.1, 2))
shares_unseen = st.floats(0, 1)


def test_numpy_is_all_that_isotropic_inputs_need():
    code = """
import sys
from tsmech.theory.gradient_flow import learning_curve
learning_curve([1.0], 2.0, 0.5)
assert not {"scipy", "numba", "pandas"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# Both ends of time ---------------------------------------------------------------------------------------------


@given(alphas, noises, scales, penalties, shares_unseen)
@example(1.0, 0.5, 0.3, 0.0, 0.0)
@settings(deadline=None, max_examples=30)
def test_at_the_start(alpha, noise, scale, penalty, unseen):
    signal = 1.3
    answer = learning_curve(
        0.0, alpha, noise, signal=signal, initial_scale=scale, penalty=penalty, unseen=unseen, step=1e-9
    )
    assert answer["generalization_error"] == pytest.approx((signal + scale**2) / 2, rel=1e-12)
    assert answer["test_error"] == pytest.approx((signal + scale**2 + noise**2) / 2, rel=1e-12)
    assert answer["train_error"] == pytest.approx((signal + scale**2 + noise**2) / 2, rel=1e-12)
    assert answer["weight_norm"] == pytest.approx(scale**2, rel=1e-12)


@given(alphas, noises, penalties, shares_unseen)
@example(1.0, 0.5, 0.0, 0.0)
@example(1.0, 0.0, 0.0, 0.0)
@example(1 - 1e-16, 0.5, 0.0, 0.3)
@settings(deadline=None, max_examples=50)
def test_from_zero_weights_it_ends_at_ridge(alpha, noise, penalty, unseen):
    """The limit t → ∞ by quadrature against closed forms: the goal is 1e-8 at every alpha, 1e-11 is found."""
    end = learning_curve(np.inf, alpha, noise, signal=1.3, penalty=penalty, unseen=unseen)
    closed = ridge.isotropic(alpha, noise, penalty, 1.3, unseen)
    assert list(end) == NAMES
    for name in NAMES:
        np.testing.assert_allclose(end[name], closed[name], rtol=1e-11, atol=1e-200, err_msg=name)


@pytest.mark.parametrize("alpha", [0.2, 0.75, 0.75 + 1e-9, 1.5])
@pytest.mark.parametrize("penalty", [0.0, 1e-6])
def test_from_zero_weights_it_ends_at_ridge_for_any_spectrum(alpha, penalty):
    """alpha = 0.75 is the threshold of a spectrum of which a quarter is zero."""
    s, t = [0.0, 3.0, 0.2, 1.0], [7.0, 0.4, 2.0, 1.0]
    end = spectral_learning_curve(np.inf, alpha, 0.5, Spectrum(s, teacher_weights=t), penalty=penalty, unseen=0.2)
    closed = ridge.spectral(alpha, 0.5, penalty, Spectrum(s, teacher_weights=t), 0.2)
    for name in NAMES:
        np.testing.assert_allclose(end[name], closed[name], rtol=1e-11, atol=1e-200, err_msg=name)


@st.composite
def spectra(draw):
    """Up to six eigenvalues over eight decades, with shares down to one in a million and any teacher."""
    size = draw(st.integers(1, 6))
    s, shares, teacher = (
        10.0 ** np.array(draw(st.lists(st.floats(*bounds), min_size=size, max_size=size)))
        for bounds in ((-4, 4), (-6, 0), (-3, 3))
    )
    return s, teacher, shares / shares.sum()


@pytest.mark.slow
@given(spectra(), alphas, noises, penalties)
@settings(deadline=None, max_examples=100)
def test_any_spectrum_at_both_ends_and_between(case, alpha, noise, penalty):
    """The contour resolves them all: ridge at the end, the exact value at the start, and nothing negative between."""
    s, teacher, shares = case
    spectrum = Spectrum(s, shares=shares, teacher_weights=teacher)
    times = np.append(np.geomspace(1e-6, 1e8, 20), [0.0, np.inf])
    answer = spectral_learning_curve(times, alpha, noise, spectrum, penalty=penalty)
    closed = ridge.spectral(alpha, noise, penalty, spectrum)
    for name in NAMES:
        assert (answer[name] >= 0).all()
        if name != "train_error" or closed[name] > 1e-12 * answer[name][-2]:
            np.testing.assert_allclose(answer[name][-1], closed[name], rtol=1e-8, atol=1e-200, err_msg=name)
    assert answer["generalization_error"][-2] == pytest.approx(float(shares @ (s * teacher)) / 2, rel=1e-10)


@given(alphas, scales)
@settings(deadline=None)
def test_what_is_frozen_stays_for_ever(alpha, scale):
    """Eq. 36: large initial weights do lasting harm for alpha < 1, and none from alpha = 1 on."""
    with_start, without = (learning_curve(np.inf, alpha, 0.1, initial_scale=x) for x in (scale, 0.0))
    harm = scale**2 * max(1 - alpha, 0)
    if abs(alpha - 1) > 1e-8:
        difference = with_start["generalization_error"] - without["generalization_error"]
        assert difference == pytest.approx(harm / 2, rel=1e-6, abs=1e-12 * without["generalization_error"])
    assert with_start["train_error"] == pytest.approx(float(without["train_error"]), rel=1e-12)
    with_penalty = learning_curve(np.inf, alpha, 0.1, initial_scale=scale, penalty=0.1)
    closed = ridge.isotropic(alpha, 0.1, 0.1)
    assert with_penalty["generalization_error"] == pytest.approx(float(closed["generalization_error"]), rel=1e-11)


def test_at_the_threshold_noise_is_learnt_for_ever():
    """Eq. 17; the next order is smaller than the first by 1/t."""
    for t in (1e3, 1e6, 1e12):
        error = learning_curve(t, 1.0, 0.5, signal=0.7, initial_scale=0.6)["generalization_error"]
        limit = (0.7 + 0.36) / (2 * np.sqrt(2 * np.pi * t)) + 0.25 * ((2 - np.sqrt(2)) * np.sqrt(t / np.pi) - 0.25)
        assert error == pytest.approx(limit, rel=max(1 / t, 1e-12))
    end = learning_curve([1.0, np.inf], 1.0, 0.5)
    assert end["generalization_error"][1] == end["weight_norm"][1] == np.inf
    assert end["train_error"][1] == 0
    assert np.isfinite(end["weight_norm"][0])
    assert learning_curve(np.inf, 1.0, 0.0)["generalization_error"] == 0


# All times between ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("t", [0.3, 2.0, 50.0, 1e4])
def test_at_the_threshold_all_is_bessel_functions(t):
    """With m(t) = exp(-2t)[I₀ + I₁](2t) and F its integral ⟨d²⟩ = m(2t) and ⟨(1 - d)²/l⟩ = 2F(t) - F(2t)."""

    def m(x):
        return ive(0, 2 * x) + ive(1, 2 * x)

    def integral(x):
        return 2 * x * m(x) + (ive(0, 2 * x) - 1) / 2

    answer = learning_curve(t, 1.0, 0.6, signal=1.3, initial_scale=0.5)
    learnt = 2 * integral(t) - integral(2 * t)
    assert answer["generalization_error"] == pytest.approx((1.55 * m(2 * t) + 0.36 * learnt) / 2, rel=1e-11)
    # ⟨l exp(-2lt)⟩ = -m'(2t) = exp(-4t) I₁(4t)/(2t), by I₀' = I₁ and I₁' = I₀ - I₁/z.
    moment = ive(1, 4 * t) / (2 * t)
    assert answer["train_error"] == pytest.approx((1.55 * moment + 0.36 * m(2 * t)) / 2, rel=1e-11)


@pytest.mark.parametrize("alpha", [0.4, 1.3])
@pytest.mark.parametrize("step", [0.0, 0.25])
def test_all_observables_by_adaptive_quadrature(alpha, step):
    """Eqs. 10-12 over the density (13) in its angle, where quad is good to 1e-11, written out from section 2."""
    noise, signal, scale, penalty, unseen, t = 0.6, 1.3, 0.5, 0.2, 0.3, 1.5
    mu, tau, variance = penalty / alpha, 0.7 * signal, noise**2 + unseen * signal

    def modes(x):
        d = (1 - step * (x + mu)) ** 6 if step else np.exp(-(x + mu) * t)
        h = x * (1 - d) / (x + mu)
        return d, 1 - h, h

    def average(function):
        def integrand(angle):
            x = 1 + 1 / alpha + 2 / np.sqrt(alpha) * np.cos(angle)
            return 2 / np.pi * np.sin(angle) ** 2 / x * function(x)

        return quad(integrand, 0, np.pi, epsabs=0, epsrel=1e-12)[0]

    def error(x):
        d, c, h = modes(x)
        return scale**2 * d**2 + tau * c**2 + (variance / alpha * h**2 / x if x > 0 else 0.0)

    def norm(x):
        d, _, h = modes(x)
        return scale**2 * d**2 + tau * h**2 + (variance / alpha * h**2 / x if x > 0 else 0.0)

    def residual(x):
        d, c, _ = modes(x)
        return x * (scale**2 * d**2 + tau * c**2) + variance / alpha * c**2

    frozen = max(1 - alpha, 0)
    answer = learning_curve(
        t, alpha, noise, signal=signal, initial_scale=scale, penalty=penalty, step=step, unseen=unseen
    )
    expected = (average(error) + frozen * error(0.0) + unseen * signal) / 2
    assert answer["generalization_error"] == pytest.approx(expected, rel=1e-10)
    assert answer["weight_norm"] == pytest.approx(average(norm) + frozen * norm(0.0), rel=1e-10)
    fitted = average(residual) + variance * max(1 - 1 / alpha, 0)
    assert answer["train_error"] == pytest.approx(fitted / 2, rel=1e-10)


@pytest.mark.parametrize(("alpha", "penalty"), [(0.1, 0.0), (0.9, 0.3), (1.0, 0.0), (1.1, 0.0), (5.0, 0.3)])
def test_both_routes_agree_at_all_times(alpha, penalty):
    """Eigenvalues that differ in the 13th digit take the contour, equal ones the real axis."""
    options = {"initial_scale": 0.4, "penalty": penalty, "unseen": 0.1}
    real = learning_curve(TIMES, alpha, 0.5, **options)
    contour = spectral_learning_curve(
        TIMES, alpha, 0.5, Spectrum([1.0, 1 + 1e-13], teacher_weights=[1.0, 1.0]), **options
    )
    twice = spectral_learning_curve(
        TIMES, alpha, 0.5, Spectrum([1.0, 1.0], teacher_weights=[1.0, 1 + 1e-13]), **options
    )
    for name in NAMES:
        if alpha == 1 and penalty == 0:  # at t = inf rounding of the eigenvalues decides there
            real[name], contour[name], twice[name] = (x[name][:-1] for x in (real, contour, twice))
        np.testing.assert_allclose(contour[name], real[name], rtol=1e-9, err_msg=name, atol=1e-100)
        np.testing.assert_allclose(twice[name], real[name], rtol=1e-9, err_msg=name, atol=1e-100)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 2.5])
def test_short_times(alpha):
    """Eq. 18: what is left after the terms of second order is of third order in t."""
    noise, total = 0.8, 1.2 + 0.3**2

    def left(t):
        error = learning_curve(t, alpha, noise, signal=1.2, initial_scale=0.3)["generalization_error"]
        return error - (total / 2 - total * t + (total * (1 + 1 / alpha) + noise**2 / (2 * alpha)) * t**2)

    assert left(2e-3) / left(1e-3) == pytest.approx(8, rel=0.05)


def test_scalings():
    """E(σ, √v₀, λ, V) = V E(σ/√V, √(v₀/V), λ, 1); inputs of variance s at time t are unit inputs at s t with λ/s."""
    t = np.array([0.3, 4.0])
    whole = learning_curve(t, 0.8, 0.5, signal=2.0, initial_scale=0.6, penalty=0.1)
    unit = learning_curve(t, 0.8, 0.5 / np.sqrt(2), initial_scale=0.6 / np.sqrt(2), penalty=0.1)
    large = spectral_learning_curve(
        t / 3, 0.8, 0.5, Spectrum([3.0], teacher_weights=[2.0 / 3]), initial_scale=0.6 / np.sqrt(3), penalty=0.3
    )
    for name in NAMES:
        np.testing.assert_allclose(whole[name], 2 * unit[name], rtol=1e-13)
        np.testing.assert_allclose(large[name] * (3 if name == "weight_norm" else 1), whole[name], rtol=1e-12)


@given(alphas, noises, scales, penalties, shares_unseen)
@settings(deadline=None, max_examples=30)
def test_what_is_unseen_is_noise_and_an_error_that_stays(alpha, noise, scale, penalty, unseen):
    options = {"initial_scale": scale, "penalty": penalty}
    answer = learning_curve([0.5, 30.0], alpha, noise, signal=1.4, unseen=unseen, **options)
    hidden = 1.4 * unseen
    seen = learning_curve([0.5, 30.0], alpha, np.sqrt(noise**2 + hidden), signal=1.4 - hidden, **options)
    np.testing.assert_allclose(answer["generalization_error"], seen["generalization_error"] + hidden / 2, rtol=1e-9)
    np.testing.assert_allclose(answer["train_error"], seen["train_error"], rtol=1e-9)
    np.testing.assert_allclose(answer["weight_norm"], seen["weight_norm"], rtol=1e-9, atol=1e-200)


@given(alphas, scales)
@settings(deadline=None, max_examples=30)
def test_without_noise_the_error_falls_for_ever(alpha, scale):
    for name in ("generalization_error", "train_error"):
        values = learning_curve(TIMES, alpha, 0.0, initial_scale=scale)[name]
        assert (np.diff(values) <= 1e-13 * values[:-1]).all()


@given(alphas, noises, scales, penalties)
@settings(deadline=None, max_examples=30)
def test_the_training_loss_falls_for_ever(alpha, noise, scale, penalty):
    """The loss (1) itself, penalty included: P times twice the training error plus λ N times the weight norm."""
    answer = learning_curve(TIMES[:-1], alpha, noise, initial_scale=scale, penalty=penalty)
    loss = 2 * alpha * answer["train_error"] + penalty * answer["weight_norm"]
    assert (np.diff(loss) <= 1e-12 * loss[:-1]).all()


def test_overtraining_is_worst_at_the_threshold():
    ratios = np.array([0.5, 0.8, 0.9, 0.97, 1.0, 1.03, 1.1, 1.25, 2.0])
    for t in (1e2, 1e3, 1e5):
        errors = [learning_curve([*np.geomspace(0.1, t, 200), t], x, 0.5)["generalization_error"] for x in ratios]
        assert np.argmax([x[-1] - x.min() for x in errors]) == 4


def test_directions_without_input_keep_their_start():
    s, t = [0.0, 2.0], [5.0, 1.0]
    still = spectral_learning_curve(1e4, 3.0, 0.0, Spectrum(s, teacher_weights=t), initial_scale=0.7)
    assert still["generalization_error"] < 1e-12
    assert still["weight_norm"] == pytest.approx(0.5 * 0.49 + 0.5 * 1.0, rel=1e-9)
    decaying = spectral_learning_curve(
        30.0, 3.0, 0.0, Spectrum(s, teacher_weights=[5.0, 0.0]), initial_scale=0.7, penalty=0.3
    )
    assert decaying["weight_norm"] == pytest.approx(0.5 * 0.49 * np.exp(-2 * 0.1 * 30.0), rel=1e-9)


def test_times_keep_their_shape_and_order():
    grid = learning_curve([[1.0, 0.0], [np.inf, 3.0]], 0.5, 0.5)
    assert {values.shape for values in grid.values()} == {(2, 2)}
    assert grid["generalization_error"][1, 1] == learning_curve(3.0, 0.5, 0.5)["generalization_error"]
    assert learning_curve([], 0.5, 0.5)["test_error"].shape == (0,)


# Steps ---------------------------------------------------------------------------------------------------------


def test_one_and_two_steps_from_moments():
    """(1 - step l)^2k and ((1 - d)/l)² l are polynomials in l; the moments are Narayana polynomials in γ = 1/alpha."""
    alpha, noise, step = 0.8, 0.5, 0.3
    gamma = 1 / alpha
    m1, m2, m3, m4 = 1, 1 + gamma, 1 + 3 * gamma + gamma**2, 1 + 6 * gamma + 6 * gamma**2 + gamma**3
    answer = learning_curve([step, 2 * step], alpha, noise, step=step)["generalization_error"]
    one = 1 - 2 * step * m1 + step**2 * m2 + noise**2 * gamma * step**2 * m1
    two = 1 - 4 * step * m1 + 6 * step**2 * m2 - 4 * step**3 * m3 + step**4 * m4
    two += noise**2 * gamma * step**2 * (4 * m1 - 4 * step * m2 + step**2 * m3)
    assert answer == pytest.approx([one / 2, two / 2], rel=1e-12)


def test_steps_tend_to_flow_at_first_order():
    t = np.array([1.0, 8.0])
    flow = learning_curve(t, 1.3, 0.5, penalty=0.1)["generalization_error"]
    steps = 2.0 ** -np.arange(4, 11)
    away = [abs(learning_curve(t, 1.3, 0.5, penalty=0.1, step=x)["generalization_error"] - flow) for x in steps]
    for distance in np.transpose(away):
        slope = np.polyfit(np.log(steps[2:]), np.log(distance[2:]), 1)[0]
        assert slope == pytest.approx(1, abs=0.05)


def test_weights_stand_still_between_steps():
    step = 0.1
    ends = step * np.arange(30)
    at_end = learning_curve(ends, 0.7, 0.5, step=step)["test_error"]
    np.testing.assert_array_equal(learning_curve(ends + 0.09, 0.7, 0.5, step=step)["test_error"], at_end)
    assert (np.diff(at_end) != 0).all()


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_the_largest_step(alpha):
    """A mode at the upper edge neither grows nor decays there; a part in 10⁶ more is refused, with the value."""
    edge = (1 + alpha**-0.5) ** 2
    limit = largest_step(alpha, 0.2, Spectrum([1.0]))
    assert limit == pytest.approx(2 / (edge + 0.2 / alpha), rel=1e-12)
    times = limit * np.array([1e3, 1e3 + 1, 1e6])
    answer = learning_curve(times, alpha, 0.5, penalty=0.2, step=limit)
    closed = ridge.isotropic(alpha, 0.5, 0.2)["generalization_error"]
    # The modes near the edge, whose density goes as the root of the distance, decay as k^(-3/2).
    assert abs(answer["generalization_error"][2] - closed) < 1e-6
    with pytest.raises(InputError, match=f"stable for steps up to {limit:.10g}"):
        learning_curve(1.0, alpha, 0.5, penalty=0.2, step=limit * (1 + 1e-6))


def test_a_mode_that_one_step_removes():
    """alpha = 10⁴ has all modes near 1, so one step of 1 leaves (1 - l)² = 1/alpha of each on average."""
    answer = learning_curve([1.0], 1e4, 0.0, step=1.0)
    assert answer["generalization_error"] == pytest.approx(1e-4 / 2, rel=1e-10)
    # λ/alpha = 10: the step 0.1 removes what is frozen exactly and leaves (0.1 l)² of the rest, ⟨l²⟩ = 1 + 1/alpha.
    frozen = learning_curve([0.1, np.inf], 0.5, 0.0, signal=0.0, initial_scale=1.0, penalty=5.0, step=0.1)
    np.testing.assert_allclose(frozen["weight_norm"], [0.03, 0.0], rtol=1e-12)


def test_the_step_at_finite_n():
    """Eq. 41 bounds the largest eigenvalue of 200 matrices drawn, and is the edge for N → ∞ if inputs are isotropic."""
    rng = np.random.default_rng(0)
    s = np.array([2.0, 0.5])
    bound = 2 / largest_step(1.5, 0.0, Spectrum(s), dimension=40)
    largest = []
    for _ in range(200):
        X = rng.standard_normal((60, 40)) * np.sqrt(np.repeat(s, 20))
        largest.append(np.linalg.norm(X, 2) ** 2 / 60)
    assert max(largest) < bound < 2.5 * max(largest)
    assert largest_step(1.5, 0.3, Spectrum([1.0]), dimension=10**12) == pytest.approx(
        largest_step(1.5, 0.3, Spectrum([1.0])), rel=1e-4
    )
    assert 2 / largest_step(1.5, 0.0, Spectrum(s)) == marchenko_pastur.edges(1.5, Spectrum(s))[1]


# Bad input -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learning_curve([1.0], 0.0, 0.5), "alpha = 0.0"),
        (lambda: learning_curve([-1.0], 1.0, 0.5), "times = -1.0"),
        (lambda: learning_curve([np.nan], 1.0, 0.5), "times = nan"),
        (lambda: learning_curve([1e200], 1.0, 0.5), r"times = 1e\+200"),
        (lambda: learning_curve([1.0], 1.0, -0.5), "noise = -0.5"),
        (lambda: learning_curve([1.0], 1.0, 0.5, signal=-1.0), "signal = -1.0"),
        (lambda: learning_curve([1.0], 1.0, 0.5, initial_scale=-1.0), "initial_scale = -1.0"),
        (lambda: learning_curve([1.0], 1.0, 0.5, penalty=np.inf), "penalty = inf"),
        (lambda: learning_curve([1.0], 1.0, 0.5, step=-0.1), "step = -0.1"),
        (lambda: learning_curve([1.0], 1.0, 0.5, step=0.6), r"step = 0\.6: gradient descent is stable .* up to 0\.5"),
        (lambda: learning_curve([1.0], 1.0, 0.5, unseen=1.5), "unseen = 1.5"),
        (lambda: spectral_learning_curve([1.0], 1.0, 0.5, Spectrum([0.0], teacher_weights=[1.0])), "eigenvalues"),
        (
            lambda: spectral_learning_curve([1.0], 1.0, 0.5, Spectrum([1.0], teacher_weights=[1.0, 2.0])),
            "teacher_weights of shape \\(2,\\): must be one number for each of 1 eigenvalues",
        ),
        (
            lambda: spectral_learning_curve([1.0], 1.0, 0.5, Spectrum([1.0], teacher_weights=[-1.0])),
            "teacher_weights = -1.0",
        ),
        (lambda: largest_step(1.0, -1.0, Spectrum([1.0])), "penalty = -1.0"),
        (lambda: largest_step(0.0, 1.0, Spectrum([1.0]), dimension=10), "alpha = 0.0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
