r"""A perceptron with binary weights that learns from another, for N → ∞: its two branches and where they meet.

The poor branch is a curve along the conjugate parameter R̂ = x: at every x the other equations have one solution and
say at which alpha it is.  Along it alpha grows to the spinodal and falls again; the part before is the branch.  On the
perfect branch the student is the teacher, and energy, entropy and free energy are zero.
Derivations and equation numbers: theory/ising_perceptron.md.
"""

import bisect
import functools
import itertools
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
GRID = np.geomspace(0.05, 12.0, 28)
"""Values of x between which the spinodal and the transition are looked for."""
FIRST_WIDTH = 1e-4
"""Distance of ln q̂/R̂ from a guess within which it is looked for first."""
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
    log_ratio: float = 0.0
    """ln q̂/R̂ of the conjugate parameters; 0 at T = 0, and where the approximation does not say."""

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
    Limit N → ∞, replica symmetric.  About 1 ms at T = 0 and 4 ms above, once the branch of a temperature is known (10
    to 100 ms).

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


class _Place(NamedTuple):
    """A place of the poor branch."""

    log_x: float
    state: State


class _Branch(tuple[_Place, ...]):
    """Places of the poor branch, at growing x and growing alpha; the last is the spinodal."""

    def near(self, log_x: float) -> float:
        """Return ln q̂/R̂ about there, by a cubic through four places: it is smooth, and a constant as R̂ goes to 0."""
        if not self or log_x <= self[0].log_x:
            return self[0].state.log_ratio if self else 0.0
        i = bisect.bisect(self, log_x, key=lambda place: place.log_x)
        four = self[max(min(i - 2, len(self) - 4), 0) :][:4]
        value = 0.0
        for one in four:
            others = [other.log_x for other in four if other is not one]
            value += one.state.log_ratio * math.prod((log_x - at) / (one.log_x - at) for at in others)
        return value


@functools.lru_cache(maxsize=512)
def _transition(T: float, method: str) -> Transition:
    """Return where the logarithm of the partition function vanishes before the spinodal, and the spinodal."""
    from scipy.optimize import brentq

    branch = _branch(T, method)
    for before, after in itertools.pairwise(branch):
        if before.state.log_partition > 0.0 >= after.state.log_partition:
            break
    else:
        raise ConvergenceError(f"no transition to perfect learning was found at temperature = {T:g}")

    def point(log_x: float) -> State:
        return _point(math.exp(log_x), T, method, branch.near(log_x))

    log_x = brentq(lambda log_x: point(log_x).log_partition, before.log_x, after.log_x, xtol=1e-12)
    return Transition(point(log_x).alpha, branch[-1].state.alpha)


def _poor(alpha: float, temperature: float, method: str) -> State | None:
    """Return the poor branch at alpha, by its place along x; None beyond the spinodal."""
    from scipy.optimize import brentq

    branch = _branch(temperature, method)
    i = bisect.bisect_left(branch, alpha, key=lambda place: place.state.alpha)
    if i == len(branch):
        return None

    def point(log_x: float) -> State:
        return _point(math.exp(log_x), temperature, method, branch.near(log_x))

    first = math.log(FEWEST)
    low, high = branch[i - 1] if i else _Place(first, point(first)), branch[i]
    for end in (low, high):
        if end.state.alpha == alpha or (end is low and end.state.alpha > alpha):
            return end.state
    known = {end.log_x: end.state for end in (low, high)}

    def excess(log_x: float) -> float:
        return math.log((known[log_x] if log_x in known else point(log_x)).alpha / alpha)

    return point(brentq(excess, low.log_x, high.log_x, xtol=1e-12))


@functools.lru_cache(maxsize=512)
def _branch(temperature: float, method: str) -> _Branch:
    """Return places of the branch, up to the first maximum of alpha along the curve."""
    from scipy.optimize import minimize_scalar

    branch = _Branch()

    def place(log_x: float) -> _Place:
        return _Place(log_x, _point(math.exp(log_x), temperature, method, branch.near(log_x)))

    for log_x in np.log(GRID).tolist():
        branch = _Branch((*branch, place(log_x)))
        if len(branch) > 1 and branch[-1].state.alpha < branch[-2].state.alpha:
            low, middle, high = branch[max(len(branch) - 3, 0)], branch[-2], branch[-1]
            bracket = (low.log_x, middle.log_x, high.log_x)
            found = minimize_scalar(lambda log_x: -place(log_x).state.alpha, bracket=bracket, tol=1e-7)
            top = place(float(found.x))
            return _Branch((*(each for each in branch if each.log_x < top.log_x), top))
    raise ConvergenceError(f"the poor branch at temperature = {temperature:g} has no end")


def _point(x: float, temperature: float, method: str, near: float) -> State:
    if method == "quenched":
        return _quenched(x, temperature, near)
    return _annealed(x, temperature) if method == "annealed" else _high_temperature(x, temperature)


def _quenched(x: float, temperature: float, near: float = 0.0) -> State:
    """Return the state at R̂ = x (eqs. 3-6): the equation for q̂ is solved, from ln q̂/x near a number; alpha follows."""
    from scipy.optimize import brentq

    if temperature == 0.0:
        return _state(x, 0.0, temperature, 0.0)

    @functools.lru_cache(maxsize=64)
    def residual(log_ratio: float) -> float:
        q, across, p = _overlaps(x, x * math.exp(log_ratio))
        along, squared = (average(q, across, p, temperature, 0.0) for average in (pull, second_moment))
        return log_ratio - math.log(squared / along)

    low, high, wider = near - FIRST_WIDTH, near + FIRST_WIDTH, 4.0 * FIRST_WIDTH
    while residual(low) > 0.0:
        low, high, wider = low - wider, low, 4.0 * wider
        if low + math.log(x) < -250.0:
            raise ConvergenceError(f"no saddle point was found at R̂ = {x:.3g}, temperature = {temperature:g}")
    while residual(high) < 0.0:
        low, high, wider = high, high + wider, 4.0 * wider
        if high + math.log(x) > 50.0:
            raise ConvergenceError(f"no saddle point was found at R̂ = {x:.3g}, temperature = {temperature:g}")
    log_ratio = brentq(residual, low, high, xtol=1e-13)
    left = abs(residual(log_ratio))
    if left > TOLERANCE:
        raise ConvergenceError(f"the saddle point at R̂ = {x:.3g} has a residual of {left:.2g}")
    return _state(x, log_ratio, temperature, left)


def _overlaps(along: float, spread: float) -> tuple[float, float, float]:
    """Return q, 1 - R²/q and p = 1 - q of weights tanh(R̂ + √q̂ z) (eq. 4)."""
    return _moments(along, spread, *_magnetisations(along, spread))


def _moments(along: float, spread: float, z, weights, m) -> tuple[float, float, float]:  # type: ignore[no-untyped-def]
    R, second = float(weights @ m), float(weights @ m**2)
    return second, float(weights @ (m - R) ** 2) / second, float(weights @ _squared_secant(along, spread, z))


def _magnetisations(along: float, spread: float):  # type: ignore[no-untyped-def]
    root = math.sqrt(spread)
    z, weights = panels(1.0 / max(root, 1e-3), breaks=(-along / root,) if root > along / 12.0 else ())
    return z, weights * normal_density(z), np.tanh(along + root * z)


def _squared_secant(along: float, spread: float, z):  # type: ignore[no-untyped-def]
    return np.cosh(np.minimum(np.abs(along + math.sqrt(spread) * z), 350.0)) ** -2


def _state(x: float, log_ratio: float, temperature: float, residual: float) -> State:
    """Return the state at given conjugates, of which alpha follows from R̂ (eq. 5)."""
    spread = x * math.exp(log_ratio)
    z, normal, m = _magnetisations(x, spread)
    q, across, p = _moments(x, spread, z, normal, m)
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
    return State(alpha, R, missed, q, train, log_partition, entropy, "poor", residual, log_ratio)


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
