r"""The Hermite constants of an activation function: its mean, its linear part and what is left.

.. math:: \mu_0 = E[g(z)], \qquad \mu_1 = E[z\, g(z)], \qquad \mu_*^2 = E[g(z)^2] - \mu_0^2 - \mu_1^2, \qquad
    z \sim N(0, 1)
"""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError, InputError
from tsmech.kernels.activations import Activation, Function, functions
from tsmech.theory.fields.kinks import kinks, values

FloatArray = NDArray[np.float64]

EDGE = 12.0
"""Where a normal variable ends: what lies beyond has a probability of 4e-33."""

NODES = (40, 60)
"""Nodes of the two Gauss-Legendre rules in each panel, which have to agree."""

ACCURACY = 1e-9
"""Largest difference of the two rules in units of E[g²]."""


class HermiteConstants(NamedTuple):
    """The mean μ₀ of an activation of a standard normal field, its linear part μ₁ and the variance μ*² of the rest."""

    mean: float
    linear: float
    rest: float


CLOSED = {
    "linear": HermiteConstants(0.0, 1.0, 0.0),
    "relu": HermiteConstants(1.0 / math.sqrt(2.0 * math.pi), 0.5, 0.25 - 0.5 / math.pi),
    "erf": HermiteConstants(0.0, 1.0 / math.sqrt(math.pi), 1.0 / 3.0 - 1.0 / math.pi),
}


def hermite_constants(activation: str | Activation) -> HermiteConstants:
    """Return the Hermite constants of an activation: closed forms for linear, ReLU and erf, else by quadrature.

    Parameters
    ----------
    activation : str or Activation
        A name, or a function of one's own.

    Raises
    ------
    InputError
        Where the activation is constant.
    ConvergenceError
        Where two rules of quadrature do not agree.

    Notes
    -----
    Gauss and Legendre's rule in panels between the kinks of the function, which are looked for.

    References
    ----------
    theory/random_features.md, eqs. 3 and 4.

    Examples
    --------
    >>> constants = hermite_constants("relu")
    >>> print(f"{constants.linear:.4f} {constants.rest:.4f}")
    0.5000 0.0908
    """
    if isinstance(activation, str) and activation in CLOSED:
        return CLOSED[activation]
    name = activation if isinstance(activation, str) else activation.name
    pair = functions(activation if isinstance(activation, str) else (activation.g, activation.slope))
    return _by_quadrature(name, *pair)


@functools.lru_cache(maxsize=32)
def _by_quadrature(name: str, g: Function, slope: Function) -> HermiteConstants:
    found = kinks(g, slope)
    bends = np.unique(np.concatenate([np.linspace(-EDGE, EDGE, 13), found[np.abs(found) < EDGE]]))
    coarse, fine = (_moments(g, bends, count) for count in NODES)
    size = fine[2]
    if not np.isfinite(fine).all() or np.abs(fine - coarse).max() > ACCURACY * max(size, math.sqrt(size)):
        raise ConvergenceError(f"the Hermite constants of the activation {name} are not known: two rules disagree")
    mean, linear, _, rest = fine
    if rest + linear**2 <= ACCURACY * size:
        raise InputError(f"activation {name} is constant: features must vary")
    return HermiteConstants(float(mean), float(linear), float(rest) if rest > ACCURACY * size else 0.0)


def _moments(g: Function, bends: FloatArray, count: int) -> FloatArray:
    """Return E[g], E[z g], E[g²] and E[(g - E[g] - E[z g] z)²], the last without a difference of large numbers."""
    x, w = np.polynomial.legendre.leggauss(count)
    half = np.diff(bends)[:, None] / 2
    z = (bends[:-1, None] + half * (x + 1)).ravel()
    weight = (half * w).ravel() * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    with np.errstate(over="ignore", invalid="ignore"):
        at = values(g, z)
        mean, linear = weight @ at, weight @ (z * at)
        return np.array([mean, linear, weight @ at**2, weight @ (at - mean - linear * z) ** 2])
