"""Hebb's rule and the pseudo-inverse: students that are linear in the labels, in closed form."""

import math

import numpy as np

from tsmech.theory.gibbs.likelihood import MEAN
from tsmech.theory.perceptron.state import State
from tsmech.theory.stabilities import EDGE, normal_density, panels


def hebb(alpha: float, flip: float) -> State:
    r"""Hebb's rule, w = Σ y x.

    .. math:: R = \sqrt{\frac{2 \gamma \alpha}{\pi + 2 \gamma \alpha}}, \qquad \gamma = (1 - 2f)^2 .

    Parameters
    ----------
    alpha : float
        Training examples per input dimension, above 0.
    flip : float
        f < ½, probability that a label is wrong.

    Returns
    -------
    State

    References
    ----------
    theory/perceptron.md, eqs. 6-7.  F. Vallet, Europhys. Lett. 8, 747 (1989).
    """
    slope = (1.0 - 2.0 * flip) * MEAN
    across = 1.0 / (1.0 + alpha * slope**2)  # 1 - R²
    wrong = _misclassified(1.0 / math.sqrt(alpha), math.sqrt(alpha) * slope, flip)
    return _state(alpha * slope**2 * across, across, wrong)


def pseudo_inverse(alpha: float, flip: float) -> State:
    r"""Least squares on the labels ±1, of least norm where alpha < 1.

    .. math::
        R = \sqrt{\frac{2 \gamma \alpha (1 - \alpha)}{\pi - 2 \gamma \alpha}} \quad (\alpha < 1), \qquad
        R = \sqrt{\frac{2 \gamma (\alpha - 1)}{\pi + 2 \gamma (\alpha - 2)}} \quad (\alpha > 1) .

    Parameters
    ----------
    alpha, flip : float
        As in :func:`hebb`.

    Returns
    -------
    State
        Below alpha = 1 all examples have the same stability, which is returned.

    References
    ----------
    theory/perceptron.md, eqs. 8-11.
    """
    slope = (1.0 - 2.0 * flip) * MEAN
    noise = 1.0 - slope**2
    if alpha <= 1.0:
        squared = alpha * (1.0 - alpha) * slope**2 / (1.0 - alpha * slope**2)
        norm = alpha * (1.0 - alpha * slope**2)  # Q (1 - alpha)
        return _state(squared, 1.0 - squared, 0.0, math.sqrt((1.0 - alpha) / norm))
    width = math.sqrt(noise / (alpha - 1.0))
    total = slope**2 * (alpha - 1.0) + noise
    squared, across = slope**2 * (alpha - 1.0) / total, noise / total
    return _state(squared, across, _misclassified(1.0 / ((alpha - 1.0) * width), slope / width, flip))


def _misclassified(offset: float, slope: float, flip: float) -> float:
    """Return the probability that offset ± slope |u| + (a normal number) < 0, the sign minus for a wrong label."""
    from scipy.special import ndtr

    u, weight = panels(1.0 / max(slope, 1.0 / EDGE), breaks=(offset / max(slope, 1.0 / EDGE),))
    right = ndtr(-(offset + slope * u))
    wrong = ndtr(-(offset - slope * u))
    chances = np.where(u > 0.0, 2.0 * weight * normal_density(u), 0.0)
    return float(chances @ ((1.0 - flip) * right + flip * wrong))


def _state(squared: float, across: float, wrong: float, stability: float | None = None) -> State:
    """Return the state of a student with R² of its squared length along the teacher and 1 - R² across it."""
    cosine = math.sqrt(squared)
    return State(R=cosine, distance=across / (1.0 + cosine), train_error=wrong, stability=stability)
