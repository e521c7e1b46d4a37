r"""Two layers that start in any directions: gradient flow by the solution of a matrix Riccati equation.

It needs a start whose layers are balanced up to one number, :math:`W_2^T W_2 - W_1 W_1^T = \delta\, 1`, which gradient
flow conserves.  Derivation and equation numbers: ``theory/deep_linear.md``, section 5.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError

Array = NDArray[np.float64]

BALANCED = 1e-9
"""Largest deviation from balance, as a share of the weights' mean square."""
GROWTH = 8.0
"""Growth exp(GROWTH) of the fastest direction from one restart to the next: its square loses half of the digits."""


class TwoLayers(NamedTuple):
    """What a two-layer network computes in time, and how it represents its inputs and outputs."""

    product: Array
    """W₂W₁, shape (T, outputs, inputs)."""
    first: Array
    """W₁ᵀW₁, shape (T, inputs, inputs): the similarity of the hidden representations of inputs."""
    second: Array
    """W₂W₂ᵀ, shape (T, outputs, outputs)."""


def imbalance(first: Array, second: Array) -> float | None:
    """Return δ of the layers W₁ and W₂, or None where W₂ᵀW₂ - W₁W₁ᵀ is no multiple of the identity (eq. 16)."""
    difference = second.T @ second - first @ first.T
    found = float(np.trace(difference)) / len(difference)
    off = abs(difference - found * np.eye(len(difference))).max()
    scale = (np.sum(first**2) + np.sum(second**2)) / len(difference)
    return found if off <= BALANCED * scale else None


def two_layers(times: ArrayLike, correlations: Array, first: Array, second: Array) -> TwoLayers:
    r"""Return gradient flow of two layers from a start that is balanced up to one number.

    With :math:`Q = (W_1^T; W_2)` of shape (inputs + outputs, width) and :math:`F = (-\delta/2, Σ^T; Σ, \delta/2)`

    .. math::
        \dot Q = F Q - \tfrac12 Q Q^T Q, \qquad
        Q Q^T = e^{Ft} Q_0 \Bigl[1 + Q_0^T \frac{e^{2Ft} - 1}{2F} Q_0\Bigr]^{-1} Q_0^T e^{Ft}

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing from 0.
    correlations : ndarray, shape (outputs, inputs)
        Σ, the input-output correlations of whitened inputs.
    first, second : ndarray, shapes (width, inputs) and (outputs, width)
        W₁ and W₂ at the start.

    Returns
    -------
    TwoLayers
        The width's own basis is not determined: it has turned, which no output shows.

    Raises
    ------
    InputError
        If the start is not balanced up to one number.

    Notes
    -----
    Exact at every size.  The formula is restarted whenever its fastest direction has grown by exp(8), so that slow
    directions are not lost to rounding.  O(T (inputs + outputs)² width).

    References
    ----------
    theory/deep_linear.md, eqs. 16-19.  K. Fukumizu 1998; Braun et al. 2022; Dominé et al. 2024, arXiv:2409.14623, whose
    λ is our δ.
    """
    t = np.asarray(times, float)
    delta = imbalance(first, second)
    if delta is None:
        raise InputError("the start is not balanced: W2.T W2 - W1 W1.T must be a multiple of the identity")
    outputs, inputs = correlations.shape
    F = np.block(
        [
            [-delta / 2.0 * np.eye(inputs), correlations.T],
            [correlations, delta / 2.0 * np.eye(outputs)],
        ]
    )
    rates, basis = np.linalg.eigh(F)
    Q = basis.T @ np.vstack([first.T, second])  # along the eigenvectors of F
    span = GROWTH / max(float(abs(rates).max()), 1e-100)
    found = np.empty((t.size, inputs + outputs, Q.shape[1]))
    begin, place = 0.0, 0
    while place < t.size:
        last = int(np.searchsorted(t, begin + span, side="right"))
        if last > place:
            found[place:last] = _flow(Q, rates, t[place:last] - begin)
            place = last
        if place < t.size:
            steps = max(1, int((t[place] - begin) / span))
            for _ in range(min(steps, _settled(Q, rates, span))):
                Q = _flow(Q, rates, np.array([span]))[0]
            begin += steps * span
    turned = basis @ found
    W1, W2 = turned[:, :inputs], turned[:, inputs:]
    transposed = W1.transpose(0, 2, 1)
    return TwoLayers(W2 @ transposed, W1 @ transposed, W2 @ W2.transpose(0, 2, 1))


def _settled(Q: Array, rates: Array, span: float) -> int:
    """Return a number of restarts after which even the slowest direction has reached its end."""
    slowest = float(abs(rates[abs(rates) > 1e-12 * abs(rates).max()]).min())
    return int(100.0 / (slowest * span)) + 1 if slowest > 0 else 1_000_000


def _flow(Q: Array, rates: Array, times: Array) -> Array:
    """Return Q at the times, up to a rotation of its columns, in the eigenvectors' coordinates (eqs. 18-19)."""
    exponent = rates * times[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        integral = np.where(rates == 0.0, times[:, None], np.expm1(2.0 * exponent) / (2.0 * rates))
    middle = np.eye(Q.shape[1]) + np.einsum("ik,ti,il->tkl", Q, integral, Q, optimize=True)
    factor = np.linalg.cholesky(middle)
    grown = np.exp(exponent)[:, :, None] * Q
    return np.asarray(np.linalg.solve(factor, grown.transpose(0, 2, 1)).transpose(0, 2, 1))
