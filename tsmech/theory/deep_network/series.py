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


class _Order(NamedTuple):
    """Where the coefficients of one order come from and go to: pairs of arrays, the second of which is filled."""

    first: tuple[Array, Array]
    layers: tuple[Array, Array]
    up: "list[Product]"
    down: "list[Product]"
    below: tuple[Array, Array]
    above: tuple[Array, Array]
    gradients: tuple[Array, Array]
    """The factors, of which there is no third."""


Product = tuple[Callable[..., Any], Array, Array]
"""A left factor's ``dot``, the right factor and what is filled."""


class Series:
    r"""The layers W_l, what is missing of their product M and the gradients around one time t₀, in powers of t - t₀.

    .. math::
        B_l = W_l B_{l-1}, \quad M = \Sigma - W_D B_{D-1}, \quad X_{l-1} = W_l^T X_l, \quad X_D = M, \quad
        \dot W_l = X_l B_{l-1}^T

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
        self._missing = above[-1]
        self._signs = np.where(np.arange(1, depth) < depth - 1, 1.0, -1.0)[:, None, None]

        def row(turned: Array, k: int) -> Array:
            return turned[..., : k + 1, :, :].reshape(*turned.shape[:-3], -1, size).swapaxes(-1, -2)

        def column(stack: Array, k: int) -> Array:
            return stack[..., ORDER - 1 - k :, :, :].reshape(*stack.shape[:-3], -1, size)

        def products(left: Array, right: Array, filled: list[Array], k: int) -> list[Product]:
            return [(row(a, k).dot, column(b, k), c) for a, b, c in zip(left, right, filled, strict=True)]

        self._orders = []
        for k in range(ORDER):
            at = ORDER - 1 - k
            self._orders.append(
                _Order(
                    first=(self._layers[0, k], below[0, at]),
                    layers=(self._layers[1:, k].swapaxes(1, 2), ahead[:, k]),
                    up=products(ahead, below, [*below[1:, at], self._missing[at]], k),
                    down=products(self._layers[:0:-1], above[::-1], [*above[-2::-1, at], self._gradients[0]], k),
                    below=(below[:, at].swapaxes(1, 2), below_turned[:, at]),
                    above=(above[:, at].swapaxes(1, 2), above_turned[:, k]),
                    gradients=(row(above_turned, k), column(below_turned, k)),
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
        found, gradients, inner, self._unit = self._layers, self._gradients, self._gradients[1:], unit
        found[:, 0] = layers
        for k, (first, turned, up, down, below, above, factors) in enumerate(self._orders):
            first[1][...] = first[0]
            np.multiply(turned[0], self._signs, turned[1])
            for dot, factor, filled in up:
                dot(factor, filled)
            if k == 0:
                self._missing[-1] += target
            for dot, factor, filled in down:
                dot(factor, filled)
            below[1][...] = below[0]
            above[1][...] = above[0]
            np.matmul(*factors, inner)
            np.multiply(gradients, unit / (k + 1), found[:, k + 1])
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
        """Return M and the square of the gradient's length at times after t₀, shapes (T, size, size) and (T,)."""
        depth, _, size, _ = self._layers.shape
        powers = (times[:, None] / self._unit) ** POWERS[:-1]
        missing = powers[:, ::-1] @ self._missing.reshape(ORDER, -1)
        slopes = (powers * (POWERS[1:] / self._unit)) @ self._layers[:, 1:].reshape(depth, ORDER, -1)
        return missing.reshape(-1, size, size), np.einsum("lti,lti->t", slopes, slopes)
