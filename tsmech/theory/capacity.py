"""How many random labels a perceptron can learn: the critical capacity for N → ∞, and Cover's count at finite N."""

import functools
import math

import numpy as np

from tsmech.checks import in_range
from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.stabilities import Array, normal_density, panels

WEIGHTS = ("spherical", "binary")
WIDEST = 100.0
"""Largest margin of binary weights."""
AT_CAPACITY = 1e-12
"""Relative distance from the capacity within which alpha is at it."""


def critical_capacity(margin: float, weights: str = "spherical") -> float:
    r"""Largest number of random labels per weight that can be learnt with a margin.

    Spherical weights:

    .. math::
        \frac{1}{\alpha_c}
            = \int_{-\kappa}^\infty Dt\, (t + \kappa)^2
            = (1 + \kappa^2)\, \Phi(\kappa) + \kappa\, \phi(\kappa)

    Binary weights: where the replica-symmetric entropy vanishes.

    Parameters
    ----------
    margin : float
        κ >= 0: every label has y w·x >= κ \|w\|.
    weights : str
        ``spherical`` or ``binary``.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If an argument is outside its range.
    ConvergenceError
        If the saddle point was not found.

    References
    ----------
    theory/capacity.md, eqs. 3 and 6-8.  E. Gardner, J. Phys. A 21, 257 (1988); W. Krauth, M. Mézard, J. Phys. (France)
    50, 3057 (1989).

    Examples
    --------
    >>> critical_capacity(0.0)
    2.0
    >>> round(critical_capacity(0.0, weights="binary"), 6)
    0.833079
    """
    kappa = float(in_range("margin", margin))
    if weights == "binary":
        in_range("margin", margin, largest=WIDEST)
    if weights not in WEIGHTS:
        raise InputError(f"weights = {weights!r} is not allowed: it must be one of {', '.join(WEIGHTS)}")
    return _spherical(kappa) if weights == "spherical" else _binary(kappa)


def separable_fraction(alpha: float, capacity: float) -> float:
    """Return the fraction of sets of labels that can be learnt for N → ∞: 1 below the capacity, ½ at it, 0 above."""
    if abs(alpha - capacity) <= AT_CAPACITY * capacity:
        return 0.5
    return 1.0 if alpha < capacity else 0.0


def cover_fraction(examples: int, dimension: int) -> float:
    r"""Fraction of the labellings of P points in general position that a hyperplane through zero separates.

    .. math:: 2^{1 - P} \sum_{k=0}^{N - 1} \binom{P - 1}{k}

    Parameters
    ----------
    examples, dimension : int
        P >= 1 and N >= 1.

    References
    ----------
    theory/capacity.md, eq. 2.  T. M. Cover, IEEE Trans. Electron. Comput. EC-14, 326 (1965).
    """
    from scipy.special import betainc

    if examples <= dimension:
        return 1.0
    return float(betainc(examples - dimension, dimension, 0.5))


def _spherical(kappa: float) -> float:
    cumulative = 0.5 * math.erfc(-kappa / math.sqrt(2.0))
    return 1.0 / ((1.0 + kappa**2) * cumulative + kappa * float(normal_density(kappa)))


@functools.lru_cache(maxsize=256)
def _binary(kappa: float) -> float:
    """Return alpha at which the entropy (eq. 6) vanishes: the first zero along q, which grows with alpha."""
    from scipy.optimize import brentq

    grid = np.linspace(-8.0, 8.0, 65)  # ln q/(1 - q)
    entropies = [_binary_state(x, kappa)[1] for x in grid]
    ends = [i for i in range(1, grid.size) if entropies[i - 1] > 0.0 >= entropies[i]]
    if not ends:
        raise ConvergenceError(f"the entropy of binary weights at margin = {kappa:g} has no zero")
    root = brentq(lambda x: _binary_state(x, kappa)[1], grid[ends[0] - 1], grid[ends[0]], xtol=1e-13)
    return _binary_state(root, kappa)[0]


def _binary_state(logit: float, kappa: float) -> tuple[float, float]:
    """Return alpha and the entropy at q = 1/(1 + exp(-logit)) (eqs. 6-8)."""
    from scipy.optimize import brentq
    from scipy.special import log_ndtr

    q, p = 1.0 / (1.0 + math.exp(-logit)), 1.0 / (1.0 + math.exp(logit))

    def residual(log_conjugate: float) -> float:
        root = math.exp(0.5 * log_conjugate)
        z, weights = panels(1.0 / root)
        missed = weights @ (normal_density(z) / np.cosh(np.minimum(root * np.abs(z), 350.0)) ** 2)
        return math.log(missed / p)

    log_conjugate = brentq(residual, -40.0, 40.0, xtol=1e-13)
    conjugate, root = math.exp(log_conjugate), math.exp(0.5 * log_conjugate)
    z, weights = panels(1.0 / root, math.sqrt(p / q))
    normal = weights * normal_density(z)
    fields = -(kappa + math.sqrt(q) * z) / math.sqrt(p)
    log_volume: Array = log_ndtr(fields)
    slope = np.exp(-0.5 * fields**2 - 0.5 * math.log(2.0 * math.pi) - log_volume)
    alpha = conjugate * p / float(normal @ slope**2)
    cosh = np.logaddexp(root * z, -root * z)  # ln 2 cosh
    entropy = -0.5 * conjugate * p + float(normal @ cosh) + alpha * float(normal @ log_volume)
    return alpha, entropy
