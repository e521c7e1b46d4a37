"""Averages over Gaussian inputs of products of features g(F·x/√D): exact, and never from a test set.

In closed form for linear, ReLU (the arc-cosine kernel) and erf (the arcsine kernel); for any other function by its
expansion in Hermite polynomials, with an estimate of the error.
"""

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.kernels.activations import Activation, functions

Array = NDArray[np.float64]

BLOCK = 1 << 21
"""Numbers in a block of the matrix of products."""

EDGE = 12.0
"""Where a normal variable ends."""

ORDER = 16
"""Nodes of Gauss and Legendre's rule in each panel, for an activation of one's own."""

HALVINGS, MOST_PANELS = 60, 2000
"""Most halvings of a panel, and most panels of one size."""

ORDERS = 64
"""Most Hermite polynomials of the expansion."""

ACCURACY = 1e-6
"""Largest error of the mean product of two predictors, in units of the root of their mean squares' product."""


class Products(ABC):
    """Features of one activation: their values, and the averages of their products with one another and with x, x²."""

    def __init__(self, activation: Callable[[Array], Array], centred: bool) -> None:
        self._g, self.centred = activation, centred

    def features(self, X: Array, F: Array) -> Array:
        """Return g(F·x/√D), less its mean where centred, for inputs (P, D) and weights (n, D): shape (P, n)."""
        found = np.array(self._g(X @ (F.T / math.sqrt(F.shape[1]))))
        if self.centred:
            found -= self.mean(_variances(F))
        return found

    def with_teacher(self, F: Array, weights: Array, curvatures: Array) -> Array:
        """Return E[f(x) g(F·x/√D)] of f(x) = b·x/√D + Σ_i c_i (x_i² - 1)/√D, b and c of shape (D,): shape (n,)."""
        v, D = _variances(F), F.shape[1]
        found = self.slope(v) * (F @ weights) / D
        if curvatures.any():
            found += self.curvature(v) * (F**2 @ curvatures) / D**1.5
        return np.asarray(found)

    def mean_product(self, F: Array, G: Array, a: Array, b: Array) -> Array:
        """Return aᵀ E[g(F·x/√D) g(G·x/√D)ᵀ] b for weights a (n, ...) and b (m, ...): shape (..., ...).

        Raises
        ------
        ConvergenceError
            If the error estimate is too large.
        """
        v, w = _variances(F), _variances(G)
        left, right = a.reshape(len(a), -1), b.reshape(len(b), -1)
        found, unknown = np.zeros((left.shape[1], right.shape[1])), np.zeros((left.shape[1], right.shape[1]))
        step = max(1, BLOCK // len(G))
        state = self.prepare(v, w)
        for start in range(0, len(F), step):
            rows = slice(start, start + step)
            covariance = F[rows] @ G.T
            covariance /= F.shape[1]
            values, bound = self.kernel(covariance, v[rows], w, state, rows, F is G)
            found += left[rows].T @ (values @ right)
            if bound is not None:
                unknown += abs(left[rows]).T @ (bound @ abs(right))
        if self.centred:
            found -= np.outer(self.mean(v) @ left, self.mean(w) @ right)
        if unknown.max() > ACCURACY * abs(found).max():
            raise ConvergenceError(
                f"a mean product of two predictors is known to {unknown.max():.2g} only, not to {ACCURACY:g} of "
                f"{abs(found).max():.2g}"
            )
        return found.reshape(*a.shape[1:], *b.shape[1:])

    @abstractmethod
    def mean(self, v: Array) -> Array:
        """Return E[g(z)] for fields of variance v."""

    @abstractmethod
    def slope(self, v: Array) -> Array:
        """Return E[g'(z)] = E[z g(z)]/v."""

    @abstractmethod
    def curvature(self, v: Array) -> Array:
        """Return E[g''(z)] = E[(z²/v - 1) g(z)]/v."""

    def prepare(self, v: Array, w: Array) -> Any:
        """Return what :meth:`kernel` needs for all blocks of a matrix."""
        return None

    @abstractmethod
    def kernel(
        self, covariance: Array, v: Array, w: Array, state: Any, rows: slice, same: bool
    ) -> tuple[Array, Array | None]:
        """Return E[g(z) g(z')] for fields of a covariance (n, m) and variances (n,) and (m,), and a bound of its error.

        ``rows`` are those of the whole matrix; ``same`` says whether its rows and columns are the same features.
        """


class Linear(Products):
    """g(z) = z."""

    def mean(self, v: Array) -> Array:
        """Return 0."""
        return np.zeros_like(v)

    def slope(self, v: Array) -> Array:
        """Return 1."""
        return np.ones_like(v)

    def curvature(self, v: Array) -> Array:
        """Return 0."""
        return np.zeros_like(v)

    def kernel(
        self, covariance: Array, v: Array, w: Array, state: Any, rows: slice, same: bool
    ) -> tuple[Array, Array | None]:
        """Return the covariance."""
        return covariance, None


class Relu(Products):
    """g(z) = max(z, 0)."""

    def mean(self, v: Array) -> Array:
        """Return √(v/2π)."""
        return np.sqrt(v / (2 * math.pi))

    def slope(self, v: Array) -> Array:
        """Return ½."""
        return np.full_like(v, 0.5)

    def curvature(self, v: Array) -> Array:
        """Return the density of the field at the kink."""
        return np.asarray(1 / np.sqrt(2 * math.pi * v))

    def kernel(
        self, covariance: Array, v: Array, w: Array, state: Any, rows: slice, same: bool
    ) -> tuple[Array, Array | None]:
        """Return the arc-cosine kernel of first order, √(v w) [sin θ + (π - θ) cos θ]/2π."""
        lengths = np.outer(np.sqrt(v), np.sqrt(w))
        cosine = covariance / lengths
        np.clip(cosine, -1, 1, out=cosine)
        found = np.sqrt(1 - cosine**2)
        found += cosine * np.arccos(-cosine)
        found *= lengths / (2 * math.pi)
        return found, None


class Erf(Products):
    """g(z) = erf(z/√2)."""

    def mean(self, v: Array) -> Array:
        """Return 0."""
        return np.zeros_like(v)

    def slope(self, v: Array) -> Array:
        """Return √(2/π(1 + v))."""
        return np.sqrt(2 / (math.pi * (1 + v)))

    def curvature(self, v: Array) -> Array:
        """Return 0."""
        return np.zeros_like(v)

    def kernel(
        self, covariance: Array, v: Array, w: Array, state: Any, rows: slice, same: bool
    ) -> tuple[Array, Array | None]:
        """Return the arcsine kernel."""
        covariance /= np.sqrt(np.outer(1 + v, 1 + w))
        return 2 / math.pi * np.arcsin(covariance), None


class Expanded(Products):
    """Any function, by its Hermite coefficients c_p(v) = E[g(√v z) h_p(z)], h_p normalised."""

    def mean(self, v: Array) -> Array:
        """Return c_0."""
        return self._coefficients(v, 3)[0][:, 0]

    def slope(self, v: Array) -> Array:
        """Return c_1/√v."""
        return np.asarray(self._coefficients(v, 3)[0][:, 1] / np.sqrt(v))

    def curvature(self, v: Array) -> Array:
        """Return √2 c_2/v."""
        return np.asarray(math.sqrt(2) * self._coefficients(v, 3)[0][:, 2] / v)

    def prepare(self, v: Array, w: Array) -> Any:
        """Return the coefficients, the mean squares and their errors of both sides."""
        return self._coefficients(v, ORDERS), self._coefficients(w, ORDERS)

    def kernel(
        self, covariance: Array, v: Array, w: Array, state: Any, rows: slice, same: bool
    ) -> tuple[Array, Array | None]:
        """Return Σ_p c_p(v) c_p(w) ρ^p; E[g²] where both features are the same one."""
        (c, square, error), (d, other_square, other_error) = state
        c, square, error = c[rows], square[rows], error[rows]
        rho = covariance / np.sqrt(np.outer(v, w))
        own = (np.arange(len(v)), np.arange(len(v)) + rows.start)
        if same:
            rho[own] = 0.0
        steep = float(abs(rho).max(initial=0.0))
        found, power = np.outer(c[:, 0], d[:, 0]), np.ones_like(rho)
        order = 1
        while order < ORDERS and steep**order * math.sqrt(square.max() * other_square.max()) > 1e-12 * square.max():
            power *= rho
            found += np.outer(c[:, order], d[:, order]) * power
            order += 1
        left = np.sqrt(np.maximum(square - (c[:, :order] ** 2).sum(axis=1), 0.0))
        right = np.sqrt(np.maximum(other_square - (d[:, :order] ** 2).sum(axis=1), 0.0))
        bound = np.outer(left, right) * abs(power * rho)
        bound += np.outer(error, np.sqrt(other_square)) + np.outer(np.sqrt(square), other_error)
        if same:
            found[own] = square
            bound[own] = 2 * error * np.sqrt(square)
        return found, bound

    def _coefficients(self, v: Array, orders: int) -> tuple[Array, Array, Array]:
        """Return c_p, shape (n, orders), E[g²] and the error of the coefficients, both of shape (n,)."""
        x, weight, at, missed, near = _panels(self._g, 2.0 ** math.ceil(math.log2(EDGE * math.sqrt(v.max()))))
        c, square = np.empty((len(v), orders)), np.empty(len(v))
        step = max(1, BLOCK // x.size)
        for start in range(0, len(v), step):
            rows = slice(start, start + step)
            z = x / np.sqrt(v[rows])[:, None]
            density = np.exp(-(z**2) / 2) * (weight / np.sqrt(2 * math.pi * v[rows])[:, None])
            square[rows] = density @ at**2
            before, here = np.zeros_like(z), density * at
            for p in range(orders):
                c[rows, p] = here.sum(axis=1)
                before, here = here, (z * here - math.sqrt(p) * before) / math.sqrt(p + 1)
        error = np.exp(-(near**2) / (2 * v[:, None])) @ missed
        return c, square, error / np.sqrt(2 * math.pi * v)


@functools.lru_cache(maxsize=16)
def _panels(g: Callable[[Array], Array], edge: float) -> tuple[Array, Array, Array, Array, Array]:
    """Return nodes, weights and g there of a rule on (-edge, edge); what it misses of ∫ g in each panel, and |x| there.

    Panels are halved where the polynomial through their nodes is not g, down to the width of rounding: so a kink or a
    jump lies in a panel that is as good as empty.
    """
    nodes, shares = np.polynomial.legendre.leggauss(ORDER)
    between = np.linspace(-0.99, 0.99, 2 * ORDER + 1)
    through = np.polynomial.legendre.legvander(between, ORDER - 1) @ np.linalg.inv(
        np.polynomial.legendre.legvander(nodes, ORDER - 1)
    )
    left = np.linspace(-edge, edge, 2 * math.ceil(edge) + 1)[:-1]
    half = np.full(left.size, edge / left.size)
    kept = []
    for _ in range(HALVINGS):
        middle = left + half
        at, wanted = (np.broadcast_to(g(middle[:, None] + half[:, None] * u), (left.size, u.size))
                      for u in (nodes, between))  # fmt: skip
        difference = abs(at @ through.T - wanted).max(axis=1)
        good = (difference <= 1e-12 * (1 + abs(wanted).max(axis=1))) | (half < 1e-12 * edge)
        if good.sum() + 2 * (~good).sum() > MOST_PANELS:
            good = np.ones_like(good)
        kept.append((middle[good], half[good], np.array(at[good]), (2 * half * difference)[good]))
        left, half = np.concatenate([left[~good], middle[~good]]), np.tile(half[~good] / 2, 2)
        if left.size == 0:
            break
    middle, half, at, missed = (np.concatenate(parts) for parts in zip(*kept, strict=True))
    x, weight = middle[:, None] + half[:, None] * nodes, half[:, None] * shares
    return x.ravel(), weight.ravel(), at.ravel(), missed, np.maximum(abs(middle) - half, 0.0)


KNOWN: dict[str, type[Products]] = {"linear": Linear, "relu": Relu, "erf": Erf}


def products(activation: str | Activation, centred: bool) -> Products:
    """Return the averages of an activation's features, by closed forms where they are known."""
    g = functions(activation if isinstance(activation, str) else (activation.g, activation.slope))[0]
    if isinstance(activation, str) and activation in KNOWN:
        return KNOWN[activation](g, centred)
    return Expanded(g, centred)


def _variances(F: Array) -> Array:
    """Return the variance of each field, |F|²/D."""
    return np.asarray(np.einsum("kd,kd->k", F, F) / F.shape[1])
