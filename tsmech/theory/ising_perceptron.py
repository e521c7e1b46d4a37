r"""A perceptron with binary weights that learns from another, for N → ∞: its two branches and where they meet.

The poor branch is a curve along the conjugate parameter R̂ = x: at every x the other equations have one solution and
say at which alpha it is.  Along it alpha grows to the spinodal and falls again; the part before is the branch.  On the
perfect branch the student is the teacher, and energy, entropy and free energy are zero.
Derivations and equation numbers: theory/ising_perceptron.md.
"""

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tsmech.checks import in_range
from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.gibbs.likelihood import Likelihood, pull, rule, second_moment
from tsmech.theory.stabilities import disagreement, normal_density, panels

BRANCHES = ("stable", "poor", "perfect")
METHODS = ("quenched", "annealed", "high_temperature")
TOLERANCE = 1e-8
"""Largest residual of a saddle point."""
GRID = np.geomspace(0.05, 12.0, 56)
"""Values of x between which the spinodal and the transition are looked for."""
FEWEST = 1e-14
"""The x at which the poor branch begins, at an alpha of its order or, above T = 1, of its order times T."""
HOTTEST = 1e12
"""Largest temperature, and of max(1, T)/alpha."""


class Transition(NamedTuple):
    """Where generalization becomes perfect, in units of N examples."""

    transition: float
    """From here on the perfect branch is stable."""
    spinodal: float
    """Here the poor branch ends."""


@dataclass(frozen=True)
class State:
    """A point of a branch."""

    alpha: float
    R: float
    """Cosine of student and teacher."""
    distance: float
    """1 - R."""
    q: float | None
    """Cosine of two students; None where the approximation does not say."""
    train_error: float
    """Share of the labels that the student gets wrong."""
    log_partition: float
    """ln Z per weight, -βF."""
    entropy: float
    """Per weight."""
    branch: str
    residual: float = 0.0
    """Largest relative change of an order parameter under the equations."""

    @property
    def generalization_error(self) -> float:
        """Probability of disagreeing with the teacher."""
        return float(disagreement(self.R, self.distance))


def solve(alpha: float, temperature: float, branch: str = "stable", method: str = "quenched") -> State | None:
    r"""Return a branch at an alpha, or None where there is no such branch.

    Parameters
    ----------
    alpha : float
        Training examples per weight, above 0.
    temperature : float
        T >= 0, the energy being the number of wrong labels.
    branch : str
        ``poor`` (R < 1, up to the spinodal), ``perfect`` (R = 1) or ``stable``, that of the lower free energy (at T = 0
        of the higher entropy).
    method : str
        ``quenched``, ``annealed`` or ``high_temperature`` (at the given alpha/T).

    Raises
    ------
    ConvergenceError
        If the saddle point was not found.

    Notes
    -----
    Limit N → ∞, replica symmetric.  About 10 ms, once the spinodal of a temperature is known (0.2 s).

    References
    ----------
    theory/ising_perceptron.md, eqs. 2-11.  G. Györgyi, Phys. Rev. A 41, 7097 (1990); H. Sompolinsky, N. Tishby,
    H. S. Seung, Phys. Rev. Lett. 65, 1683 (1990).
    """
    perfect = State(alpha, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, "perfect")
    if branch == "perfect":
        return perfect
    poor = _poor(alpha, temperature, method)
    if branch == "poor":
        return poor
    return poor if poor is not None and poor.log_partition > 0.0 else perfect


def ising_transition(temperature: float, method: str = "quenched") -> Transition:
    """Examples per weight from which on perfect learning is stable, and at which the poor solution ends.

    Parameters
    ----------
    temperature : float
        T >= 0; above 0 for ``high_temperature``, whose values are proportional to T.
    method : str
        ``quenched``, ``annealed`` or ``high_temperature``.

    Returns
    -------
    Transition
        ``transition``, where both branches have the same free energy (at T = 0 the same entropy, zero), and
        ``spinodal``, where the poor branch ends.

    Raises
    ------
    InputError
        If an argument is outside its range.
    ConvergenceError
        If one of them was not found.

    References
    ----------
    theory/ising_perceptron.md, eqs. 8 and 9.

    Examples
    --------
    >>> print("{:.4f} {:.4f}".format(*ising_transition(0.0)))
    1.2447 1.4926
    """
    T = float(in_range("temperature", temperature, largest=HOTTEST))
    if method not in METHODS:
        raise InputError(f"method = {method!r} is not allowed: it must be one of {', '.join(METHODS)}")
    if method == "high_temperature" and T == 0.0:
        raise InputError("temperature = 0 is not allowed with method = high_temperature: it must be above 0")
    return _transition(T, method)


@functools.lru_cache(maxsize=512)
def _transition(T: float, method: str) -> Transition:
    """Return where the logarithm of the partition function vanishes before the spinodal, and the spinodal."""
    from scipy.optimize import brentq

    top, spinodal = _spinodal(T, method)
    grid = [x for x in GRID if x < top] + [top]
    values = [_point(x, T, method).log_partition for x in grid]
    ends = [i for i in range(1, len(grid)) if values[i - 1] > 0.0 >= values[i]]
    if not ends:
        raise ConvergenceError(f"no transition to perfect learning was found at temperature = {T:g}")
    x = brentq(lambda x: _point(x, T, method).log_partition, grid[ends[0] - 1], grid[ends[0]], xtol=1e-12)
    return Transition(_point(x, T, method).alpha, spinodal)


def _poor(alpha: float, temperature: float, method: str) -> State | None:
    """Return the poor branch at alpha, by its place along x; None beyond the spinodal."""
    from scipy.optimize import brentq

    top, spinodal = _spinodal(temperature, method)
    if alpha > spinodal:
        return None
    last = _point(top, temperature, method)
    if alpha >= last.alpha:
        return last

    def excess(log_x: float) -> float:
        return math.log(_point(math.exp(log_x), temperature, method).alpha / alpha)

    first = math.log(FEWEST)
    if excess(first) >= 0.0:
        return _point(FEWEST, temperature, method)
    return _point(math.exp(brentq(excess, first, math.log(top), xtol=1e-12)), temperature, method)


@functools.lru_cache(maxsize=512)
def _spinodal(temperature: float, method: str) -> tuple[float, float]:
    """Return x and alpha at the first maximum of alpha along the curve."""
    from scipy.optimize import minimize_scalar

    before = 0.0
    for i, x in enumerate(GRID):
        alpha = _point(x, temperature, method).alpha
        if alpha < before:
            bracket = tuple(np.log(GRID[[max(i - 2, 0), i - 1, i]]))
            found = minimize_scalar(
                lambda log_x: -_point(math.exp(log_x), temperature, method).alpha, bracket=bracket, tol=1e-9
            )
            return math.exp(found.x), -float(found.fun)
        before = alpha
    raise ConvergenceError(f"the poor branch at temperature = {temperature:g} has no end")


def _point(x: float, temperature: float, method: str) -> State:
    if method == "quenched":
        return _quenched(x, temperature)
    return _annealed(x, temperature) if method == "annealed" else _high_temperature(x, temperature)


def _quenched(x: float, temperature: float) -> State:
    """Return the state at R̂ = x (eqs. 3-6): the equation for q̂ is solved, alpha follows."""
    from scipy.optimize import brentq

    if temperature == 0.0:
        return _state(x, x, temperature, 0.0)

    @functools.lru_cache(maxsize=64)
    def residual(log_spread: float) -> float:
        spread = math.exp(log_spread)
        q, across, p = _overlaps(x, spread)
        along, squared = (average(q, across, p, temperature, 0.0) for average in (pull, second_moment))
        return log_spread - math.log(x * squared / along)

    low, high = math.log(x) - 0.2, math.log(x) + 0.2
    while residual(low) > 0.0:
        low -= 2.0 + 0.5 * abs(low)
        if low < -250.0:
            raise ConvergenceError(f"no saddle point was found at R̂ = {x:.3g}, temperature = {temperature:g}")
    while residual(high) < 0.0:
        high += 2.0
        if high > 50.0:
            raise ConvergenceError(f"no saddle point was found at R̂ = {x:.3g}, temperature = {temperature:g}")
    log_spread = brentq(residual, low, high, xtol=1e-13)
    left = abs(residual(log_spread))
    if left > TOLERANCE:
        raise ConvergenceError(f"the saddle point at R̂ = {x:.3g} has a residual of {left:.2g}")
    return _state(x, math.exp(log_spread), temperature, left)


def _overlaps(along: float, spread: float) -> tuple[float, float, float]:
    """Return q, 1 - R²/q and p = 1 - q of weights tanh(R̂ + √q̂ z) (eq. 4)."""
    z, weights, m = _magnetisations(along, spread)
    R, second = float(weights @ m), float(weights @ m**2)
    return second, float(weights @ (m - R) ** 2) / second, float(weights @ _squared_secant(along, spread, z))


def _magnetisations(along: float, spread: float):  # type: ignore[no-untyped-def]
    root = math.sqrt(spread)
    z, weights = panels(1.0 / max(root, 1e-3), breaks=(-along / root,) if root > along / 12.0 else ())
    return z, weights * normal_density(z), np.tanh(along + root * z)


def _squared_secant(along: float, spread: float, z):  # type: ignore[no-untyped-def]
    return np.cosh(np.minimum(np.abs(along + math.sqrt(spread) * z), 350.0)) ** -2


def _state(x: float, spread: float, temperature: float, residual: float) -> State:
    """Return the state at given conjugates, of which alpha follows from R̂ (eq. 5)."""
    q, across, p = _overlaps(x, spread)
    z, normal, m = _magnetisations(x, spread)
    R = float(normal @ m)
    alpha = x / pull(q, across, p, temperature, 0.0)
    likelihood = Likelihood(p, temperature)
    fields, weights = rule(q, across, likelihood, 0.0)
    root = math.sqrt(spread)
    cosh = np.logaddexp(x + root * z, -x - root * z)  # ln 2 cosh
    log_partition = -0.5 * spread * p - R * x + float(normal @ cosh) + alpha * float(weights @ likelihood.log(fields))
    train = float(weights @ likelihood.wrong(fields))
    missed = float(normal @ (2.0 / (1.0 + np.exp(np.minimum(2.0 * (x + root * z), 700.0)))))  # 1 - tanh
    entropy = log_partition + (alpha * train / temperature if temperature > 0.0 else 0.0)
    return State(alpha, R, missed, q, train, log_partition, entropy, "poor", residual)


def _annealed(x: float, temperature: float) -> State:
    """Return the annealed state at R = tanh x (eq. 10)."""
    gain = 1.0 if temperature == 0.0 else -math.expm1(-1.0 / temperature)
    error = 2.0 / math.pi * math.atan(math.exp(-x))
    left = 1.0 - gain * error
    alpha = math.pi * x * left / (gain * math.cosh(x))
    return _free(x, alpha, None, (1.0 - gain) * error / left, alpha * math.log1p(-gain * error), temperature)


def _high_temperature(x: float, temperature: float) -> State:
    """Return the state of the limit T → ∞ at R = tanh x (eq. 11)."""
    error = 2.0 / math.pi * math.atan(math.exp(-x))
    alpha = math.pi * x * temperature / math.cosh(x)
    return _free(x, alpha, math.tanh(x) ** 2, error, -alpha / temperature * error, temperature)


def _free(x: float, alpha: float, q: float | None, train: float, energy: float, temperature: float) -> State:
    """Return the state of weights that are independent, each with the mean tanh x."""
    R = math.tanh(x)
    log_partition = math.log(2.0 * math.cosh(x)) - x * R + energy
    entropy = log_partition + (alpha * train / temperature if temperature > 0.0 else 0.0)
    return State(alpha, R, 2.0 / (1.0 + math.exp(2.0 * x)), q, train, log_partition, entropy, "poor")
