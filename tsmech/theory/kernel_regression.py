"""Learning curves of kernel ridge regression with a dot-product kernel on the sphere, from the kernel's spectrum.

Derivations and equation numbers: theory/kernel_regression.md.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import ConvergenceError

Array = NDArray[np.float64]

NODES = (200, 400, 800, 1600)
"""Nodes of Gauss's rules for the eigenvalues, each checked by the next."""

DEGREES = 40
"""Most degrees whose eigenvalues are computed one by one."""

ACCURACY = 1e-7
"""Largest difference of two rules, and largest rounding of a degree, in shares of the kernel's trace."""

ROUNDING = 1e-15
"""Error of an eigenvalue by rounding, in units of the kernel's largest value."""

KNOWN = 1e-3
"""Largest relative difference of errors at eigenvalues too small and too large by what is not known of them."""


class KernelSpectrum(NamedTuple):
    """The eigenvalues of a dot-product kernel: one a degree, the number of its harmonics, and the trace of the rest."""

    eigenvalues: Array
    """η_l, shape (degrees,)."""
    counts: Array
    """N_l, the harmonics of each degree, shape (degrees,)."""
    rest: float
    """The trace of higher degrees, which have so many harmonics that no number of examples resolves them."""
    doubt: Array | float = 0.0
    """The largest errors of the eigenvalues, shape (degrees,)."""


def harmonics(dimension: int, degrees: int) -> Array:
    """Return how many spherical harmonics of each degree there are in a dimension >= 3, shape (degrees,)."""
    found = [1.0, float(dimension)]
    for n in range(2, degrees):
        found.append(found[-1] * (2 * n + dimension - 2) * (n + dimension - 3) / ((2 * n + dimension - 4) * n))
    return np.array(found[:degrees])


def gegenbauer(t: ArrayLike, dimension: int, degrees: int) -> Array:
    """Return Q_l(t), the zonal harmonics with Q_l(1) = 1 in a dimension >= 3, shape (degrees, ...)."""
    at = np.asarray(t, dtype=float)
    found = np.empty((max(degrees, 2), *at.shape))
    found[0], found[1] = 1.0, at
    for n in range(1, degrees - 1):
        found[n + 1] = ((2 * n + dimension - 2) * at * found[n] - n * found[n - 1]) / (n + dimension - 2)
    return found[:degrees]


def kernel_spectrum(
    kernel: Callable[[Array], Array], dimension: int, degrees: Sequence[int] | None = None
) -> KernelSpectrum:
    r"""Return the spectrum of a kernel k(x, x') = h(x·x'/D) of inputs that are uniform on the sphere.

    .. math:: \eta_l = E[h(t)\, Q_l(t)], \qquad \text{density of } t \propto (1 - t^2)^{(D - 3)/2} .

    Parameters
    ----------
    kernel : callable
        h, a function of arrays in [-1, 1].
    dimension : int
        D >= 3.
    degrees : sequence of int, optional
        The only degrees that h has, where they are known: of polynomials.

    Raises
    ------
    ConvergenceError
        If two rules of quadrature do not agree, or an eigenvalue is negative: h is then no kernel.

    Notes
    -----
    Degrees are taken one by one until rounding, multiplied by the number of harmonics, shows.  Eigenvalues smaller than
    their errors are 0.

    References
    ----------
    theory/kernel_regression.md, eqs. 3-5.
    """
    counts = harmonics(dimension, DEGREES)
    trace = float(kernel(np.ones(1))[0])
    size = float(abs(kernel(np.linspace(-1.0, 1.0, 101))).max())
    counts = counts[counts * 2e-16 * 10 < ACCURACY]
    found = None
    for nodes in NODES:
        finer = _eigenvalues(kernel, dimension, counts.size, nodes)
        if found is not None and abs((finer - found) * counts).max() < ACCURACY * size:
            break
        found = finer
    else:
        raise ConvergenceError("the kernel's eigenvalues are not known: two rules of quadrature do not agree")
    if (finer * counts < -10 * ACCURACY * size).any():
        raise ConvergenceError("the function is no kernel: it has a negative eigenvalue")
    if degrees is not None:
        finer[~np.isin(np.arange(counts.size), degrees)] = 0.0
        return KernelSpectrum(np.maximum(finer, 0.0), counts, 0.0)
    doubt = abs(finer - found) + ROUNDING * size
    kept = np.where(finer > doubt, finer, 0.0)
    left = trace - np.cumsum(np.append(0.0, np.maximum(kept - doubt, 0.0) * counts))  # at most, for higher degrees
    doubt = np.minimum(doubt, np.maximum(left[:-1], ROUNDING * trace) / counts)
    rest = trace - float(kept @ counts)
    return KernelSpectrum(kept, counts, rest if rest > ROUNDING * trace else 0.0, doubt)


def _eigenvalues(kernel: Callable[[Array], Array], dimension: int, degrees: int, nodes: int) -> Array:
    """Return E[h(t) Q_l(t)] by Gauss's rule for the law of t, from the recurrence of its polynomials."""
    from scipy.linalg import eigh_tridiagonal

    n = np.arange(1.0, nodes)
    off = np.sqrt(n * (n + dimension - 3) / ((2 * n + dimension - 2) * (2 * n + dimension - 4)))
    t, vectors = eigh_tridiagonal(np.zeros(nodes), off)
    return np.asarray(gegenbauer(t, dimension, degrees) @ (vectors[0] ** 2 * kernel(np.asarray(t, dtype=float))))


def learning_curve(
    examples: float, spectrum: KernelSpectrum, penalty: float, noise: float, powers: ArrayLike
) -> dict[str, Array]:
    r"""Errors of kernel ridge regression, (K + λ)⁻¹ y, from P examples.

    With ν of :math:`\lambda = \nu\, [P - \mathrm{tr}\, \Lambda (\Lambda + \nu)^{-1}]`, the missed part
    :math:`c_l = \nu/(\eta_l + \nu)`, the learned part :math:`h_l = 1 - c_l` and the target's variance A_l in each
    degree,

    .. math::
        E = \frac{\sum_l A_l c_l^2 + \sigma^2}{1 - \frac1P \sum_l N_l h_l^2}, \qquad
        2\, \text{generalization\_error} = E - \sigma^2, \qquad
        2\, \text{degree\_error}_l = A_l c_l^2 + N_l h_l^2 \frac{E}{P} .

    Parameters
    ----------
    examples : float
        P > 0.
    spectrum : KernelSpectrum
        Of the kernel.
    penalty, noise : float
        λ >= 0, in the loss Σ_μ (y_μ - f(x_μ))² + λ|f|², and σ >= 0.
    powers : array_like, shape (n,)
        A_l >= 0, the variance of the target in each degree.

    Returns
    -------
    dict of ndarray
        ``generalization_error``, ``test_error``, ``train_error``; ``degree_error``, shape (n,): what each degree adds.

    Raises
    ------
    ConvergenceError
        If the errors depend on eigenvalues that are not known.

    Notes
    -----
    The limit of many examples and harmonics; corrections are of relative order 1/P and 1/D.

    References
    ----------
    theory/kernel_regression.md, eqs. 6-9.  Bordelon, Canatar & Pehlevan, arXiv:2002.02561, eqs. 4-6.
    """
    for name, value in (("penalty", penalty), ("noise", noise)):
        in_range(name, value)
    in_range("examples", examples, positive=True)
    A = in_range("powers", powers)
    found = _errors(examples, spectrum, penalty, noise, A)
    if np.any(spectrum.doubt):
        small, large = (
            _errors(examples, bound, penalty, noise, A) for bound in (_moved(spectrum, -1.0), _moved(spectrum, 1.0))
        )
        for name in ("test_error", "train_error"):
            ends = np.array([small[name], large[name]])
            if not (ends[0] == ends[1] or np.ptp(ends) <= KNOWN * float(found[name])):
                raise ConvergenceError(
                    f"the {name.replace('_', ' ')} of kernel regression from {examples:g} examples is between "
                    f"{ends.min():.4g} and {ends.max():.4g}: it depends on eigenvalues below the rounding of the "
                    "kernel's; give a larger penalty"
                )
    return found


def _moved(spectrum: KernelSpectrum, by: float) -> KernelSpectrum:
    """Return the spectrum with eigenvalues as small or as large as they may be; the trace is known."""
    moved = np.maximum(spectrum.eigenvalues + by * spectrum.doubt, 0.0)
    gone = float(spectrum.counts @ (spectrum.eigenvalues - moved))
    return spectrum._replace(eigenvalues=moved, rest=max(spectrum.rest + gone, 0.0))


def _errors(examples: float, spectrum: KernelSpectrum, penalty: float, noise: float, A: Array) -> dict[str, Array]:
    size = max(A.size, spectrum.eigenvalues.size)
    eta, counts, target = np.zeros(size), np.zeros(size), np.zeros(size)
    eta[: spectrum.eigenvalues.size], counts[: spectrum.counts.size] = spectrum.eigenvalues, spectrum.counts
    target[: A.size] = A
    nu = _effective_penalty(float(examples), eta, counts, penalty + spectrum.rest)
    sum_ = eta + nu
    missed = np.where(sum_ > 0, nu / np.where(sum_ > 0, sum_, 1.0), 1.0)
    learned = np.where(eta > 0, 1 - missed, 0.0)
    share = float(counts @ learned**2) / examples
    left = float(target @ missed**2) + noise**2
    with np.errstate(divide="ignore"):
        total = left / (1 - share) if share < 1 else math.inf if left > 0 else 0.0
    of_degrees = target * missed**2
    if total > 0:
        of_degrees = of_degrees + _times(counts * learned**2, total / examples)
    fitted = 0.0 if penalty == 0 and spectrum.rest > 0 else _residual(penalty, nu, examples, eta, counts)
    error = (total - noise**2) / 2
    return {
        "generalization_error": np.asarray(max(error, 0.0)),
        "test_error": np.asarray(total / 2),
        "train_error": np.asarray(0.0 if fitted == 0 else fitted**2 * total / 2),
        "degree_error": of_degrees[: A.size] / 2,
    }


def _residual(penalty: float, nu: float, examples: float, eta: Array, counts: Array) -> float:
    """Return the share of an error that is left on an example, λ/(P ν)."""
    return penalty / (examples * nu) if nu > 0 else max(1 - float(counts @ (eta > 0)) / examples, 0.0)


def _effective_penalty(examples: float, eta: Array, counts: Array, penalty: float) -> float:
    """Return the root ν of penalty = ν [P - Σ_l N_l η_l/(η_l + ν)], 0 where all modes are learned without one."""
    from scipy.optimize import brentq

    trace, rank = float(counts @ eta), float(counts @ (eta > 0))
    if penalty == 0 and examples >= rank:
        return 0.0

    def miss(log_nu: float) -> float:
        nu = math.exp(log_nu)
        return nu * (examples - float(counts @ (eta / (eta + nu)))) - penalty

    high = math.log(2 * (penalty + trace) / examples)
    low = math.log(penalty / examples) - 1e-9 if penalty > 0 else math.log(eta[eta > 0].min()) - 80.0
    return math.exp(brentq(miss, low, high, xtol=1e-14, rtol=8.9e-16))


def _times(factor: Array, value: float) -> Array:
    """Return the product, 0 where the factor is 0 though the value be infinite."""
    return np.where(factor > 0, np.where(factor > 0, factor, 1.0) * value, 0.0)
