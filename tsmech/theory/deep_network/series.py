"""Power series in time of the layers of a network under gradient flow: matrix products alone.

The derivative of a layer is a product of layers, so that the coefficients of the layers, of the products on the way
and of the gradients follow from each other order by order.  Derivation: ``theory/deep_linear.md``, section 5.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ORDER = 22
"""Highest power of the time."""
TOLERANCE = 1e-13
"""What each of the last terms may add within a step, as a share of the weights."""

POWERS = np.arange(ORDER + 1.0)
ENDS = [0, ORDER - 1, ORDER]


Product = tuple[Callable[..., Any], Array, Array]
"""A left factor's ``dot``, the right factor and what is filled."""


class _Order(NamedTuple):
    """Where the coefficients of one order come from and go to."""

    copies: tuple[Array, ...]
    """Arrays and, after each, what is filled with it: before the products upwards, and before those for gradients."""
    up: list[Product]
    down: list[Product]
    inner: tuple[Array, Array]
    """Rows and columns of the gradients of all layers but the first, one product a layer."""
    layers: Array
    """The layers' next order, shape (depth, size²)."""


class Series:
    r"""The layers W_l, the error of their product and the gradients around one time t₀, in powers of t - t₀.

    .. math::
        B_l = W_l B_{l-1}, \quad X_D = W_D B_{D-1} - \Sigma, \quad X_{l-1} = W_l^T X_l, \quad
        \dot W_l = - X_l B_{l-1}^T

    The k-th coefficient of a product AB is the sum of A_i B_{k-i}.  This is one product of a row A_0, ..., A_k with a
    column B_k, ..., B_0, which is why left factors are kept upwards, turned, and right factors downwards.

    Parameters
    ----------
    depth, size : int
        D >= 2 layers, each of shape (size, size).
    """

    def __init__(self, depth: int, size: int) -> None:
        self._layers = np.zeros((depth, ORDER + 1, size, size))
        self._gradients = np.empty((depth, size, size))
        self._unit = 1.0
        stacks = (depth - 1, ORDER, size, size)
        ahead, below, below_turned, above, above_turned = (np.empty(stacks) for _ in range(5))
        self._excess = above[-1]

        def factors(left: Array, right: Array, k: int) -> tuple[Array, Array]:
            rows = left[:, : k + 1].reshape(depth - 1, -1, size).swapaxes(1, 2)
            return rows, right[:, ORDER - 1 - k :].reshape(depth - 1, -1, size)

        def products(left: Array, right: Array, filled: list[Array], k: int) -> list[Product]:
            each = zip(*factors(left, right, k), filled, strict=True)
            return [(row.dot, column, out) for row, column, out in each]

        self._orders = []
        for k in range(ORDER):
            at = ORDER - 1 - k
            first, turned = (self._layers[0, k], below[0, at]), (self._layers[1:, k].swapaxes(1, 2), ahead[:, k])
            both = below[:, at].swapaxes(1, 2), below_turned[:, at], above[:, at].swapaxes(1, 2), above_turned[:, k]
            self._orders.append(
                _Order(
                    copies=(*first, *turned, *both),
                    up=products(ahead, below, [*below[1:, at], self._excess[at]], k),
                    down=products(self._layers[:0:-1], above[::-1], [*above[-2::-1, at], self._gradients[0]], k),
                    inner=factors(above_turned, below_turned, k),
                    layers=self._layers.reshape(depth, ORDER + 1, -1)[:, k + 1],
                )
            )

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
        found, gradients, self._unit = self._layers, self._gradients.reshape(len(layers), -1), unit
        found[:, 0] = layers
        for k, (copies, up, down, (rows, columns), following) in enumerate(self._orders):
            first, in_column, ahead, turned, below, below_turned, above, above_turned = copies
            in_column[...] = first
            turned[...] = ahead
            for dot, factor, filled in up:
                dot(factor, filled)
            if k == 0:
                self._excess[-1] -= target
            for dot, factor, filled in down:
                dot(factor, filled)
            below_turned[...] = below
            above_turned[...] = above
            np.matmul(rows, columns, self._gradients[1:])
            np.multiply(gradients, -unit / (k + 1), following)
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
        missing = powers[:, ::-1] @ -self._excess.reshape(ORDER, -1)
        slopes = (powers * (POWERS[1:] / self._unit)) @ self._layers[:, 1:].reshape(depth, ORDER, -1)
        return missing, np.einsum("lti,lti->t", slopes, slopes)
