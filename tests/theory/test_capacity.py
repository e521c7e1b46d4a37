"""The capacity: published numbers, counts by hand, the first-moment bound, stationarity of the entropy."""

import doctest
import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import log_ndtr

from tsmech.errors import InputError
from tsmech.theory import capacity
from tsmech.theory.capacity import _binary_state, cover_fraction, critical_capacity, separable_fraction


def test_examples():
    assert doctest.testmod(capacity) == (0, 2)


def test_published_capacities():
    """Gardner 1988 for spherical weights, Krauth & Mézard 1989 for binary ones: not 4/π."""
    found = [critical_capacity(kappa) for kappa in (0.0, 0.5, 1.0, 2.0)]
    assert found == pytest.approx([2.0, 0.96121, 0.51957, 0.20023], abs=6e-6)
    assert critical_capacity(0.0, weights="binary") == pytest.approx(0.833079, abs=6e-7)
    assert critical_capacity(0.0, "binary") < 4 / math.pi


@pytest.mark.parametrize("kappa", [0.0, 0.7, 3.0])
def test_gardner_s_integral(kappa):
    by_quadrature = integrate.quad(lambda t: stats.norm.pdf(t) * (t + kappa) ** 2, -kappa, 40)[0]
    assert critical_capacity(kappa) == pytest.approx(1 / by_quadrature, rel=1e-9)


@pytest.mark.parametrize("kappa", [0.0, 0.5, 2.0, 5.0])
def test_binary_weights_learn_less_than_the_first_moment_and_than_spherical_ones(kappa):
    found = critical_capacity(kappa, "binary")
    assert found < -math.log(2) / log_ndtr(-kappa)
    assert found < critical_capacity(kappa)


def test_the_entropy_of_binary_weights():
    """Eq. 5 at any q and conjugate by the trapezoidal rule: its value, and that it is stationary at a state found."""
    kappa, logit = 0.3, 0.2
    alpha, entropy = _binary_state(logit, kappa)
    q = 1 / (1 + math.exp(-logit))

    z = np.linspace(-12, 12, 4001)

    def value(q, conjugate):
        t = (kappa + math.sqrt(q) * z) / math.sqrt(1 - q)
        cosh = np.logaddexp(math.sqrt(conjugate) * z, -math.sqrt(conjugate) * z)
        volume = stats.norm.pdf(z) * (cosh + alpha * log_ndtr(-t))
        return -0.5 * conjugate * (1 - q) + volume.sum() * (z[1] - z[0])

    found = min(np.linspace(0.5, 5, 901), key=lambda c: abs(value(q, c + 1e-3) - value(q, c - 1e-3)))
    assert value(q, found) == pytest.approx(entropy, abs=1e-5)
    assert abs(value(q + 1e-3, found) - value(q - 1e-3, found)) / 2e-3 < 1e-2
    assert abs(value(q + 0.1, found) - value(q + 0.098, found)) / 2e-3 > 1e-2  # negative control


def test_few_examples_leave_nearly_all_binary_weights():
    alpha, entropy = _binary_state(-7.0, 0.0)
    assert entropy == pytest.approx((1 - alpha) * math.log(2), abs=1e-3)


def test_cover_s_count_is_that_of_all_labellings():
    """Points in the plane: P points in general position have 2 P separable labellings of 2^P; and its recursion."""
    for P in range(1, 8):
        assert cover_fraction(P, 2) * 2**P == pytest.approx(min(2 * P, 2**P))
    for P, N in itertools.product(range(1, 30), range(2, 12)):
        assert 2 * cover_fraction(P + 1, N) == pytest.approx(cover_fraction(P, N) + cover_fraction(P, N - 1))
        assert cover_fraction(2 * N, N) == pytest.approx(0.5)
    assert cover_fraction(10**9, 5 * 10**8) == pytest.approx(0.5, abs=1e-9)


def test_the_step():
    assert [separable_fraction(a, 2.0) for a in (1.999999, 2.0, 2.000001)] == [1.0, 0.5, 0.0]
    assert separable_fraction(0.1 + 0.2, 0.3) == 0.5


@pytest.mark.parametrize(
    ("kappa", "weights", "says"),
    [(-0.1, "spherical", "margin = -0.1"), (math.nan, "binary", "nan"), (0.0, "ising", "weights = 'ising'")],
)  # fmt: skip
def test_bad_input_is_named(kappa, weights, says):
    with pytest.raises(InputError, match=says):
        critical_capacity(kappa, weights)
