"""Random features of a linear teacher for D → ∞ at fixed examples and features per input dimension.

The predictor is a·g(F x/√D)/√n_f, the loss Σ_μ (y_μ - …)² + λ|a|², its limit λ → 0⁺ (the solution of least norm)
included.  All answers are rational functions of one number, the effective penalty k of the infinite network trained on
infinitely many examples.  Derivations and equation numbers: theory/random_features.md.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.fields.hermite import HermiteConstants

Array = NDArray[np.float64]

THRESHOLD_WIDTH = 8 * np.finfo(float).eps
"""Relative distance within which examples and features count as equally many: a few units of rounding."""

SMALLEST = 1e-90
"""The penalty that stands for λ → 0⁺ where errors are limits of 0/0: linear features, at least as many as inputs."""

VANISHING = 1e-20
"""... and what is smaller then, or larger than its inverse, is zero, or infinite, in the limit."""

MOST_STEPS = 500
"""Steps of Newton's method: from far below the root each doubles the effective penalty."""

GRID = np.geomspace(1e-14, 1e14, 225)
"""Penalties, in units of the features' variance, among which :func:`optimal_penalty` brackets the minimum."""


FARTHEST = 1e15
"""Sizes beyond this, or below its inverse, are refused: products of a few of them have to keep their digits."""

RESOLUTION = 1e-7
"""Relative width to which the best penalty is enclosed: the error is flat there."""

BETTER = 1e-13
"""Relative gain from which on a penalty is better than none: below is rounding."""


class Sizes(NamedTuple):
    """The effective penalty and what follows from it: all that errors are made of (note, eqs. 7-10)."""

    alpha: Array
    features: Array
    learned: Array
    """ρ = μ₁²/(μ₁² + k), the response of the mean predictor to the linear part of the teacher."""
    missed: Array
    """1 - ρ = k/(μ₁² + k), what the mean predictor lacks of the teacher."""
    curved: Array
    """h - ρ = μ*²/k, the degrees of freedom per input dimension that go into the nonlinear part of the features."""
    over_examples: Array
    """δ_α = α - h."""
    over_features: Array
    """δ_ψ = ψ - h."""
    limit: NDArray[np.bool_]
    """Where a penalty of :data:`SMALLEST` stands for λ → 0⁺."""


def errors(
    alpha: ArrayLike,
    features: ArrayLike,
    penalty: ArrayLike,
    constants: HermiteConstants,
    noise: ArrayLike = 0.0,
    signal: ArrayLike = 1.0,
    nonlinearity: ArrayLike = 0.0,
    networks: ArrayLike = 1,
) -> dict[str, Array]:
    r"""Errors of regression on random features, and their decomposition.

    With the effective penalty k of :func:`effective_sizes`,
    :math:`\rho = \mu_1^2/(\mu_1^2 + k)`, :math:`h = \rho + \mu_*^2/k`, :math:`g = h - \rho^2`,
    :math:`q = \psi - \rho^2` and
    :math:`\Delta = (\alpha - \rho^2)\, q - g^2`, for a linear part of the teacher of variance :math:`V_1 = (1 - u) V`,

    .. math::
        \text{bias} = \frac{V_1 (1 - \rho)^2 + u V}{2}, \qquad
        \text{variance\_examples} = \frac{\rho^2}{2}\, \frac{V_1 (1 - \rho)^2 + u V}{\alpha - \rho^2}, \\
        \text{variance\_features} = \frac{\alpha\, g}{2 K \Delta (\alpha - \rho^2)}
            \bigl\{ V_1 (1 - \rho) [\rho (\alpha - \rho^2) + (1 - \rho) g] + u V g \bigr\}, \\
        \text{variance\_noise} = \frac{\sigma^2}{2} \Bigl[ \frac{\rho^2}{\alpha - \rho^2}
            + \frac{\alpha\, g^2}{K \Delta (\alpha - \rho^2)} \Bigr], \qquad
        \text{train\_error} = \Bigl( \frac{\alpha - h}{\alpha} \Bigr)^2 \text{test\_error} .

    Parameters
    ----------
    alpha, features : array_like
        Training examples and random features per input dimension, P/D and ψ = n_f/D, > 0.
    penalty : array_like
        λ >= 0; 0 is the limit λ → 0⁺.
    constants : HermiteConstants
        μ₀, μ₁ and μ*² of the activation; μ₀ does not matter.
    noise : array_like
        σ >= 0, standard deviation of the label noise.
    signal, nonlinearity : array_like
        V >= 0, variance of the teacher's clean output, and u in [0, 1], the share of it that is not linear.
    networks : array_like
        K >= 1, networks whose predictors are averaged.

    Returns
    -------
    dict of ndarray, each in the broadcast shape of the arguments
        ``generalization_error``, ``test_error``, ``train_error``, ``bias``, ``variance_noise``, ``variance_features``
        and ``variance_examples``.  What diverges at λ = 0 is ``inf`` there.

    Raises
    ------
    InputError
        If a parameter is outside its range.

    Notes
    -----
    Limit D → ∞ at fixed alpha and features, Gaussian inputs and first-layer weights.  Nearly equal numbers are never
    subtracted.  Closed form at λ = 0, else a few steps of Newton's method, all points at once.

    References
    ----------
    theory/random_features.md, eqs. 7-19.  Mei & Montanari, arXiv:1908.05355; d'Ascoli et al., arXiv:2003.01054.

    Examples
    --------
    >>> from tsmech.theory.fields.hermite import hermite_constants
    >>> found = errors(2.0, [1.0, 2.0, 4.0], 0.0, hermite_constants("relu"), noise=0.5)
    >>> print(found["test_error"].round(4))
    [0.6979    inf 0.4543]
    """
    sigma, variance, u, many = (
        in_range("noise", noise, largest=FARTHEST),
        in_range("signal", signal, largest=FARTHEST),
        in_range("nonlinearity", nonlinearity, largest=1.0),
        in_range("networks", networks, positive=True),
    )
    sizes = effective_sizes(alpha, features, penalty, constants)
    a, _, rho, missed, curved, over_a, over_f, limit = sizes
    g = curved + rho * missed
    of_examples, of_features = over_a + g, over_f + g  # α - ρ² and ψ - ρ²
    mixed = g / of_features
    narrow = over_a + mixed * over_f  # Δ/(ψ - ρ²)
    linear, hidden = (1 - u) * variance, u * variance

    lever = g / of_examples
    shared = rho**2 / of_examples  # of the predictor that is averaged over the features
    with np.errstate(divide="ignore"):
        gain = a / narrow
    added, missing = gain * mixed * lever, gain * mixed * missed * (rho + missed * lever)  # by those of one network

    fitted = over_a * _ratio(over_a, narrow) / a
    remains = linear * _limited(missed**2, limit) + hidden
    train = over_a * over_a / (a * of_examples) * (remains + sigma**2)
    train += fitted * mixed * (linear * missed * (rho + missed * lever) + (hidden + sigma**2) * lever) / many
    found = {
        "bias": remains / 2,
        "variance_noise": _share(sigma**2, _limited(shared + added / many, limit)) / 2,
        "variance_features": (_share(linear, _limited(missing, limit)) + _share(hidden, _limited(added, limit)))
        / (2 * many),
        "variance_examples": (
            _share(linear, _limited(missed**2 * shared, limit)) + _share(hidden, _limited(shared, limit))
        )
        / 2,
    }
    total = sum(found.values(), np.zeros(()))
    return {
        "generalization_error": total,
        "test_error": total + sigma**2 / 2,
        "train_error": _limited(train, limit) / 2,
        **found,
    }


def effective_sizes(
    alpha: ArrayLike,
    features: ArrayLike,
    penalty: ArrayLike,
    constants: HermiteConstants,
) -> Sizes:
    r"""Solve for the effective penalty k.

    .. math:: \psi \lambda = k\, (\alpha - h)\, (\psi - h), \qquad
        h = \frac{\mu_1^2}{\mu_1^2 + k} + \frac{\mu_*^2}{k} < \min(\alpha, \psi)

    Parameters
    ----------
    alpha, features, penalty, constants
        As of :func:`errors`.

    Notes
    -----
    Newton's method from below, where it converges monotonically: both h and the distance δ of h from the smaller of
    alpha and ψ, the positive root of δ (δ + abs(α - ψ)) = ψ λ/k, are convex and decreasing in k.

    References
    ----------
    theory/random_features.md, eqs. 8-10.
    """
    a, psi, lam, mu_1, rest = np.broadcast_arrays(
        _bounded("alpha", alpha),
        _bounded("features", features),
        in_range("penalty", penalty, largest=FARTHEST),
        np.asarray(constants.linear),
        np.asarray(constants.rest),
    )
    m = mu_1**2
    least, apart = np.minimum(a, psi), abs(a - psi)
    apart = np.where(apart <= THRESHOLD_WIDTH * np.maximum(a, psi), 0.0, apart)
    limit = (lam == 0) & (rest == 0) & (least >= 1)
    scaled = psi * np.where(limit, SMALLEST, lam)  # ψ λ

    k = np.maximum(_learns(least, m, rest), scaled / (least * (least + apart)))
    solved = np.zeros(k.shape, dtype=bool)  # what is found stays, however many steps others take
    for _ in range(MOST_STEPS):
        root = np.sqrt(apart**2 + 4 * scaled / k)
        distance = _distance(scaled / k, apart, root)
        value = np.where(least < 0.5, m / (m + k) - least, (1 - least) - k / (m + k)) + rest / k + distance
        slope = m / (m + k) ** 2 + rest / k**2 + _ratio(scaled / k**2, root)
        change = np.where(solved, 0.0, np.maximum(value, 0.0) / slope)
        k = k + change
        solved |= change <= 1e-15 * k
        if solved.all():
            break
    else:
        raise ConvergenceError(f"the effective penalty was not found in {MOST_STEPS} steps of Newton's method")
    distance = _distance(scaled / k, apart, np.sqrt(apart**2 + 4 * scaled / k))
    fewer = a <= psi
    return Sizes(
        alpha=a,
        features=psi,
        learned=m / (m + k),
        missed=k / (m + k),
        curved=rest / k,
        over_examples=np.where(fewer, distance, distance + apart),
        over_features=np.where(fewer, distance + apart, distance),
        limit=limit,
    )


def optimal_penalty(
    alpha: ArrayLike,
    features: ArrayLike,
    constants: HermiteConstants,
    noise: ArrayLike,
    signal: ArrayLike = 1.0,
    nonlinearity: ArrayLike = 0.0,
    networks: ArrayLike = 1,
) -> Array:
    """Return the penalty λ >= 0 of the least generalization error; infinity where it is best to learn nothing.

    Parameters
    ----------
    alpha, features, constants, noise, signal, nonlinearity, networks
        As of :func:`errors`.

    Returns
    -------
    ndarray, in the broadcast shape of the arguments

    Notes
    -----
    The least of the minima that 8 penalties a decade bracket, enclosed to 1e-7; 0 where no penalty does better.

    References
    ----------
    theory/random_features.md, section 5.

    Examples
    --------
    >>> from tsmech.theory.fields.hermite import hermite_constants
    >>> print(f"{optimal_penalty(2.0, 1e9, hermite_constants('linear'), noise=0.5):.6f}")
    0.250000
    """
    given = alpha, features, *constants, noise, signal, nonlinearity, networks
    points = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in given))
    a, psi, *moments, sigma, variance, u, many = (column.reshape(-1, 1) for column in points)
    _, mu_1, rest = of_activation = np.stack(moments)

    def error(rows: NDArray[np.intp], penalty: Array) -> Array:
        of = HermiteConstants(*of_activation[:, rows])
        found = errors(a[rows], psi[rows], penalty, of, sigma[rows], variance[rows], u[rows], many[rows])
        return found["generalization_error"]

    best = np.full(a.size, math.inf)
    rows = np.flatnonzero((mu_1 != 0) & (variance * (1 - u) != 0))
    penalties = GRID * (mu_1**2 + rest)[rows] * np.maximum(1.0, 1.0 / psi[rows])
    last = (penalties <= FARTHEST).sum(axis=1) - 1
    at = error(rows, np.minimum(penalties, FARTHEST))
    bracketed = (at[:, 1:-1] <= at[:, :-2]) & (at[:, 1:-1] < at[:, 2:]) & (np.arange(1, GRID.size - 1) < last[:, None])
    of, place = np.nonzero(bracketed)
    low, high = np.log(penalties[of, place]), np.log(penalties[of, place + 2])
    found, least = np.zeros(of.size), np.full(of.size, math.inf)
    while (wide := np.flatnonzero(high - low > RESOLUTION)).size:
        between = np.linspace(low[wide], high[wide], 41, axis=1)
        values = error(rows[of[wide]], np.exp(between))
        middle, each = values.argmin(axis=1), np.arange(wide.size)
        found[wide], least[wide] = np.exp(between[each, middle]), values[each, middle]
        low[wide], high[wide] = between[each, np.maximum(middle - 1, 0)], between[each, np.minimum(middle + 1, 40)]
    without = error(rows, np.zeros((rows.size, 1)))[:, 0]
    lowest, penalty = without.copy(), np.zeros(rows.size)
    for row, value, one in zip(of, least, found, strict=True):
        if value < (1 - BETTER) * lowest[row]:
            lowest[row], penalty[row] = value, one
    best[rows] = np.where(lowest < at[np.arange(rows.size), last], penalty, math.inf)
    return best.reshape(points[0].shape)


def _bounded(name: str, value: ArrayLike) -> Array:
    array = in_range(name, value, positive=True, largest=FARTHEST)
    if (array < 1 / FARTHEST).any():
        raise InputError(f"{name} = {float(array.min())!r}: must lie between {1 / FARTHEST:g} and {FARTHEST:g}")
    return array


def _learns(least: Array, m: Array, rest: Array) -> Array:
    """Return the k >= 0 at which h = least: the positive root of least k² + (least m - m - μ*²) k = μ*² m."""
    slope = (least - 1) * m - rest
    root = np.sqrt(slope**2 + 4 * least * rest * m)
    return np.where(slope < 0, (root - slope) / (2 * least), _ratio(2 * rest * m, slope + root))


def _distance(product: Array, apart: Array, root: Array) -> Array:
    """Return the positive root δ of δ (δ + apart) = product, given √(apart² + 4 product)."""
    return _ratio(2 * product, apart + root)


def _ratio(numerator: Array, denominator: Array) -> Array:
    """Return the ratio, 0 where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.zeros(np.shape(denominator)), where=denominator != 0)


def _limited(value: Array, limit: NDArray[np.bool_]) -> Array:
    """Return 0 and infinity for what is small and large where a penalty stands for λ → 0⁺."""
    value = np.where(limit & (value > 1 / VANISHING), np.inf, value)
    return np.where(limit & (value < VANISHING), 0.0, value)


def _share(variance: Array, factor: Array) -> Array:
    """Return the product, 0 where the variance is 0 though the factor be infinite."""
    return np.where(variance > 0, variance * np.where(variance > 0, factor, 0.0), 0.0)
