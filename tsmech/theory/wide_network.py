"""Training of an infinitely wide network: kernel regression in time, from a random initial function.

Derivations and equation numbers: theory/wide_network.md.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.kernels.steps import decay

Array = NDArray[np.float64]


class Trajectory(NamedTuple):
    """Outputs of an infinitely wide network in time: means and mean squares over its first weights."""

    train_error: Array
    """½ mean (output - label)² over the examples, shape (times,)."""
    means: Array
    """Mean outputs on the other inputs, shape (times, T)."""
    variances: Array
    """Their variances, shape (times, T)."""


def trajectory(
    times: Array, tangent: Array, covariance: Array, labels: Array, *, scale: float = 1.0, step: float = 0.0
) -> Trajectory:
    r"""Return the outputs of an infinitely wide network that learns P examples by gradient flow or in steps.

    With Θ the tangent kernel of the examples, :math:`A_t(x) = \Theta(x, X)\, \Theta^{-1} (1 - e^{-\Theta t/P})`, an
    initial function f₀ that is Gaussian of covariance s² K,

    .. math:: f_t(x) = f_0(x) + A_t(x)\, (y - f_0(X)) .

    Parameters
    ----------
    times : ndarray, shape (n,)
        Times >= 0: a mode of Θ/P of eigenvalue l decays as exp(-l t), or (1 - step l)^(t/step).
    tangent : ndarray, shape (P + T, P)
        Θ between all inputs, examples first, and the examples.
    covariance : ndarray, shape (P + T, P + T)
        K of the initial function; zero where it is taken off.
    labels : ndarray, shape (P,)
        y.
    scale : float
        s > 0.
    step : float
        Of gradient descent, 0 for gradient flow.

    Raises
    ------
    InputError
        If the shapes do not fit, or the kernel is not positive.

    Notes
    -----
    Limit of infinite width at fixed examples and time.  O(P³ + n P² (P + T)).

    References
    ----------
    theory/wide_network.md, eqs. 7-11.  Lee et al., arXiv:1902.06720, eqs. 14-16.
    """
    P = labels.size
    if tangent.shape[1] != P or covariance.shape != (len(tangent), len(tangent)):
        raise InputError(f"kernels of shapes {tangent.shape} and {covariance.shape} do not fit {P} labels")
    rates, U = np.linalg.eigh(tangent[:P] / P)
    if rates[0] < -1e-8 * rates[-1]:
        raise InputError("the tangent kernel has a negative eigenvalue")
    rates = np.maximum(rates, 0.0)
    left, gone = decay(times, rates, step)
    still = rates <= 1e-14 * rates[-1]
    gain = np.where(still, np.asarray(times)[:, None], gone / np.where(still, 1.0, rates)) / P
    turned = U.T @ labels
    K = scale**2 * covariance
    own = np.maximum(np.einsum("ij,ij->j", U, K[:P, :P] @ U), 0.0)
    train = (left**2) @ (turned**2 + own) / (2 * P)
    read = tangent[P:] @ U
    cross = K[P:, :P] @ U
    inner = U.T @ K[:P, :P] @ U
    means, variances = np.empty((len(gain), len(read))), np.empty((len(gain), len(read)))
    for row, gained in enumerate(gain):
        A = read * gained
        means[row] = A @ turned
        variances[row] = np.diag(K)[P:] - 2 * np.einsum("ij,ij->i", A, cross) + np.einsum("ij,ij->i", A @ inner, A)
    return Trajectory(train, means, np.maximum(variances, 0.0))


def largest_step(tangent: Array) -> float:
    """Return the step up to which gradient descent with a tangent kernel (P, P) is stable: 2 P/largest eigenvalue."""
    return float(2 * len(tangent) / np.linalg.eigvalsh(tangent)[-1])
