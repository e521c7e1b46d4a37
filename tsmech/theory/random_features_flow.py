"""Gradient flow of the second layer on random features for D → ∞ at fixed examples and features per input dimension.

Given the first layer it is gradient flow on Gaussian inputs of the features' covariance, whose spectrum is the law of
Marchenko and Pastur moved and scaled; so the learning curve is an average over the spectrum of the sample covariance of
that population.  Derivations and equation numbers: theory/random_features_flow.md.
"""

import functools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import ConvergenceError
from tsmech.kernels.steps import decay
from tsmech.theory.fields.hermite import HermiteConstants
from tsmech.theory.spectra import Spectrum, excess
from tsmech.theory.spectra.marchenko_pastur import SampleSpectrum, anisotropic

Array = NDArray[np.float64]

NODES = (16, 32, 64, 128, 256)
"""Nodes of the rules for the law of Marchenko and Pastur, each checked by the next."""

FIRST = 1.5
"""Factor by which the first rule, which is but compared with the second, has fewer points on the contour as well."""

SLOWEST = 1e-20
"""Decay by the penalty, in units of the longest time, that is not seen then: the contour need not resolve it."""

ACCURACY = 1e-6
"""Largest difference of two rules, in units of the largest error of the curve."""


def learning_curve(
    times: ArrayLike,
    alpha: float,
    features: float,
    constants: HermiteConstants,
    noise: float = 0.0,
    *,
    signal: float = 1.0,
    nonlinearity: float = 0.0,
    penalty: float = 0.0,
    initial_scale: float = 0.0,
) -> dict[str, Array]:
    r"""Errors during gradient flow of the second layer.

    With l the eigenvalues of the sample covariance of the features, :math:`d = e^{-(l + \mu) t}`,
    :math:`c = (\mu + l d)/(l + \mu)`, :math:`h = 1 - c`, :math:`\mu = \lambda \psi/\alpha`, C the population's
    covariance and Θ the teacher's weights in it,

    .. math::
        \text{generalization\_error} =
            \frac12 \Bigl[ \frac{1}{n_f} \mathrm{tr} \bigl( v_0\, C d^2 + \Theta\, c\, C c \bigr)
        + \frac{\psi\, (\sigma^2 + \tau^2)}{\alpha\, n_f} \mathrm{tr}\, C\, \frac{h^2}{l} + \tau^2 \Bigr] ,

    τ² the variance of the teacher that no second layer can reach, the nonlinear part included.

    Parameters
    ----------
    times : array_like
        Times >= 0: a mode of ΦᵀΦ/P, with the features Φ = g(X Fᵀ/√D), of eigenvalue l decays as exp(-l t).
    alpha, features : float
        Examples and features per input dimension, > 0.
    constants : HermiteConstants
        Of the activation.
    noise, signal, nonlinearity, penalty
        As of :func:`tsmech.theory.random_features.errors`.
    initial_scale : float
        Standard deviation of the first weights of the second layer.

    Returns
    -------
    dict of ndarray, each in the shape of `times`
        ``generalization_error``, ``test_error`` and ``train_error``.

    Raises
    ------
    InputError
        If an argument is outside its range.
    ConvergenceError
        If two rules for the population's spectrum do not agree.

    Notes
    -----
    Limit D → ∞ at fixed alpha, features and t.  About 0.1 s.

    References
    ----------
    theory/random_features_flow.md, eqs. 3-9.  Bodin & Macris, arXiv:2110.11805.

    Examples
    --------
    >>> from tsmech.theory.fields.hermite import hermite_constants
    >>> curve = learning_curve([0.0, 10.0, 1e4], 2.0, 1.0, hermite_constants("relu"), 0.5)
    >>> print(curve["test_error"].round(4))
    [0.625  0.5045 0.6979]
    """
    at = in_range("times", times)
    in_range("alpha", alpha, positive=True)
    in_range("features", features, positive=True)
    for name, value in (("noise", noise), ("signal", signal), ("penalty", penalty), ("initial_scale", initial_scale)):
        in_range(name, value)
    in_range("nonlinearity", nonlinearity, largest=1.0)
    linear = (1 - nonlinearity) * signal
    found = None
    for count in NODES:
        coarser = FIRST if found is None else 1.0
        averages = _averages(float(at.max(initial=0.0)), alpha, features, constants, linear, penalty, count, coarser)
        finer = _curve(at.ravel(), alpha / features, averages, noise**2, signal, penalty, initial_scale**2)
        if found is not None and np.abs(finer - found).max() <= ACCURACY * finer.max():
            error, train = (row.reshape(at.shape) for row in finer)
            return {"generalization_error": error, "test_error": error + noise**2 / 2, "train_error": train}
        found = finer
    raise ConvergenceError(
        f"the learning curve at alpha = {alpha:g}, features = {features:g} is not known to {ACCURACY:g}: too few nodes"
    )


def features_spectrum(features: float, constants: HermiteConstants, linear: float, count: int) -> Spectrum:
    """Return the spectrum of the features' covariance μ₁² F Fᵀ/D + μ*², with the teacher's weights along it.

    By Gauss's rule for the law of Marchenko and Pastur, from the matrix of its orthogonal polynomials' recurrence.
    """
    from scipy.linalg import eigh_tridiagonal

    first = max(features, 1.0)  # of the smaller of F Fᵀ/D and Fᵀ F/D, which has no zeros
    diagonal = np.full(count, 1.0 + features)
    diagonal[0] = first
    x, vectors = eigh_tridiagonal(diagonal, np.full(count - 1, math.sqrt(features)))
    x, shares = np.maximum(x, 0.0), vectors[0] ** 2
    if features > 1:
        x, shares = np.append(x, 0.0), np.append(shares / features, 1 - 1 / features)
    m = constants.linear**2
    s = m * x + constants.rest
    weights = features * m * linear * x / np.where(s > 0, s, 1.0) ** 2
    return Spectrum(s, shares=shares / shares.sum(), teacher_weights=weights)


@functools.lru_cache(maxsize=8)
def _averages(
    longest: float,
    alpha: float,
    features: float,
    constants: HermiteConstants,
    linear: float,
    penalty: float,
    count: int,
    coarser: float,
) -> tuple[Spectrum, SampleSpectrum]:
    """Return the spectra of the population and of the sample covariance: noise and start have no part in them."""
    population = features_spectrum(features, constants, linear, count)
    shift = penalty / (alpha / features)
    seen = shift if shift * longest > SLOWEST else 0.0
    scales = [seen, 1 / longest if longest > 0 else 0.0]
    return population, anisotropic(alpha / features, population, scales, upper=(), coarser=coarser)


def _curve(
    times: Array,
    alpha: float,
    averages: tuple[Spectrum, SampleSpectrum],
    noise: float,
    signal: float,
    penalty: float,
    start: float,
) -> Array:
    """Return generalization and training error, shape (2, T); alpha is P/n_f, noise and start are squares."""
    shift, (population, sample) = penalty / alpha, averages
    nodes = sample.nodes
    rates = nodes + shift
    d, gone = decay(times, rates, 0.0)
    still = rates == 0
    gain = gone / np.where(still, 1.0, rates)
    c = np.where(still, 1.0, (shift + nodes * d) / np.where(still, 1.0, rates))
    hidden = max(signal - population.clean_variance, 0.0)
    added = sample.input_mean(nodes * gain**2) / alpha
    fitted = sample.mean((nodes != 0) * c**2) / alpha + max(float(excess(alpha, population.rank)), 0.0) / alpha
    error = start * sample.input_mean(d**2) + sample.pair_mean(c, c) + (noise + hidden) * added + hidden
    train = start * sample.mean(nodes * d**2) + sample.teacher_mean(nodes * c**2) + (noise + hidden) * fitted
    return np.stack([error, train]) / 2
