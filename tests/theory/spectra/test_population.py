import dataclasses
from fractions import Fraction

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmech.errors import ConvergenceError, InputError
from tsmech.theory import spectra
from tsmech.theory.spectra import Spectrum


@given(ratio=st.floats(1e-3, 1e3), fraction=st.floats(0.01, 0.99))
@settings(deadline=None)
def test_two_level_has_the_ratio_the_shares_and_mean_one(ratio, fraction):
    spectrum = spectra.two_level(ratio, fraction)
    assert spectrum.eigenvalues[0] / spectrum.eigenvalues[1] == pytest.approx(ratio)
    assert spectrum.shares[0] == fraction
    assert spectrum.shares @ spectrum.eigenvalues == pytest.approx(1)
    assert spectrum.rank == 1  # exactly: the threshold depends on it


def test_power_law_falls_with_the_exponent_and_has_mean_one():
    eigenvalues = spectra.power_law(1.7, 300).eigenvalues
    assert eigenvalues.mean() == pytest.approx(1)
    np.testing.assert_allclose(np.diff(np.log(eigenvalues)) / np.diff(np.log(np.arange(1, 301))), -1.7)
    np.testing.assert_array_equal(spectra.power_law(0.0, 5).eigenvalues, np.ones(5))


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
    kappa = float(spectra.effective_penalty(alpha, penalty, Spectrum(s, shares=shares)))
    residual = penalty / kappa + shares @ (s / (s + kappa)) - alpha
    assert abs(residual) < 1e-13 * max(alpha, 1)
    assert penalty / alpha * (1 - 1e-12) <= kappa <= (penalty + shares @ s) / alpha * (1 + 1e-12)


@given(spectrum(), st.floats(-3, 3))
@settings(deadline=None)
def test_without_penalty_the_root_is_zero_from_the_threshold_on(case, log_alpha):
    (s, shares), alpha = case, 10**log_alpha
    kappa = float(spectra.effective_penalty(alpha, 0.0, Spectrum(s, shares=shares)))
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
    assert float(spectra.effective_penalty(1.0, penalty, Spectrum([1.0, 1.0, 1.0]))) == pytest.approx(exact, rel=1e-13)


def test_rounding_of_alpha_does_not_move_it_off_the_threshold():
    one = np.linspace(0.1, 4, 40)[9]
    assert spectra.excess(one, 1.0) == 0
    assert spectra.excess(1 + 1e-14, 1.0) > 0
    assert float(spectra.excess(0.1 + 0.2, 0.3)) == 0


def test_broadcasting():
    kappa = spectra.effective_penalty(np.ones((3, 1)), np.ones(4), Spectrum([1.0, 2.0]))
    assert kappa.shape == (3, 4)
    assert spectra.effective_penalty(1.0, 1.0, Spectrum([1.0])).shape == ()


def test_a_root_that_is_not_found_is_an_error(monkeypatch):
    class Report:
        converged, iterations, flag = False, 200, "too slow"

    monkeypatch.setattr(scipy.optimize, "brentq", lambda *args, **options: (1.0, Report))
    with pytest.raises(ConvergenceError, match="200 steps: too slow"):
        spectra.effective_penalty(0.5, 0.0, Spectrum([1.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectra.two_level(0.0, 0.5), "ratio = 0.0"),
        (lambda: spectra.two_level(2.0, 1.0), "fraction = 1.0"),
        (lambda: spectra.power_law(np.nan, 3), "exponent = nan"),
        (lambda: spectra.power_law(1.0, 0), "dimension = 0"),
        (lambda: spectra.power_law(400.0, 10), "underflows"),
        (lambda: spectra.effective_penalty(0.0, 1.0, Spectrum([1.0])), "alpha = 0.0"),
        (lambda: spectra.effective_penalty(1.0, [0.5, -1.0], Spectrum([1.0])), "penalty = -1.0"),
        (lambda: spectra.effective_penalty(np.nan, 1.0, Spectrum([1.0])), "alpha = nan"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


# The value


@given(spectrum(), st.floats(0, 1))
@settings(deadline=None)
def test_a_spectrum_keeps_the_directions_that_vary_with_their_shares_and_teacher_weights(case, unseen):
    s, shares = case
    weights = np.arange(1.0, s.size + 1)
    whole = Spectrum(s, shares=shares, teacher_weights=weights)
    assert whole.varying.s.tolist() == s[s > 0].tolist()
    assert whole.varying.t.tolist() == weights[s > 0].tolist()
    assert whole.rank == pytest.approx(shares[s > 0].sum(), rel=1e-14)
    assert whole.clean_variance == pytest.approx(shares @ (s * weights), rel=1e-14)
    seen = whole.seen(unseen)
    assert seen.clean_variance == pytest.approx((1 - unseen) * whole.clean_variance, rel=1e-14)
    assert (seen.shares == whole.shares).all()


def test_what_travels_together_cannot_be_exchanged_or_changed():
    """The first is the spectrum alone; shares and weights are said by name, and nobody else's array is held."""
    s = np.array([1.6, 0.4])
    one = Spectrum(s, teacher_weights=[1.0, 3.0])
    s[0] = 9.0
    assert one.eigenvalues.tolist() == [1.6, 0.4]
    assert one.shares.tolist() == [0.5, 0.5]
    assert Spectrum([2.0, 1.0]).teacher_weights.tolist() == [1.0, 1.0]
    with pytest.raises(TypeError):
        Spectrum([1.6, 0.4], [1.0, 3.0])
    with pytest.raises(ValueError, match="read-only"):
        one.eigenvalues[0] = 2.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.shares = one.eigenvalues


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"eigenvalues": [-1.0, 2.0]}, r"^eigenvalues = -1.0: must lie between 0 and 1e\+100$"),
        ({"eigenvalues": [np.nan, 2.0]}, "^eigenvalues = nan: "),
        ({"eigenvalues": [0.0, 0.0]}, "^eigenvalues: must be one row .* not all zero$"),
        ({"eigenvalues": [1.0, 1e-300]}, "^eigenvalues: must be one row .* or at least 1e-100"),
        ({"eigenvalues": [[1.0]]}, "^eigenvalues: must be one row"),
        ({"eigenvalues": 1.0}, "^eigenvalues: must be one row"),
        ({"shares": [0.5, 0.6]}, "^shares of sum 1.1: must have the sum 1$"),
        ({"shares": [1.5, -0.5]}, "^shares = 1.5: must lie between 0 and 1$"),
        ({"shares": [1.0]}, r"^shares of shape \(1,\): must be one number for each of 2 eigenvalues$"),
        ({"shares": 1.0}, r"^shares of shape \(\): must be one number for each of 2 eigenvalues$"),
        ({"eigenvalues": [0.0, 2.0], "shares": [1.0, 0.0]}, "^shares: must give a positive eigenvalue"),
        (
            {"teacher_weights": [1.0]},
            r"^teacher_weights of shape \(1,\): must be one number for each of 2 eigenvalues$",
        ),
        ({"teacher_weights": [1.0, -2.0]}, "^teacher_weights = -2.0: must lie between 0"),
    ],
)
def test_a_spectrum_that_cannot_be_is_refused_in_one_line(given, message):
    with pytest.raises(InputError, match=message) as refused:
        Spectrum(**{"eigenvalues": [1.0, 2.0], **given})
    assert "\n" not in str(refused.value)


# Sample spectra


def determinant(rows):
    """Determinant of a matrix of fractions, exactly, by elimination; its leading minors must not vanish."""
    rows, product = [list(row) for row in rows], Fraction(1)
    for i, pivot in enumerate(rows):
        product *= pivot[i]
        for row in rows[i + 1 :]:
            factor = row[i] / pivot[i]
            row[i:] = [a - factor * b for a, b in zip(row[i:], pivot[i:], strict=True)]
    return product


def exact_covariance(examples):
    rows = [[Fraction(float(value)) for value in row] for row in examples]
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    rows = [[value - mean for value, mean in zip(row, means, strict=True)] for row in rows]
    columns = list(zip(*rows, strict=True))
    return [[sum(a * b for a, b in zip(p, q, strict=True)) / len(rows) for q in columns] for p in columns]


def of_columns(kind):
    rng = np.random.default_rng(7)
    if kind == "powers":  # features x, x², ..., x⁵ of one input up to 1000
        return rng.uniform(0, 1e3, (40, 1)) ** np.arange(1, 6)
    if kind == "units":
        return rng.standard_normal((40, 6)) * 10.0 ** rng.uniform(-20, 20, 6)
    if kind == "offset":
        return rng.standard_normal((40, 3)) * [1.0, 1e-3, 1e3] + [1e6, -1e3, 0.0]
    return rng.standard_normal((40, 5)) + 3.0


@pytest.mark.parametrize("kind", ["powers", "units", "offset", "alike"])
def test_the_product_and_the_sum_of_sample_eigenvalues_are_the_covariance_s(kind):
    """Against exact fractions; one eigenvalue that were lost to rounding would spoil the product.

    The scaled columns of the powers have a condition number of about 1e3 and those of the others of about 10; the
    offset costs the data themselves nothing, for they are taken as they are rounded.
    """
    examples = of_columns(kind)
    covariance = exact_covariance(examples)
    found = spectra.covariance_eigenvalues(examples)
    product = float(np.prod([Fraction(value) for value in found.tolist()]) / determinant(covariance))
    assert product == pytest.approx(1.0, abs=1e-10)
    assert found.sum() == pytest.approx(float(sum(covariance[i][i] for i in range(len(covariance)))), rel=1e-12)
    assert np.all(np.diff(found) <= 0)


def test_fewer_examples_than_columns_in_any_units_have_as_many_eigenvalues_as_they_vary_in():
    """The product of those that are not 0 is the sum of the principal minors of the examples' Gram matrix."""
    rng = np.random.default_rng(8)
    examples = rng.standard_normal((5, 9)) * 10.0 ** rng.uniform(-10, 10, 9) + 1.0
    rows = [[Fraction(float(value)) for value in row] for row in examples]
    means = [sum(column) / 5 for column in zip(*rows, strict=True)]
    rows = [[value - mean for value, mean in zip(row, means, strict=True)] for row in rows]
    gram = [[sum(a * b for a, b in zip(p, q, strict=True)) / 5 for q in rows] for p in rows]
    minors = [determinant([[gram[i][j] for j in range(5) if j != k] for i in range(5) if i != k]) for k in range(5)]
    found = spectra.covariance_eigenvalues(examples)
    assert (found > 0).tolist() == [True] * 4 + [False] * 5
    assert float(np.prod([Fraction(value) for value in found[:4].tolist()]) / sum(minors)) == pytest.approx(
        1, abs=1e-10
    )


def test_a_column_that_depends_on_others_adds_no_direction_in_any_units():
    rng = np.random.default_rng(9)
    free = rng.standard_normal((50, 3))
    dependent = np.column_stack(
        [free, 1e12 * (free @ [1.0, 2.0, -1.0] + 5.0), np.full(50, 1e10 / 3), 1e-9 * free[:, 0]]
    )
    for standardise in (False, True):
        found = spectra.covariance_eigenvalues(dependent, standardise)
        assert (found > 0).tolist() == [True] * 3 + [False] * 3


def test_rounding_of_a_constant_does_not_vary():
    """A constant that was computed: 0.1 + 0.2 here, 0.3 there."""
    examples = np.column_stack([np.where(np.arange(20) % 2, 0.1 + 0.2, 0.3), np.arange(20.0)])
    assert spectra.covariance_eigenvalues(examples).tolist() == [pytest.approx(399 / 12), 0.0]
    assert spectra.covariance_eigenvalues(np.ones((4, 3))).tolist() == [0.0] * 3


def test_a_standardised_matrix_has_the_eigenvalues_of_its_correlations():
    examples = of_columns("units")
    found = spectra.covariance_eigenvalues(examples, standardise=True)
    np.testing.assert_allclose(found, np.linalg.eigvalsh(np.corrcoef(examples.T))[::-1], rtol=1e-11)
