"""Regularised convex classification of drawn examples, by the solvers of scikit-learn and by an interior point."""

import math
import warnings

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.sims.soft_margin import GAP, minimise_hinge

Array = NDArray[np.float64]

TOLERANCE = 1e-6
"""Largest gradient of the mean logistic loss at which the solver stops, times λ/P where that is less than 1."""


def draw_direct(
    alpha: float, loss: str, penalty: float, flip: float, rng: Generator, *, eigenvalues: Array, teacher_weights: Array
) -> dict[str, float]:
    r"""Draw a teacher and a training set, and minimise Σ ℓ(y w·x/√N) + λ\|w\|².

    Parameters
    ----------
    alpha, penalty, flip : float
        P = max(1, round(alpha N)) examples, λ > 0, probability that a label is wrong.
    loss : str
        ``logistic``, ``hinge`` or ``square``.
    rng : Generator
        Streams for teacher, inputs and labels are spawned from it.
    eigenvalues, teacher_weights : ndarray, shape (N,)
        Of the inputs' covariance, and the teacher's square weight along each.

    Raises
    ------
    ConvergenceError
        If the duality gap of a solver's weights is too large.

    Notes
    -----
    scikit-learn is given x/√N, no intercept, and C = 1/(2λ) (logistic) or ``alpha`` = λ (square).  Its hinge solver
    needs 1/λ steps where examples cannot be separated; :mod:`tsmech.sims.soft_margin` takes its place.  Errors are
    those of Gaussian inputs with this covariance, exact given the weights.
    """
    N = eigenvalues.size
    P = max(1, round(alpha * N))
    teacher_stream, input_stream, label_stream = rng.spawn(3)
    teacher = np.sqrt(teacher_weights) * teacher_stream.choice([-1.0, 1.0], size=N)
    inputs = input_stream.standard_normal((P, N)) * np.sqrt(eigenvalues / N)
    labels = np.where(inputs @ teacher < 0.0, -1.0, 1.0) * np.where(label_stream.random(P) < flip, -1.0, 1.0)
    w = _fit(loss, inputs, labels, penalty)
    along = float(eigenvalues @ (w * teacher))
    cosine = along / math.sqrt(float(eigenvalues @ w**2) * float(eigenvalues @ teacher**2))
    error = math.acos(max(-1.0, min(1.0, cosine))) / math.pi
    return {
        "generalization_error": error,
        "test_error": error * (1.0 - 2.0 * flip) + flip,
        "train_error": float(np.mean(labels * (inputs @ w) < 0.0)),
        "R": cosine,
        "norm": float(w @ w) / N,
    }


def _fit(loss: str, inputs: Array, labels: Array, penalty: float) -> Array:
    """Return the weights of least loss."""
    if loss == "hinge":
        return minimise_hinge(inputs * labels[:, None], penalty).weights
    if loss == "logistic":
        return _fit_logistic(inputs, labels, penalty)
    from sklearn.linear_model import Ridge

    return np.asarray(Ridge(alpha=penalty, fit_intercept=False).fit(inputs, labels).coef_, dtype=float)


def _fit_logistic(inputs: Array, labels: Array, penalty: float) -> Array:
    """Return the weights of least logistic loss; examples of one label only are given with their mirror images.

    Without an intercept (x, y) and (-x, -y) are the same example, so that half of them may be turned round.  Where
    examples can be separated the gradient at the solution is of order λ, and so is what is left of it when the solver
    may stop; the duality gap, λ |w - Σ a y x/2λ|² with the forces a = -ℓ', says whether that was enough.
    """
    from scipy.special import expit
    from sklearn.linear_model import LogisticRegression

    P, turned, X, stiffness = labels.size, labels, inputs, penalty
    if np.all(labels == labels[0]):
        sign = np.where(np.arange(P) % 2 == 0, 1.0, -1.0)
        turned, X = labels * sign, inputs * sign[:, None]
        if P == 1:
            turned, X = np.array([1.0, -1.0]), np.vstack([labels[0] * inputs, -labels[0] * inputs])
            stiffness = 2.0 * penalty  # the example counts twice
    tolerance = TOLERANCE * min(1.0, penalty / P)
    model = LogisticRegression(
        C=0.5 / stiffness, fit_intercept=False, solver="newton-cholesky", tol=tolerance, max_iter=1000
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the gap decides
        w = np.asarray(model.fit(X, turned).coef_, dtype=float).ravel()
    fields = labels * (inputs @ w)
    value = float(np.logaddexp(0.0, -fields).sum()) + penalty * float(w @ w)
    apart = w - (expit(-fields) * labels) @ inputs / (2.0 * penalty)
    gap = penalty * float(apart @ apart)
    if not gap <= GAP * value:
        raise ConvergenceError(f"the logistic loss of {P} examples is {value:.6g}, or up to {gap:.1g} less")
    return w
