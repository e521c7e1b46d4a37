"""Training in the limit of infinite width, against a Gaussian process that is trained by brute force."""

import numpy as np
import pytest

from tsmech.errors import InputError
from tsmech.theory.network_kernel import network_kernel
from tsmech.theory.wide_network import largest_step, trajectory

RNG = np.random.default_rng(0)
X = RNG.standard_normal((7, 3))
Y = RNG.standard_normal(4)
TANGENT = network_kernel(X, X[:4], activation="erf", bias_variance=0.3)
COVARIANCE = network_kernel(X, activation="erf", bias_variance=0.3, kind="nngp")


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_it_is_what_initial_functions_that_are_trained_do(step: float) -> None:
    """100 000 initial functions, each trained by an ODE's or a recursion's propagator; five standard errors."""
    times = np.array([0.0, 2.0, 30.0])
    found = trajectory(times, TANGENT, COVARIANCE, Y, scale=0.7, step=step)
    f = 0.7 * RNG.multivariate_normal(np.zeros(7), COVARIANCE, size=100_000)
    small = step or 1e-3
    now = f.copy()
    done = 0
    for row, time in enumerate(times):
        propagator = np.linalg.matrix_power(_propagator(small), round(time / small) - done)
        done = round(time / small)
        now = np.concatenate([now, np.tile(Y, (len(f), 1))], axis=1) @ propagator.T
        now = now[:, :7]
        train = np.mean((now[:, :4] - Y) ** 2, axis=1) / 2
        slack = 2e-3 if step == 0 else 0.0
        assert found.train_error[row] == pytest.approx(train.mean(), abs=5 * train.std() / 316 + slack * train.mean())
        np.testing.assert_allclose(found.means[row], now[:, 4:].mean(axis=0), atol=5 * now.std() / 316 + slack)
        np.testing.assert_allclose(found.variances[row], now[:, 4:].var(axis=0), rtol=0.03)


def _propagator(step: float) -> np.ndarray:
    """One step of gradient descent on (outputs, labels)."""
    change = np.zeros((11, 11))
    change[:7, :4] = -TANGENT / 4
    change[:7, 7:] = TANGENT / 4
    return np.eye(11) + step * change


def test_without_an_initial_function_it_ends_at_kernel_interpolation() -> None:
    found = trajectory(np.array([1e9]), TANGENT, np.zeros((7, 7)), Y)
    np.testing.assert_allclose(found.means[0], TANGENT[4:] @ np.linalg.solve(TANGENT[:4], Y), rtol=1e-6)
    assert found.train_error[0] == pytest.approx(0.0, abs=1e-12)
    assert (found.variances == 0).all()


def test_no_error_is_negative() -> None:
    """A kernel of rank one: along all other modes the initial function's variance is rounding of either sign."""
    field = np.linspace(-1, 2, 20)
    kernel = np.outer(field, field)
    found = trajectory(np.array([1e3]), kernel[:, :12], kernel, field[:12])
    assert 0 <= found.train_error[0] < 1e-15
    assert (found.variances >= 0).all()


def test_the_largest_step_is_that_of_the_largest_eigenvalue() -> None:
    assert largest_step(TANGENT[:4]) == pytest.approx(8 / np.linalg.eigvalsh(TANGENT[:4]).max())
    with pytest.raises(InputError, match="do not fit"):
        trajectory(np.array([1.0]), TANGENT, COVARIANCE, Y[:3])
