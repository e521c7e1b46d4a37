"""Power series in time of the layers of a network under gradient flow: matrix products alone.

The derivative of a layer is a product of layers, so that the coefficients of the layers, of the products on the way
and of the gradients follow from each other order by order.  Derivation: ``theory/deep_linear.md``, section 5.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel

Array = NDArray[np.float64]

ORDER = 22
"""Highest power of the time."""
TOLERANCE = 1e-13
"""What each of the last terms may add within a step, as a share of the weights."""

POWERS = np.arange(ORDER + 1.0)
ENDS = [0, ORDER - 1, ORDER]


class _Factors(NamedTuple):
    """Coefficients of all orders as factors of products, so that sums over orders and units run along both factors.

    Of left factors A the rows are A_0, A_1, ... side by side, of right factors B the columns ..., B_1, B_0, which are
    rows here: shapes (depth, size, orders size).
    """

    layers: Array
    """W_l, left."""
    turned: Array
    """W_lᵀ, left."""
    below: Array
    """B_l, right."""
    below_turned: Array
    """B_lᵀ, right."""
    above: Array
    """X_l, left."""
    above_right: Array
    """X_l, right."""


class Series:
    r"""The layers W_l, the error of their product and the gradients around one time t₀, in powers of t - t₀.

    .. math::
        B_l = W_l B_{l-1}, \quad X_D = W_D B_{D-1} - \Sigma, \quad X_{l-1} = W_l^T X_l, \quad
        \dot W_l = - X_l B_{l-1}^T

    The k-th coefficient of a product AB is the sum of A_i B_{k-i}: one product of a row A_0, ..., A_k with a column
    B_k, ..., B_0.

    Parameters
    ----------
    depth, size : int
        D >= 2 layers, each of shape (size, size).
    """

    def __init__(self, depth: int, size: int) -> None:
        self._layers, self._excess = np.zeros((depth, ORDER + 1, size, size)), np.empty((ORDER, size, size))
        self._factors = _Factors(*np.empty((6, depth, size, ORDER * size)))
        self._work, self._unit = np.empty((2, size, size)), 1.0

    def expand(self, layers: Array, target: Array, unit: float) -> float:
        """Compute the coefficients around the layers, shape (depth, size, size), and return how far they are accurate.

        Parameters
        ----------
        layers : ndarray, shape (depth, size, size)
        target : ndarray, shape (size, size)
            Σ.
        unit : float
            A time of the size of that in which the layers change, in whose powers the coefficients are kept.

        Raises
        ------
        FloatingPointError
            If the coefficients are not finite.
        """
        found, self._unit = self._layers, unit
        found[:, 0] = layers
        _expand(found, self._factors, self._work, self._excess, target, unit)
        ends = found[:, ENDS]
        begun, *last = np.einsum("lkij,lkij->k", ends, ends).tolist()
        if not math.isfinite(begun + sum(last)):
            raise FloatingPointError
        shares = [math.sqrt(one / begun) if one > 0.0 else 0.0 for one in last]
        reach = [(TOLERANCE / share) ** (1.0 / k) for k, share in zip(ENDS[1:], shares, strict=True) if share > 0.0]
        return unit * min(reach, default=math.inf)

    def layers(self, time: float) -> Array:
        """Return the layers at a time after t₀, shape (depth, size, size)."""
        depth, _, size, _ = self._layers.shape
        powers = (time / self._unit) ** POWERS
        return np.asarray((powers @ self._layers.reshape(depth, ORDER + 1, -1)).reshape(depth, size, size))

    def outcome(self, times: Array) -> tuple[Array, Array]:
        """Return Σ - W_D...W_1, shape (T, size²), and the square of the gradient's length at times after t₀."""
        depth = len(self._layers)
        powers = (times[:, None] / self._unit) ** POWERS[:-1]
        missing = powers @ -self._excess.reshape(ORDER, -1)
        slopes = (powers * (POWERS[1:] / self._unit)) @ self._layers[:, 1:].reshape(depth, ORDER, -1)
        return missing, np.einsum("lti,lti->t", slopes, slopes)


@kernel
def _expand(layers: Array, factors: _Factors, work: Array, excess: Array, target: Array, unit: float) -> None:
    """Write the coefficients of the layers after those of order 0, and those of the product less Σ."""
    depth, size = layers.shape[0], layers.shape[2]
    found, slope = work[0], work[1]
    for k in range(ORDER):
        up, down, rate = k * size, (ORDER - 1 - k) * size, -unit / (k + 1)
        for layer in range(depth):
            for i in range(size):
                for j in range(size):
                    factors.layers[layer, i, up + j] = factors.turned[layer, j, up + i] = layers[layer, k, i, j]
        for i in range(size):
            for j in range(size):
                found[i, j] = layers[0, k, i, j]
        for layer in range(depth):
            if layer > 0:
                _multiply(factors.layers[layer], factors.below[layer - 1], k, found)
            for i in range(size):
                for j in range(size):
                    factors.below[layer, j, down + i] = factors.below_turned[layer, i, down + j] = found[i, j]
        for i in range(size):
            for j in range(size):
                found[i, j] -= target[i, j] if k == 0 else 0.0
                excess[k, i, j] = found[i, j]
        for layer in range(depth - 1, -1, -1):
            if layer > 0:
                for i in range(size):
                    for j in range(size):
                        factors.above[layer, i, up + j] = factors.above_right[layer, j, down + i] = found[i, j]
                _multiply(factors.above[layer], factors.below_turned[layer - 1], k, slope)
                _multiply(factors.turned[layer], factors.above_right[layer], k, found)
            gradient = slope if layer > 0 else found
            for i in range(size):
                for j in range(size):
                    layers[layer, k + 1, i, j] = rate * gradient[i, j]


@kernel
def _multiply(left: Array, right: Array, k: int, found: Array) -> None:
    """Write the k-th coefficient of a product: blocks of three by two sums, for which factors are read once.

    A block that reaches beyond the matrix has its last row or column twice.
    """
    last = left.shape[0] - 1
    length = (k + 1) * left.shape[0]
    begin = right.shape[1] - length
    for i in range(0, last + 1, 3):
        ii, iii = min(i + 1, last), min(i + 2, last)
        one, two, three = left[i], left[ii], left[iii]
        for j in range(0, last + 1, 2):
            jj = min(j + 1, last)
            first, second = right[j, begin:], right[jj, begin:]
            a = b = c = d = e = f = 0.0
            for n in range(length):
                a += one[n] * first[n]
                b += one[n] * second[n]
                c += two[n] * first[n]
                d += two[n] * second[n]
                e += three[n] * first[n]
                f += three[n] * second[n]
            found[i, j], found[i, jj], found[ii, j], found[ii, jj], found[iii, j], found[iii, jj] = a, b, c, d, e, f
