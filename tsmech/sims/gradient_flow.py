"""Gradient descent of a noisy linear teacher at finite N: one training set and start, and what is learnt in time.

:func:`draw_direct` draws every input and lets the network descend.  :func:`draw_reduced` draws, for isotropic inputs
and with the same law, what the learning curve depends on (:mod:`tsmech.sims.bidiagonal.descent`).
Equation numbers are those of theory/gradient_flow.md.
"""

import math

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range
from tsmech.errors import ConvergenceError, InputError
from tsmech.kernels.steps import completed_steps
from tsmech.sims.bidiagonal.descent import Problem, follow

Array = NDArray[np.float64]


def draw_reduced(
    times: ArrayLike,
    alpha: float,
    noise: float,
    dimension: int,
    rng: Generator,
    *,
    signal: float = 1.0,
    initial_scale: float = 0.0,
    penalty: float = 0.0,
    step: float = 0.0,
    unseen: float = 0.0,
) -> dict[str, Array]:
    r"""Follow one student with isotropic inputs, without its N weights.

    Early, by polynomials of a matrix of four diagonals that holds the inputs as far as descent has seen them,

    .. math::
        \sqrt N A = \begin{pmatrix} g & g & \chi_{N-2} & \\ \chi_{P-1} & g & g & \chi_{N-3} \\
            & \chi_{P-2} & g & g & \ddots \\ & & \ddots & \ddots & \ddots \end{pmatrix}, \qquad
        b = |b|\, e_1, \quad w(0) = \sqrt{v_0}\, (g e_1 + \chi_{N-1} e_2), \quad
        \varepsilon = \sigma_e\, \chi_P\, e_1 ,

    late, by the resolvent of the bidiagonal form of all inputs at the nodes of a contour around their spectrum.

    Parameters
    ----------
    times : array_like, shape (T,)
        t >= 0; ``inf`` is allowed.  Units: tsmech.theory.gradient_flow, with λN/P for λ/alpha.
    alpha : float
        Training examples per input dimension; P = max(1, round(alpha N)).
    noise : float
        σ >= 0, standard deviation of the label noise.
    dimension : int
        N >= 1, the inputs that the student sees.
    rng : numpy.random.Generator
        Streams for the teacher, the start, the examples and the noise are spawned from it.
    signal : float
        V >= 0, mean square weight of the whole teacher.  The seen part, b·b/N = (1 - u) V, is the same in every draw.
    initial_scale : float
        √v₀ >= 0, standard deviation of each of the student's weights at the start.
    penalty : float
        λ >= 0.
    step : float
        Step of discrete descent; 0 is gradient flow.
    unseen : float
        u in [0, 1], the share of V that is carried by inputs which the student does not see.

    Returns
    -------
    dict of ndarray, shape (T,)
        The observables of :func:`tsmech.theory.gradient_flow.learning_curve` for this training set and start.

    Raises
    ------
    InputError
        If a parameter is outside its range.
    ConvergenceError
        If descent in steps overflows: with a step longer than 2/(l₊ + λN/P) a mode grows.

    Notes
    -----
    Exact in law at every N and P, the same as that of :func:`draw_direct` with N equal eigenvalues 1 and equal teacher
    weights; these are computed to about 1e-14 of their size.  Early times cost O(J² T), J of about 20 (l₊ t)^(1/2),
    whatever N: all times are early if J < min(N, P)/2 at the last.  Otherwise O(K min(N, P) + K T), K of about 650, and
    the observables are good to about 1e-12, the training error too however small it is.

    References
    ----------
    theory/gradient_flow.md, eqs. 37-43.

    Examples
    --------
    >>> draw = draw_reduced([1.0, 10.0], 1.0, 0.5, 1_000_000, np.random.default_rng(0))
    >>> print(draw["test_error"].round(2))
    [0.35 0.39]
    """
    at = _checked(times, alpha, noise, initial_scale, penalty, step, unseen)
    in_range("signal", signal)
    if dimension < 1:
        raise InputError(f"dimension = {dimension!r}: must be at least 1")
    N, P = dimension, _examples(alpha, dimension)
    teacher, noise_scale = math.sqrt((1 - unseen) * signal * N), math.sqrt(noise**2 + unseen * signal)
    problem = Problem(N, P, teacher, noise_scale, initial_scale, penalty * N / P, step)
    return _observables(*follow(problem, at, rng), N, P, noise, unseen * signal, step)


def draw_direct(
    times: ArrayLike,
    alpha: float,
    noise: float,
    rng: Generator,
    *,
    eigenvalues: ArrayLike,
    teacher_weights: ArrayLike,
    initial_scale: float = 0.0,
    penalty: float = 0.0,
    step: float = 0.0,
    unseen: float = 0.0,
) -> dict[str, Array]:
    r"""Follow one student, every input and every weight of which is drawn.

    .. math:: w \leftarrow w + \frac{\text{step}}{\alpha} \Bigl[ \hat X^T (y - \hat X w) - \lambda w \Bigr], \qquad
        \hat X = X / \sqrt N ,

    step after step.  Gradient flow (step = 0) is solved exactly in the singular vectors of the inputs.

    Parameters
    ----------
    times, alpha, noise, initial_scale, penalty, step, unseen
        As in :func:`draw_reduced`.  With steps, times must be finite.
    rng : numpy.random.Generator
        Streams for the teacher, the start, the examples and the noise are spawned from it.
    eigenvalues : array_like, shape (N,)
        s >= 0 of the inputs' covariance, at least one positive.
    teacher_weights : array_like, shape (N,)
        t >= 0, square weight of the whole teacher along each eigenvector; the seen teacher is ±√((1 - u) t).

    Returns
    -------
    dict of ndarray, shape (T,)
        As in :func:`draw_reduced`.

    Raises
    ------
    InputError
        If an argument is outside its range or the shapes do not fit.
    ConvergenceError
        If descent in steps overflows.

    Notes
    -----
    O(N P min(N, P)) for gradient flow at all times, O(N P) for each step.

    References
    ----------
    theory/gradient_flow.md, eqs. 1-8.
    """
    at = _checked(times, alpha, noise, initial_scale, penalty, step, unseen)
    s, t = in_range("eigenvalues", eigenvalues), in_range("teacher_weights", teacher_weights)
    if s.ndim != 1 or not s.any() or t.shape != s.shape:
        raise InputError("eigenvalues and teacher_weights: must be two rows of one length, one eigenvalue positive")
    N, P = s.size, _examples(alpha, s.size)
    teacher_stream, start_stream, example_stream, noise_stream = rng.spawn(4)
    hidden = unseen * float(t @ s) / N

    teacher = np.sqrt((1 - unseen) * t) * teacher_stream.choice([-1.0, 1.0], size=N)
    start = initial_scale * start_stream.standard_normal(N)
    inputs = example_stream.standard_normal((P, N)) * np.sqrt(s / N)
    labels = inputs @ teacher + noise * noise_stream.standard_normal(P)
    labels += math.sqrt(hidden) * example_stream.standard_normal(P)
    with np.errstate(over="ignore", invalid="ignore"):  # a step that is too long overflows; _observables checks
        if step > 0:
            weights = _descend(inputs, labels, start, penalty, step, completed_steps(at, step))
        else:
            weights = _flow(inputs, labels, start, penalty, at)
        error = (s * (weights - teacher) ** 2).sum(axis=1)
        residual = ((labels - weights @ inputs.T) ** 2).sum(axis=1)
    return _observables(error, (weights**2).sum(axis=1), residual, N, P, noise, hidden, step)


def _descend(inputs: Array, labels: Array, start: Array, penalty: float, step: float, counts: Array) -> Array:
    """Return the weights after each of the numbers of steps, shape (T, N) (eq. 2 in steps)."""
    if np.isinf(counts).any():
        raise InputError("times = inf: is never reached in steps")
    P, N = inputs.shape
    weights, found, done = start.copy(), np.empty((counts.size, N)), 0
    for i in np.argsort(counts):
        while done < counts[i]:
            weights += step * N / P * (inputs.T @ (labels - inputs @ weights) - penalty * weights)
            done += 1
        found[i] = weights
    return found


def _flow(inputs: Array, labels: Array, start: Array, penalty: float, times: Array) -> Array:
    """Return the weights of gradient flow at each time, shape (T, N) (eqs. 6 and 8)."""
    P, N = inputs.shape
    left, singular, right = np.linalg.svd(inputs, full_matrices=False)
    singular[singular < singular[0] * max(P, N) * np.finfo(float).eps] = 0.0  # inputs that do not vary
    rates = (singular**2 + penalty) * N / P
    remains, gone = _decay(times, rates)
    along = right @ start
    gain = gone / np.where(rates > 0, rates, 1.0)
    weights: Array = (remains * along + gain * (singular * N / P * (left.T @ labels))) @ right
    if P < N:
        weights += _decay(times, np.array([penalty * N / P]))[0] * (start - along @ right)
    return weights


def _decay(times: Array, rates: Array) -> tuple[Array, Array]:
    """Return exp(-rate t) and 1 - exp(-rate t), shape (T, K); what has the rate 0 is the same at t = inf."""
    with np.errstate(invalid="ignore"):
        exponent = -np.multiply.outer(times, rates)
    exponent[np.isnan(exponent)] = 0.0
    return np.exp(exponent), -np.expm1(exponent)


def _checked(
    times: ArrayLike, alpha: float, noise: float, initial_scale: float, penalty: float, step: float, unseen: float
) -> Array:
    at = in_range("times", times, largest=math.inf)
    if at.ndim != 1:
        raise InputError(f"times of shape {at.shape}: must be one row of numbers")
    in_range("alpha", alpha, positive=True)
    in_range("noise", noise)
    in_range("initial_scale", initial_scale)
    in_range("penalty", penalty)
    in_range("step", step)
    in_range("unseen", unseen, largest=1.0)
    return at


def _examples(alpha: float, dimension: int) -> int:
    return max(1, round(alpha * dimension))


def _observables(
    error: Array, norm: Array, residual: Array, N: int, P: int, noise: float, hidden: float, step: float
) -> dict[str, Array]:
    generalization_error = (error / N + hidden) / 2
    if not np.isfinite(generalization_error).all():
        raise ConvergenceError(f"gradient descent with step = {step!r} diverged on the training set drawn")
    return {
        "generalization_error": generalization_error,
        "test_error": generalization_error + noise**2 / 2,
        "train_error": residual / P / 2,
        "weight_norm": norm / N,
    }
