"""Predicted learning curves: errors of ridge regression at any number of rows and any penalty, and its best penalty."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.theory.learning_curve.lengths import Factors
from tsmech.theory.learning_curve.optimism import choose
from tsmech.theory.learning_curve.population import Population
from tsmech.theory.learning_curve.selection import excess

Array = NDArray[np.float64]

LARGEST_ROWS = 1e12
"""Most rows that are asked for: beyond it an error counts as never reached."""


class Prediction(NamedTuple):
    """Errors at some sizes, each with its standard error; mean squares, shape (sizes, q)."""

    rows: Array
    """Shape (sizes,)."""
    mean_square: Array
    mean_square_error: Array
    train: Array
    train_error: Array
    explained: Array
    explained_error: Array
    penalty: Array
    """The penalty a on the scale of the sum of squares."""
    penalty_error: Array
    """That of the best penalty; zero where it is given."""


def predict(
    population: Population,
    rows: ArrayLike,
    penalty: float | None,
    *,
    reported: float = np.inf,
    within: bool = False,
) -> Prediction:
    r"""Errors of ridge regression on m rows, with a given penalty or the best one.

    With κ from :math:`\kappa (1 - df_1(\kappa)/\mu) = a/\mu`, :math:`\mu = m - 1` with an intercept and m without,

    .. math::
        MSE = \frac{(1 + 1/m) E_\infty(\kappa)}{1 - df_2(\kappa)/\mu}, \qquad
        \text{train} = \frac{\mu}{m} \Bigl(1 - \frac{df_1}{\mu}\Bigr)^2 \frac{E_\infty(\kappa)}{1 - df_2(\kappa)/\mu} .

    Parameters
    ----------
    population : Population
        From :func:`~tsmech.theory.learning_curve.population.estimate`.
    rows : array_like, shape (sizes,)
        m, the numbers of training rows, at least 3.
    penalty : float or None
        a ≥ 0 on the scale of the sum of squares (scikit-learn's ``alpha``), or None for the best at each size.
    reported : float
        Number of rows on which the error is going to be measured: their scatter is added to the standard error of
        the test error and of the explained variance; infinity for the error over the population.
    within : bool
        Whether each training set chooses its penalty by its own leave-one-out errors, where none is given.

    Returns
    -------
    Prediction
        Infinite at the interpolation threshold of a penalty of zero.

    Notes
    -----
    O(k) for each size, k the number of tabulated κ.  The standard error says how well the known rows determine the
    error; the error of the limit itself, of relative order 1/(m - df2), is not part of it.  The least of the
    estimated curve is low by chance: where the penalty is chosen, errors are raised by what that is in the mean.

    References
    ----------
    theory/learning_curve.md, eqs. 6, 7, 12c, 16, 20-22, 40 and 43; 21a where columns are standardised.
    """
    m = np.atleast_1d(np.asarray(rows, dtype=float))
    q = population.error.shape[1]
    shape = (m.size, q)
    mean_square, train, used, unsure, at = (np.zeros(shape) for _ in range(5))
    constant = 1.0 if population.intercept else 0.0
    for i, size in enumerate(m):
        here = _AtSize(population, size - constant)
        for k in range(q):
            raised = 1.0
            if penalty is None:
                share = min(1.0, population.known / size)
                at[i, k], used[i, k], unsure[i, k], raised = here.best(k, share, within)
            else:
                used[i, k], at[i, k] = penalty, here.log_kappa(penalty)
            whole, left = here.errors(at[i, k], k)
            mean_square[i, k] = raised * whole * (1.0 + constant / size)
            train[i, k] = raised * left * (size - constant) / size
    relative, of_ratio, scatter, common = (
        np.column_stack([np.interp(at[:, k], population.log_kappa, part[:, k]) for k in range(q)])
        for part in (population.relative, population.ratio, population.scatter, population.common)
    )
    more = scatter / reported
    of_variance = population.variance_scatter
    # the ratio to the target's variance, which is measured on the same rows, about their own mean
    ratio = mean_square / (population.variance * (1.0 - constant / reported))
    own = np.maximum(scatter - 2.0 * common + of_variance, 0.0)
    return Prediction(
        m,
        mean_square,
        mean_square * np.hypot(relative, np.sqrt(more)),
        train,
        train * relative,
        1.0 - ratio,
        np.hypot(ratio * np.sqrt(of_ratio**2 + own / reported), constant * np.sqrt(2.0) / reported),
        used,
        unsure,
    )


class _AtSize:
    """The population as a training set of some free rows sees it."""

    def __init__(self, population: Population, free: float) -> None:
        self.population, self.free = population, free
        left = free - population.df1
        self.factors = population.lengths.factors(population.df1 / free)
        self.penalties = np.exp(population.log_kappa) * left / self.factors.penalty  # that leads to each κ at this size
        if population.standardised:  # variances over few rows are smaller in the mean
            self.penalties *= (1.0 - 1.0 / population.known) / (1.0 - 1.0 / (free + population.intercept))
        self.start = int(np.argmax(left > 0))
        fewer = (population.known - 1.0 - (1.0 if population.intercept else 0.0)) / free
        slower = (1.0 + population.outlying) / (1.0 + fewer * population.outlying) if fewer > 1.0 else np.ones(1)
        self.unlike = population.excess * (fewer**2 * slower)[:, None]  # eq. 12c

    def log_kappa(self, penalty: float) -> float:
        """Return ln κ at a penalty; the penalties increase with κ once they are positive."""
        first = max(self.start - 1, 0)
        increasing = np.maximum.accumulate(self.penalties[first:])
        return float(np.interp(penalty, increasing, self.population.log_kappa[first:]))

    def errors(self, at: float, target: int) -> tuple[float, float]:
        """Return the mean square errors on new rows, the mean of all being known, and on the training rows."""
        found = self.population
        parts = (found.df1, found.df2, found.error[:, target], found.noise_slope[:, target])
        df1, df2, error, slope = (np.array([np.interp(at, found.log_kappa, part)]) for part in parts)
        noise, factors = found.noise[target], found.lengths.factors(df1 / self.free)
        unlike = np.array([np.interp(at, found.log_kappa, self.unlike[:, target])])
        whole, test = (
            float(_mean_square(error, df2 / self.free, noise, slope, more, factors)[0])
            for more in (np.zeros(1), unlike)
        )
        if 1.0 - df1[0] / self.free < 1e-9:
            return test, 0.0
        train = factors.left * whole + factors.left_slope * (whole - noise + slope)
        return test, max(float(train[0]), 0.0)

    def best(self, target: int, share: float, within: bool) -> tuple[float, float, float, float]:
        """Return ln κ at the best penalty, that penalty, its standard error, and by what the error there is raised.

        ``share`` is that of the known rows among those that the student is trained on, over their own number; a
        penalty that is chosen ``within`` the training set is another one for each, and the error there larger.
        """
        found, kept = self.population, slice(self.start, None)
        factors = Factors(*(part[kept] for part in self.factors))
        curve = _mean_square(
            found.cautious[kept, target],
            found.df2[kept] / self.free,
            found.noise[target],
            found.noise_slope[kept, target],
            self.unlike[kept, target],
            factors,
        )
        penalties = self.penalties[kept]
        wander, training = found.slopes.at(found.log_kappa[kept], target)
        unknown = np.log1p(found.open[kept, target])  # what the curve is raised by is no luck
        choice = choose(curve, wander - unknown, np.zeros_like(training) if within else share * training)
        chosen, (low, high) = penalties[choice.place], np.log(penalties[[choice.lower, choice.upper]])
        error = chosen * np.expm1(0.5 * (high - low))
        least = curve[choice.place]
        # what is chosen is no worse than to learn nothing, from which it is told by the error of the ratio of both
        unsure = min(found.relative[-1, target], found.ratio[kept, target][choice.place])
        worst = curve[-1] * (1.0 + 2.0 * unsure)
        most = np.log(worst / least) if least > 0.0 else 0.0
        optimism = choice.optimism
        if within:  # half of it is what the known rows' choice loses, and theirs is not taken
            known = found.known - (1.0 if found.intercept else 0.0)
            both = (_AtSize(found, known).penalties[kept], penalties)
            own = excess(found.log_kappa[kept], curve, both, found.s, (known, self.free), found.own, target)
            optimism = 0.5 * optimism + float(np.log(own))
        raised = np.exp(min(optimism, most))
        return float(found.log_kappa[kept][choice.place]), float(chosen), float(error), float(raised)


def _mean_square(error: Array, share: Array, noise: float, slope: Array, unlike: Array, factors: Factors) -> Array:
    """Return the mean square error at κ where the student learns a share df2/μ, the mean being known (eqs. 12c, 33).

    Never below that of infinitely many rows at this κ, whatever the estimated noise is.
    """
    rest = 1.0 - factors.error * share
    more = share * (factors.noise - factors.error)
    whole = error + noise * (more + unlike * (1.0 + more)) + share * slope * factors.slope
    return np.where(rest > 1e-9, np.maximum(whole / np.maximum(rest, 1e-9), error), np.where(error > 0, np.inf, 0.0))


class Needed(NamedTuple):
    """The number of rows that reach an error, and between which numbers it lies within one standard error."""

    rows: float
    least: float
    most: float


def rows_for(
    population: Population, mean_square: float, penalty: float | None, target: int = 0, *, within: bool = False
) -> Needed:
    """Return how many rows bring the mean square error of one target down to a value, for good.

    Parameters
    ----------
    population : Population
    mean_square : float
        The error that is to be reached, > 0.
    penalty : float or None
    target : int
        Which of the targets.
    within : bool
        With the penalty as in :func:`predict`.

    Returns
    -------
    Needed
        Infinite where no number of rows up to 1e12 is enough.  ``least`` and ``most`` are the numbers at which the
        error minus, and plus, its standard error is reached.

    References
    ----------
    theory/learning_curve.md, section 6.
    """
    sizes = np.geomspace(4.0, LARGEST_ROWS, 700)
    found = predict(population, sizes, penalty, within=within)
    value, error = found.mean_square[:, target], found.mean_square_error[:, target]
    return Needed(*(_reached(sizes, curve, mean_square) for curve in (value, value - error, value + error)))


def _reached(sizes: Array, curve: Array, level: float) -> float:
    """Return the size from which on a curve stays at or below a level, interpolated in the logarithm."""
    above = np.flatnonzero(curve > level)
    if above.size == 0:
        return float(sizes[0])
    last = int(above[-1])
    if last == sizes.size - 1:
        return float("inf")
    if not np.isfinite(curve[last]):
        return float(sizes[last + 1])
    share = (curve[last] - level) / (curve[last] - curve[last + 1])
    return float(np.exp(np.log(sizes[last]) + share * np.log(sizes[last + 1] / sizes[last])))


def noise_floor(population: Population) -> tuple[Array, Array]:
    """Return the mean square error of infinitely many rows without a penalty, and its standard error, shape (q,).

    Eq. 23.  Where there were fewer known rows than columns it is what the continuation leaves of the error, and its
    standard error says how little is known of it.
    """
    return population.error[0], population.error[0] * population.relative[0]
