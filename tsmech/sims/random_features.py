"""Regression on random features of Gaussian inputs: data, features, dense solutions and their exact errors.

A replicate has two training sets, two draws of the features and two of the label noise; from the products of its
predictors, which are averages over all inputs and not over a test set, come unbiased draws of the decomposition.
Equations: theory/random_features.md.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tsmech.sims.features.problem import Problem
from tsmech.sims.features.products import products
from tsmech.sims.features.rank import rounding
from tsmech.sims.features.teacher import Teacher
from tsmech.sims.least_squares import least_norm, least_squares

Array = NDArray[np.float64]

RESOLVED = 1e-8
"""Least penalty, in units of the trace of the Gram matrix, at which normal equations are solved by Cholesky's factor:
their relative error is then at most about 1e-8; below, singular values are taken."""


def draw(problem: Problem, rng: np.random.Generator) -> dict[str, float]:
    """Return the errors of one replicate and unbiased draws of their decomposition.

    Parameters
    ----------
    problem : Problem
        What is to be learned, and from how much.
    rng : numpy.random.Generator
        Streams for the inputs, the noise and the features are spawned from it.

    Returns
    -------
    dict of float
        ``generalization_error``, ``test_error`` and ``train_error``, averages over the eight predictors; ``bias``,
        ``variance_noise``, ``variance_features`` and ``variance_examples``, whose sum is the generalization error.

    Raises
    ------
    ConvergenceError
        If the averages over inputs are not known well enough (an activation of one's own).

    Notes
    -----
    O(P n_f D + P n_f min(P, n_f)) for each of the 4 K pairs of a training set and a network, and O((2 K n_f)² D) for
    the exact errors; memory of one matrix of features and one block of products.

    References
    ----------
    theory/random_features.md, section 6.
    """
    inputs_rng, noise_rng, features_rng = rng.spawn(3)
    P, n, D, K = problem.examples, problem.features, problem.dimension, problem.networks
    teacher = Teacher.of(problem.signal, problem.nonlinearity, D)
    maps = products(problem.activation, problem.centred)
    first = [features_rng.standard_normal((K * n, D)) for _ in range(2)]
    weights, train = [np.empty((K * n, 2, 2)) for _ in range(2)], []
    for i in range(2):
        X = inputs_rng.standard_normal((P, D))
        y = teacher.labels(X)[:, None] + problem.noise * noise_rng.standard_normal((P, 2))
        for j, F in enumerate(first):
            output = np.zeros((P, 2))
            for network in range(K):
                rows = slice(network * n, (network + 1) * n)
                Z = maps.features(X, F[rows])
                Z /= math.sqrt(n)
                a, fitted = _solve(Z, y, problem.penalty)
                weights[j][rows, i] = a / (K * math.sqrt(n))
                output += fitted / K
            train.append(float(np.mean((y - output) ** 2)))
    seen = [maps.with_teacher(F, teacher.weights, teacher.curvatures) for F in first]
    overlaps = np.stack([np.tensordot(overlap, a, 1) for overlap, a in zip(seen, weights, strict=True)], axis=1)
    gram = np.empty((2, 2, 2, 2, 2, 2))  # data set, features, noise of one predictor and of another
    for j, k in ((0, 0), (0, 1), (1, 1)):
        gram[:, j, :, :, k] = maps.mean_product(first[j], first[k], weights[j], weights[k])
    gram[:, 1, :, :, 0] = gram[:, 0, :, :, 1].transpose(2, 3, 0, 1)
    found = _decomposition(gram, overlaps, problem.signal)
    return {
        **found,
        "test_error": found["generalization_error"] + problem.noise**2 / 2,
        "train_error": sum(train) / len(train) / 2,
    }


def _decomposition(gram: Array, overlaps: Array, variance: float) -> dict[str, float]:
    """Return error and decomposition from mean products of predictors, shape (2, 2, 2, 2, 2, 2), and with the teacher.

    Predictors are numbered by data set, features and noise; overlaps have shape (2, 2, 2).
    """
    one, other = (0, 1), (1, 0)

    def mean(pairs: Iterator[tuple[int, ...]]) -> float:
        return float(np.mean([gram[pair] for pair in pairs]))

    own = mean((i, j, r, i, j, r) for i in one for j in one for r in one)
    noises = mean((i, j, 0, i, j, 1) for i in one for j in one)
    features = mean((i, 0, r, i, 1, s) for i in one for r, s in zip(one, other, strict=True))
    apart = mean((i, j, r, 1 - i, 1 - j, s) for i in (0,) for j in one for r in one for s in one)
    with_teacher = float(overlaps.mean())
    parts = {
        "bias": (variance - 2 * with_teacher + apart) / 2,
        "variance_noise": (own - noises) / 2,
        "variance_features": (noises - features) / 2,
        "variance_examples": (features - apart) / 2,
    }
    return {"generalization_error": sum(parts.values()), **parts}


def _solve(Z: Array, y: Array, penalty: float) -> tuple[Array, Array]:
    """Return the weights of least |y - Z a|² + λ|a|², of least norm among those for λ = 0, and the outputs Z a."""
    from scipy.linalg import cho_factor, cho_solve, lapack

    P, n = Z.shape
    trace = float(np.vdot(Z, Z))
    if penalty > RESOLVED * trace:
        gram = Z @ Z.T if n > P else Z.T @ Z
        gram[np.diag_indices(len(gram))] += penalty
        right = y if n > P else Z.T @ y
        found = cho_solve(cho_factor(gram, lower=True, overwrite_a=True, check_finite=False), right, check_finite=False)
        a = Z.T @ found if n > P else found
        return a, y - penalty * found if n > P else Z @ a
    if penalty > 0:
        return _solve_by_modes(Z, y, penalty)
    if n == P:
        factors, order, _ = lapack.dgetrf(Z)  # without the interpreter's lock, which gesv holds
        a, pivots = lapack.dgetrs(factors, order, y)[0], np.diagonal(factors)
    else:
        a, pivots = least_norm(Z.T, y) if n > P else least_squares(Z, y)
    if abs(pivots).min() <= rounding(Z) * math.sqrt(trace):
        return _solve_by_modes(Z, y, penalty)
    return a, y if n >= P else Z @ a


def _solve_by_modes(Z: Array, y: Array, penalty: float) -> tuple[Array, Array]:
    """As :func:`_solve` by singular values; those that are zero but for rounding are none of Z.

    So where the penalty is too small for normal equations, and for dependent rows and columns at λ = 0: linear features
    beyond the input dimension, an example that no ReLU answers to.
    """
    U, s, V = np.linalg.svd(Z, full_matrices=False)
    there = s > rounding(Z) * s[0]
    U, s, V = U[:, there], s[there], V[there]
    turned = U.T @ y
    share = s**2 / (s**2 + penalty)
    return V.T @ ((share / s)[:, None] * turned), U @ (share[:, None] * turned)
