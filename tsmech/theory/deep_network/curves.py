"""Learning curves of deep linear networks: from aligned starts, from balanced ones in any directions, of one layer.

Equation numbers are those of ``theory/deep_linear.md``.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.theory.deep_network.modes import balanced_modes, layer_strengths, unbalanced_modes
from tsmech.theory.deep_network.unaligned import LANES, Modes, in_blocks, modes_of, prepare

Array = NDArray[np.float64]

ROUNDING = 1e-15
"""Relative rounding of a root, and for each layer of the power that takes it back."""
LOOKS, FIRST_LOOK, NARROW = 127, 1e-5, 1e-4
"""At how many times half learning is looked for, the first as a share of the last, and the share of itself between two
times from which on it lies on a straight line, to 1e-8."""


class LearningCurve(NamedTuple):
    """What a network without noise has learnt at the times."""

    strengths: Array
    """Along the teacher's modes, shape (T, modes)."""
    error: Array
    """½ \\|W - Σ\\|², shape (T,)."""
    gradient_norm: Array
    """Length of the loss's gradient in the space of all weights, shape (T,)."""
    layers: Array | None = None
    """Strengths of the layers where the modes are aligned, shape (T, depth, modes): as many modes as the width has."""
    half: Array | None = None
    """When each mode is half learnt, shape (modes,), NaN where it never is (without a closed form: by the last time);
    None where that is read off the curve."""


class TwoLayers(NamedTuple):
    """What a two-layer network computes in time, and how it represents its inputs and outputs."""

    product: Array
    """W₂W₁, shape (T, outputs, inputs)."""
    first: Array
    """W₁ᵀW₁, shape (T, inputs, inputs): the similarity of the hidden representations of inputs."""
    second: Array
    """W₂W₂ᵀ, shape (T, outputs, outputs)."""


def aligned_curve(times: ArrayLike, strengths: ArrayLike, layers: Array, rank: int) -> LearningCurve:
    r"""Return learning from weights whose singular vectors fit the teacher's and each other.

    .. math::
        E = \tfrac12 \sum_\mu (s_\mu - a_\mu)^2, \qquad
        |\nabla E|^2 = \sum_\mu (s_\mu - a_\mu)^2 \sum_l \prod_{k \neq l} w_{k \mu}^2

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing from 0.
    strengths : array_like, shape (modes,)
        s > 0 of the teacher.
    layers : ndarray, shape (depth, modes)
        Strengths w_l of the layers at the start: all alike in a mode with a product of at most s, or of two layers any.
    rank : int
        How many modes fit through the network, from the first: the others are never learnt (eq. 4).

    Returns
    -------
    LearningCurve

    Raises
    ------
    InputError
        If more than two layers differ in strength.

    References
    ----------
    theory/deep_linear.md, eqs. 3-14.
    """
    s = np.asarray(strengths, float)
    depth = len(layers)
    fits, w = s[:rank], layers[:, :rank]
    alike = bool((w == w[0]).all())
    if depth == 2 and not (alike and (w[0] * w[1] <= fits).all()):
        modes = unbalanced_modes(times, fits, w[0], w[1])
        parts = np.stack(layer_strengths(modes.learnt, w[0], w[1]), axis=1)
    elif alike:
        start = w[0] ** depth
        rounded = (start > fits) & (start <= fits * (1.0 + ROUNDING * depth))  # of a start at its end
        modes = balanced_modes(times, fits, np.where(rounded, fits, start), depth)
        parts = np.repeat(modes.learnt[:, None] ** (1.0 / depth), depth, axis=1)
    else:
        raise InputError("layers of different strengths have a theory at depth 2 alone")
    others = np.stack([np.delete(parts, layer, axis=1).prod(axis=1) for layer in range(depth)], axis=1)
    missing = np.hstack([modes.missing, np.broadcast_to(s[rank:], (len(modes.missing), s.size - fits.size))])
    learnt = np.hstack([modes.learnt, np.zeros((len(modes.learnt), s.size - fits.size))])
    gradient = np.sqrt(((modes.missing[:, None] * others) ** 2).sum(axis=(1, 2)))
    return LearningCurve(learnt, 0.5 * (missing**2).sum(axis=1), gradient, parts)


def aligned_weights(along: Sequence[Array], layers: Array) -> Array:
    """Return all weights of aligned modes in time, shape (T, weights): layer after layer, row by row (eq. 4).

    Parameters
    ----------
    along : sequence of ndarray, shapes (inputs, rank), (width, rank), ..., (outputs, rank)
        The modes' directions.
    layers : ndarray, shape (T, depth, rank)
        Strengths of the layers.
    """
    each = [
        np.einsum("om,tm,im->toi", along[layer + 1], layers[:, layer], along[layer], optimize=True)
        for layer in range(layers.shape[1])
    ]
    return np.hstack([one.reshape(len(layers), -1) for one in each])


def two_layers(times: ArrayLike, correlations: Array, first: Array, second: Array) -> TwoLayers:
    r"""Return gradient flow of two layers from a start that is balanced up to one number.

    With :math:`Q = (W_1^T; W_2)` of shape (inputs + outputs, width) and :math:`F = (-\delta/2, Σ^T; Σ, \delta/2)`

    .. math::
        \dot Q = F Q - \tfrac12 Q Q^T Q, \qquad
        Q Q^T = e^{Ft} Q_0 \Bigl[1 + Q_0^T \frac{e^{2Ft} - 1}{2F} Q_0\Bigr]^{-1} Q_0^T e^{Ft}

    Parameters
    ----------
    times : array_like, shape (T,)
        At least 0.
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
    Exact at every size and time: the hidden units are turned so that the fastest direction of the start has but one of
    them, and each is scaled by its own growth.  So weak directions are not lost to the rounding of strong ones, and
    nothing overflows.  O(T (modes + width) width²).

    References
    ----------
    theory/deep_linear.md, eqs. 16-19.  K. Fukumizu 1998; Braun et al. 2022; Dominé et al. 2024, arXiv:2409.14623, whose
    λ is our δ.
    """
    from tsmech.theory.deep_network.riccati import follow

    start, blocks = prepare(modes_of(correlations), first, second), in_blocks(times)
    one, two = (np.empty((len(blocks), basis.shape[1], len(first), LANES)) for basis in (start.inputs, start.outputs))
    follow(start.problem, blocks, one, two)
    one, two = (
        np.einsum("ab,nbht->ntah", basis, part, optimize=True).reshape(-1, len(basis), len(first))[: np.size(times)]
        for basis, part in ((start.inputs, one), (start.outputs, two))
    )
    transposed = one.transpose(0, 2, 1)
    return TwoLayers(two @ transposed, one @ transposed, two @ two.transpose(0, 2, 1))


def two_layer_curve(times: ArrayLike, modes: Modes, start: Sequence[Array]) -> LearningCurve:
    """Return learning of two layers from a start that is balanced up to one number, in any directions (eqs. 16-19).

    Parameters
    ----------
    times : array_like, shape (T,)
        At least 0.
    modes : tuple of ndarray, shapes (outputs, modes), (modes,) and (inputs, modes)
        The teacher's left singular vectors, singular values and right singular vectors.
    start : sequence of ndarray
        W₁ and W₂ at the start.

    Returns
    -------
    LearningCurve
    """
    from tsmech.theory.deep_network.riccati import measure

    problem = prepare(modes, *start).problem

    def measured(times: ArrayLike) -> tuple[Array, Array, Array]:
        blocks, count = in_blocks(times), np.size(times)
        learnt, error, squared = np.empty((len(blocks), len(modes[1]), LANES)), *np.empty((2, *blocks.shape))
        measure(problem, blocks, modes[1], learnt, error, squared)
        strengths = learnt.transpose(0, 2, 1).reshape(-1, len(modes[1]))
        return strengths[:count], error.ravel()[:count], squared.ravel()[:count]

    every = np.asarray(times, float)
    strengths, error, squared = measured(every)
    half = _half_learnt(lambda times: measured(times)[0], modes[1], every, strengths)
    return LearningCurve(strengths, error, np.sqrt(squared), half=half)


def _half_learnt(strengths: Callable[[Array], Array], ends: Array, times: Array, known: Array) -> Array:
    """Return when modes first come to half of their ends, shape (modes,); NaN of those that do not, or are beyond it.

    Parameters
    ----------
    strengths : callable
        Strengths at times of shape (T,), shape (T, modes).
    ends : ndarray, shape (modes,)
    times, known : ndarray, shapes (T,) and (T, modes)
        Times of which the last is the last that counts, and the strengths then.
    """
    last = float(times.max(initial=0.0))
    if last == 0.0:
        return np.full(ends.shape, np.nan)
    if times[0] > 0.0 or times.size < LOOKS:
        times = np.append(0.0, np.geomspace(FIRST_LOOK * last, last, LOOKS))
        known = strengths(times)
    before = known < ends / 2.0
    modes = np.flatnonzero(before[0] & ~before.all(axis=0))
    if modes.size == 0:
        return np.full(ends.shape, np.nan)
    wanted, each = ends[modes] / 2.0, np.arange(modes.size)
    first = np.argmin(before[:, modes], axis=0)
    low, high, shares = times[first - 1], times[first], np.linspace(0.0, 1.0, max(4, LANES // modes.size))
    under, over = known[first - 1, modes], known[first, modes]
    while (high - low > NARROW * high).any():
        inner = low + (high - low) * shares[:, None]
        seen = strengths(inner.ravel()).reshape(*inner.shape, -1)[:, each, modes]
        seen[0], seen[-1] = under, over
        first = np.maximum(np.argmax(seen >= wanted, axis=0), 1)
        low, high, under, over = (found[k, each] for found in (inner, seen) for k in (first - 1, first))
    found = np.full(ends.shape, np.nan)
    found[modes] = low + (high - low) * (wanted - under) / (over - under)
    return found


def one_layer_curve(times: ArrayLike, strengths: ArrayLike, initial: ArrayLike, rest: float) -> LearningCurve:
    """Return learning of one layer from any start, whose error decays as exp(-2t) (eq. 6).

    Parameters
    ----------
    times, strengths : array_like, shapes (T,) and (modes,)
        As in :func:`aligned_curve`.
    initial : array_like, shape (modes,)
        uᵀW(0)v along the teacher's modes, of any sign.
    rest : float
        The square of all weights W(0), of which these are part.
    """
    left = np.exp(-np.asarray(times, float))
    s, a = np.asarray(strengths, float), np.asarray(initial, float)
    error = 0.5 * (float(((s - a) ** 2 - a**2).sum()) + rest) * left**2
    return LearningCurve(s - left[:, None] * (s - a), error, np.sqrt(2.0 * error))


def effective_start(scale: float, width: int) -> float:
    r"""Return the strength a₀ from which a mode of two small random layers grows, at its typical value.

    .. math:: a_0 = \tfrac14 |W_1 v + W_2^T u|^2, \qquad
        e^{\langle \ln a_0 \rangle} = \frac{\text{scale}^2}{H}\, e^{\psi(H/2)}

    Parameters
    ----------
    scale : float
        √width times the standard deviation of the weights.
    width : int
        H.

    References
    ----------
    theory/deep_linear.md, eq. 31.
    """
    from scipy.special import digamma

    return scale**2 / width * math.exp(float(digamma(width / 2.0)))
