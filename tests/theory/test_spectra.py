import doctest

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmech.errors import ConvergenceError, InputError
from tsmech.theory import spectra


def test_examples():
    assert doctest.testmod(spectra) == (0, 4)


@given(ratio=st.floats(1e-3, 1e3), fraction=st.floats(0.01, 0.99))
@settings(deadline=None)
def test_two_level_has_the_ratio_the_shares_and_mean_one(ratio, fraction):
    eigenvalues, shares = spectra.two_level(ratio, fraction)
    assert eigenvalues[0] / eigenvalues[1] == pytest.approx(ratio)
    assert shares[0] == fraction
    assert shares @ eigenvalues == pytest.approx(1)
    assert spectra.positive_part(eigenvalues, shares)[3] == 1  # the rank is exact: the threshold depends on it


def test_power_law_falls_with_the_exponent_and_has_mean_one():
    eigenvalues = spectra.power_law(1.7, 300)
    assert eigenvalues.mean() == pytest.approx(1)
    np.testing.assert_allclose(np.diff(np.log(eigenvalues)) / np.diff(np.log(np.arange(1, 301))), -1.7)
    np.testing.assert_array_equal(spectra.power_law(0.0, 5), np.ones(5))


@st.composite
def spectrum(draw):
    size = draw(st.integers(1, 6))
    eigenvalues = draw(st.lists(st.floats(-4, 4).map(lambda x: 10**x), min_size=size, max_size=size))
    shares = np.array(draw(st.lists(st.floats(0.05, 1), min_size=size, max_size=size)))
    if draw(st.booleans()):
        eigenvalues.append(0.0)
        shares = np.append(shares, 0.5)
    return np.array(eigenvalues), shares / shares.sum()


@given(spectrum(), st.floats(-3, 3), st.floats(-12, 4))
@settings(deadline=None, max_examples=120)
def test_the_root_solves_the_fixed_point_within_its_bounds(case, log_alpha, log_penalty):
    """Eqs. 9 and 21.  The residual is that of one unit of rounding in each term of a sum of at most eight."""
    (s, shares), alpha, penalty = case, 10**log_alpha, 10**log_penalty
    kappa = float(spectra.effective_penalty(alpha, penalty, s, shares))
    residual = penalty / kappa + shares @ (s / (s + kappa)) - alpha
    assert abs(residual) < 1e-13 * max(alpha, 1)
    assert penalty / alpha * (1 - 1e-12) <= kappa <= (penalty + shares @ s) / alpha * (1 + 1e-12)


@given(spectrum(), st.floats(-3, 3))
@settings(deadline=None)
def test_without_penalty_the_root_is_zero_from_the_threshold_on(case, log_alpha):
    (s, shares), alpha = case, 10**log_alpha
    kappa = float(spectra.effective_penalty(alpha, 0.0, s, shares))
    rank = shares[s > 0].sum()
    if alpha < rank * (1 - 1e-12):
        assert kappa > 0
        assert shares @ (s / (s + kappa)) == pytest.approx(alpha, rel=1e-12)
    elif alpha > rank * (1 + 1e-12):
        assert kappa == 0


@pytest.mark.parametrize("penalty", [1e-300, 1e-30, 1e-12, 1e-3, 1.0])
def test_nothing_cancels_at_the_threshold(penalty):
    """κ at alpha = 1 for isotropic inputs solves κ² - λκ - λ = 0, whose root is written here without cancellation."""
    exact = (penalty + np.sqrt(penalty**2 + 4 * penalty)) / 2
    assert float(spectra.effective_penalty(1.0, penalty, [1.0, 1.0, 1.0])) == pytest.approx(exact, rel=1e-13)


def test_rounding_of_alpha_does_not_move_it_off_the_threshold():
    one = np.linspace(0.1, 4, 40)[9]
    assert spectra.excess(one, 1.0) == 0
    assert spectra.excess(1 + 1e-14, 1.0) > 0
    assert float(spectra.excess(0.1 + 0.2, 0.3)) == 0


def test_broadcasting():
    kappa = spectra.effective_penalty(np.ones((3, 1)), np.ones(4), [1.0, 2.0])
    assert kappa.shape == (3, 4)
    assert spectra.effective_penalty(1.0, 1.0, [1.0]).shape == ()


def test_a_root_that_is_not_found_is_an_error(monkeypatch):
    class Report:
        converged, iterations, flag = False, 200, "too slow"

    monkeypatch.setattr(scipy.optimize, "brentq", lambda *args, **options: (1.0, Report))
    with pytest.raises(ConvergenceError, match="200 steps: too slow"):
        spectra.effective_penalty(0.5, 0.0, [1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectra.two_level(0.0, 0.5), "ratio = 0.0"),
        (lambda: spectra.two_level(2.0, 1.0), "fraction = 1.0"),
        (lambda: spectra.power_law(np.nan, 3), "exponent = nan"),
        (lambda: spectra.power_law(1.0, 0), "dimension = 0"),
        (lambda: spectra.power_law(400.0, 10), "underflows"),
        (lambda: spectra.effective_penalty(0.0, 1.0, [1.0]), "alpha = 0.0"),
        (lambda: spectra.effective_penalty(1.0, [0.5, -1.0], [1.0]), "penalty = -1.0"),
        (lambda: spectra.effective_penalty(np.nan, 1.0, [1.0]), "alpha = nan"),
        (lambda: spectra.effective_penalty(1.0, 1.0, [0.0, 0.0]), "eigenvalues"),
        (lambda: spectra.effective_penalty(1.0, 1.0, [1.0, 1e-300]), "eigenvalues"),
        (lambda: spectra.effective_penalty(1.0, 1.0, [[1.0]]), "eigenvalues"),
        (lambda: spectra.effective_penalty(1.0, 1.0, [1.0, 2.0], [0.5, 0.6]), "shares"),
        (lambda: spectra.effective_penalty(1.0, 1.0, [1.0, 2.0], [1.0]), "shares"),
        (lambda: spectra.effective_penalty(1.0, 1.0, [0.0, 2.0], [1.0, 0.0]), "shares"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
