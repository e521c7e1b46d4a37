r"""Parallel tempering of binary weights: chains on a ladder of temperatures that exchange their students.

The hottest chain has no temperature at all, the coldest the one that is asked for; two neighbours exchange with
probability :math:`\min(1, e^{(\beta - \beta')(E - E')})` [1]_.  Since the ladder begins where every student counts
alike, it also gives the free energy.  theory/ising_perceptron.md, section 5.

References
----------
.. [1] K. Hukushima, K. Nemoto, Exchange Monte Carlo method and application to spin glass simulations, J. Phys. Soc.
   Jpn. 65, 1604 (1996), arXiv:cond-mat/9512035.
"""

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.sims.metropolis import Array, Whole, acceptance, sweep, visit

APART = 1.2
"""Distance of neighbours on the ladder, in standard deviations of the energy: normal energies exchange 40 %."""
WIDEST = 1.3
"""Largest factor between neighbouring inverse temperatures."""
PILOT = 100
"""Sweeps of the cooling run at each temperature, after half as many."""
LAST = 6.0
"""Inverse temperature from which a ladder to T = 0 ends there: a student with an error has a weight below 1/400."""


class Tempered(NamedTuple):
    """What the coldest chain of a ladder recorded."""

    cosines: Array
    """Cosine of student and teacher after each sweep, shape (n,)."""
    errors: Array
    """Wrong labels, shape (n,)."""
    mean: Array
    """Mean weights, shape (N,)."""
    counts: NDArray[np.int64]
    """How often each chain had so many errors, shape (K, P + 1)."""


def ladder(oriented: Whole, temperature: float, rng: Generator) -> Array:
    """Return inverse temperatures from the one that is asked for (infinity at T = 0) down to 0, by a cooling run."""
    P, N = oriented.shape
    doubled = np.ascontiguousarray(2 * oriented.T)
    w = rng.choice(np.array([-1, 1], dtype=np.int32), N)
    fields = (oriented @ w).astype(np.int32)
    target, end = (1.0 / temperature,) * 2 if temperature > 0.0 else (math.inf, LAST)
    found = [0.0, 2.0 * APART / math.sqrt(P)]  # at β = 0 each example is wrong with probability ½
    cosines, errors, total = np.empty(PILOT), np.empty(PILOT), np.zeros(N)
    while found[-1] < end:
        chances = acceptance(found[-1], P)
        sweep(w, fields, doubled, chances, PILOT // 2, rng, cosines[:0], errors[:0], total)
        sweep(w, fields, doubled, chances, PILOT, rng, cosines, errors, total)
        found.append(min(found[-1] + APART / max(float(errors.std()), 0.5), WIDEST * found[-1]))
    return np.array([target, *found[-2::-1]])


def temper(oriented: Whole, start: Whole, betas: Array, counts: tuple[int, int], rng: Generator) -> Tempered:
    """Run a chain at each inverse temperature, all in turn, and exchange neighbours after each sweep.

    Parameters
    ----------
    oriented : ndarray of int32, shape (P, N)
        The examples, each times its label.
    start : ndarray of int32, shape (K, N)
        A student for each temperature.
    betas : ndarray, shape (K,)
        Falling, of :func:`ladder`.
    counts : tuple of int
        Sweeps of each chain before the record and in it.
    rng : Generator
    """
    P, N = oriented.shape
    before, recorded = counts
    doubled, students = np.ascontiguousarray(2 * oriented.T), start.copy()
    fields = (students @ oriented.T).astype(np.int32)
    wrong = (fields < 0).sum(axis=1)
    chances = np.array([acceptance(beta, P) for beta in betas])
    order, found = np.arange(betas.size), np.zeros((betas.size, P + 1), dtype=np.int64)
    cosines, errors, total = np.empty(recorded), np.empty(recorded), np.zeros(N)
    state = students, fields, wrong, order, doubled, chances, np.minimum(betas, 1e6)
    _exchange(*state, before, rng, cosines[:0], errors[:0], total, found)
    _exchange(*state, recorded, rng, cosines, errors, total, found)
    return Tempered(cosines, errors, total / recorded, found)


@kernel
def _exchange(  # type: ignore[no-untyped-def]
    students, fields, wrong, order, doubled, chances, betas, count, rng, cosines, errors, total, found
):
    """Make so many sweeps of all chains; record them where there is room.  ``order`` says whose student is where."""
    K, N = students.shape
    for step in range(count):
        for k in range(K):
            r = order[k]
            if betas[k] > 0.0:
                wrong[r] = visit(students[r], fields[r], doubled, chances[k], wrong[r], rng)
            else:
                wrong[r] = _draw(students[r], fields[r], doubled, rng)
        if cosines.size > 0:
            cold, overlap = order[0], 0
            for i in range(N):
                overlap += students[cold, i]
                total[i] += students[cold, i]
            cosines[step], errors[step] = overlap / N, wrong[cold]
            for k in range(K):
                found[k, wrong[order[k]]] += 1
        for k in range(step % 2, K - 1, 2):
            gain = (betas[k] - betas[k + 1]) * (wrong[order[k]] - wrong[order[k + 1]])
            if gain >= 0.0 or rng.random() < math.exp(gain):
                order[k], order[k + 1] = order[k + 1], order[k]


@kernel
def _draw(w, fields, doubled, rng):  # type: ignore[no-untyped-def]
    """Draw a student among all, by turning each weight or not: Metropolis' method would turn all, again and again."""
    N, P = doubled.shape
    for i in range(N):
        if rng.random() < 0.5:
            for mu in range(P):
                fields[mu] -= w[i] * doubled[i, mu]
            w[i] = -w[i]
    wrong = 0
    for mu in range(P):
        wrong += 1 if fields[mu] < 0 else 0
    return wrong


def log_partition(betas: Array, counts: NDArray[np.int64], dimension: int) -> float:
    r"""Return ln Z at the first of the inverse temperatures, from how often each chain had so many errors.

    Z = 2^N at the last, β = 0.  From one to the next L = ln Z/Z' solves, by the acceptance ratio [1]_,

    .. math:: \sum_E h(E)\, f(-\Delta_E - L) = \sum_E h'(E)\, f(\Delta_E + L), \qquad f(x) = \frac{1}{1 + e^x}

    with the histograms h and h' and :math:`\Delta_E = (\beta - \beta') E`.

    Parameters
    ----------
    betas : ndarray, shape (K,)
    counts : ndarray, shape (K, P + 1)
    dimension : int
        N.

    Returns
    -------
    float
        NaN where a chain found no student that its colder neighbour could have, or one that its law does not have.

    References
    ----------
    .. [1] C. H. Bennett, Efficient estimation of free energy differences from Monte Carlo data, J. Comput. Phys. 22,
       245 (1976), eq. 12.
    """
    from scipy.optimize import brentq
    from scipy.special import expit

    found, energies = dimension * math.log(2.0), np.arange(counts.shape[1])
    for (beta, hotter), (cold, hot) in zip(itertools.pairwise(betas), itertools.pairwise(counts), strict=True):
        allowed = energies == 0 if beta == math.inf else energies >= 0
        if cold[~allowed].any() or not hot[allowed].any():
            return math.nan
        apart = np.zeros(1) if beta == math.inf else (beta - hotter) * energies
        ours, theirs = cold[allowed], hot[allowed]

        def excess(log_ratio: float, ours: Array = ours, theirs: Array = theirs, apart: Array = apart) -> float:
            return float(ours @ expit(apart + log_ratio) - theirs @ expit(-apart - log_ratio))

        found += brentq(excess, -float(apart.max()) - math.log(cold.sum()) - 1.0, 0.0, xtol=1e-12)
    return float(found)
