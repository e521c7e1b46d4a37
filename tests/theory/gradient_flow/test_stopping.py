import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from tsmech.errors import InputError
from tsmech.theory import ridge
from tsmech.theory.gradient_flow import largest_step, learning_curve, prepare, spectral_learning_curve
from tsmech.theory.gradient_flow import stopping as gradient_flow_stopping
from tsmech.theory.gradient_flow.stopping import optimal_stopping, stopping_ratio
from tsmech.theory.spectra import Spectrum, marchenko_pastur

alphas = st.one_of(st.floats(-1.5, 1.5).map(lambda x: 10**x), st.floats(-3, -1).map(lambda x: 1 - 10**x), st.just(1.0))
noises = st.floats(-2, 1).map(lambda x: 10**x)
scales = st.one_of(st.just(0.0), st.floats(0.1, 2))


def isotropic(alpha, noise, signal=1.0, **options):
    return optimal_stopping(alpha, noise, Spectrum([1.0], teacher_weights=[signal]), **options)


def test_examples():
    assert doctest.testmod(gradient_flow_stopping) == (0, 3)


# The minimum ---------------------------------------------------------------------------------------------------


@given(alphas, noises, scales, st.sampled_from([0.0, 0.3]))
@settings(deadline=None, max_examples=20)
def test_no_time_is_better(alpha, noise, scale, share_of_penalty):
    """On a fine grid, and one part in 10³ to either side.  The penalty is a share of the best one."""
    penalty = share_of_penalty * noise**2
    time, error = isotropic(alpha, noise, initial_scale=scale, penalty=penalty)
    assert 0 < time <= math.inf
    grid = np.append(np.geomspace(1e-3, 1e6, 400), np.inf)
    errors = learning_curve(grid, alpha, noise, initial_scale=scale, penalty=penalty)["generalization_error"]
    assert error <= errors.min() * (1 + 1e-11)
    at = learning_curve([time], alpha, noise, initial_scale=scale, penalty=penalty)["generalization_error"]
    assert error == pytest.approx(at[0], rel=1e-12)
    assert error == pytest.approx(errors.min(), rel=1e-3)


@given(alphas, noises, scales)
@settings(deadline=None, max_examples=20)
def test_the_best_time_lies_between_those_of_the_modes(alpha, noise, scale):
    """Eq. 33."""
    time, _ = isotropic(alpha, noise, initial_scale=scale)
    strength = alpha * (1 + scale**2) / noise**2
    bounds = [
        math.log1p(strength * edge) / edge if edge > 0 else strength
        for edge in marchenko_pastur.edges(alpha, Spectrum([1.0]))
    ]
    assert bounds[1] * (1 - 1e-9) <= time <= bounds[0] * (1 + 1e-9)


@pytest.mark.parametrize("alpha", [0.3, 1.0, 4.0])
def test_a_weak_signal_is_stopped_at_the_inverse_of_the_best_penalty(alpha):
    """t* → alpha τ/σ² = 1/μ*, with corrections of relative order alpha l₊ τ/σ², at most 9e-4 here."""
    assert isotropic(alpha, 100.0).time == pytest.approx(alpha / 1e4, rel=2e-3)


def test_weak_noise_at_the_threshold():
    """Eq. 34, approached as σ (the next order in eq. 17 is the constant, smaller by t^(-1/2))."""
    for noise in (1e-2, 1e-3):
        time, error = isotropic(1.0, noise, signal=0.8, initial_scale=0.5)
        total = 0.8 + 0.25
        assert time == pytest.approx((1 + np.sqrt(2)) / 4 * total / noise**2, rel=3 * noise)
        assert error == pytest.approx(noise * np.sqrt(total * 2 * (np.sqrt(2) - 1) / np.pi), rel=3 * noise)


def test_the_slope_is_the_derivative():
    """Central differences of step 1e-4 in log t: error 1e-8 of the third derivative, and rounding of 1e-13/1e-4."""
    s, t, shares = [3.0, 0.2, 0.0], [0.5, 2.0, 1.0], [0.3, 0.5, 0.2]
    flow = prepare(100.0, 0.7, 0.5, Spectrum(s, shares=shares, teacher_weights=t), 0.4, 0.05, 0.0, 0.1)
    times = np.geomspace(0.01, 100, 9)
    numeric = (flow.errors(times * (1 + 1e-4)) - flow.errors(times * (1 - 1e-4))) / (2e-4 * times)
    np.testing.assert_allclose(flow.slopes(times), numeric, rtol=1e-5, atol=1e-8)


@pytest.mark.slow
def test_two_groups_of_eigenvalues_can_give_two_minima():
    """The strong group overtrains before the weak one has begun: the error falls, rises and falls again.

    Which of the two minima is the lower depends on what there is to learn in the weak group.
    """
    s, shares = [1.0, 1e-4], [0.2, 0.8]
    best = []
    for weak in (300.0, 1000.0):
        options = 0.7, 0.3, Spectrum(s, shares=shares, teacher_weights=[1.0, weak])
        grid = np.geomspace(0.01, 1e5, 200)
        errors = spectral_learning_curve(grid, *options)["generalization_error"]
        inner = (errors[1:-1] < errors[:-2]) & (errors[1:-1] < errors[2:])
        assert inner.sum() == 2
        time, error = optimal_stopping(*options)
        assert error <= errors.min() * (1 + 1e-12)
        assert error == pytest.approx(errors.min(), rel=1e-3)
        best.append(time)
    assert best[0] < 100 < best[1]


# Never, or at once ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_without_noise_it_is_best_never_to_stop(alpha):
    for scale in (0.0, 0.8):
        time, error = isotropic(alpha, 0.0, initial_scale=scale)
        assert time == math.inf
        assert error == pytest.approx((1 + scale**2) * max(1 - alpha, 0) / 2, abs=1e-15)


@pytest.mark.parametrize("alpha", [0.5, 1.0])
def test_with_the_best_penalty_or_more_it_is_best_never_to_stop(alpha):
    """Eq. 32, for any spectrum; a tenth less and stopping helps."""
    for spectrum in (Spectrum([1.0]), Spectrum([2.0, 0.3])):
        given = alpha, 0.5, spectrum
        for factor in (1.0, 1.5):
            time, error = optimal_stopping(*given, penalty=0.25 * factor)
            assert time == math.inf
        best = ridge.spectral(alpha, 0.5, 0.25, spectrum)["generalization_error"]
        assert optimal_stopping(*given, penalty=0.25).error == pytest.approx(float(best), rel=1e-12)
        time, error = optimal_stopping(*given, penalty=0.225)
        assert time < math.inf
        assert error > best
    assert isotropic(alpha, 0.5, signal=0.0, penalty=0.1) == (0.0, 0.0)
    assert isotropic(alpha, 0.5, signal=0.0, initial_scale=1.0).time > 0


def test_unequal_teacher_weights_overtrain_without_noise():
    """What is not yet learnt of a strong weak direction acts as noise on the others (eq. 29 has S > 0)."""
    time, error = optimal_stopping(0.5, 0.0, Spectrum([3.0, 0.1], teacher_weights=[1.0, 5.0]))
    assert 0 < time < 10
    end = spectral_learning_curve(np.inf, 0.5, 0.0, Spectrum([3.0, 0.1], teacher_weights=[1.0, 5.0]))[
        "generalization_error"
    ]
    assert error < 0.9 * end


# Compared with the best penalty --------------------------------------------------------------------------------


def test_the_bound_on_the_ratio():
    """Ali, Kolter & Tibshirani 2019, 1.22 in their abstract: the maximum in eq. 35."""
    worst = minimize_scalar(
        lambda x: -(1 + x) * (np.exp(-2 * x) + np.expm1(-x) ** 2 / x), bounds=(0.1, 20), method="bounded"
    )
    assert -worst.fun == pytest.approx(1.2147, abs=5e-5)


@given(alphas, noises, st.floats(0, 0.9))
@settings(deadline=None, max_examples=20)
def test_early_stopping_is_nearly_as_good_as_the_best_penalty(alpha, noise, unseen):
    """With isotropic inputs within 4.02 %: the largest ratio, found by search, is 1.0401 at alpha = 1.50, σ = 0.324."""
    assert 1 - 1e-10 <= stopping_ratio(alpha, noise, Spectrum([1.0]), unseen=unseen) < 1.0402


def test_the_worst_ratio_and_that_of_weak_noise_at_the_threshold():
    assert stopping_ratio(1.4987, 0.3243, Spectrum([1.0])) == pytest.approx(1.04014, abs=1e-5)
    assert stopping_ratio(1.0, 1e-4, Spectrum([1.0])) == pytest.approx(
        2 * np.sqrt(2 * (np.sqrt(2) - 1) / np.pi), rel=1e-4
    )


@pytest.mark.parametrize(("alpha", "noise"), [(0.4, 0.1), pytest.param(1.0, 1.0, marks=pytest.mark.slow)])
def test_the_bounds_hold_for_other_spectra(alpha, noise):
    for s, shares in (([4.0, 0.25], [0.2, 0.8]), ([100.0, 1.0, 0.01], [0.1, 0.3, 0.6])):
        assert 1 < stopping_ratio(alpha, noise, Spectrum(s, shares=shares)) < 1.2147


def test_ratios_where_there_is_nothing_to_divide():
    assert stopping_ratio(2.0, 0.0, Spectrum([1.0])) == 1
    assert stopping_ratio(0.5, 0.5, Spectrum([1.0], teacher_weights=[0.0])) == 1


# Steps ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpha", "step", "noise"),
    [(0.5, 0.3, 0.3), (1.0, 0.05, 0.5), (2.0, 0.65, 0.5), (2.0, 0.685, 0.5)],
)
def test_no_number_of_steps_is_better(alpha, step, noise):
    """All numbers to 500 are tried; 0.685 is so near the largest, 0.6863, that the error alternates."""
    time, error = isotropic(alpha, noise, step=step)
    counts = np.arange(501)
    errors = learning_curve(counts * step, alpha, noise, step=step)["generalization_error"]
    assert error == pytest.approx(errors.min(), rel=1e-12)
    assert time == pytest.approx(step * np.argmin(errors), rel=1e-12)


def test_one_step_can_be_the_best():
    """Noise nine times the signal: a second step only learns it.  The best even number was returned."""
    time, error = isotropic(1.2, 3.0, step=0.12, initial_scale=math.sqrt(0.4))
    assert time == 0.12
    assert error == pytest.approx(0.60448, abs=5e-6)


def test_the_best_number_of_steps_is_found_where_modes_that_overshoot_decay_last():
    """The search ended when the slowest mode that does not overshoot had decayed, before the best number, 864."""
    options = {"initial_scale": 1.5742, "penalty": 78.136, "step": 0.0036684}
    time, error = isotropic(0.14724, 9.9525, **options)
    errors = learning_curve(np.arange(2000) * options["step"], 0.14724, 9.9525, **options)["generalization_error"]
    assert 100 * options["step"] < time < math.inf
    assert error == pytest.approx(errors.min(), rel=1e-12)


shares_of_the_largest = st.one_of(st.floats(0.001, 0.9), st.floats(-4, -1).map(lambda x: 1 - 10**x))


@pytest.mark.slow
@given(alphas, noises, scales, st.sampled_from([0.0, 0.5]), shares_of_the_largest)
@settings(deadline=None, max_examples=12)
def test_no_number_of_steps_up_to_a_thousand_is_better(alpha, noise, scale, share_of_penalty, share):
    penalty = share_of_penalty * noise**2
    step = share * largest_step(alpha, penalty, Spectrum([1.0]))
    _, error = isotropic(alpha, noise, initial_scale=scale, penalty=penalty, step=step)
    counts = np.arange(1001)
    errors = learning_curve(counts * step, alpha, noise, initial_scale=scale, penalty=penalty, step=step)
    assert error <= errors["generalization_error"].min() * (1 + 1e-11)


def test_small_steps_are_as_good_as_flow():
    flow = isotropic(1.3, 0.5)
    for step in (1e-3, 1e-5):
        steps = isotropic(1.3, 0.5, step=step)
        assert abs(steps.time - flow.time) < 2 * step
        assert steps.error == pytest.approx(flow.error, rel=3 * step)


def test_bad_input_is_named():
    for call, message in (
        (lambda: isotropic(0.0, 0.5), "alpha = 0.0"),
        (lambda: isotropic(1.0, np.nan), "noise = nan"),
        (lambda: isotropic(1.0, 0.5, penalty=-1.0), "penalty = -1.0"),
        (lambda: isotropic(1.0, 0.5, step=0.7), "stable for steps up to 0.5"),
        (lambda: stopping_ratio(1.0, 0.5, Spectrum([1.0], teacher_weights=[1.0, 2.0])), "teacher_weights"),
    ):
        with pytest.raises(InputError, match=message):
            call()
