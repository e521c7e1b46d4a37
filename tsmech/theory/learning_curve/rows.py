"""What the known rows say: the spectrum of their covariance, and leave-one-out errors along the ridge path.

One decomposition serves all penalties, sizes and targets.  The table is read in blocks of rows and never copied.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError
from tsmech.theory.learning_curve.deviations import carried
from tsmech.theory.learning_curve.influence import Influences
from tsmech.theory.learning_curve.lengths import Lengths, Pairs
from tsmech.theory.learning_curve.optimism import Steps, covariance_with_students

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

BLOCK = 1 << 21
"""Numbers in a block of rows."""
PER_FOLD = 3
"""Penalties for each factor e: what is averaged over the spectrum, s/(s + a), changes over several of them.  At one of
them the influence of rows is computed."""
BEYOND = 1e3
"""How far the penalties reach beyond the largest and the smallest eigenvalue."""


class KnownRows(NamedTuple):
    """The known rows after one decomposition, and the leave-one-out errors of ridge regression on them.

    ``q`` targets, ``J`` penalties on the scale of the sum of squares (scikit-learn's ``alpha``).
    """

    rows: int
    """n, the number of rows."""
    free: int
    """ν = n - 1 where an intercept is fitted, else n: what the inputs can fit."""
    columns: int
    standardised: bool
    """Whether each column is divided by its standard deviation over these rows."""
    s: Array
    """Eigenvalues of the matrix of sums of squares and products, positive, descending, shape (r,)."""
    penalties: Array
    """a, increasing, shape (J,)."""
    loo: Array
    """Mean square error on the row that is left out, shape (J, q)."""
    residual: Array
    """Mean square residual on the rows themselves, shape (J, q)."""
    each: Array
    """Mean of the squared residuals, each over what noise of variance 1 leaves there, shape (J, q)."""
    scatter: Array
    """Variance of the squared leave-one-out error over its squared mean, shape (J, q)."""
    common: Array
    """Covariance of the squared leave-one-out error and the squared target, over both means, shape (J, q)."""
    influence: Array
    """Variance over rows of what each does to the sum of squared leave-one-out errors, over their squared mean, shape
    (J, q)."""
    influence_common: Array
    """Covariance of that and the squared target, over both means, shape (J, q)."""
    uptake: Array
    """Mean square error on left-out rows of noise of variance 1 alone, shape (J,)."""
    outlying: Array
    """What a row takes up of that noise, in the mean of the rows that take up much, shape (J,)."""
    variance: Array
    """Variance of each target (about its mean where an intercept is fitted), shape (q,)."""
    variance_scatter: Array
    """Variance of the squared target over its squared mean, shape (q,)."""
    lengths: Lengths
    """The law of the factor τ that all components of a row have in common."""
    slope: Array
    """Slope of the squared leave-one-out error over τ, shape (J, q)."""
    leverage: float
    """Variance of the squared lengths of rows over that of Gaussian rows with this spectrum."""
    narrowest: float
    """Least over largest variance of a column, of those that vary."""
    carried: Array
    """By column the share of the rows in which it really varies, shape (p,); empty where nothing is standardised."""
    drift: Array
    """By target the difference of the leave-one-out errors of the first and the second half, in standard errors."""
    likeness: Array
    """By target the correlation of the leave-one-out errors of rows that follow each other, shape (q,)."""
    steps: Array
    """Standard errors of the steps of ln E∞ from penalty to penalty, shape (J - 1, q)."""
    training: Array
    """Covariance of the slopes of ln E∞ and of ln of the error of students of these rows, over ln a, shape (J, q)."""


def _centre_and_scale(inputs: Array, rows: Rows, intercept: bool, standardise: bool) -> tuple[Array, Array]:
    """Return by column what is subtracted and what is divided by; a column that does not vary is divided by 1."""
    p = inputs.shape[1]
    mean, scale = np.zeros(p), np.ones(p)
    if intercept or standardise:
        for _, block in _blocks(inputs, rows):
            mean += block.sum(axis=0)
        mean /= rows.size
    if standardise:
        square = np.zeros(p)
        for _, block in _blocks(inputs, rows):
            square += ((block - mean) ** 2).sum(axis=0)
        deviation = np.sqrt(square / rows.size)
        varies = deviation > 1e-12 * np.abs(mean)
        scale = np.where(varies, deviation, 1.0)
    return (mean if intercept else np.zeros(p)), scale


def decompose(
    inputs: Array, targets: Array, rows: Rows | None = None, *, intercept: bool = True, standardise: bool = False
) -> KnownRows:
    r"""Return the spectrum of the known rows and leave-one-out errors along the ridge path.

    With the singular value decomposition of the centred inputs, :math:`X = U \sqrt{s} V^T`, :math:`c = U^T y`,
    :math:`t_k = a / (s_k + a)`, the residuals and the errors on left-out rows are

    .. math::
        r = (1 - U U^T) y + U t c, \qquad
        e_i = \frac{r_i}{(1 - 1/n - \sum_k U_{ik}^2) + \sum_k U_{ik}^2 t_k} .

    Parameters
    ----------
    inputs : ndarray, shape (N, p)
        One row an example; it is not changed and not copied.
    targets : ndarray, shape (N, q)
    rows : ndarray of int, shape (n,), optional
        The rows that are known, in the order of the file; all by default.
    intercept : bool
        Whether a constant without penalty is fitted.
    standardise : bool
        Whether each column is divided by its standard deviation over these rows.

    Returns
    -------
    KnownRows

    Raises
    ------
    InputError
        If no input varies.

    Notes
    -----
    O(n p min(n, p)) for the decomposition and O(n r J (1 + q)) for the errors of J penalties; memory min(n, p)²
    numbers and a few blocks of rows beside the table.  The matrix of sums of squares is decomposed, so directions
    whose variance is below 1e-15 of the largest count as not varying.

    References
    ----------
    theory/learning_curve.md, eqs. 2-5, 12a-12c, 31-34.
    """
    rows = np.arange(len(inputs)) if rows is None else rows
    n, p = rows.size, inputs.shape[1]
    mean, scale = _centre_and_scale(inputs, rows, intercept, standardise)
    free = n - 1 if intercept else n
    y = targets[rows]
    y = y - y.mean(axis=0) if intercept else y
    q = y.shape[1]
    basis: Array | None = None
    wide = p > n
    squares = np.zeros(p)
    if wide:
        gram = np.zeros((n, n))
        step = max(1, BLOCK // n)
        for first in range(0, p, step):
            place = slice(first, first + step)
            part = (inputs[rows, place] - mean[place]) / scale[place]
            gram += part @ part.T
            squares[place] = (part * part).sum(axis=0)
        s, basis = _eigen(gram, max(n, p))
    else:
        gram = np.zeros((p, p))
        for _, block in _blocks(inputs, rows):
            part = (block - mean) / scale
            gram += part.T @ part
        squares = np.diag(gram).copy()
        s, vectors = _eigen(gram, max(n, p))
        projector = vectors / np.sqrt(s)
    del gram
    varying = squares[squares > 0]
    if s.size == 0:
        raise InputError("no column of the inputs varies over the known rows")
    if s.size > free:
        s, basis = s[:free], None if basis is None else basis[:, :free]
    r = s.size

    def sides() -> Iterator[tuple[slice, Array]]:
        for place, block in _blocks(inputs, rows):
            yield place, basis[place] if basis is not None else ((block - mean) / scale) @ projector[:, :r]

    c = np.zeros((r, q))
    fourth = second = 0.0
    pairs = Pairs(r, n, free)
    for place, u in sides():
        c += u.T @ y[place]
        square = u * u
        pairs.add(place, square)
        lengths = square @ s
        second += float(lengths.sum())
        fourth += float((lengths**2).sum())
    tau = pairs.lengths()
    del pairs
    law = Lengths.classed(tau)
    bounded = tau / (1.0 + tau)  # so that no row decides the slope alone
    bounded -= bounded.mean()
    steepest = float(bounded @ tau)
    folds = math.log(s[0] / s[-1] * BEYOND**2)
    a = np.geomspace(s[-1] / BEYOND, s[0] * BEYOND, math.ceil(PER_FOLD * folds) + 1)
    t = a / (s[:, None] + a)
    sums = np.zeros((6, a.size, q))  # of r², e², e⁴, e² z², e² of the early rows, and r² over what noise leaves
    steep, taken = np.zeros((a.size, q)), np.zeros((3, a.size))
    early_square, neighbours = np.zeros((a.size, q)), np.zeros((a.size, q))
    steps = Steps(np.log(a), q)
    last = np.zeros((a.size, q))  # the errors of the row before
    late = np.arange(n) >= n // 2
    chosen = slice(PER_FOLD // 2, None, PER_FOLD)
    influences = Influences(t[:, chosen], n, free, q)

    def kept(u: Array, at: slice) -> Array:
        """Return 1 - h of some rows at some penalties."""
        share = (u * u) @ t[:, at]
        if r < free:
            share += (free / n - (u * u).sum(axis=1))[:, None]
        return np.asarray(share)

    def noise_left(u: Array, share: Array) -> Array:
        """Return what noise of variance 1 leaves in squared residuals; by Schwarz at least (1 - h)²."""
        found = (u * u) @ t**2
        if r < free:
            found += (free / n - (u * u).sum(axis=1))[:, None]
        return np.maximum(found, share**2)

    def residuals(place: slice, u: Array, k: int, at: slice) -> Array:
        found = u @ (t[:, at] * c[:, k, None])
        if r < free:
            found += (y[place, k] - u @ c[:, k])[:, None]
        return np.asarray(found)

    for place, u in sides():
        share = kept(u, slice(None))
        noise = noise_left(u, share)
        up = noise / share**2 - 1.0
        taken += [part.sum(axis=0) for part in (up, up**2 / (1.0 + up), up**3 / (1.0 + up))]
        for k in range(q):
            residual = residuals(place, u, k, slice(None))
            sums[0, :, k] += (residual**2).sum(axis=0)
            sums[5, :, k] += (residual**2 / noise).sum(axis=0)
            signed = residual / share
            influences.add(u, signed[:, chosen], share[:, chosen], k)
            neighbours[:, k] += (signed[1:] * signed[:-1]).sum(axis=0) + last[:, k] * signed[0]
            last[:, k] = signed[-1]
            error = signed**2
            steps.add(residual, signed, k)
            sums[1, :, k] += error.sum(axis=0)
            steep[:, k] += bounded[place] @ error
            sums[2, :, k] += (error**2).sum(axis=0)
            sums[3, :, k] += y[place, k] ** 2 @ error
            early = ~late[place]
            sums[4, :, k] += error[early].sum(axis=0)
            early_square[:, k] += (error[early] ** 2).sum(axis=0)
    for place, u in sides():
        share = kept(u, chosen)
        for k in range(q):
            influences.spread(u, residuals(place, u, k, chosen) / share, share, y[place, k], k)
    y_squares = y**2
    variance = y_squares.mean(axis=0)
    safe = np.where(variance > 0, variance, 1.0)
    loo = sums[1] / n
    positive = np.where(loo > 0, loo, 1.0)
    scatter = np.maximum(sums[2] / n / positive**2 - 1.0, 0.0)
    influence, influence_common = influences.variances(loo[chosen], safe)

    def everywhere(part: Array) -> Array:
        logarithm = np.log(a)
        return np.column_stack([np.interp(logarithm, logarithm[chosen], part[:, k]) for k in range(q)])

    return KnownRows(
        rows=n,
        free=free,
        columns=p,
        standardised=standardise,
        s=s,
        penalties=a,
        loo=loo,
        residual=sums[0] / n,
        each=sums[5] / n,
        uptake=1.0 + taken[0] / n,
        outlying=taken[2] / np.maximum(taken[1], 1e-300),
        scatter=scatter,
        common=sums[3] / n / positive / safe - 1.0,
        influence=everywhere(influence),
        influence_common=everywhere(influence_common),
        variance=variance * n / free,
        lengths=law,
        slope=steep / steepest if steepest > 0 else np.zeros_like(loo),
        variance_scatter=np.maximum((y_squares**2).mean(axis=0) / safe**2 - 1.0, 0.0),
        leverage=_leverage(n, s, second, fourth),
        narrowest=float(varying.min() / varying.max()),
        carried=carried(inputs, rows) if standardise else np.empty(0),
        drift=_drift(n, loo, sums, early_square),
        likeness=neighbours[loo.argmin(axis=0), np.arange(q)] / np.maximum(sums[1].min(axis=0), 1e-300),
        steps=steps.errors(n, s, free, a),
        training=covariance_with_students(t, c, sums[0], loo, n),
    )


def _leverage(n: int, s: Array, second: float, fourth: float) -> float:
    """Return how much more the squared lengths of rows scatter than those of Gaussian rows with the same spectrum."""
    mean = second / n
    found = fourth / n / mean**2 - 1.0
    expected = 2.0 * float((s**2).sum()) / float(s.sum()) ** 2
    return found / expected if expected > 0 else 1.0


def _drift(n: int, loo: Array, sums: Array, early_square: Array) -> Array:
    """Return early minus late mean square leave-one-out error at the best penalty, in standard errors."""
    best = loo.argmin(axis=0)
    columns = np.arange(loo.shape[1])
    early, half = n // 2, n - n // 2
    total, total_square = sums[1][best, columns], sums[2][best, columns]
    first, first_square = sums[4][best, columns], early_square[best, columns]
    means = first / early, (total - first) / half
    spread = (first_square / early - means[0] ** 2) / early + (
        (total_square - first_square) / half - means[1] ** 2
    ) / half
    return np.where(spread > 0, (means[0] - means[1]) / np.sqrt(np.maximum(spread, 1e-300)), 0.0)


def _eigen(matrix: Array, size: int) -> tuple[Array, Array]:
    """Return the positive eigenvalues of a matrix of sums of squares, descending, and their eigenvectors."""
    from scipy.linalg import eigh

    values, vectors = eigh(matrix, overwrite_a=True, check_finite=False, driver="evd")
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = values > values[0] * np.finfo(float).eps * size if values[0] > 0 else np.zeros(values.size, dtype=bool)
    return np.ascontiguousarray(values[kept]), np.ascontiguousarray(vectors[:, kept])


def _blocks(inputs: Array, rows: Rows) -> Iterator[tuple[slice, Array]]:
    """Yield some rows in blocks, with the place of each block among them."""
    step = max(1, BLOCK // max(inputs.shape[1], 1))
    for first in range(0, rows.size, step):
        place = slice(first, min(first + step, rows.size))
        yield place, inputs[rows[place]]
