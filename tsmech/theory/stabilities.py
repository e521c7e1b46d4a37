r"""The stability of a fresh example of a teacher perceptron: its law, and averages over it.

Inputs are standard normal, so that the teacher's field u and the student's field h, each divided by the length of its
weights, are normal numbers whose correlation is the cosine R of student and teacher.  A label is y = ± sign(u), wrong
with probability f.  The stability s = y h has the density

.. math:: p(s) = 2 \phi(s) \bigl[ f + (1 - 2f)\, \Phi(v) \bigr], \qquad v = \frac{R\, s}{\sqrt{1 - R^2}},

a normal one with a step of width √(1 - R²)/R at zero.  Equation numbers: theory/perceptron.md.
"""

import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

EDGE = 12.0
"""A normal number is beyond it with probability 4e-33."""
_NODE, _WEIGHT = np.polynomial.legendre.leggauss(16)
_FROM_THE_LEFT = 1.0 + _NODE


def disagreement(cosine: ArrayLike, distance: ArrayLike | None = None) -> Array:
    r"""Probability that student and teacher disagree on a fresh input, :math:`\epsilon = \arccos(R)/\pi`.

    Parameters
    ----------
    cosine : array_like
        R.
    distance : array_like, optional
        1 - R, where it is known with more digits than R tells.

    Returns
    -------
    ndarray

    References
    ----------
    theory/perceptron.md, eq. 2.
    """
    gap = 1.0 - np.asarray(cosine) if distance is None else np.asarray(distance)
    return np.asarray(2.0 / np.pi * np.arcsin(np.sqrt(np.clip(0.5 * gap, 0.0, 1.0))))


def normal_density(x: ArrayLike) -> Array:
    """Density of a standard normal number."""
    return np.asarray(np.exp(-0.5 * np.square(x)) / np.sqrt(2.0 * np.pi))


def panels(
    *scales: float,
    breaks: tuple[float, ...] = (),
    steps: tuple[tuple[float, float], ...] = (),
    edge: float = EDGE,
) -> tuple[Array, Array]:
    """Nodes and weights of a rule on [-edge, edge] for functions with structure at zero on each of the scales.

    Gauss-Legendre rules of 16 nodes on panels that double in length from the smallest scale on, away from zero on
    either side, and that end at each of the breaks.  A function that is analytic on a panel's own scale is integrated
    to 1e-12 or better; tests compare with adaptive quadrature.

    Parameters
    ----------
    *scales : float
        Lengths over which the function changes near zero, above 0.
    breaks : tuple of float
        Where the function has kinks or jumps.
    steps : tuple of pairs of float
        Where else it has structure, and on which scale: panels double in length away from there too.
    edge : float
        Where the range ends.

    Returns
    -------
    nodes, weights : ndarray, shape (n,)
        To be read only where there are neither breaks nor steps.
    """
    around = ((0.0, _doublings(min(1.0, *scales) if scales else 1.0, edge)),)
    if not breaks and not steps:
        return _plain(around, edge)
    return _rule((*around, *((centre, _doublings(scale, edge)) for centre, scale in steps)), edge, breaks)


def _doublings(scale: float, edge: float) -> int:
    """Return how often the length of panels doubles from a scale to the edge, at least once."""
    return max(1, math.ceil(math.log2(edge / scale)))


def _rule(around: tuple[tuple[float, int], ...], edge: float, breaks: tuple[float, ...] = ()) -> tuple[Array, Array]:
    """Return the rule on panels that double in length so often away from each of the points."""
    ends = {-edge, edge, *breaks}
    for centre, doublings in around:
        one_side = [edge * 0.5**k for k in range(doublings + 1)]
        ends.update([centre - length for length in one_side], [centre], [centre + length for length in one_side])
    kept = np.array(sorted(end for end in ends if -edge <= end <= edge))
    half = (0.5 * (kept[1:] - kept[:-1]))[:, None]
    return (kept[:-1, None] + half * _FROM_THE_LEFT).ravel(), (half * _WEIGHT).ravel()


@functools.lru_cache(maxsize=256)
def _plain(around: tuple[tuple[float, int], ...], edge: float) -> tuple[Array, Array]:
    """Return a rule of which there are few, to be read only."""
    nodes, weights = _rule(around, edge)
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def orientation(v: Array, flip: float) -> Array:
    """Return the probability ω that a label has the sign of the student's field, f + (1 - 2f) Φ(v)."""
    from scipy.special import ndtr

    return np.asarray(flip + (1.0 - 2.0 * flip) * ndtr(v))


def weighted(nodes: Array, weights: Array, slope: float, flip: float) -> Array:
    """Weights of a rule times the density p(s) of the stability, v = slope · s (eq. 4)."""
    return weights * 2.0 * normal_density(nodes) * orientation(slope * nodes, flip)
