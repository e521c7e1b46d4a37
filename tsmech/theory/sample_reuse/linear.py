r"""Training a linear unit on P = alpha N stored examples at N → ∞, epoch by epoch.

A mode of XᵀX/P with eigenvalue l is learnt at the rate a l and forgotten, by weight decay, at the rate c; a and c are
per epoch.  :func:`linear_unit` follows gradient descent, in steps or continuous, and SGD that draws its examples with
replacement, whose noise is added exactly by a Volterra equation.  Derivations and equation numbers:
``theory/sample_reuse.md``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import InputError
from tsmech.kernels.divergence import bound as bound_of
from tsmech.theory.spectra import marchenko_pastur

Array = NDArray[np.float64]

NEGLIGIBLE = 1e-18
"""Share of the sum Σ l below which a mode is left out of the fluctuations, and of the weights that decay may take."""

RESOLUTION = 1e-9
"""Share of an epoch to which it is told when SGD has diverged."""


class LinearCurve(NamedTuple):
    """A linear unit along the n epochs that it reached, each of shape (n,)."""

    Q: Array
    """Mean square weight, w·w/N."""
    R: Array
    """Weights along the teacher's direction over √N, w·b/(N β)."""
    generalization_error: Array
    train_error: Array
    diverged_at: float | None
    """The epoch at which Q exceeded its bound, see :mod:`tsmech.kernels.divergence`; None where it did not."""

    def until(self, count: int) -> "LinearCurve":
        """Return the first so many epochs."""
        Q, R, generalization, train = (values[:count] for values in self[:4])
        return LinearCurve(Q, R, generalization, train, self.diverged_at)


def linear_unit(
    epochs: ArrayLike,
    alpha: float,
    noise: float,
    *,
    Q: float,
    R: float,
    teacher: float = 1.0,
    rate: float,
    decay: float = 0.0,
    bound: float | None = None,
    discrete: bool = False,
    fluctuation: float = 0.0,
) -> LinearCurve:
    r"""Follow a linear student of a linear teacher of length :math:`|b|/\sqrt N = \beta`.

    With :math:`r = a l + c`, of each mode :math:`d = e^{-r k}` or :math:`(1 - r)^k` left after k epochs,
    :math:`h = a l (1 - d)/r` learnt, and averages over the law of Marchenko and Pastur in brackets, the mean
    weights have the errors

    .. math::
        \epsilon_g^0 = \frac12 \Bigl\langle (Q_0 - R_0^2) d^2 + (\beta (1 - h) - R_0 d)^2
            + \frac{\sigma^2}{\alpha} \frac{h^2}{l} \Bigr\rangle , \qquad
        \epsilon_t^0 = \frac12 \Bigl\langle l (Q_0 - R_0^2) d^2 + l (\beta (1 - h) - R_0 d)^2
            + \sigma^2 \Bigl( 1 - \frac{1 - (1 - h)^2}{\alpha} \Bigr) \Bigr\rangle ,

    and to them the fluctuations of SGD with replacement add

    .. math::
        \epsilon_t(k) &= \epsilon_t^0(k) + f \int_0^k
            \bigl\langle l^2 e^{-2 r (k - s)} \bigr\rangle\, \epsilon_t(s)\, ds , \\
        \epsilon_g(k) &= \epsilon_g^0(k) + f \int_0^k
            \bigl\langle l e^{-2 r (k - s)} \bigr\rangle\, \epsilon_t(s)\, ds .

    Parameters
    ----------
    epochs : array_like, shape (n,)
        Increasing, >= 0; whole numbers if ``discrete``.
    alpha : float
        Training examples per input dimension, P/N > 0.
    noise : float
        σ >= 0, standard deviation of the label noise.
    Q, R : float
        At the start the mean square weight, and the weights along the teacher's direction over √N; Q >= R².
    teacher : float
        β, the teacher's length over √N; negative for one that looks the other way.
    rate, decay : float
        a and c, per epoch.
    bound : float, optional
        The largest Q of a run that has not diverged; by default that of second layers 1.
    discrete : bool
        Whether an epoch is one step of gradient descent.
    fluctuation : float
        f, a²/alpha for SGD with replacement whatever the batch; 0 for gradient descent.

    Returns
    -------
    LinearCurve

    Raises
    ------
    InputError
        If an argument is outside its range.

    Notes
    -----
    Limit N → ∞ at fixed alpha and k.  Exact for gradient descent and, since a squared residual tells nothing of its
    example's direction, for SGD with replacement.  Relative accuracy 1e-13 without fluctuations, 1e-9 with them,
    however small the errors become.

    References
    ----------
    theory/sample_reuse.md, eqs. 5-12.  C. Paquette, K. Lee, F. Pedregosa and E. Paquette, arXiv:2102.04396: the
    Volterra equation.

    Examples
    --------
    >>> curve = linear_unit([0.0, 1.0], alpha=0.5, noise=0.5, Q=0.0, R=0.0, rate=1.0)
    >>> print(curve.generalization_error.round(4))
    [0.5    0.3228]
    """
    at = checked(epochs, alpha, Q, R, noise=noise, rate=rate, decay=decay, fluctuation=fluctuation)
    fastest, forgotten = rate * at[-1], decay * at[-1]
    shift = decay / rate if rate > 0 and forgotten > NEGLIGIBLE else 0.0
    scales = np.array([shift, 1 / fastest if fastest > 0 else 0.0])
    spectrum = marchenko_pastur.isotropic(alpha, 1.0, scales)
    nodes, weights = np.real(spectrum.nodes), np.real(spectrum.weights)
    mean = _Mean(alpha, noise, nodes, weights, max(Q - R * R, 0.0), R, teacher, rate, decay, discrete)
    limit = largest(Q, teacher, bound)
    if fluctuation == 0.0:
        found = mean.observables(at)
        if not discrete:
            return LinearCurve(*found, None)
        ended, diverged_at = _first_beyond(at, found[0], limit, mean.size, discrete)
        return LinearCurve(*found, diverged_at).until(ended)
    return _with_fluctuations(at, mean, fluctuation, limit)


def largest(Q: float, teacher: float, bound: float | None) -> float:
    """Return the largest Q of a run that has not diverged, where none is given that of second layers 1."""
    return bound_of([[Q]], [[teacher**2]], [1.0], [1.0]) if bound is None else bound


def checked(epochs: ArrayLike, alpha: float, Q: float, R: float, **positive: float) -> Array:
    """Return the epochs as an array; refuse what is outside its range."""
    at = np.atleast_1d(np.asarray(epochs, dtype=np.float64))
    if at.ndim > 1 or at.size == 0 or not (at[0] >= 0.0 and at[-1] < np.inf and (np.diff(at) >= 0.0).all()):
        raise InputError(f"epochs must be finite, not decreasing and >= 0, but are {at.tolist()}")
    in_range("alpha", alpha, positive=True)
    for name, value in positive.items():
        in_range(name, value)
    if not R * R <= Q * (1 + 1e-12):
        raise InputError(f"Q = {Q:g} and R = {R:g} are those of no weights: Q must be at least R²")
    return at


class _Mean(NamedTuple):
    """Gradient descent: what the average weights of all runs on one training set do."""

    alpha: float
    noise: float
    nodes: Array
    weights: Array
    across: float
    along: float
    teacher: float
    rate: float
    decay: float
    discrete: bool

    def modes(self, epochs: Array) -> tuple[Array, Array, Array]:
        """Return d, the missed part c = 1 - h and (1 - d) a/r, of shape (n, modes); no small number is a difference."""
        r = self.rate * self.nodes + self.decay
        k = epochs[:, None]
        if self.discrete:
            small = r < 0.5
            d = (1.0 - r) ** k
            gone = np.where(small, -np.expm1(k * np.log1p(-np.where(small, r, 0.0))), 1.0 - d)
        else:
            d, gone = np.exp(-r * k), -np.expm1(-r * k)
        safe = np.where(r > 0, r, 1.0)
        missed = np.where(r > 0, (self.decay + self.rate * self.nodes * d) / safe, 1.0)
        return d, missed, self.rate * np.where(r > 0, gone / safe, k)

    def size(self, epoch: float) -> float:
        """Return Q after so many epochs."""
        return float(self.observables(np.array([epoch]))[0][0])

    def observables(self, epochs: Array) -> tuple[Array, Array, Array, Array]:
        """Return Q, R, the generalization error and the training error, each of shape (n,)."""
        with np.errstate(over="ignore", invalid="ignore"):
            d, c, part = self.modes(epochs)
            nodes, weights = self.nodes, self.weights
            have, miss = self.teacher * nodes * part + self.along * d, self.teacher * c - self.along * d
            rest = self.across * d**2
            spread = self.noise**2 / self.alpha * nodes * part**2
            fitted = (c**2 @ (weights * (nodes > 0)) + max(self.alpha - 1.0, 0.0)) / self.alpha
            return (
                (rest + have**2 + spread) @ weights,
                have @ weights,
                0.5 * ((rest + miss**2 + spread) @ weights),
                0.5 * ((nodes * (rest + miss**2)) @ weights + self.noise**2 * fitted),
            )


def _first_beyond(
    at: Array, Q: Array, limit: float, size: Callable[[float], float], discrete: bool
) -> tuple[int, float | None]:
    """Return how many Q are within the limit, and where Q passes it: at which whole epoch, if they are steps."""
    beyond = ~(limit >= Q)
    if not beyond.any():
        return at.size, None
    first = int(np.argmax(beyond))
    low, high = at[first - 1] if first else 0.0, at[first]
    while high - low > (1.0 if discrete else RESOLUTION * high):
        middle = (low + high) / 2
        middle = math.floor(middle) if discrete else middle
        if size(middle) <= limit:
            low = middle
        else:
            high = middle
    return first, float(high)


class _Fluctuations:
    r"""The variance V_i of each mode over runs of SGD with replacement, in closed form.

    .. math:: \dot V_i = -2 r_i V_i + 2 f l_i \epsilon_t , \qquad
        \epsilon_t = \epsilon_t^0 + \tfrac12 \textstyle\sum_i w_i l_i V_i :

    a symmetric matrix of rates in the coordinates √w V, driven by the training error of the mean weights, which is a
    sum of exponentials e^(-r k), e^(-2 r k) and a constant.  No sum has terms of both signs but for what weight decay
    and a start across the teacher leave to each other, so the errors of examples that are learnt keep their accuracy.
    """

    def __init__(self, mean: _Mean, fluctuation: float) -> None:
        kept = mean.nodes * mean.weights > NEGLIGIBLE
        nodes, weights = mean.nodes[kept], mean.weights[kept]
        r = mean.rate * nodes + mean.decay
        self.seen = nodes * np.sqrt(weights)
        self.root = np.sqrt(weights)
        self.growth, self.vectors = np.linalg.eigh(np.diag(-2 * r) + fluctuation * np.outer(self.seen, self.seen))
        self.push = 2 * fluctuation * self.vectors.T @ self.seen
        held, learnt = mean.decay / r, mean.rate * nodes / r  # c = held + learnt d
        stays, goes = mean.teacher * held, mean.teacher * learnt - mean.along
        spread = mean.noise**2 / mean.alpha
        constant = weights @ (nodes * stays**2 + spread * held**2) + spread * max(mean.alpha - 1.0, 0.0)
        crossed = weights * (nodes * stays * goes + spread * held * learnt)
        squared = weights * (nodes * (mean.across + goes**2) + spread * learnt**2)
        terms = [(np.zeros(1), np.array([constant])), (-r, 2 * crossed), (-2 * r, squared)]
        self.drives = [(rates, sizes / 2) for rates, sizes in terms if sizes.any()]

    def at(self, k: float) -> tuple[float, float]:
        """Return Σ w V and Σ w l V after k epochs."""
        driven = sum(_convolved(self.growth[:, None], rates, k) @ sizes for rates, sizes in self.drives)
        added = self.vectors @ (self.push * driven)
        return float(self.root @ added), float(self.seen @ added)


def _convolved(a: Array, b: Array, k: float) -> Array:
    """Return the integral of e^(a (k - s) + b s) over s from 0 to k."""
    apart = np.abs(a - b) * k
    share = np.where(apart > 0, -np.expm1(-apart) / np.where(apart > 0, apart, 1.0), 1.0)
    found: Array = k * np.exp(np.maximum(a, b) * k) * share
    return found


def _with_fluctuations(at: Array, mean: _Mean, fluctuation: float, limit: float) -> LinearCurve:
    """Add what the variance of each mode over runs adds to gradient descent."""
    fluctuations = _Fluctuations(mean, fluctuation)

    def size(k: float) -> float:
        return mean.size(k) + fluctuations.at(k)[0]

    with np.errstate(over="ignore", invalid="ignore"):
        Q, R, generalization, train = mean.observables(at)
        total, seen = np.array([fluctuations.at(k) for k in at]).T
        ended, diverged_at = _first_beyond(at, Q + total, limit, size, discrete=False)
    return LinearCurve(Q + total, R, generalization + total / 2, train + seen / 2, diverged_at).until(ended)
