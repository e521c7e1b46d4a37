r"""Training a two-layer student on P = alpha N stored examples at N → ∞: dynamical mean-field theory by sampled paths.

Full steps, of all examples or of a batch that is drawn anew, on any number of epochs, with every activation, both
layers, label noise and weight decay.  In the limit the P examples become independent copies of one random process, the
fields of a single example along the training, and what is averaged over them is a number.  The process is sampled: S
paths stand for all examples, and the theory is exact but for the error of averages over them, which independent sets of
paths measure.

**The process.** Weights are given by their coordinates ω, shape (K, n), along orthonormal directions of input space:
the first M span the teacher's weights, the next K the student's at the start, and each direction in which the pulls of
training have something new adds one.  A path has along each direction the coordinate V_i, and an example's fields are
:math:`\lambda = \omega V`.  With the pulls :math:`f_k = v_k\, g'(\lambda_k)\, \Delta` a step is

.. math::
    \omega_i \to (1 - \kappa)\, \omega_i - \eta\, \langle f V_i \rangle ,

and what f has across all earlier pulls, :math:`|r|\, \hat u` with :math:`\langle \hat u^2 \rangle = 1`, adds

.. math::
    V_{n+1} = u + \hat u / \sqrt\alpha , \qquad \omega_{n+1} = - \eta\, |r| / \sqrt\alpha ,

u normal and independent of all that came before: the example's own part in the direction in which it has pulled.  Then
Q = ω ωᵀ, R = ω Lᵀ.  Derivation and equation numbers: ``theory/sample_reuse.md``, section 6.

**Sampling.** Paths come from scrambled Sobol numbers, and each new u is made orthogonal, in the sample, to all normal
numbers and all û before it: for a linear unit all averages are then exact.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import InputError
from tsmech.kernels.activations import functions
from tsmech.kernels.divergence import bound
from tsmech.kernels.products import add_combinations, add_products
from tsmech.kernels.rule import Rule
from tsmech.machine.memory import shortage
from tsmech.theory.overlaps import covariance, generalization_error

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
SOBOL = 64
"""Dimensions for which Sobol numbers are taken; for later ones they are no better than pseudo-random ones."""
AT_ONCE = 8
"""Directions for which normal numbers are made orthogonal to all others at a time."""
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
    training = _Training.of(Q, R, T, v, A, rule, alpha, share)
    units, steps = len(training.start), int(at[-1])
    if reason := too_long(units, steps) or paths_too_large(units, steps, share):
        raise InputError(reason)
    count = paths or paths_for(len(training.start), int(at[-1]), share)
    while True:
        found = training.all_sets(at, count, rng, tolerance)
        if share < 1.0:
            found = _extrapolated(training.all_sets(at, count // COARSER, rng, tolerance), found)
        test = found.generalization_error + rule.noise**2 / 2
        spread = test.std(axis=0, ddof=1) / math.sqrt(SETS)
        excess = float(np.max(spread / np.maximum(test.mean(axis=0), 1e-300), initial=0.0)) / accuracy
        if paths is not None or count >= MOST_PATHS or excess <= 1.0:
            return found
        count = min(MOST_PATHS, count << max(1, math.ceil(GAIN * math.log2(excess))))


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


class _Training(NamedTuple):
    """What is to be learnt and how."""

    start: Array
    """Coordinates of the student's weights, shape (K, M + K)."""
    teacher: Array
    """Coordinates of the teacher's weights along the first M directions, shape (M, M)."""
    v: Array
    A: Array
    rule: Rule
    alpha: float
    share: float
    bound: float

    @classmethod
    def of(
        cls, Q: Array, R: Array, T: Array, v: Array, A: Array, rule: Rule, alpha: float, share: float
    ) -> "_Training":
        """Return the problem in coordinates: the triangular factor of the overlaps of teacher and student."""
        M, rule = len(T), rule.checked()
        order = np.r_[len(Q) : len(Q) + M, : len(Q)]
        joint = covariance(Q, R, T)[np.ix_(order, order)]
        values, vectors = np.linalg.eigh(joint)
        factor = np.asarray(np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T, mode="r")).T
        return cls(factor[M:], factor[:M, :M], v, A, rule, alpha, share, bound(Q, T, v, A))

    def all_sets(self, at: NDArray[np.int64], paths: int, rng: Generator, tolerance: float) -> MeanField:
        """Return the results of all sets, up to the first step at which one has diverged."""
        found = [_Set(self, paths, int(at[-1]), child).follow(at, tolerance) for child in rng.spawn(SETS)]
        reached = min(len(each.v) for each in found)
        (K, M), lead = (len(self.start), len(self.teacher)), (SETS, reached)  # none where all diverge before
        Q = np.array([each.Q[:reached] for each in found]).reshape(*lead, K, K)
        R = np.array([each.R[:reached] for each in found]).reshape(*lead, K, M)
        v = np.array([each.v[:reached] for each in found]).reshape(*lead, K)
        train = np.array([each.train_error[:reached] for each in found]).reshape(lead)
        ended = [each.diverged_at for each in found if each.diverged_at is not None]
        T = self.teacher @ self.teacher.T
        error = generalization_error(Q, R, T, v, self.A, self.rule.student, self.rule.teacher)
        return MeanField(Q, R, v, error, train, paths, min(ended, default=None))


class _Records:
    """What one set of paths has recorded, step after step."""

    def __init__(self) -> None:
        self.Q: list[Array] = []
        self.R: list[Array] = []
        self.v: list[Array] = []
        self.train_error: list[float] = []
        self.diverged_at: float | None = None


class _Set:
    """Paths that are sampled together; rows are numbers of all paths."""

    def __init__(self, training: _Training, paths: int, steps: int, rng: Generator) -> None:
        from scipy.stats import qmc

        self._training, self._paths, self._rng = training, paths, rng
        (K, self._first), M = training.start.shape, len(training.teacher)
        most = K * steps
        self._sobol = qmc.Sobol(min(1 + self._first + most, SOBOL), scramble=True, rng=rng)
        self._points = np.ascontiguousarray(self._sobol.random(paths).T)
        self._drawn, self._root = 0, 1.0 / math.sqrt(training.alpha)
        normal = _orthonormal(self._normal(1 + self._first))
        self._noise = normal[0]
        self._V, self._U = np.empty((self._first + most, paths)), np.empty((most, paths))
        self._V[: self._first], self._n, self._m = normal[1:], self._first, 0
        self._askew = np.zeros((most, most))  # averages of products of the û but for the ones, which is rounding
        self._fresh, self._fresh_since = np.empty((0, paths)), 0
        g = functions(training.rule.teacher)[0]
        self._labels = training.A @ g(training.teacher @ normal[1 : M + 1]) + training.rule.noise * self._noise

    def follow(self, at: NDArray[np.int64], tolerance: float) -> _Records:
        """Return the state after each of the steps, up to the one at which it has diverged."""
        training, S = self._training, self._paths
        rule, L = training.rule, training.teacher
        rate, decay = float(rule.schedule[0, 1]), 1.0 - rule.weight_decay
        g, slope = functions(rule.student)
        omega, v = training.start, training.v
        rest = np.zeros((len(omega), S))  # what pulls have across the û, and too little of it for one more
        records = _Records()
        for step in range(int(at[-1]) + 1):
            Q = omega @ omega.T
            if not max(np.diag(Q).max(), np.square(v).max()) <= training.bound:
                records.diverged_at = float(step)
                return records
            V = self._V[: self._n]
            fields = np.zeros_like(rest)
            add_combinations(np.ascontiguousarray(omega), V, fields)
            outputs = g(fields)
            delta = v @ outputs - self._labels
            if step in at:
                records.Q.append(Q)
                records.R.append(omega[:, : len(L)] @ L.T)
                records.v.append(v)
                records.train_error.append(0.5 * float(delta @ delta) / S)
            if step == at[-1]:
                break
            if training.share < 1.0:
                delta = delta * self._batch()
            pulls = slope(fields) * (v[:, None] * delta)
            if rule.second_layer_rate > 0.0:
                v = decay * v - rule.second_layer_rate * (outputs @ delta) / S
            least = tolerance * math.sqrt(np.max(np.sum(pulls**2, axis=1)) / S)
            along = self._averages(pulls, V)
            rest *= decay
            rest += pulls
            new = self._extend(rest, self._clear(rest), least)
            omega = np.hstack([decay * omega - rate * along, -rate * self._root * new])
        return records

    def _averages(self, rows: Array, others: Array) -> Array:
        """Return the averages of products of rows with others, shape (rows, others)."""
        products = np.zeros((len(rows), len(others)))
        add_products(rows, others, products)
        return products / self._paths

    def _clear(self, rows: Array) -> Array:
        """Take from rows what they have along all û, and return what rounding leaves there, shape (K, m)."""
        U, askew = self._U[: self._m], self._askew[: self._m, : self._m]
        share = self._averages(rows, U)
        add_combinations(share @ askew - share, U, rows)
        return self._averages(rows, U)

    def _extend(self, rest: Array, beyond: Array, least: float) -> Array:
        """Add directions for what pulls have across the earlier ones, and return its coordinates, shape (K, new).

        What is below ``least`` is kept; ``beyond`` are the averages of products with earlier û.
        """
        before, columns = self._m, []
        for k, row in enumerate(rest):
            length = math.sqrt(row @ row / self._paths)
            if length <= least:
                continue
            new, skew = row / length, beyond[k] / length
            for other in self._U[before : self._m]:  # what rounding has left
                new -= (other @ new / self._paths) * other
            self._U[self._m] = new / math.sqrt(new @ new / self._paths)
            self._askew[self._m, :before] = self._askew[:before, self._m] = skew
            columns.append(rest @ self._U[self._m] / self._paths)
            rest -= np.outer(columns[-1], self._U[self._m])
            beyond -= np.outer(columns[-1], skew)
            self._m += 1
        count = len(columns)
        if count:
            U = self._U[before : self._m]
            self._V[self._n : self._n + count] = self._next(count) + self._root * U
            self._n += count
        return np.array(columns).reshape(count, len(rest)).T

    def _next(self, count: int) -> Array:
        """Return normal numbers for the last ``count`` directions, orthogonal in the sample to all that came before."""
        if len(self._fresh) < count:
            self._prepare(max(count, AT_ONCE))
        fresh, self._fresh = self._fresh[:count], self._fresh[count:]
        U = self._U[self._fresh_since : self._m]
        return _orthonormal(fresh - self._averages(fresh, U) @ U)

    def _prepare(self, count: int) -> None:
        """Draw normal numbers for some directions, across all normal numbers and all û that there are.

        V is normal numbers and û over √alpha, so of V · z and û · z the former tells what z has along the normal ones.
        """
        rows = self._normal(count)
        V, U = self._V[: self._n], self._U[: self._n - self._first]
        along, share = self._averages(rows, V), self._averages(rows, U)
        along[:, self._first :] -= self._root * share
        add_combinations(-along, V, rows)
        add_combinations(self._root * along[:, self._first :], U, rows)
        rows -= np.outer(self._averages(rows, self._noise[None])[:, 0], self._noise)
        U = self._U[: self._m]
        add_combinations(-self._averages(rows, U), U, rows)
        self._fresh, self._fresh_since = _orthonormal(rows), self._m

    def _normal(self, count: int) -> Array:
        """Return rows of normal numbers of mean 0: quasi-random ones as long as there are."""
        from scipy.special import ndtri

        rows = np.empty((count, self._paths))
        for row in rows:
            if self._drawn < len(self._points):
                ndtri(self._points[self._drawn] + 2.0**-32, out=row)
            else:
                self._rng.standard_normal(out=row)
            self._drawn += 1
            row -= row.mean()
        return rows

    def _batch(self) -> Array:
        """Return 1/b for a share b of the paths, drawn at random, and 0 for the others."""
        chosen = np.zeros(self._paths)
        count = max(1, round(self._training.share * self._paths))
        chosen[self._rng.permutation(self._paths)[:count]] = self._paths / count
        return chosen


def _orthonormal(rows: Array) -> Array:
    """Return rows of which the products average to 0 and the squares to 1."""
    factor = np.linalg.cholesky(rows @ rows.T / rows.shape[1])
    return np.asarray(np.linalg.inv(factor) @ rows)
