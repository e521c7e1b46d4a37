"""Kernel ridge regression on drawn examples, and its error on fresh inputs.

Equations: theory/kernel_regression.md.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError

Array = NDArray[np.float64]
Kernel = Callable[[Array, Array | None], Array]


class Problem(NamedTuple):
    """The examples, the target and the penalty of kernel regression."""

    examples: int
    test_examples: int
    dimension: int
    penalty: float
    noise: float
    powers: tuple[float, ...]
    """Variance of the target in each degree."""


def target(X: Array, directions: Array, powers: tuple[float, ...]) -> Array:
    """Return Σ_l √A_l of a zonal harmonic of degree l and variance 1, along a direction of its own (note, eq. 2).

    By the three-term recurrence of the normalised harmonics √N_l Q_l; directions have shape (degrees, D), length √D.
    """
    D, found = X.shape[1], np.zeros(len(X))
    for degree, (power, direction) in enumerate(zip(powers, directions, strict=True)):
        t = X @ direction / D
        before, here, count = np.zeros_like(t), np.ones_like(t), 1.0
        for n in range(degree):
            before, here = here, ((2 * n + D - 2) * t * here - n * before) / (n + D - 2)
            count *= (2 * n + D) / (2 * n + D - 2) * (n + D - 2) / (n + 1)
        found += math.sqrt(power * count) * here
    return found


def draw(
    problem: Problem, kernel: Callable[[Array, Array | None], Array], rng: np.random.Generator
) -> dict[str, float]:
    """Return the errors of one training set.

    Parameters
    ----------
    problem : Problem
        What is to be learned.
    kernel : callable
        The matrix of a kernel between the rows of two tables, or within one.
    rng : numpy.random.Generator
        Streams for the target, the inputs and the noise are spawned from it.

    Raises
    ------
    ConvergenceError
        If the kernel matrix is singular to rounding and there is no penalty.

    Notes
    -----
    O(P³ + P T D); the error is a mean over T fresh inputs.

    References
    ----------
    theory/kernel_regression.md, eqs. 1 and 2.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    target_rng, inputs_rng, noise_rng = rng.spawn(3)
    P, D = problem.examples, problem.dimension
    directions = _on_sphere(target_rng.standard_normal((len(problem.powers), D)))
    X = _on_sphere(inputs_rng.standard_normal((P, D)))
    fresh = _on_sphere(inputs_rng.standard_normal((problem.test_examples, D)))
    y = target(X, directions, problem.powers) + problem.noise * noise_rng.standard_normal(P)
    K = kernel(X, None)
    try:
        factor = cho_factor(K + problem.penalty * np.eye(P), lower=True)
        pivots = np.diagonal(factor[0]) ** 2
    except LinAlgError:
        pivots = np.zeros(P)
    if pivots.min() <= P * np.finfo(float).eps * K.diagonal().max():
        raise ConvergenceError(f"the kernel matrix of {P} examples is singular to rounding: give a larger penalty")
    weights = cho_solve(factor, y)
    missed = kernel(fresh, X) @ weights - target(fresh, directions, problem.powers)
    error = float(np.mean(missed**2)) / 2
    return {
        "generalization_error": error,
        "test_error": error + problem.noise**2 / 2,
        "train_error": float(np.mean((y - K @ weights) ** 2)) / 2,
    }


def _on_sphere(rows: Array) -> Array:
    return np.asarray(rows * (math.sqrt(rows.shape[1]) / np.linalg.norm(rows, axis=1, keepdims=True)))
