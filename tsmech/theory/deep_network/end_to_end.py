r"""What balanced layers learn, at any depth and from any directions: gradient flow of a network as small as it can be.

It needs layers that are balanced, :math:`W_{l+1}^T W_{l+1} = W_l W_l^T`, which gradient flow conserves.  Derivation
and equation numbers: ``theory/deep_linear.md``, section 5.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.deep_network.curves import LearningCurve
from tsmech.theory.deep_network.series import ORDER, Series
from tsmech.theory.deep_network.unaligned import Modes, imbalance

Array = NDArray[np.float64]

LEARNT = 1e-11
"""What may be missing of a mode that counts as learnt, as a share of it."""
DECOUPLED = 1e-12
"""Largest share of the product that couples directions which count as not coupled."""
BALANCED = 1e-9
"""Largest δ of neighbouring layers, as a share of their weights' mean square."""
STEPS = 20_000
"""Most series, one after another."""
CUTS = 3
"""How often a step is cut into sixteen to find half learning, which is then on a straight line to 1e-8 of the step."""
BLOCK = 1000
"""Times at which a series is evaluated together."""


def product_held(depth: int, modes: int, inputs: int, outputs: int) -> int:
    """Return how many numbers :func:`product_curve` holds at once, of orthogonal layers."""
    return 6 * inputs * outputs + (7 * ORDER + BLOCK) * depth * min(2 * modes, max(inputs, outputs)) ** 2


def product_curve(times: ArrayLike, modes: Modes, start: Sequence[Array]) -> LearningCurve:
    r"""Return learning of balanced layers of any directions.

    .. math::
        \dot W_l = (W_D \cdots W_{l+1})^T (\Sigma - W_D \cdots W_1) (W_{l-1} \cdots W_1)^T

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing, from 0 or later.
    modes : tuple of ndarray, shapes (outputs, modes), (modes,) and (inputs, modes)
        The teacher's left singular vectors, singular values and right singular vectors.
    start : sequence of ndarray
        The layers W₁, ..., W_D at the start, D >= 2.

    Returns
    -------
    LearningCurve

    Raises
    ------
    InputError
        If the layers are not balanced.
    ConvergenceError
        If the gradient is too large for floating point, or too many steps are needed.

    Notes
    -----
    Exact.  Of orthogonal layers and a teacher of m modes it is a network of at most 2m units, whatever the width.  Its
    layers are expanded in powers of the time, to 1e-13 of the weights that still learn.  A mode that is learnt is taken
    out, so that weak modes are not followed in the short steps that strong ones need.  Some ten steps a mode, each of
    O(depth size³).

    References
    ----------
    theory/deep_linear.md, eqs. 2 and 33-33b.  S. Arora, N. Cohen, E. Hazan 2018, arXiv:1802.06509, theorem 1.
    """
    for below, above in itertools.pairwise(start):
        delta = imbalance(below, above)
        if delta is None or abs(delta) > BALANCED * (np.sum(below**2) + np.sum(above**2)) / len(below):
            raise InputError("the layers are not balanced: W_(l+1).T W_(l+1) must be W_l W_l.T for all l")
    try:
        with np.errstate(over="raise", invalid="raise"):
            return _follow(np.asarray(times, float), *_reduced(modes, start))
    except ArithmeticError:
        raise ConvergenceError("the layers could not be followed: their gradient is too large") from None


def _follow(t: Array, network: "_Network", alone: Array) -> LearningCurve:
    """Return learning of a network, beside directions that fade alone."""
    depth, size = network.layers.shape[:2]
    strengths, dyads = np.tile(network.strengths, (t.size, 1)), network.dyads()
    error, squared = _fading(alone, t, depth)
    series, now, done, unit = Series(depth, size), 0.0, 0, network.unit()
    half, asked = np.full(network.strengths.size, np.nan), network.strengths / 2.0
    asked[network.missing().ravel() @ dyads <= asked] = -np.inf
    for _ in range(STEPS):
        if network.take_out_learnt():
            unit = network.unit()
        if not network.modes.any():
            rest = _fading(network.sizes(), t[done:] - now, depth)
            error[done:] += rest[0]
            squared[done:] += rest[1]
            break
        unit = series.expand(network.layers, network.target, unit)  # and the next series is as long, about
        ahead = done + int(np.searchsorted(t[done:], now + unit, side="right"))
        for first in range(done, ahead, BLOCK):
            rows = slice(first, min(first + BLOCK, ahead))
            missing, squares = series.outcome(t[rows] - now)
            strengths[rows] -= missing @ dyads
            error[rows] += 0.5 * np.einsum("ti,ti->t", missing, missing)
            squared[rows] += squares
        last = ahead == t.size
        if not last:
            network.layers = series.layers(unit)
        left = network.strengths - strengths[-1] if last else network.missing().ravel() @ dyads
        for mode in np.flatnonzero(left <= asked).tolist():
            half[mode] = now + _crossing(series, dyads[:, mode], asked[mode], t[-1] - now if last else unit)
            asked[mode] = -np.inf
        if last:
            break
        now, done = now + unit, ahead
    else:
        raise ConvergenceError(f"the layers could not be followed beyond t = {now:.6g} in {STEPS} steps")
    return LearningCurve(strengths, error, np.sqrt(squared), half=half)


def _crossing(series: Series, dyad: Array, wanted: float, end: float) -> float:
    """Return how long after its beginning a series comes to what may be missing along a mode, as it does by its end."""
    low, high, before, after = 0.0, end, 0.0, 0.0
    for _ in range(CUTS):
        inner = np.linspace(low, high, 17)
        left = series.outcome(inner)[0] @ dyad
        place = next((n for n in range(1, 16) if left[n] <= wanted), 16)
        (low, high), (before, after) = inner[place - 1 : place + 1].tolist(), left[place - 1 : place + 1].tolist()
    return low + (high - low) * (before - wanted) / (before - after)


class _Network:
    """Balanced layers between the directions that the teacher reaches, and those of its modes that are not learnt.

    Parameters
    ----------
    layers : ndarray, shape (depth, size, size)
    left, s, right : ndarray, shapes (size, modes), (modes,) and (size, modes)
        The teacher in the same directions.
    """

    def __init__(self, layers: Array, left: Array, s: Array, right: Array) -> None:
        self.layers, self.strengths, self._left, self._right = layers, s, left, right
        self.modes = np.ones(s.size, dtype=bool)
        self._aim()

    def _aim(self) -> None:
        left, right = self._left[:, self.modes], self._right[:, self.modes]
        self.target = (left * self.strengths[self.modes]) @ right.T

    def missing(self) -> Array:
        """Return Σ - W_D...W_1."""
        product = self.layers[0]
        for layer in self.layers[1:]:
            product = layer.dot(product)
        return np.asarray(self.target - product)

    def sizes(self) -> Array:
        """Return the singular values of Σ - W_D...W_1."""
        return np.asarray(np.linalg.svd(self.missing(), compute_uv=False), float)

    def dyads(self) -> Array:
        """Return u vᵀ of all modes as columns, shape (size², modes)."""
        return np.asarray((self._left[:, None] * self._right).reshape(self._left.shape[0] ** 2, -1))

    def unit(self) -> float:
        """Return a time in which the layers change by a share of themselves."""
        depth, w, lacks = len(self.layers), *(float(np.linalg.norm(one, 2)) for one in (self.layers[0], self.missing()))
        rate = (depth - 1) * w ** (depth - 2) * lacks + depth * w ** (2 * depth - 2)
        return 1.0 / rate if rate > 0.0 else 1.0

    def take_out_learnt(self) -> bool:
        """Take the modes that are learnt out of layers, target and ``modes``, and return whether there were any.

        Such a mode is a singular vector of each layer, and couples to the others in the second order of what it lacks.
        """
        missing, least = self.missing(), (LEARNT * self.strengths) ** 2
        learnt = self.modes & (((missing @ self._right) ** 2).sum(axis=0) <= least)
        if learnt.any():
            learnt &= ((missing.T @ self._left) ** 2).sum(axis=0) <= least
        if not learnt.any():
            return False
        here, layers = self._right[:, learnt], self.layers.copy()
        for layer, found in zip(self.layers, layers, strict=True):
            above = np.linalg.qr(layer @ here)[0]
            found -= above @ (above.T @ layer)
            found -= (found @ here) @ here.T
            here = above
        self.layers, self.modes = layers, self.modes & ~learnt
        self._aim()
        return True


def _reduced(modes: Modes, start: Sequence[Array]) -> tuple[_Network, Array]:
    """Return the network between the teacher's directions and those that they reach, filled up with zeros to squares.

    With it the singular values of the product in all other directions.
    """
    left, s, right = modes
    rank, product = min(map(min, (layer.shape for layer in start))), start[0]
    for layer in start[1:]:
        product = layer @ product
    outputs, inputs, alone = _coupled(product, left, right, rank)
    here, parts = inputs, []
    for layer in start[:-1]:
        moved = layer @ here
        u, x, _ = np.linalg.svd(moved, full_matrices=False)
        here = u[:, x > DECOUPLED * x[0]]
        parts.append(here.T @ moved)
    parts.append(outputs.T @ (start[-1] @ here))
    size = max(max(part.shape) for part in parts)
    layers, (first, last) = np.zeros((len(parts), size, size)), np.zeros((2, size, s.size))
    for layer, part in zip(layers, parts, strict=True):
        layer[: part.shape[0], : part.shape[1]] = part
    last[: outputs.shape[1]], first[: inputs.shape[1]] = outputs.T @ left, inputs.T @ right
    return _Network(layers, last, s, first), alone


def _fading(x: Array, times: Array, depth: int) -> tuple[Array, Array]:
    """Return E and the square of its gradient's length from singular values x where nothing is to be learnt (33a)."""
    q = 2.0 - 2.0 / depth
    left = x * (1.0 + q * depth * x**q * times[:, None]) ** (-1.0 / q)
    return 0.5 * (left**2).sum(axis=1), depth * (left ** (2.0 + q)).sum(axis=1)


def _coupled(product: Array, left: Array, right: Array, rank: int) -> tuple[Array, Array, Array]:
    """Return bases of the outputs and inputs that the teacher's reach through the product, and what it has elsewhere.

    The product maps both onto each other, and what is orthogonal to them onto itself: there each singular value
    vanishes alone (eq. 33a).  Of orthogonal layers a teacher with m modes reaches 2 m directions, in general all.
    """
    x = np.linalg.svd(product, compute_uv=False)
    scale, bases = x[0], [left, right]
    if x[rank - 1] <= 10 * DECOUPLED * scale:  # the weakest cannot be told from rounding
        return np.eye(product.shape[0]), np.eye(product.shape[1]), np.empty(0)
    while True:
        grown = []
        for own, other, maps in ((bases[0], bases[1], product), (bases[1], bases[0], product.T)):
            u, x, _ = np.linalg.svd(np.hstack([own, maps @ other / scale]), full_matrices=False)
            grown.append(u[:, x > DECOUPLED])
        if all(one.shape == two.shape for one, two in zip(grown, bases, strict=True)):
            break
        bases = grown
    outputs, inputs = bases
    elsewhere = product - outputs @ (outputs.T @ product @ inputs) @ inputs.T
    alone = np.linalg.svd(elsewhere, compute_uv=False)[:rank]
    return outputs, inputs, np.asarray(alone[alone > 5 * DECOUPLED * scale], float)
