r"""Averages over the eigenvalues of a sample covariance, for N → ∞ at fixed alpha = P/N.

P Gaussian examples of covariance C have the sample covariance :math:`\hat C = X^T X / P`.  An average such as
:math:`\frac1N \mathrm{tr}\, C f(\hat C)` tends to an integral over the spectrum of Ĉ.  :func:`isotropic` takes it along
the real axis, over the density of Marchenko and Pastur; :func:`anisotropic` takes it around the spectrum, on a contour
from which the gaps between clusters of eigenvalues are not seen and need not be resolved.  The two share no formula
but the grid, which is fine near both edges at every scale: late times of a dynamics cost no more than early ones.
Equation numbers are those of theory/gradient_flow.md.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import ConvergenceError
from tsmech.theory.spectra import Spectrum, excess, fixed_point

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Numbers = Array | Complex

REAL_STEP, CONTOUR_STEP = 0.3, 0.15
"""Spacing of the grid along the real axis and on the contour: errors of exp(-π²/step) and exp(-π²/2 step), 5e-15."""

CONTOUR_ANGLE = math.pi / 4
"""Angle between the contour and the real axis at both edges."""

FARTHEST = 600.0
"""Logarithm of the largest ratio of the width to a distance that the contour resolves: beyond, exp would overflow."""

AHEAD = [np.array([(-1.0) ** n * math.comb(known, n + 1) for n in range(known)]) for known in range(1, 9)]
"""Shares of the last points in the next one of a sequence, by the polynomial through them: of one to eight points."""

RESOLUTION = 1e-9
"""Largest relative error of the number and the sum of the eigenvalues, both known, on the contour."""


@dataclass(frozen=True)
class SampleSpectrum:
    r"""The spectrum of a sample covariance as a quadrature rule for :math:`\frac1N \mathrm{tr}\, M f(\hat C)`.

    Parameters
    ----------
    nodes : ndarray, shape (K,)
        Eigenvalues l at which f is to be evaluated, real or complex.  The last is l = 0: the directions that the
        examples do not reach.
    weights, input_weights, teacher_weights : ndarray, shape (K,)
        The rule for M = 1, for the covariance C of the inputs, and for the square teacher weights Θ = diag(τ).
    low, high : float
        The edges of the spectrum without l = 0.
    teacher : float
        τ, where all directions have the same.
    pairs : tuple of ndarray, shape (K, K), optional
        Where they have not: the rule for f(l) g(l') and that for f(l) and the conjugate of g(l').
    """

    nodes: Numbers
    weights: Numbers
    input_weights: Numbers
    teacher_weights: Numbers
    low: float
    high: float
    teacher: float
    pairs: tuple[Complex, Complex] | None = None

    def mean(self, f: Numbers) -> Array:
        """Return (1/N) tr f(Ĉ) of a function given at the nodes, shape (..., K)."""
        return np.real(f @ self.weights)

    def input_mean(self, f: Numbers) -> Array:
        """Return (1/N) tr C f(Ĉ)."""
        return np.real(f @ self.input_weights)

    def teacher_mean(self, f: Numbers) -> Array:
        """Return (1/N) tr Θ f(Ĉ)."""
        return np.real(f @ self.teacher_weights)

    def pair_mean(self, f: Numbers, g: Numbers) -> Array:
        """Return (1/N) tr Θ f(Ĉ) C g(Ĉ)."""
        if self.pairs is None:
            return self.teacher * self.input_mean(f * g)
        same, conjugate = self.pairs
        return np.real(((f @ same) * g + (f @ conjugate) * np.conj(g)).sum(axis=-1))


def edges(alpha: float, spectrum: Spectrum) -> tuple[float, float]:
    r"""Least and largest eigenvalue of the sample covariance :math:`X^T X / P`, zeros left out.

    .. math:: l = \frac{\kappa^2}{\alpha} \Bigl\langle \frac{s}{(s + \kappa)^2} \Bigr\rangle
        \quad\text{where}\quad \Bigl\langle \frac{s^2}{(s + \kappa)^2} \Bigr\rangle = \alpha ,

    at the root κ above all -s and at the root below them.

    Parameters
    ----------
    alpha : float
        Examples per input dimension, > 0.
    spectrum : Spectrum
        Of the inputs' covariance.

    Returns
    -------
    low, high : float
        For isotropic inputs (1 ∓ alpha^(-1/2))².  `low` is 0 exactly at alpha = f, the share of the positive s.

    Raises
    ------
    InputError
        If an argument is outside its range.

    Notes
    -----
    Limit N → ∞; at finite N the extreme eigenvalues fluctuate around the edges on the scale N^(-2/3).

    References
    ----------
    theory/gradient_flow.md, eqs. 21 and 22.  Silverstein & Choi, J. Multivariate Anal. 54, 295 (1995).

    Examples
    --------
    >>> print(edges(4.0, Spectrum([1.0])))
    (0.25, 2.25)
    """
    in_range("alpha", alpha, positive=True)
    population = _population(alpha, spectrum)
    right, left = population.critical_points()
    return population.edge(right), population.edge(left)


def isotropic(alpha: float, teacher: float, scales: ArrayLike, eigenvalue: float = 1.0) -> SampleSpectrum:
    r"""Marchenko-Pastur law of inputs that are alike in all directions.

    .. math:: \rho(l) = \frac{\alpha}{2 \pi l} \sqrt{(l_+ - l)(l - l_-)}, \qquad l_\pm = (1 \pm \alpha^{-1/2})^2, \qquad
        \text{and a share } \max(1 - \alpha, 0) \text{ at } l = 0

    Parameters
    ----------
    alpha : float
        Examples per input dimension, > 0.
    teacher : float
        τ >= 0, square teacher weight along each direction.
    scales : array_like
        Distances from the edges at which the functions to be averaged change.
    eigenvalue : float
        s > 0, the variance of the inputs: every l is s times that above.

    Returns
    -------
    SampleSpectrum
        Of real nodes and non-negative weights.

    References
    ----------
    theory/gradient_flow.md, eqs. 13-15.
    """
    root = math.sqrt(alpha)
    low = (float(excess(alpha, 1.0)) / (root * (1 + root))) ** 2
    width = 4 / root
    distances = [low, *np.ravel(np.asarray(scales, dtype=float) / eigenvalue)]
    p, q = _grid(REAL_STEP, 0.0, low, width, distances, distances, 36)
    nodes = low + width * p.real
    weights = REAL_STEP * 8 / math.pi * (p.real * q.real) ** 1.5 / nodes
    nodes, weights = eigenvalue * np.append(nodes, 0.0), np.append(weights, max(1 - alpha, 0.0))
    high = (1 + 1 / root) ** 2
    return SampleSpectrum(
        nodes, weights, eigenvalue * weights, teacher * weights, eigenvalue * low, eigenvalue * high, teacher
    )


def anisotropic(
    alpha: float, spectrum: Spectrum, scales: ArrayLike, *, upper: ArrayLike | None = None, coarser: float = 1.0
) -> SampleSpectrum:
    r"""Spectrum of the sample covariance of inputs of any covariance, by its Stieltjes transform.

    .. math:: \frac1N \mathrm{tr}\, M f(\hat C) = \frac{1}{2 \pi i} \oint f(l)\, \frac{\kappa}{l}
            \Bigl\langle \frac{m}{s + \kappa} \Bigr\rangle\, dl, \qquad
        -l = \kappa \Bigl[ 1 - \frac1\alpha \Bigl\langle \frac{s}{s + \kappa} \Bigr\rangle \Bigr]

    Parameters
    ----------
    alpha : float
        Examples per input dimension, > 0.
    spectrum : Spectrum
        Of the inputs' covariance, with the square teacher weights τ >= 0 along each eigenvector.
    scales : array_like
        As in :func:`isotropic`.
    upper : array_like, optional
        Those of the upper edge, where `scales` are of the lower one alone: decays exp(-l t) have none there.
    coarser : float
        Factor >= 1 by which the grid has fewer points; the logarithm of its errors, 5e-15, is divided by it.

    Returns
    -------
    SampleSpectrum
        Its nodes are complex, on the upper half of the contour: functions must be analytic in the disk over the
        spectrum, and real on the real axis.

    Raises
    ------
    ConvergenceError
        If the rule does not give back the number and the sum of the eigenvalues.

    Notes
    -----
    O(K n) with K of about 600; with unequal teacher weights also O(K² n).  The terms of an average cancel in part: its
    relative accuracy is about 1e-15 divided by the share of the eigenvalues that count in it, and by alpha where that
    is below 1 (section 6 of the note); 1e-8 or better unless they are fewer than one in a million.

    References
    ----------
    theory/gradient_flow.md, eqs. 19-30.  Silverstein & Choi, J. Multivariate Anal. 54, 295 (1995).
    """
    (s, shares, tau), rank = spectrum.varying, spectrum.rank
    population = _population(alpha, spectrum)
    try:
        critical = population.critical_points()
    except ValueError:  # brackets that are closer than rounding
        raise _unresolved(alpha) from None
    low, high = (population.edge(kappa) for kappa in critical)
    step = CONTOUR_STEP * coarser
    distances = [low, *np.ravel(scales)]
    others = distances if upper is None else np.ravel(upper)
    p, q = _grid(step, CONTOUR_ANGLE, low, high - low, distances, others, 36 / coarser)
    nodes = low + (high - low) * p
    kappa = _stieltjes(population, nodes, (high - low) * np.stack([p, q]), critical)
    measure = 1j * step / math.pi * (high - low) * p * q * kappa / nodes

    unreached = fixed_point(alpha, 0.0, spectrum)
    nodes, kappa, measure = np.append(nodes, 0.0), np.append(kappa, unreached), np.append(measure, unreached)
    averages = np.stack([shares, shares * s, shares * tau])
    count, inputs, seen = measure * np.stack([averages @ (1 / (s + k)) for k in kappa], axis=1)
    number, total = count[:-1].real.sum() / min(alpha, rank), (count @ nodes).real / (shares @ s)
    if not abs(number - 1) + abs(total - 1) < RESOLUTION ** (1 / coarser):
        raise _unresolved(alpha)
    count[-1] += 1 - rank
    equal = bool((tau == tau[0]).all())
    pairs = None if equal else _pairs(population, measure, kappa, tau)
    return SampleSpectrum(nodes, count, inputs, seen, low, high, float(tau[0]), pairs)


def _unresolved(alpha: float) -> ConvergenceError:
    return ConvergenceError(f"the spectrum of the sample covariance at alpha = {alpha!r} was not resolved")


def _grid(
    step: float, angle: float, low: float, width: float, scales: Iterable[float], upper: Iterable[float], tail: float
) -> tuple[Complex, Complex]:
    """Return the distances from the lower and the upper edge, in units of the width, along the arc (eqs. 14 and 23).

    Both shrink geometrically towards their edges, to exp(-tail) of the least distance at which something changes.
    """

    def reach(distances: Iterable[float]) -> float:
        finest = min([width, *(x for x in distances if x > 0)])
        return min(math.log(width) - math.log(finest), FARTHEST)

    first = -(tail if low > 0 else 2 * tail) - reach(scales)
    last = tail + reach(upper)
    u = step * np.arange(math.floor(first / step), math.ceil(last / step) + 1)
    return 1 / (1 + np.exp(-u - 1j * angle)), 1 / (1 + np.exp(u + 1j * angle))


class _Population(NamedTuple):
    """Inputs that vary: alpha, their eigenvalues s, the share of the directions that has each, f and alpha - f."""

    alpha: float
    s: Array
    shares: Array
    rank: float
    over: float

    def critical_points(self) -> tuple[float, float]:
        """Return the roots of ⟨s²/(s + κ)²⟩ = alpha above and below all -s, in the brackets of eq. 22."""
        from scipy.optimize import brentq

        alpha, s, shares, rank, over = self

        def above(kappa: float) -> float:
            return over + kappa * float(shares @ ((2 * s + kappa) / (s + kappa) ** 2))

        def below(x: float) -> float:
            return float(shares @ (s / (x - s)) ** 2) - alpha

        least, most = s.min(), s.max()
        whole = math.sqrt(rank / alpha) * (1 + 1e-9)
        at_least, at_most = (math.sqrt(shares[s == x].sum() / alpha) * (1 - 1e-9) for x in (least, most))
        left = -brentq(below, most * (1 + at_most), most * (1 + whole), xtol=1e-300, rtol=8.9e-16)
        if over == 0:
            return 0.0, left
        bounds = least * (at_least - 1), (most if over < 0 else least) * (whole - 1)
        return brentq(above, *bounds, xtol=1e-300, rtol=8.9e-16), left

    def edge(self, kappa: float) -> float:
        """Return the eigenvalue l at a critical point (eq. 21)."""
        return kappa**2 / self.alpha * float(self.shares @ (self.s / (self.s + kappa) ** 2))

    def equation(self, kappa: complex) -> tuple[complex, complex]:
        """Return z and dz/dκ (eq. 19)."""
        g = 1 / (self.s + kappa)
        first, second = complex(self.shares @ g), complex(self.shares @ (self.s * g * g))
        return kappa * (self.over + kappa * first) / self.alpha, (self.over + kappa * (first + second)) / self.alpha


def _population(alpha: float, spectrum: Spectrum) -> _Population:
    s, shares, _ = spectrum.varying
    return _Population(alpha, s, shares, spectrum.rank, float(excess(alpha, spectrum.rank)))


def _stieltjes(population: _Population, nodes: Complex, distances: Complex, critical: tuple[float, float]) -> Complex:
    """Return κ at the nodes, by Newton's method in eq. 19 from what the nodes before lead to expect.

    The first, in the middle, is reached from far off the real axis, where κ = -l.  Close to the edges, where rounding
    hides how far κ is from its critical point, this distance goes with the square root of that of l.
    """

    def solve(kappa: complex, node: complex) -> complex:
        last = math.inf
        for _ in range(50):
            value, slope = population.equation(kappa)
            change = (value + node) / slope
            kappa -= change
            size, near = abs(change), min(abs(kappa - critical[0]), abs(kappa - critical[1]))
            if size <= 1e-9 * near or last / 2 <= size <= 1e-3 * near:
                break  # the next change would be of the order of the square, or this one is rounding
            last = size
        return kappa

    middle = int(np.argmin(abs(abs(distances[0]) - abs(distances[1]))))
    edges = [population.edge(kappa) for kappa in critical]
    height = 16 * (edges[1] + population.s.max())
    kappa = complex(-nodes[middle] - 1j * height)
    while height > nodes[middle].imag / 4:
        kappa = solve(kappa, complex(nodes[middle] + 1j * height))
        height /= 2
    found = np.full(nodes.size, solve(kappa, complex(nodes[middle])))
    for side, path in enumerate((range(middle - 1, -1, -1), range(middle + 1, nodes.size))):
        back = (1, -1)[side]
        for k in path:
            j = k + back
            if abs(distances[side, k]) > 1e-12 * edges[side]:
                known = min(abs(k - middle), len(AHEAD))
                expected = AHEAD[known - 1] @ found[k + back * np.arange(1, known + 1)]
                found[k] = solve(complex(expected), complex(nodes[k]))
            else:
                ratio = distances[side, k] / distances[side, j]
                found[k] = critical[side] + (found[j] - critical[side]) * ratio**0.5
    return found


def _pairs(population: _Population, measure: Complex, kappa: Complex, tau: Array) -> tuple[Complex, Complex]:
    """Return the rules for two functions (eq. 30): with both on the upper half, and with the second on the lower.

    In the denominator stands κ' ⟨s/((s + κ)(s + κ'))⟩ + κ ⟨1/(s + κ)⟩ + alpha - f, which is that of eq. 30.
    """
    alpha, s, shares, _, over = population
    g = 1 / (s + kappa[:, None])
    own = over + kappa * (g @ shares)
    divisor, dividend = g * (s * shares), (alpha / 2 * measure)[:, None] * g * (shares * s * tau)

    def rule(measure_two: Complex, kappa_two: Complex, g_two: Complex) -> Complex:
        denominator = divisor @ (kappa_two[:, None] * g_two).T
        denominator += own[:, None]
        denominator[denominator == 0] = 1.0  # where both κ are 0, and so the measures
        found = dividend @ (measure_two[:, None] * g_two).T
        found /= denominator
        return found

    return rule(measure, kappa, g), rule(measure.conj(), kappa.conj(), g.conj())
