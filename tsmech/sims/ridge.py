"""Ridge regression of a noisy linear teacher at finite N: one draw of the training set and what was learnt from it.

:func:`draw_direct` draws every input and solves the dense problem.  :func:`draw_reduced` draws the bidiagonal matrix
to which orthogonal transformations bring isotropic Gaussian inputs: the same law at a cost of O(min(N, P)).
Equation numbers are those of theory/ridge.md.
"""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.checks import LARGEST, in_range
from tsmech.errors import ConvergenceError, InputError
from tsmech.kernels.jit import kernel
from tsmech.sims.least_squares import least_norm, least_squares
from tsmech.sims.streams import fill_lengths

Array = NDArray[np.float64]

ALIKE = 1e12
"""Largest ratio of eigenvalues at which weights are solved for directly, which loses six digits at most."""


def draw_reduced(
    alpha: float, noise: float, penalty: float, signal: float, unseen: float, dimension: int, rng: Generator
) -> dict[str, float]:
    r"""Learn one training set with isotropic inputs, drawn in its bidiagonal form.

    .. math::
        \min_w \; \bigl| B b + \varepsilon - B w \bigr|^2 + \lambda |w|^2, \qquad
        B_{ii} = \frac{\chi_{P + 1 - i}}{\sqrt N}, \quad B_{i, i + 1} = \frac{\chi_{N - i}}{\sqrt N}, \quad
        b = \sqrt{(1 - u) V N} \, e_1

    Parameters
    ----------
    alpha : float
        Training examples per input dimension; P = max(1, round(alpha N)).
    noise : float
        σ >= 0, standard deviation of the label noise.
    penalty : float
        λ >= 0; 0 is the limit λ → 0⁺, the solution of least norm.
    signal : float
        V >= 0, mean square weight of the whole teacher.  The seen part, b·b/N = (1 - u) V, is the same in every draw.
    unseen : float
        u in [0, 1], the share of V that is carried by inputs which the student does not see.
    dimension : int
        N >= 1, the inputs that the student sees.
    rng : numpy.random.Generator
        Streams for the examples and the noise are spawned from it.

    Returns
    -------
    dict of float
        The observables of :func:`tsmech.theory.ridge.isotropic` for this training set.  ``bias`` is the error of the
        student w₀ that learns the seen teacher's noiseless labels (uV/2 included), ``variance`` half the mean square
        output of w_ε, which learns the rest of the labels alone.  The student is w₀ + w_ε, so bias + variance is the
        generalization error on average over the noise, not in one draw.

    Raises
    ------
    InputError
        If a parameter is outside its range.

    Notes
    -----
    Exact in law at every N and P: the law of :func:`draw_direct` with N eigenvalues 1 and N teacher weights V.
    O(min(N, P)) in time and memory, about 80 ns and 72 bytes for each of min(N, P).  At λ = 0 and \|P - N\| <= 1 the
    law of the variance has no mean: more draws do not make its average settle.

    References
    ----------
    theory/ridge.md, eqs. 35-39.

    Examples
    --------
    >>> draw = draw_reduced(2.0, 0.5, 0.25, 1.0, 0.0, 100_000, np.random.default_rng(0))
    >>> round(draw["generalization_error"], 2)
    0.09
    """
    _check("alpha", alpha, least=1 / LARGEST)
    _check("noise", noise)
    _check("penalty", penalty)
    _check("signal", signal)
    _check("unseen", unseen, largest=1.0)
    _check("dimension", dimension, least=1)
    _, example_stream, noise_stream = rng.spawn(3)
    P = _examples(alpha, dimension)
    rows = min(P, dimension)
    noise_variance = noise**2 + unseen * signal

    diagonal, superdiagonal = np.empty(rows), np.empty(rows)
    for most, entries in ((P, diagonal), (dimension - 1, superdiagonal)):
        fill_lengths(np.arange(most, most - rows, -1), example_stream, entries)
        entries /= math.sqrt(dimension)
    labels = noise_stream.standard_normal(rows)
    labels *= math.sqrt(noise_variance)
    teacher = math.sqrt((1 - unseen) * signal * dimension)
    missed, added, error, norm, residual = _solve_bidiagonal(diagonal, superdiagonal, penalty, teacher, labels)
    if rows < P:
        residual += noise_variance * noise_stream.chisquare(P - rows)
    return _observables(
        missed / dimension, added / dimension, error / dimension, norm / dimension, residual / P, noise, unseen * signal
    )


def draw_direct(
    alpha: float,
    noise: float,
    penalty: float,
    unseen: float,
    rng: Generator,
    *,
    eigenvalues: Array,
    teacher_weights: Array,
) -> dict[str, float]:
    r"""Learn one training set, every input of which is drawn.

    Inputs are Gaussian with covariance diag(s), the seen teacher is :math:`b_i = \pm \sqrt{(1 - u) t_i}`, and the
    unseen part of each label is Gaussian with variance u V, V = mean(t s).

    Parameters
    ----------
    alpha, noise, penalty, unseen : float
        As in :func:`draw_reduced`.
    rng : numpy.random.Generator
        Streams for the teacher, the examples and the noise are spawned from it.
    eigenvalues : ndarray, shape (N,)
        s >= 0, at least one positive.  Inputs that do not vary (s = 0) get no weight.
    teacher_weights : ndarray, shape (N,)
        t >= 0, square weight of the whole teacher along each eigenvector.

    Returns
    -------
    dict of float
        As in :func:`draw_reduced`.

    Raises
    ------
    InputError
        If an argument is outside its range or the shapes do not fit.
    ConvergenceError
        If the inputs drawn are linearly dependent to rounding.

    Notes
    -----
    Least squares by orthogonal factors of the inputs, never of their Gram matrix.  O(N P min(N, P)) in time,
    O(N P) in memory; O(N² (N + P)) and O(N (N + P)) where the eigenvalues differ by more than 1e12.  The relative
    accuracy of the errors does not depend on how far they are apart.

    References
    ----------
    theory/ridge.md, eqs. 1-5 and section 10.
    """
    _check("alpha", alpha, least=1 / LARGEST)
    _check("noise", noise)
    _check("penalty", penalty)
    _check("unseen", unseen, largest=1.0)
    s, t = in_range("eigenvalues", eigenvalues), in_range("teacher_weights", teacher_weights)
    if s.ndim != 1 or not s.any() or t.shape != s.shape:
        raise InputError("eigenvalues and teacher_weights: must be two rows of one length, one eigenvalue positive")
    teacher_stream, example_stream, noise_stream = rng.spawn(3)
    N, P = s.size, _examples(alpha, s.size)
    unseen_variance = unseen * float(t @ s) / N
    varying = s > 0
    s, t = s[varying], t[varying]

    teacher = np.sqrt((1 - unseen) * t) * teacher_stream.choice([-1.0, 1.0], size=t.size)
    inputs = example_stream.standard_normal((P, s.size))
    added_labels = noise * noise_stream.standard_normal(P)
    added_labels += math.sqrt(unseen_variance) * example_stream.standard_normal(P)
    scales = np.sqrt(s / N)
    if s.max() <= ALIKE * s.min():
        missed, added, residual = _solve_dense(inputs * scales, teacher, added_labels, penalty)
    else:
        missed, added, residual = _solve_graded(inputs, scales, teacher, added_labels, penalty)

    error = missed + added
    return _observables(
        float(s @ missed**2) / N,
        float(s @ added**2) / N,
        float(s @ error**2) / N,
        float((teacher + error) @ (teacher + error)) / N,
        float(residual @ residual) / P,
        noise,
        unseen_variance,
    )


@kernel
def _solve_bidiagonal(
    diagonal: Array, superdiagonal: Array, penalty: float, teacher: float, labels: Array
) -> tuple[float, float, float, float, float]:
    """Learn `labels` on top of those of the teacher from inputs in bidiagonal form (eqs. 37-39).

    Rotations from the right turn the rows of [B, √λ] into a lower bidiagonal matrix; they split (teacher, 0) into the
    part that the rows span and the part that they miss.  No small number comes from subtracting large ones, and λ = 0,
    P = N and tiny λ need no case of their own.

    Returns |w₀ - b|², |w_ε|², |w₀ + w_ε - b|², |w₀ + w_ε|² and |residual|².
    """
    rows = diagonal.size
    cos_row, sin_row, cos_next, sin_next = np.empty(rows), np.empty(rows), np.empty(rows), np.empty(rows)
    solution, missed = np.empty(rows), np.empty(rows)
    root = math.sqrt(penalty)
    head, fill, last, rest = diagonal[0], 0.0, 0.0, teacher
    for i in range(rows):
        length, cos_row[i], sin_row[i] = head, 1.0, 0.0
        if penalty > 0.0:
            length = math.sqrt(head * head + penalty)
            cos_row[i], sin_row[i] = head / length, root / length
        inverse = 1 / math.sqrt(length * length + superdiagonal[i] ** 2)
        cos_next[i], sin_next[i] = length * inverse, superdiagonal[i] * inverse
        last = (labels[i] - fill * last) * inverse
        solution[i] = last
        missed[i] = sin_row[i] * rest
        rest *= -sin_next[i] * cos_row[i]
        if i + 1 < rows:
            head, fill = cos_next[i] * diagonal[i + 1], sin_next[i] * diagonal[i + 1]

    d, e = -rest, 0.0
    bias = variance = error = residual = first = 0.0
    for i in range(rows - 1, -1, -1):
        d_next, e_next = cos_next[i] * d, sin_next[i] * solution[i] + cos_next[i] * e
        bias += d_next**2
        variance += e_next**2
        error += (d_next + e_next) ** 2
        d, e = -sin_next[i] * d, cos_next[i] * solution[i] - sin_next[i] * e
        residual += (sin_row[i] * (d + e) + cos_row[i] * missed[i]) ** 2
        first = cos_row[i] * d
        d, e = first - sin_row[i] * missed[i], cos_row[i] * e
    norm = error + (first + cos_row[0] ** 2 * teacher + e) ** 2
    return bias + d**2, variance + e**2, error + (d + e) ** 2, norm, penalty * residual


def _solve_dense(inputs: Array, teacher: Array, labels: Array, penalty: float) -> tuple[Array, Array, Array]:
    """Return w₀ - b, w_ε and the residuals of all labels, for `inputs` x/√N of shape (P, N)."""
    P, N = inputs.shape
    root = math.sqrt(penalty)
    wide = P < N
    small = min(P, N)
    # Below the inputs, or below their transpose, rows √λ: whichever are fewer.
    system = np.zeros((P + N, small), order="F")
    system[: max(P, N)] = inputs.T if wide else inputs
    system[max(P, N) + np.arange(small), np.arange(small)] = root
    if wide:  # the residuals are then part of the solution
        solved, pivots = least_norm(system, np.column_stack([inputs @ teacher, labels]), overwrite=True)
    else:
        right = np.zeros((P + N, 2))
        right[:P, 1], right[P:, 0] = labels, -root * teacher
        solved, pivots = least_squares(system, right, overwrite=True)
    if not pivots.all():
        raise ConvergenceError(f"the {P} inputs drawn are linearly dependent to rounding")
    missed, added = solved[:N].T
    if wide:
        return missed - teacher, added, root * solved[N:].sum(axis=1)
    if P == N and penalty == 0:
        return missed, added, np.zeros(P)  # it interpolates, exactly
    return missed, added, labels - inputs @ (missed + added)


def _solve_graded(
    inputs: Array, scales: Array, teacher: Array, labels: Array, penalty: float
) -> tuple[Array, Array, Array]:
    """As :func:`_solve_dense` for inputs times scales (n,) that are far apart.

    The unknown is D (w - b), D the scales: the directions then differ in the penalty alone (theory/ridge.md, eq. 40),
    and no weight is found as the difference of two that are alike.
    """
    from scipy.linalg import qr, solve_triangular

    P, n = inputs.shape
    root = math.sqrt(penalty)
    if penalty > 0:
        right = np.zeros((P + n, 2))
        right[:P, 1], right[P:, 0] = labels, -root * teacher
        found = _least_squares(np.vstack([inputs, np.diag(root / scales)]), right)
    elif n <= P:
        found = np.column_stack([np.zeros(n), _least_squares(inputs, labels[:, None])])
    else:  # what fits the labels, and the null space of the inputs for the least norm
        basis, triangle = qr(inputs.T)
        fitted = basis[:, :P] @ solve_triangular(triangle[:P], labels, trans=1)
        free = basis[:, P:]
        found = free @ _least_squares(free / scales[:, None], np.column_stack([-teacher, -fitted / scales]))
        found[:, 1] += fitted
    missed, added = found.T
    if n < P:
        residual = labels - inputs @ (missed + added)
    elif penalty == 0:
        residual = np.zeros(P)  # it interpolates, exactly
    else:
        turned, triangle, columns = _factors(
            np.vstack([scales[:, None] * inputs.T, np.diag(np.full(P, root))]), np.append(teacher, np.zeros(P))
        )
        residual = np.empty(P)
        turned += solve_triangular(triangle, labels[columns], trans=1)
        residual[columns] = penalty * solve_triangular(triangle, turned)
    return missed / scales, added / scales, residual


def _least_squares(system: Array, right: Array) -> Array:
    """Return the least-squares solutions, accurate though rows differ by any factor."""
    from scipy.linalg import solve_triangular

    turned, triangle, columns = _factors(system, right)
    solution = np.empty((system.shape[1], right.shape[1]))
    solution[columns] = solve_triangular(triangle, turned)
    return solution


def _factors(system: Array, right: Array) -> tuple[Array, Array, NDArray[np.intp]]:
    """Return Qᵀ right, R and the order of the columns in system = Q R, each row with its own accuracy.

    Householder reflections with sorted rows and pivoted columns: Higham, Accuracy and Stability of Numerical Algorithms
    (SIAM 2002), section 19.4.
    """
    from scipy.linalg import qr_multiply

    order = np.argsort(-np.abs(system).max(axis=1), kind="stable")
    turned, triangle, columns = qr_multiply(system[order], right[order].T, mode="right", pivoting=True)
    if not np.diag(triangle).all():
        raise ConvergenceError("the inputs drawn are linearly dependent to rounding")
    return np.asarray(turned, dtype=float).T, np.asarray(triangle, dtype=float), columns.astype(np.intp)


def _check(name: str, value: float, least: float = 0.0, largest: float = LARGEST) -> None:
    if not least <= value <= largest:
        raise InputError(f"{name} = {value!r}: must lie between {least:g} and {largest:g}")


def _examples(alpha: float, dimension: int) -> int:
    return max(1, round(alpha * dimension))


def _observables(
    missed: float, added: float, error: float, norm: float, residual: float, noise: float, unseen_variance: float
) -> dict[str, float]:
    generalization_error = (error + unseen_variance) / 2
    return {
        "generalization_error": generalization_error,
        "test_error": generalization_error + noise**2 / 2,
        "train_error": residual / 2,
        "bias": (missed + unseen_variance) / 2,
        "variance": added / 2,
        "weight_norm": norm,
    }
