"""Saddle points that are followed from few examples to many, inside one point of a sweep."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError

Array = NDArray[np.float64]
Path = dict[tuple[float, ...], tuple[Array, float, int]]

TOLERANCE = 1e-9
"""Largest residual of a saddle point: the relative change of an order parameter under its own equation."""
STEP = 4.0
"""Factor between the first two numbers of examples at which the solution is followed."""
LONGER = 3.0
"""Factor by which this factor grows with each step that succeeds: power laws are followed in long steps."""
ON_THE_WAY = 1e-4
"""Largest residual of a solution that only begins the next step."""
ATTEMPT = 50
"""Most steps of Newton's method."""
ENDED, SMALL = 1e-11, 1e-5
"""Step at which Newton's method ends, and below which it ends where rounding keeps the steps from shrinking."""
APART = 1e-3
"""Least relative difference of an order parameter between two solutions."""


def follow(
    equations: Callable[[Array, float], Any],
    start: Array,
    first: float,
    alpha: float,
    name: str = "alpha",
    step: float = STEP,
    attempt: Callable[..., tuple[Array, float, int]] | None = None,
    known: Path | None = None,
) -> tuple[Array, float, int]:
    """Follow a solution from few examples to alpha, or along another parameter that grows.

    Parameters
    ----------
    equations : callable
        Of the logarithms of the unknowns, shape (n,), and alpha: residuals of shape (n,), zero at a solution, and what
        else ``attempt`` asks for.
    start : ndarray, shape (n,)
        The solution to leading order at ``first``.
    first, alpha : float
        Where the path begins and where it ends.
    name : str
        Of the parameter, for messages.
    step : float
        Factor between the first two places, above 1.
    attempt : callable, optional
        How the equations are solved at one place, from a guess and to a tolerance: :func:`hybrid` where none is given.
    known : dict, optional
        What was found on the way to other ends of the same path, by the places that led there, and what is found now:
        a path has the same places whatever its end.

    Returns
    -------
    unknowns : ndarray, shape (n,)
    residual : float
    iterations : int
        Evaluations of the equations along the whole path.

    Raises
    ------
    ConvergenceError
        If a step has no solution within the tolerance however short it is made.
    """
    solve, known = hybrid if attempt is None else attempt, {} if known is None else known
    solved: list[tuple[float, Array]] = []
    at, factor, iterations = first, step, 0
    while True:
        guess = solved[-1][1] if solved else start
        if len(solved) > 1:
            (before, old), (now, new) = solved[-2:]
            guess = new + (new - old) * np.log(at / now) / np.log(now / before)
        if at == alpha:
            unknowns, residual, evaluations = solve(equations, guess, at, 1e-13)
        else:
            places = (*(place for place, _ in solved), at)
            known[places] = known.get(places) or solve(equations, guess, at, 1e-5)
            unknowns, residual, evaluations = known[places]
        iterations += evaluations
        if residual <= (TOLERANCE if at == alpha else ON_THE_WAY):
            if at == alpha:
                return unknowns, residual, iterations
            solved.append((at, unknowns))
            factor *= LONGER
        elif not solved or factor < 1.01:
            raise ConvergenceError(f"no saddle point was found at {name} = {at:.6g}: the residual is {residual:.2g}")
        else:
            factor = float(np.sqrt(factor))
        at = min(solved[-1][0] * factor, alpha)


def hybrid(
    equations: Callable[[Array, float], Array], guess: Array, at: float, tolerance: float
) -> tuple[Array, float, int]:
    """Return what Powell's hybrid method finds from a guess: unknowns, residual and evaluations of the equations."""
    from scipy.optimize import root

    found = root(equations, guess, args=(at,), tol=tolerance)
    return found.x, float(np.abs(found.fun).max()), int(found.nfev)


def newton(
    equations: Callable[[Array, float], tuple[Array, Array]],
    guess: Array,
    at: float,
    tolerance: float = ENDED,
    longest: float = 1.0,
) -> tuple[Array, float, int]:
    """Return what Newton's method finds from a guess: unknowns, residual and evaluations of the equations.

    Steps are never longer than a limit and always taken, though residuals grow: along a narrow and bent valley, where a
    method that asks each step to be an improvement creeps, each second step leads back to its ground.

    Parameters
    ----------
    equations : callable
        As of :func:`follow`, and the derivatives of the residuals, shape (n, n).
    guess : ndarray, shape (n,)
    at, tolerance : float
        The parameter of the equations, and the size of a step that is the last.
    longest : float
        Longest step of an unknown's logarithm.

    Returns
    -------
    tuple
        The residual is infinite where nothing was found.
    """
    unknowns, before = guess, np.inf
    for evaluations in range(1, ATTEMPT + 1):
        residuals, derivatives = equations(unknowns, at)
        try:
            step = np.linalg.solve(derivatives, residuals)
        except np.linalg.LinAlgError:
            break
        size = float(np.abs(step).max())
        if not np.isfinite(size):
            break
        if size <= max(tolerance, ENDED) or SMALL >= size > 0.5 * before:
            return unknowns, float(np.abs(residuals).max()), evaluations
        unknowns, before = unknowns - step * min(1.0, longest / size), size
    return unknowns, np.inf, evaluations


def others(
    equations: Callable[[Array, float], Array], starts: Mapping[str, Array], alpha: float, known: Array
) -> dict[str, tuple[Array, float, int]]:
    """Return the solutions at alpha, besides one that is known, that are found from other starts.

    Parameters
    ----------
    equations : callable
        As of :func:`follow`.
    starts : mapping
        By name, shape (n,).  A start from which no solution is reached says nothing.
    alpha : float
    known : ndarray, shape (n,)

    Returns
    -------
    dict
        By name of the start: unknowns, residual and evaluations of the equations.
    """
    from scipy.optimize import root

    found: dict[str, tuple[Array, float, int]] = {}
    for name, start in starts.items():
        rough = root(equations, start, args=(alpha,), tol=1e-6)
        seen = [known, *(unknowns for unknowns, _, _ in found.values())]
        if not rough.success or any(np.abs(rough.x - unknowns).max() < APART for unknowns in seen):
            continue
        reached = root(equations, rough.x, args=(alpha,), tol=1e-13)
        residual = float(np.abs(reached.fun).max())
        if residual <= TOLERANCE and all(np.abs(reached.x - unknowns).max() > APART for unknowns in seen):
            found[name] = reached.x, residual, int(rough.nfev + reached.nfev)
    return found
