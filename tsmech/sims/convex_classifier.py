"""Regularised convex classification of drawn examples, by the solvers of scikit-learn."""

import math
import warnings
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError

Array = NDArray[np.float64]

TOLERANCE = 1e-6
"""Stopping tolerance of the iterative solvers, in their own units."""


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
        If a solver stopped before its tolerance.

    Notes
    -----
    scikit-learn is given x/√N, no intercept, and C = 1/(2λ) (logistic, hinge) or ``alpha`` = λ (square).  Errors are
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
    """Return the weights of least loss; examples of one label only are given with their mirror images.

    Without an intercept (x, y) and (-x, -y) are the same example, so that half of them may be turned round.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.svm import LinearSVC

    turned = labels.copy()
    X = inputs
    if np.all(labels == labels[0]) and loss != "square":
        sign = np.where(np.arange(labels.size) % 2 == 0, 1.0, -1.0)
        turned, X = labels * sign, inputs * sign[:, None]
        if labels.size == 1:
            turned, X = np.array([1.0, -1.0]), np.vstack([labels[0] * inputs, -labels[0] * inputs])
            penalty = 2.0 * penalty  # the example counts twice
    model: Any
    if loss == "square":
        model = Ridge(alpha=penalty, fit_intercept=False)
    elif loss == "logistic":
        model = LogisticRegression(
            C=0.5 / penalty, fit_intercept=False, solver="newton-cholesky", tol=TOLERANCE, max_iter=1000
        )
    else:
        model = LinearSVC(
            C=0.5 / penalty, loss="hinge", fit_intercept=False, tol=TOLERANCE, max_iter=400_000, random_state=0
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            model.fit(X, turned)
        except ConvergenceWarning as warning:
            raise ConvergenceError(f"the {loss} loss of {labels.size} examples was not minimised: {warning}") from None
    return np.asarray(model.coef_, dtype=float).ravel()
