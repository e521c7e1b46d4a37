"""Ridge regression of a noisy linear teacher for N → ∞ at fixed alpha = P/N.

The loss is Σ_μ (y_μ - w·x_μ/√N)² + λ|w|², its limit λ → 0⁺ (the solution of least norm) included, and the labels are
y = b·x/√N + (what the student does not see) + σξ.  :func:`isotropic` writes every answer in terms of one square root;
:func:`spectral` takes any covariance.  The two share no formula, so that each checks the other.
Derivations and equation numbers: theory/ridge.md; symbols and factors of other papers: theory/conventions.md.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.theory.spectra import ISOTROPIC, Spectrum, bracketed_root, effective_penalty, excess, fixed_point
from tsmech.theory.spectra.population import Directions

Array = NDArray[np.float64]

GRID_PER_DECADE = 40
"""Points a decade of κ at which :func:`optimal_penalty` looks for minima: the narrowest feature that the averages
over a spectrum can have in log κ is that of s/(s + κ), about a decade wide."""


def isotropic(
    alpha: ArrayLike,
    noise: ArrayLike,
    penalty: ArrayLike,
    signal: ArrayLike = 1.0,
    unseen: ArrayLike = 0.0,
) -> dict[str, Array]:
    r"""Errors of ridge regression with isotropic inputs, in closed form.

    With :math:`q = \alpha - 1 - \lambda`, :math:`\Delta = \sqrt{q^2 + 4 \alpha \lambda}`, :math:`k = (\Delta - q)/2`,
    :math:`r = (\Delta + q)/2`, :math:`G = \Delta + 1 + \alpha + \lambda`, the seen signal :math:`t = (1 - u) V` and
    the effective noise :math:`\sigma_e^2 = \sigma^2 + u V`,

    .. math::
        \text{bias} = \frac{t k^2}{\Delta G} + \frac{u V}{2}, \qquad
        \text{variance} = \frac{\alpha \sigma_e^2}{\Delta G}, \qquad
        \text{train\_error}
            = \frac{r^2 G}{4 \alpha^2 \Delta} \Bigl[ \sigma_e^2 + \frac{4 t k^2}{G^2} \Bigr], \qquad
        \text{weight\_norm}
            = \frac{4 t}{G^2} \Bigl[ \alpha^2 + \frac{2 \alpha k^2}{\Delta G} \Bigr]
            + \frac{2 \alpha \sigma_e^2}{\Delta G}.

    Parameters
    ----------
    alpha : array_like
        Training examples per input dimension, P/N > 0.
    noise : array_like
        σ >= 0, standard deviation of the label noise.
    penalty : array_like
        λ >= 0; 0 is the limit λ → 0⁺.
    signal : array_like
        V >= 0, mean square weight of the whole teacher; with isotropic inputs also the variance of its clean output.
    unseen : array_like
        u in [0, 1], the share of V that is carried by inputs which the student does not see.

    Returns
    -------
    dict of ndarray, each in the broadcast shape of the arguments
        ``generalization_error``, ``test_error``, ``train_error``: halves of mean squares, as theory/conventions.md
        has them.  ``bias`` and ``variance``: their sum is the generalization error; the variance is what label noise
        and unseen inputs add to the student, the bias is the rest, the irreducible uV/2 included.  ``weight_norm``:
        w·w/N, the mean square weight of the student.  What diverges at λ = 0, alpha = 1 is ``inf`` there.

    Raises
    ------
    InputError
        If a parameter is outside its range (at most 1e100 in size, so that nothing overflows).

    Notes
    -----
    Limit N → ∞ at fixed alpha.  Nearly equal numbers are never subtracted, so the relative accuracy is about 1e-14
    however small λ or alpha - 1 is.  An alpha that differs from 1 by rounding alone (8 units) counts as 1.

    References
    ----------
    theory/ridge.md, eqs. 24-29.  Krogh & Hertz, J. Phys. A 25, 1135 (1992); Advani & Saxe, arXiv:1710.03667;
    Hastie, Montanari, Rosset & Tibshirani, arXiv:1903.08560.

    Examples
    --------
    >>> answer = isotropic(alpha=[0.5, 1.0, 2.0], noise=0.5, penalty=0.0)
    >>> print(answer["generalization_error"])
    [0.375   inf 0.125]
    """
    a, sigma, lam, v, u = np.broadcast_arrays(
        in_range("alpha", alpha, positive=True),
        in_range("noise", noise),
        in_range("penalty", penalty),
        in_range("signal", signal),
        in_range("unseen", unseen, largest=1.0),
    )
    t, unseen_variance = (1 - u) * v, u * v
    noise_variance = sigma**2 + unseen_variance

    over = excess(a, 1.0)
    q = over - lam
    delta = np.hypot(over + lam, 2 * np.sqrt(lam))
    g = delta + 1 + a + lam
    larger = (delta + abs(q)) / 2
    k = np.where(q < 0, larger, a * _ratio(lam, larger))
    r_over_a = np.where(q < 0, _ratio(lam, larger), larger / a)

    bias = t * k * _ratio(k, delta) / g + unseen_variance / 2
    variance = _ratio(a * noise_variance, g * delta, np.where(noise_variance > 0, np.inf, 0.0))
    train_error = r_over_a * _ratio(r_over_a, delta) * g * (noise_variance + t * (2 * k / g) ** 2) / 4
    learned = 2 * a / g
    weight_norm = t * learned * (learned + 4 * k * _ratio(k, delta) / g**2) + 2 * variance
    return _observables(bias, variance, train_error, weight_norm, sigma)


def spectral(
    alpha: ArrayLike,
    noise: ArrayLike,
    penalty: ArrayLike,
    spectrum: Spectrum,
    unseen: ArrayLike = 0.0,
) -> dict[str, Array]:
    r"""Errors of ridge regression for inputs of any covariance, from the fixed point of its spectrum.

    With κ of :func:`tsmech.theory.spectra.effective_penalty`, :math:`h = s / (s + \kappa)` the learned and
    :math:`c = \kappa / (s + \kappa)` the missed part of each direction, averages over the spectrum in brackets,
    :math:`D = \lambda/\kappa + \langle h c \rangle` and :math:`\tau = (1 - u) t`,

    .. math::
        \text{bias} = \frac{\alpha}{2 D} \langle \tau s c^2 \rangle + \frac{u V}{2}, \qquad
        \text{variance} = \frac{\sigma_e^2}{2 D} \langle h^2 \rangle, \qquad
        \text{train\_error}
            = \frac{\sigma_e^2 + \langle \tau s c^2 \rangle}{2 \alpha D} \Bigl( \frac{\lambda}{\kappa} \Bigr)^2, \qquad
        \text{weight\_norm}
            = \langle \tau h^2 \rangle
            + \frac{\langle h c \rangle}{D} \langle \tau h c \rangle
            + \frac{\sigma_e^2}{D} \Bigl\langle \frac{h}{s + \kappa} \Bigr\rangle.

    Parameters
    ----------
    alpha, noise, penalty, unseen : array_like
        As in :func:`isotropic`; broadcast against each other.
    spectrum : Spectrum
        Of the inputs' covariance, with the weights t of the whole teacher.  The variance of the clean teacher's output
        is V = ⟨t s⟩; the seen part of the weights is (1 - u) t.

    Returns
    -------
    dict of ndarray, each in the broadcast shape of alpha, noise, penalty and unseen
        As in :func:`isotropic`.  The threshold is at λ = 0, alpha = f, the share of the positive eigenvalues.

    Raises
    ------
    InputError
        If an argument is outside its range.
    ConvergenceError
        If the fixed point was not found.

    Notes
    -----
    Limit N → ∞ at fixed alpha and spectrum.  O(n) for each distinct pair of alpha and penalty, about 0.1 ms at
    n = 1000.

    References
    ----------
    theory/ridge.md, eqs. 9 and 17-23.  Dobriban & Wager, Ann. Statist. 46, 247 (2018), arXiv:1507.03003; Hastie,
    Montanari, Rosset & Tibshirani, arXiv:1903.08560.

    Examples
    --------
    >>> answer = spectral(2.0, 0.5, 0.25, Spectrum([1.6, 0.4], teacher_weights=[1.0, 1.0]))
    >>> print(answer["generalization_error"].round(6))
    0.079011
    """
    a, sigma, lam, u = np.broadcast_arrays(
        in_range("alpha", alpha, positive=True),
        in_range("noise", noise),
        in_range("penalty", penalty),
        in_range("unseen", unseen, largest=1.0),
    )
    clean_variance = spectrum.clean_variance
    noise_variance = sigma**2 + u * clean_variance

    pairs, place = np.unique(np.stack([a.ravel(), lam.ravel()]), axis=1, return_inverse=True)
    kappas = effective_penalty(pairs[0], pairs[1], spectrum)
    averages = np.array([_averages(kappa, spectrum.varying) for kappa in kappas])[place.ravel()]
    kappa = kappas[place.ravel()].reshape(a.shape)
    h2, hc, hg, tsc2, th2, thc = averages.T.reshape(6, *a.shape)
    tsc2, th2, thc = (1 - u) * tsc2, (1 - u) * th2, (1 - u) * thc

    shift = _ratio(lam, kappa, np.maximum(excess(a, spectrum.rank), 0.0))
    d = shift + hc
    diverging = np.where(noise_variance > 0, np.inf, 0.0)
    bias = a * _ratio(tsc2, d) / 2 + u * clean_variance / 2
    variance = _ratio(noise_variance * h2, d, diverging) / 2
    train_error = (noise_variance + tsc2) / (2 * a) * shift * _ratio(shift, d)
    weight_norm = th2 + _ratio(hc, d) * thc + _ratio(noise_variance * hg, d, diverging)
    return _observables(bias, variance, train_error, weight_norm, sigma)


def optimal_penalty(alpha: float, noise: float, spectrum: Spectrum = ISOTROPIC, unseen: float = 0.0) -> float:
    r"""Penalty λ >= 0 of least generalization error.

    .. math:: \lambda^* = \sigma_e^2 / \tau

    where the seen teacher weights have one value τ = (1 - u) t.  Otherwise the least of the minima, at each of which

    .. math::
        \kappa D \Bigl\langle \frac{\tau s^2}{(s + \kappa)^3} \Bigr\rangle
            = \bigl[ \sigma_e^2 + \langle \tau s c^2 \rangle \bigr]
              \Bigl\langle \frac{s^2}{(s + \kappa)^3} \Bigr\rangle .

    Parameters
    ----------
    alpha, noise, unseen : float
        As in :func:`isotropic`.
    spectrum : Spectrum
        As in :func:`spectral`; isotropic inputs and a teacher of mean square weight 1 unless given.

    Returns
    -------
    float
        λ*: 0 where every penalty does harm or none matters, ``inf`` where the labels are noisy and the student sees
        nothing of the teacher.  Negative penalties are left out, although they can be better than λ → 0⁺ for a
        teacher that lies along the large eigenvalues.

    Raises
    ------
    InputError
        If an argument is outside its range.
    ConvergenceError
        If a root finder did not converge.

    Notes
    -----
    Every minimum is bracketed: the error falls below and rises above the bounds on κ of theory/ridge.md, eq. 33, and
    between them the sign of its derivative is looked up on a grid in log κ.

    References
    ----------
    theory/ridge.md, eqs. 30-33.  Krogh & Hertz, J. Phys. A 25, 1135 (1992); Dobriban & Wager, arXiv:1507.03003.

    Examples
    --------
    >>> optimal_penalty(alpha=2.0, noise=0.5, spectrum=Spectrum([1.6, 0.4], teacher_weights=[1.0, 1.0]))
    0.25
    """
    in_range("alpha", alpha, positive=True)
    in_range("noise", noise)
    in_range("unseen", unseen, largest=1.0)
    noise_variance = noise**2 + unseen * spectrum.clean_variance
    t = (1 - unseen) * spectrum.varying.t
    if noise_variance == 0 and (excess(alpha, spectrum.rank) >= 0 or not t.any()):
        return 0.0
    if not t.any():
        return math.inf
    if t.min() == t.max():
        return float(noise_variance / t[0])
    return _least_of_minima(alpha, noise_variance, spectrum.seen(unseen))


def _least_of_minima(alpha: float, noise_variance: float, seen: Spectrum) -> float:
    (s, shares, t), rank = seen.varying, seen.rank
    over = float(excess(alpha, rank))

    def shift(kappa: float) -> float:
        """Return λ/κ (eq. 9)."""
        if alpha < rank / 2:
            return alpha - float(shares @ (s / (s + kappa)))
        return over + kappa * float(shares @ (1 / (s + kappa)))

    def error(kappa: float) -> float:
        _, hc, _, tsc2, _, _ = _averages(kappa, seen.varying)
        return float((noise_variance + tsc2) / (shift(kappa) + hc))

    def slope(log_kappa: float) -> float:
        kappa = math.exp(log_kappa)
        _, hc, _, tsc2, _, _ = _averages(kappa, seen.varying)
        h2c = shares * s**2 * kappa / (s + kappa) ** 3
        return float(kappa * (shift(kappa) + hc) * (h2c @ t) - (noise_variance + tsc2) * h2c.sum())

    at_zero = fixed_point(alpha, 0.0, seen)
    s2 = float(shares @ s**2)
    start = max(at_zero, noise_variance / (alpha * t.max()))
    reach = 16 * (noise_variance + shares @ (t * s)) * s2 / (alpha * (shares @ (t * s**2)))
    stop = max(start, s.max(), math.sqrt(2 * s2 / alpha), reach)

    count = 2 + math.ceil(GRID_PER_DECADE * math.log10(stop / start))
    grid = np.linspace(math.log(start), math.log(stop), count)
    rising = np.array([slope(x) for x in grid]) >= 0
    candidates = [at_zero] if start == at_zero else []
    for i in np.flatnonzero(~rising[:-1] & rising[1:]):
        candidates.append(math.exp(bracketed_root(slope, grid[i], grid[i + 1])))
    best = min(candidates, key=error)
    return 0.0 if best == at_zero else best * max(shift(best), 0.0)


def _averages(kappa: float, directions: Directions) -> Array:
    """Return ⟨h²⟩, ⟨hc⟩, ⟨h/(s+κ)⟩, ⟨tsc²⟩, ⟨th²⟩ and ⟨thc⟩ (theory/ridge.md, eqs. 17-19)."""
    s, shares, t = directions
    g = 1 / (s + kappa)
    h, c = s * g, kappa * g
    taken, left = shares * h, shares * c
    return np.array([taken @ h, left @ h, taken @ g, (t * s) @ (left * c), (t * h) @ taken, (t * h) @ left])


def _ratio(numerator: Array, denominator: Array, at_zero: ArrayLike = 0.0) -> Array:
    """Divide, with the given limit where the denominator (never negative) is zero."""
    quotient: Array = np.broadcast_to(at_zero, np.shape(denominator)).astype(float)
    np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) > 0)
    return quotient


def _observables(
    bias: Array, variance: Array, train_error: Array, weight_norm: Array, sigma: Array
) -> dict[str, Array]:
    generalization_error = bias + variance
    answer = {
        "generalization_error": generalization_error,
        "test_error": generalization_error + sigma**2 / 2,
        "train_error": train_error,
        "bias": bias,
        "variance": variance,
        "weight_norm": weight_norm,
    }
    return {name: np.asarray(values) for name, values in answer.items()}
