"""What ridge regression really gets: trained on random subsets of a table's rows, measured on rows that are held out.

Also made-up tables, of which everything is known.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

BLOCK = 1 << 21
"""Numbers of a block of rows."""
CANDIDATES = 40
"""Penalties among which cross-validation chooses: from 1e-5 to 1e4 times the mean eigenvalue about the mean."""
WEAK = 1e-12
"""Eigenvalues below this share of the largest count as zero where there is no penalty."""


class MadeUp(NamedTuple):
    """A table of Gaussian rows of which everything is known."""

    inputs: Array
    targets: Array
    eigenvalues: Array
    """Of the inputs' covariance, which is diagonal."""
    teacher: Array
    """Shape (columns,)."""
    noise: float
    """Standard deviation of the label noise."""


def make_table(
    rows: int, columns: int, *, exponent: float = 1.0, decline: float = 0.3, noise: float = 0.5, seed: int = 0
) -> MadeUp:
    r"""Draw a table: Gaussian inputs with eigenvalues k^-exponent, a linear teacher, label noise.

    Parameters
    ----------
    rows, columns : int
    exponent : float
        Of the eigenvalues, whose sum is 1.
    decline : float
        The teacher's weights fall as k^-decline in the root mean square; the clean target has variance 1.
    noise : float
        Standard deviation of the label noise.
    seed : int

    Returns
    -------
    MadeUp
    """
    rng = np.random.default_rng(seed)
    order = np.arange(1.0, columns + 1.0)
    eigenvalues = order**-exponent
    eigenvalues /= eigenvalues.sum()
    teacher = rng.standard_normal(columns) * order**-decline
    teacher /= np.sqrt(eigenvalues @ teacher**2)
    inputs = rng.standard_normal((rows, columns)) * np.sqrt(eigenvalues)
    targets = inputs @ teacher + noise * rng.standard_normal(rows)
    return MadeUp(inputs, targets[:, None], eigenvalues, teacher, noise)


def draw_direct(
    inputs: Array,
    targets: Array,
    pool: Rows,
    held: Rows,
    sizes: NDArray[np.intp],
    penalties: Array | None,
    rng: Generator,
    *,
    intercept: bool = True,
    standardise: bool = False,
) -> dict[str, Array]:
    """Train ridge regression on growing random subsets of the pool and measure it on the rows that are held out.

    Parameters
    ----------
    inputs : ndarray, shape (rows, p)
    targets : ndarray, shape (rows, q)
    pool, held : ndarray of int
        The rows from which training sets are drawn, without replacement, and those on which errors are measured.
    sizes : ndarray of int, shape (k,)
        Numbers of training rows, increasing; each set contains the one before.
    penalties : ndarray, shape (k, q), or None
        On the scale of the sum of squares, as scikit-learn's ``alpha``; None chooses by leave-one-out errors within
        each training set.
    rng : numpy.random.Generator
    intercept, standardise : bool
        Whether a constant is fitted, and whether columns are divided by their deviation over the training set.

    Returns
    -------
    dict of ndarray, shape (k, q)
        ``test`` and ``train``, mean squares; ``explained``, 1 - test over the variance of the held-out targets;
        ``penalty``, what was used.

    Raises
    ------
    ConvergenceError
        If a system of equations could not be solved.

    Notes
    -----
    O(m p min(m, p)) for a training set of m rows; sets with more rows than columns share one growing matrix of sums of
    squares and products.
    """
    order = rng.permutation(pool)
    q, p = targets.shape[1], inputs.shape[1]
    found = {name: np.zeros((sizes.size, q)) for name in ("test", "train", "explained", "penalty")}
    y_held = targets[held]
    spread = y_held.var(axis=0) if intercept else (y_held**2).mean(axis=0)
    moments = _Moments(inputs, targets, order[: sizes[0]])
    for i, m in enumerate(sizes):
        chosen = None if penalties is None else penalties[i]
        if m > p and chosen is not None:
            moments.extend(inputs, targets, order, int(m))
            fit = moments.solve(chosen, intercept, standardise)
        else:
            fit = _solve_rows(inputs[order[:m]], targets[order[:m]], chosen, intercept, standardise)
        predicted = np.empty_like(y_held)
        step = max(1, BLOCK // p)
        for first in range(0, held.size, step):
            block = inputs[held[first : first + step]]
            predicted[first : first + step] = (block - fit.centre) @ fit.weights + fit.constant
        error = ((predicted - y_held) ** 2).mean(axis=0)
        found["test"][i], found["train"][i], found["penalty"][i] = error, fit.train, fit.penalty
        found["explained"][i] = 1.0 - error / spread
    return found


class _Fit(NamedTuple):
    centre: Array
    weights: Array
    constant: Array
    train: Array
    penalty: Array


class _Moments:
    """Sums of squares and products of the first rows of an order, about a point near their mean."""

    def __init__(self, inputs: Array, targets: Array, first: Rows) -> None:
        self.point, self.level = inputs[first].mean(axis=0), targets[first].mean(axis=0)
        p, q = inputs.shape[1], targets.shape[1]
        self.rows = 0
        self.x, self.y = np.zeros(p), np.zeros(q)
        self.xx: Array | None = None
        self.xy, self.yy = np.zeros((p, q)), np.zeros(q)

    def extend(self, inputs: Array, targets: Array, order: Rows, rows: int) -> None:
        """Add the rows of the order up to a number of them."""
        if self.xx is None:
            self.xx = np.zeros((self.x.size, self.x.size))
        step = max(1, BLOCK // self.x.size)
        for first in range(self.rows, rows, step):
            part = order[first : min(first + step, rows)]
            x, y = inputs[part] - self.point, targets[part] - self.level
            self.x += x.sum(axis=0)
            self.y += y.sum(axis=0)
            self.xx += x.T @ x
            self.xy += x.T @ y
            self.yy += (y * y).sum(axis=0)
        self.rows = rows

    def solve(self, penalties: Array, intercept: bool, standardise: bool) -> _Fit:
        """Return ridge regression on the rows so far."""
        m = self.rows
        assert self.xx is not None
        shift, lift = self.x / m, self.y / m
        square = self.xx - m * np.outer(shift, shift)
        product = self.xy - m * np.outer(shift, lift)
        total = self.yy - m * lift**2
        centre, constant = self.point + shift, self.level + lift
        scale = _scales(np.diag(square) / m, centre, standardise)
        if not intercept:  # about zero instead of about the mean
            square += m * np.outer(centre, centre)
            product += m * np.outer(centre, constant)
            total = total + m * constant**2
            centre, constant = np.zeros_like(centre), np.zeros_like(constant)
        square /= np.outer(scale, scale)
        product /= scale[:, None]
        weights = np.zeros_like(product)
        for penalty in np.unique(penalties):
            at = penalties == penalty
            weights[:, at] = _solve(square, product[:, at], float(penalty))
        left = total - 2.0 * (weights * product).sum(axis=0) + (weights * (square @ weights)).sum(axis=0)
        return _Fit(centre, weights / scale[:, None], constant, np.maximum(left, 0.0) / m, penalties)


def _scales(variances: Array, centre: Array, standardise: bool) -> Array:
    """Return what columns are divided by: their deviations, 1 where they do not vary."""
    if not standardise:
        return np.ones_like(variances)
    deviation = np.sqrt(np.maximum(variances, 0.0))
    return np.where(deviation > 1e-12 * np.abs(centre), deviation, 1.0)


def _solve(matrix: Array, right: Array, penalty: float) -> Array:
    """Return (matrix + penalty)⁻¹ right, without a penalty that of least norm; the matrix is positive semi-definite."""
    from scipy.linalg import cho_factor, cho_solve

    if penalty > 0:
        try:
            return np.asarray(cho_solve(cho_factor(matrix + penalty * np.eye(len(matrix))), right))
        except np.linalg.LinAlgError:
            pass  # the penalty is below the rounding of the matrix
    try:
        values, vectors = np.linalg.eigh(matrix)
    except np.linalg.LinAlgError:
        raise ConvergenceError("the eigenvalues of a training set's covariance were not found") from None
    kept = values > WEAK * values[-1]
    return np.asarray(vectors[:, kept] @ ((vectors[:, kept].T @ right) / (values[kept] + penalty)[:, None]))


def _solve_rows(x: Array, y: Array, penalties: Array | None, intercept: bool, standardise: bool) -> _Fit:
    """Return ridge regression on a training set held as a whole, by the products of its rows where they are few."""
    m, p = x.shape
    mean = x.mean(axis=0)
    centre = mean if intercept else np.zeros(p)
    constant = y.mean(axis=0) if intercept else np.zeros(y.shape[1])
    scale = _scales(x.var(axis=0), mean, standardise)
    x, y = (x - centre) / scale, y - constant
    if penalties is None:
        penalties = _cross_validated(x, y, intercept)
    weights, train = np.zeros((p, y.shape[1])), np.zeros(y.shape[1])
    square = x @ x.T if m <= p else x.T @ x
    for penalty in np.unique(penalties):
        at = penalties == penalty
        if m <= p:
            weights[:, at] = x.T @ _solve(square, y[:, at], float(penalty))
        else:
            weights[:, at] = _solve(square, x.T @ y[:, at], float(penalty))
    train = ((y - x @ weights) ** 2).mean(axis=0)
    return _Fit(centre, weights / scale[:, None], constant, train, penalties)


def _cross_validated(x: Array, y: Array, intercept: bool) -> Array:
    """Return for each target the penalty of the least leave-one-out error within a training set."""
    m, p = x.shape
    values, vectors = np.linalg.eigh(x @ x.T if m <= p else x.T @ x)
    kept = values > WEAK * values[-1]
    if not kept.any():
        return np.ones(y.shape[1])  # inputs that do not vary: every penalty gives the mean
    values, vectors = values[kept], vectors[:, kept]
    u = vectors if m <= p else x @ (vectors / np.sqrt(values))
    candidates = np.geomspace(1e-5, 1e4, CANDIDATES) * ((x - x.mean(axis=0)) ** 2).sum() / values.size
    share = values[:, None] / (values[:, None] + candidates)
    left = np.maximum(1.0 - (u * u) @ share - (1.0 / m if intercept else 0.0), 1e-9)
    along = u.T @ y
    errors = np.empty((CANDIDATES, y.shape[1]))
    for k in range(y.shape[1]):
        residual = y[:, k, None] - u @ (share * along[:, k, None])
        errors[:, k] = ((residual / left) ** 2).mean(axis=0)
    return np.asarray(candidates[errors.argmin(axis=0)])
