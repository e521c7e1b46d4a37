"""Training a two-layer student on P = alpha N stored examples at N → ∞ in large steps: dynamical mean-field theory.

Full steps, of all examples or of a batch that is drawn anew, on any number of epochs, with every activation, both
layers, label noise and weight decay.  In the limit the P examples become independent copies of one random process, the
fields of a single example along the training, and what is averaged over them is a number.  The process is sampled
(:mod:`tsmech.theory.sample_reuse.paths`): S paths stand for all examples, and the theory is exact but for the error of
averages over them, which independent sets of paths measure.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import InputError
from tsmech.kernels.rule import Rule
from tsmech.machine.memory import shortage
from tsmech.theory.overlaps import generalization_error
from tsmech.theory.sample_reuse.paths import SOBOL, Paths, Training

Array = NDArray[np.float64]

SETS = 8
"""Independent sets of paths, from which standard errors come: paths of one set depend on each other."""
LEAST_PATHS, MOST_PATHS = 2**11, 2**14
"""Paths of a set at first, and the most where the accuracy asks for more."""
COARSER = 4
"""Of sampled batches also sets of so many times fewer paths, to extrapolate in their number."""
GAIN = 1.2
"""Of quasi-random paths so many factors of two make the standard error half as large, between 1 and 1.3 as measured."""
PATHS_A_DIRECTION = 4
"""Least number of paths for each direction that may be added."""
MOST_DIRECTIONS = 4000
"""Directions, K a step, beyond which the theory is refused: each step costs as many products with all of them."""


class MeanField(NamedTuple):
    """What training does at the n steps that it reached, by each of C independent sets of paths."""

    Q: Array
    """Student-student overlaps, shape (C, n, K, K)."""
    R: Array
    """Student-teacher overlaps, shape (C, n, K, M)."""
    v: Array
    """Second layers, shape (C, n, K)."""
    generalization_error: Array
    """Shape (C, n)."""
    train_error: Array
    """½ mean (student − label)² over the training set, shape (C, n)."""
    paths: int
    """Paths in each set."""
    diverged_at: float | None
    """The first step after which a Q_kk or v_k² exceeds the bound of :mod:`tsmech.kernels.divergence`, or None."""


def mean_field(
    Q: ArrayLike,
    R: ArrayLike,
    T: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    rule: Rule,
    steps: ArrayLike,
    *,
    alpha: float,
    rng: Generator,
    share: float = 1.0,
    accuracy: float = 1e-3,
    paths: int | None = None,
    tolerance: float = 3e-4,
) -> MeanField:
    r"""Follow gradient descent on a stored training set, in full steps.

    .. math:: w_k \to (1 - \kappa)\, w_k - \eta \sqrt N\, \langle v_k g'(\lambda_k)\, \Delta\, x \rangle , \qquad
              v_k \to (1 - \kappa)\, v_k - \eta_v \langle g(\lambda_k)\, \Delta \rangle

    Parameters
    ----------
    Q, R, T, v, A : array_like
        Overlaps and second layers at the start, of shapes (K, K), (K, M), (M, M), (K,) and (M,).
    rule : Rule
        Its rates are those of a full step; the schedule must be constant.
    steps : array_like, shape (n,)
        Whole numbers of steps after which to report, increasing.
    alpha : float
        Training examples per input dimension, P/N > 0.
    rng : Generator
        For the paths.
    share : float
        b in (0, 1]: each step averages over a share b of the examples, drawn anew without replacement.  The batches of
        S paths, which are noise too, change the result by a share of the order of n/S for n directions; below 1 results
        are extrapolated in 1/S from two numbers of paths.
    accuracy : float
        Standard error of the test error, as a share of it, at which there are paths enough; there are at most
        ``MOST_PATHS`` in a set, and the standard error that is reached is that of the C results.
    paths : int, optional
        Paths in a set, in place of an accuracy.
    tolerance : float
        What pulls have in a new direction is carried over to the next steps while it is less than this share of them.

    Returns
    -------
    MeanField

    Raises
    ------
    InputError
        If a value is out of range, or there are more steps than time (:func:`too_long`) and memory allow
        (:func:`paths_too_large`).

    Notes
    -----
    Limit N → ∞ at fixed alpha, K, M and number of steps; no limit of small steps.  A step of a set reads its S · n
    numbers along the n directions twice, and the û three times.  A start without any preference for one of the
    teacher's units keeps its symmetry; in a sample it is broken by the paths' noise, as chance breaks it at finite N.

    References
    ----------
    F. Mignacco, F. Krzakala, P. Urbani and L. Zdeborová, arXiv:2006.06098; M. Celentano, C. Cheng and A. Montanari,
    arXiv:2112.07572; C. Gerbelot et al., arXiv:2210.06591.  The orthonormal form: ``theory/sample_reuse.md``, eqs.
    24-27.
    """
    at = np.asarray(steps, dtype=np.int64)
    in_range("alpha", alpha, positive=True)
    if not 0.0 < share <= 1.0:
        raise InputError(f"share = {share:g} is not allowed: it must be above 0 and at most 1")
    Q, R, T, v, A = (np.array(each, dtype=np.float64) for each in (Q, R, T, v, A))
    training = Training.of(Q, R, T, v, A, rule, alpha, share)
    units, steps = len(training.start), int(at[-1])
    if reason := too_long(units, steps) or paths_too_large(units, steps, share):
        raise InputError(reason)
    count = paths or paths_for(len(training.start), int(at[-1]), share)
    while True:
        found = _all_sets(training, at, count, rng, tolerance)
        if share < 1.0:
            found = _extrapolated(_all_sets(training, at, count // COARSER, rng, tolerance), found)
        test = found.generalization_error + rule.noise**2 / 2
        spread = test.std(axis=0, ddof=1) / math.sqrt(SETS)
        excess = float(np.max(spread / np.maximum(test.mean(axis=0), 1e-300), initial=0.0)) / accuracy
        if paths is not None or count >= MOST_PATHS or excess <= 1.0:
            return found
        count = min(MOST_PATHS, count << max(1, math.ceil(GAIN * math.log2(excess))))


def _all_sets(training: Training, at: NDArray[np.int64], paths: int, rng: Generator, tolerance: float) -> MeanField:
    """Return the results of all sets, up to the first step at which one has diverged."""
    found = [Paths(training, paths, int(at[-1]), child).follow(at, tolerance) for child in rng.spawn(SETS)]
    reached = min(len(each.v) for each in found)
    (K, M), lead = (len(training.start), len(training.teacher)), (SETS, reached)  # none where all diverge before
    Q = np.array([each.Q[:reached] for each in found]).reshape(*lead, K, K)
    R = np.array([each.R[:reached] for each in found]).reshape(*lead, K, M)
    v = np.array([each.v[:reached] for each in found]).reshape(*lead, K)
    train = np.array([each.train_error[:reached] for each in found]).reshape(lead)
    ended = [each.diverged_at for each in found if each.diverged_at is not None]
    T = training.teacher @ training.teacher.T
    error = generalization_error(Q, R, T, v, training.A, training.rule.student, training.rule.teacher)
    return MeanField(Q, R, v, error, train, paths, min(ended, default=None))


def _extrapolated(coarse: MeanField, fine: MeanField) -> MeanField:
    """Return what sets of paths tend to where a share of 1/S of the result is wrong, set by set."""
    reached = min(coarse.v.shape[1], fine.v.shape[1])
    ratio = fine.paths / coarse.paths
    pairs = [(one[:, :reached], two[:, :reached]) for one, two in zip(coarse[:5], fine[:5], strict=True)]
    Q, R, v, error, train = (two + (two - one) / (ratio - 1.0) for one, two in pairs)
    ended = [each.diverged_at for each in (coarse, fine) if each.diverged_at is not None]
    return MeanField(Q, R, v, error, train, fine.paths, min(ended, default=None))


def paths_for(units: int, steps: int, share: float = 1.0) -> int:
    """Return how many paths a set has at first: a power of two, several for each direction, of sampled batches more."""
    more = 1 if share == 1.0 else COARSER
    return max(more * LEAST_PATHS, 1 << math.ceil(math.log2(PATHS_A_DIRECTION * 2 * more * max(1, units * steps))))


def too_long(units: int, steps: int) -> str | None:
    """Return why so many steps of K units are not followed, or None where they are."""
    if units * steps <= MOST_DIRECTIONS:
        return None
    return f"{steps} full steps of {units} units are too many: units times steps can be {MOST_DIRECTIONS}"


def paths_too_large(units: int, steps: int, share: float = 1.0) -> str | None:
    """Return that the paths of so many steps do not fit into memory, O(paths · steps · K), or None where they do."""
    directions = units * steps
    numbers = max(MOST_PATHS, paths_for(units, steps, share)) * (2 * directions + 8 * units + SOBOL) + directions**2
    return shortage(8.0 * numbers, f"paths of {steps} steps")
