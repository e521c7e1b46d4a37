"""Gradient flow of the second layer on random features: one training set, solved at all times by its singular values.

Equations: theory/random_features_flow.md.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.sims.features.problem import Problem
from tsmech.sims.features.products import products
from tsmech.sims.features.rank import rounding
from tsmech.sims.features.teacher import Teacher

Array = NDArray[np.float64]


def draw(times: Array, problem: Problem, rng: np.random.Generator) -> dict[str, Array]:
    """Return the errors of one network at times of shape (T,).

    Parameters
    ----------
    times : ndarray, shape (T,)
        As of :func:`tsmech.theory.random_features_flow.learning_curve`.
    problem : Problem
        What is to be learned, and from where.
    rng : numpy.random.Generator
        Streams for the inputs, the noise, the features and the start are spawned from it.

    Returns
    -------
    dict of ndarray, each of shape (T,)
        ``generalization_error``, exact given the features, ``test_error`` and ``train_error``.

    Notes
    -----
    O(P n_f min(P, n_f) + n_f² (D + T)) in time.

    References
    ----------
    theory/random_features_flow.md, eqs. 1 and 2; theory/random_features.md, eqs. 20 and 21.
    """
    inputs_rng, noise_rng, features_rng, start_rng = rng.spawn(4)
    P, n, D = problem.examples, problem.features, problem.dimension
    teacher = Teacher.of(problem.signal, problem.nonlinearity, D)
    maps = products(problem.activation, problem.centred)
    F, X = features_rng.standard_normal((n, D)), inputs_rng.standard_normal((P, D))
    y = teacher.labels(X) + problem.noise * noise_rng.standard_normal(P)
    first = problem.initial_scale * start_rng.standard_normal(n)
    Z = maps.features(X, F) / math.sqrt(n)
    U, s, V = np.linalg.svd(Z, full_matrices=False)
    s[s <= rounding(Z) * s[0]] = 0.0  # linear features beyond the input dimension move nothing at any time

    unit = n / P * times[:, None]  # what a time is for the squares of the singular values
    rates = s**2 + problem.penalty
    left, idle = np.exp(-unit * rates), np.exp(-unit * problem.penalty)
    gain = np.where(rates > 0, -np.expm1(-unit * rates) / np.where(rates > 0, rates, 1.0), unit)
    along = left * (V @ first) + gain * s * (U.T @ y)  # the second layer along the right singular vectors
    a = (idle * (first - V.T @ (V @ first)) + along @ V).T / math.sqrt(n)
    residual = y[:, None] - U @ (s * along).T

    square = np.diagonal(maps.mean_product(F, F, a, a))
    overlap = maps.with_teacher(F, teacher.weights, teacher.curvatures) @ a
    error = (problem.signal - 2 * overlap + square) / 2
    return {
        "generalization_error": error,
        "test_error": error + problem.noise**2 / 2,
        "train_error": np.mean(residual**2, axis=0) / 2,
    }
