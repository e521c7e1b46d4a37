"""The student of maximum stability, and up to where labels with errors can be separated."""

import functools
import math

import numpy as np

from tsmech.errors import InputError
from tsmech.theory.gibbs.likelihood import MEAN
from tsmech.theory.gibbs.saddle import follow
from tsmech.theory.perceptron.state import State
from tsmech.theory.stabilities import Array, normal_density, panels, weighted

FIRST = 1e-2
"""Examples per input at which the solution is followed from."""


def maximum_stability(alpha: float, flip: float) -> State:
    r"""Largest stability κ that all examples can have, and the student that has it.

    .. math::
        \alpha\, \bigl\langle (\kappa - s)_+^2 \bigr\rangle = 1 - R^2, \qquad
        \alpha (1 - 2f) \sqrt{\frac2\pi}\; \mathbb E (\kappa - \sqrt{1 - R^2}\, z)_+ = R ,

    the first average over the stabilities of fresh examples, the second over a normal number z.

    Parameters
    ----------
    alpha : float
        Training examples per input dimension, above 0.
    flip : float
        f < ½, probability that a label is wrong.

    Returns
    -------
    State

    Raises
    ------
    InputError
        If the examples cannot be separated: alpha at or beyond :func:`separability_threshold`.
    ConvergenceError
        If the equations were not solved.

    Notes
    -----
    Limit N → ∞; replica symmetry is exact, because the problem is convex.  About 10 ms.

    References
    ----------
    theory/perceptron.md, eqs. 17-19.  M. Opper, W. Kinzel, J. Kleinz, R. Nehl, J. Phys. A 23, L581 (1990).
    """
    if flip > 0.0 and alpha >= (threshold := separability_threshold(flip)):
        raise InputError(
            f"alpha = {alpha:g} is not allowed: labels with flip = {flip:g} can be separated below {threshold:.6g}"
        )
    first = min(FIRST, alpha)
    kappa = 1.0 / math.sqrt(first)
    start = np.array([math.log(kappa), math.log(1.0 / (math.sqrt(first) * (1.0 - 2.0 * flip) * MEAN))])
    unknowns, residual, iterations = follow(lambda x, a: _residuals(x, a, flip), start, first, alpha)
    kappa, tangent = np.exp(unknowns)
    cosine = 1.0 / math.hypot(1.0, tangent)
    return State(
        R=cosine,
        distance=(tangent * cosine) ** 2 / (1.0 + cosine),
        train_error=0.0,
        stability=float(kappa),
        residual=residual,
        iterations=iterations,
    )


@functools.lru_cache(maxsize=256)
def separability_threshold(flip: float) -> float:
    r"""Examples per input dimension beyond which labels with errors cannot be separated.

    .. math:: \alpha_c(f) = \max_R \frac{1 - R^2}{\langle s^2\, \theta(-s) \rangle}

    Parameters
    ----------
    flip : float
        f in [0, ½], probability that a label is wrong.

    Returns
    -------
    float
        ``inf`` at f = 0, 2 at f = ½.

    References
    ----------
    theory/perceptron.md, eq. 20.

    Examples
    --------
    >>> round(separability_threshold(0.1), 3)
    2.992
    """
    from scipy.optimize import minimize_scalar

    if flip == 0.0:
        return math.inf

    def negative(log_tangent: float) -> float:
        tangent = math.exp(log_tangent)
        return -(tangent**2 / (1.0 + tangent**2)) / _shortfall(0.0, tangent, flip)

    grid = np.linspace(-25.0, 5.0, 121)
    best = int(np.argmin([negative(x) for x in grid]))
    if best == grid.size - 1:  # at f = ½ student and teacher are perpendicular
        return -negative(40.0)
    found = minimize_scalar(negative, bracket=tuple(grid[best - 1 : best + 2]), tol=1e-9)
    return -float(found.fun)


def _shortfall(kappa: float, tangent: float, flip: float) -> float:
    """Return ⟨(κ - s)₊²⟩."""
    nodes, weights = panels(tangent, breaks=(kappa,))
    short = np.maximum(kappa - nodes, 0.0)
    return float(weighted(nodes, weights, 1.0 / tangent, flip) @ short**2)


def _residuals(unknowns: Array, alpha: float, flip: float) -> Array:
    """Return the logarithmic residuals of eqs. 17 and 18 at (ln κ, ln √(1 - R²)/R)."""
    from scipy.special import ndtr

    kappa, tangent = np.exp(np.clip(unknowns, -60.0, 60.0))
    cosine = 1.0 / math.hypot(1.0, tangent)
    sine = tangent * cosine
    needed = kappa * ndtr(kappa / sine) + sine * normal_density(kappa / sine)
    return np.array(
        [
            math.log(alpha * _shortfall(kappa, tangent, flip) / sine**2),
            math.log(alpha * (1.0 - 2.0 * flip) * MEAN * float(needed) / cosine),
        ]
    )
