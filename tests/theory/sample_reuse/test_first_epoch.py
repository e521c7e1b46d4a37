"""A linear unit's first epoch without replacement: against the ODEs of one pass, quadrature, and what comes later."""

import numpy as np
import pytest

from tests.rules import by_keywords
from tsmech.errors import InputError
from tsmech.kernels.schedules import constant
from tsmech.theory import online_sgd
from tsmech.theory.sample_reuse import first_epoch, linear_unit, unstable, without_replacement

integrate = by_keywords(online_sgd.integrate)

FIRST = [
    {"alpha": 1.0, "noise": 0.5, "Q": 1.0, "R": 0.0, "rate": 1.5},
    {"alpha": 2.5, "noise": 0.3, "Q": 0.8, "R": -0.4, "teacher": 1.3, "rate": 1.0, "decay": 0.6},
    {"alpha": 0.7, "noise": 0.2, "Q": 0.5, "R": 0.5, "teacher": -0.9, "rate": 1.6, "decay": 0.2},
]


@pytest.mark.parametrize("given", FIRST)
def test_the_first_epoch_is_one_pass(given):
    """Q, R and the error are those of the ODEs of online SGD, which are another code."""
    at, alpha = np.array([0.0, 0.3, 1.0]), given["alpha"]
    found = first_epoch(at, **given)
    beta = given.get("teacher", 1.0)
    flow = integrate(
        [[given["Q"]]], [[given["R"] * abs(beta)]], [[beta**2]], [1.0], [np.sign(beta)],
        student="linear", teacher="linear", schedule=constant(given["rate"] / alpha),
        noise=given["noise"], weight_decay=given.get("decay", 0.0) / alpha, alphas=alpha * at,
    ) if beta > 0 else None  # fmt: skip
    if flow is not None:
        np.testing.assert_allclose(found.Q, flow.Q[:, 0, 0], rtol=1e-7)
        np.testing.assert_allclose(found.R * beta, flow.R[:, 0, 0], atol=1e-7)
        np.testing.assert_allclose(found.generalization_error, flow.generalization_error, rtol=1e-7)
    mirrored = first_epoch(at, **(given | {"teacher": -beta, "R": -given["R"]}))
    for one, two in zip(found[2:4], mirrored[2:4], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)


@pytest.mark.parametrize("given", FIRST)
def test_the_training_error_of_the_first_epoch_is_that_of_the_examples(given):
    """Equation 15 by quadrature over the time at which an example is met, from the curve itself."""
    k, sigma, rho = 0.8, given["noise"], given["rate"] / given["alpha"]
    c, beta = given.get("decay", 0.0), given.get("teacher", 1.0)
    g = given["rate"] + c
    x, w = np.polynomial.legendre.leggauss(20)
    s = 0.5 * k * (x + 1)
    met, now = first_epoch(s, **given), first_epoch([k], **given)
    e, p, last = 2 * met.generalization_error, met.R - beta, 2 * now.generalization_error[0]
    m = np.exp(-g * (k - s))
    covariance = m * e - c / g * (1 - m) * beta * p
    known = last - 2 * rho * m * covariance + rho**2 * m**2 * e + sigma**2 * (1 - rho * m) ** 2
    expected = 0.5 * (0.5 * k * w @ known + (1 - k) * (last + sigma**2))
    assert now.train_error[0] == pytest.approx(expected, rel=1e-12)


def test_a_first_epoch_may_diverge_and_says_where():
    """e grows from 1 by exp((a² / alpha - 2 a) k) without decay, and with it Q, which is bound by 1e6."""
    found = first_epoch([0.0, 0.5, 1.0], 50.0, 0.0, Q=0.0, R=0.0, rate=150.0)
    growth = 150.0**2 / 50 - 300
    assert found.diverged_at == pytest.approx(np.log(1e6) / growth, rel=1e-6)
    assert found.Q.shape == (1,)


def test_later_epochs_are_flow_or_not_at_all():
    at = [0.5, 1.0, 2.0]
    given = {"noise": 0.5, "Q": 1.0, "R": 0.0}
    stable = without_replacement(at, 1.0, rate=1.5, **given)
    np.testing.assert_allclose(stable.generalization_error[:2] + 0.125, [0.9296, 0.7952], atol=5e-5)
    flow = linear_unit([2.0], 1.0, rate=1.5, **given)
    assert stable.generalization_error[2] == flow.generalization_error[0]
    grown = without_replacement(at, 1.0, rate=2.1, **given)
    assert grown.diverged_at == 1.0
    assert grown.generalization_error.shape == (2,)
    assert not unstable(1.0, 0.0, 0.0)
    assert unstable(1.0, 2.0, 0.0)
    assert not unstable(1.0, 2.0, 0.1)
    for wrong in ([0.5, 1.5], [-0.1]):
        with pytest.raises(InputError, match="epochs"):
            first_epoch(wrong, 1.0, rate=1.5, **given)
