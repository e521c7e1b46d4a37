r"""Gibbs learning of a linear teacher at finite N: students of one training set, drawn from their law.

That law is Gaussian, cut to the sphere for the spherical prior, and is taken apart by the eigenvectors of X^T X/N.
:func:`draw_direct` has them from the inputs; :func:`draw_reduced` from the bidiagonal matrix to which rotations bring
them, and for the Gaussian prior needs no eigenvectors at all.  Equation numbers: theory/linear_perceptron.md.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.sims.equilibrium import autocorrelation_time
from tsmech.sims.wishart import wishart

Array = NDArray[np.float64]

BEFORE, RECORDED = 30, 60
"""Students of a chain on the sphere before its record, and in it."""
NODES = np.linspace(-9.0, 9.0, 181)
"""Of the radial integral, in standard deviations about its peak: the trapezoidal rule is exact to rounding there."""


class Modes(NamedTuple):
    """One training set along the eigenvectors of X^T X/N, of which those without variance may be left out."""

    values: Array
    """Eigenvalues, shape (n,)."""
    labels: Array
    """X^T y/√N along each, shape (n,)."""
    teacher: Array
    """Components of the teacher along each, shape (n,)."""
    square: float
    """y·y."""
    missing: int
    """Directions without variance that are left out; the teacher's part in them counts in ``teacher_left`` alone."""
    teacher_left: float
    """Length of the teacher in them."""


def draw_direct(
    examples: int, temperature: float, noise: float, prior: str, dimension: int, rng: Generator
) -> dict[str, float]:
    """Draw a training set, every input of it, and two students.

    Parameters
    ----------
    examples, dimension : int
        P and N.
    temperature, noise : float
        T > 0 and σ >= 0.
    prior : str
        ``spherical`` or ``gaussian``.
    rng : Generator
        Streams for teacher, inputs, noise and students are spawned from it.

    Returns
    -------
    dict of float
        Of the spherical prior, means over the students of two chains.

    Notes
    -----
    O(N² (N + P)).
    """
    teacher_stream, input_stream, noise_stream, students = rng.spawn(4)
    teacher = teacher_stream.standard_normal(dimension)
    teacher *= math.sqrt(dimension) / np.linalg.norm(teacher)
    inputs = input_stream.standard_normal((examples, dimension)) / math.sqrt(dimension)
    labels = inputs @ teacher + noise * noise_stream.standard_normal(examples)
    values, vectors = np.linalg.eigh(inputs.T @ inputs)
    modes = Modes(
        np.maximum(values, 0.0), vectors.T @ (inputs.T @ labels), vectors.T @ teacher, float(labels @ labels), 0, 0.0
    )
    draw = _draw_gaussian if prior == "gaussian" else _draw_spherical
    return draw(modes, examples, temperature, dimension, students)


def draw_reduced(
    examples: int, temperature: float, noise: float, prior: str, dimension: int, rng: Generator
) -> dict[str, float]:
    """Draw the training set in its bidiagonal form, and two students; parameters as in :func:`draw_direct`.

    Notes
    -----
    O(min(N, P)) for the Gaussian prior, O(min(N, P)²) for the spherical one.
    """
    input_stream, noise_stream, students = rng.spawn(3)
    rows = min(examples, dimension)
    diagonal = np.sqrt(input_stream.chisquare(examples - np.arange(rows)) / dimension)
    degrees = dimension - 1 - np.arange(rows)
    beside = np.sqrt(input_stream.chisquare(np.maximum(degrees, 1)) * (degrees > 0) / dimension)
    labels = noise * noise_stream.standard_normal(rows)
    labels[0] += diagonal[0] * math.sqrt(dimension)
    square = float(labels @ labels)
    if examples > rows:
        square += noise**2 * noise_stream.chisquare(examples - rows)
    if prior == "gaussian":
        return _solve_bidiagonal(diagonal, beside, labels, square, examples, temperature, dimension, students)
    return _draw_spherical(
        _modes(diagonal, beside, labels, square, dimension), examples, temperature, dimension, students
    )


def _modes(diagonal: Array, beside: Array, labels: Array, square: float, dimension: int) -> Modes:
    """Return the training set along the eigenvectors u = B^T v/√l of B^T B, v those of B B^T; the teacher is √N e_1."""
    from scipy.linalg import eigh_tridiagonal

    found, vectors = eigh_tridiagonal(diagonal**2 + beside**2, beside[:-1] * diagonal[1:])
    values: Array = np.maximum(np.asarray(found, dtype=np.float64), 1e-300)
    lengths: Array = np.sqrt(values)
    teacher: Array = math.sqrt(dimension) * diagonal[0] * np.asarray(vectors[0], dtype=np.float64) / lengths
    left = math.sqrt(max(dimension - float(teacher @ teacher), 0.0))
    return Modes(
        values,
        lengths * np.asarray(labels @ vectors, dtype=np.float64),
        teacher,
        square,
        dimension - diagonal.size,
        left,
    )


def _solve_bidiagonal(
    diagonal: Array,
    beside: Array,
    labels: Array,
    square: float,
    examples: int,
    temperature: float,
    dimension: int,
    rng: Generator,
) -> dict[str, float]:
    """Draw two students of the Gaussian prior by ridge regressions on disturbed labels and weights (eq. 11)."""
    from scipy.linalg import solveh_banded

    rows = diagonal.size
    band = np.zeros((2, rows))
    band[1] = diagonal**2 + beside**2 + temperature
    band[0, 1:] = beside[:-1] * diagonal[1:]
    last = beside[-1] > 0.0
    start = rng.standard_normal((rows + 1, 2))
    if not last:
        start[rows] = 0.0
    fitted = diagonal[:, None] * start[:-1] + beside[:, None] * start[1:]
    disturbed = labels[:, None] + math.sqrt(temperature) * rng.standard_normal((rows, 2)) - fitted
    duals = solveh_banded(band, disturbed) if rows > 1 else disturbed / band[1]
    w = start
    w[:-1] += diagonal[:, None] * duals
    w[1:] += beside[:, None] * duals
    residual = labels[:, None] - diagonal[:, None] * w[:-1] - beside[:, None] * w[1:]
    outside = square - float(labels @ labels)
    products = w.T @ w + wishart(dimension - rows - int(last), rng)
    train = ((residual**2).sum(axis=0) + outside).mean() / (2.0 * examples)
    return _observe(math.sqrt(dimension) * w[0], products, float(train), dimension)


def _draw_gaussian(modes: Modes, examples: int, temperature: float, dimension: int, rng: Generator) -> dict[str, float]:
    """Draw two students of the Gaussian prior, mode by mode (eq. 10)."""
    stiffness = modes.values + temperature
    mean = modes.labels / stiffness
    w = mean[:, None] + np.sqrt(temperature / stiffness)[:, None] * rng.standard_normal((mean.size, 2))
    train = np.mean([_train_error(modes, student, examples) for student in w.T])
    return _observe(modes.teacher @ w, w.T @ w, float(train), dimension)


def _draw_spherical(
    modes: Modes, examples: int, temperature: float, dimension: int, rng: Generator
) -> dict[str, float]:
    """Draw two chains of students on the sphere (eqs. 12-14)."""
    alone = 1 if modes.missing else 0  # the teacher's direction among those that are left out
    values = np.append(modes.values, np.zeros(alone)) / temperature
    labels = np.append(modes.labels, np.zeros(alone)) / temperature
    teacher = np.append(modes.teacher, np.full(alone, modes.teacher_left))
    rest = modes.missing - alone
    spring = _spring(values, labels, rest, dimension)
    chains = [_chain(values, labels, rest, spring, dimension, stream) for stream in rng.spawn(2)]
    along = np.array([w @ teacher for w, _ in chains])
    train = np.mean([_train_error(modes, student[: modes.values.size], examples) for w, _ in chains for student in w])
    means = [w.mean(axis=0) for w, _ in chains]
    cosines = along / dimension
    return {
        "R": float(cosines.mean()),
        "q": float(means[0] @ means[1]) / dimension,
        "Q": 1.0,
        "generalization_error": float(1.0 - cosines.mean()),
        "train_error": float(train),
        "autocorrelation_time": max(autocorrelation_time(series) for series in along),
        "acceptance": float(np.mean([accepted for _, accepted in chains])),
    }


def _spring(values: Array, labels: Array, rest: int, dimension: int) -> float:
    """Return the stiffness with which Gaussian students have the mean square length N."""
    from scipy.optimize import brentq

    def excess(log_above: float) -> float:
        stiffness = values - floor + math.exp(log_above)
        square = float(np.sum((labels / stiffness) ** 2 + 1.0 / stiffness))
        square += rest / (math.exp(log_above) - floor) if rest else 0.0
        return math.log(square / dimension)

    floor = min(float(values.min()), 0.0) if rest else float(values.min())
    log_above = brentq(excess, -200.0, 200.0, xtol=1e-8)
    if not math.isfinite(log_above):
        raise ConvergenceError("no spring gives the students their length")
    return math.exp(log_above) - floor


def _chain(
    values: Array, labels: Array, rest: int, spring: float, dimension: int, rng: Generator
) -> tuple[Array, float]:
    """Return students on the sphere, shape (RECORDED, n), and the share of proposals that was taken.

    Proposals are Gaussian students scaled to the sphere; their density there is an integral over the length, and
    Metropolis' rule corrects it (eq. 14).
    """
    total = BEFORE + RECORDED
    stiffness = values + spring
    w = labels / stiffness + rng.standard_normal((total, values.size)) / np.sqrt(stiffness)
    squares = np.sum(w * w, axis=1)
    others = rng.chisquare(rest, total) / spring if rest else np.zeros(total)
    scale = np.sqrt(dimension / (squares + others))
    w *= scale[:, None]
    quadratic = (w * w) @ stiffness + spring * others * scale**2
    linear = w @ labels
    weights = (
        -0.5 * quadratic + linear - _log_of_lengths(quadratic / dimension, linear / math.sqrt(dimension), dimension)
    )
    chosen, taken = np.empty(total, dtype=np.intp), 0
    now = 0
    for step in range(total):
        if step and math.log(rng.random()) < weights[step] - weights[now]:
            now, taken = step, taken + 1
        chosen[step] = now
    return w[chosen[BEFORE:]], taken / (total - 1)


def _log_of_lengths(a: Array, b: Array, dimension: int) -> Array:
    """Return ln ∫ r^{N-1} exp(-a r²/2 + b r) dr."""
    power = dimension - 1
    peak = (b + np.sqrt(b * b + 4.0 * a * power)) / (2.0 * a)
    width = 1.0 / np.sqrt(a + power / peak**2)
    r = peak[:, None] + width[:, None] * NODES
    with np.errstate(divide="ignore", invalid="ignore"):
        exponent = np.where(
            r > 0.0, power * np.log(np.maximum(r, 1e-300)) - 0.5 * a[:, None] * r * r + b[:, None] * r, -np.inf
        )
    top = exponent.max(axis=1)
    return np.asarray(top + np.log(np.exp(exponent - top[:, None]).sum(axis=1) * width))


def _train_error(modes: Modes, w: Array, examples: int) -> float:
    """Return ½ mean (y - X w)² from its parts along the modes."""
    return float(modes.square - 2.0 * modes.labels @ w + modes.values @ (w * w)) / (2.0 * examples)


def _observe(along: Array, products: Array, train: float, dimension: int) -> dict[str, float]:
    """Return what two students have, from their products with the teacher and with each other."""
    squares = np.diag(products) / dimension
    return {
        "R": float(np.mean(along / dimension / np.sqrt(squares))),
        "q": float(products[0, 1] / math.sqrt(products[0, 0] * products[1, 1])),
        "Q": float(squares.mean()),
        "generalization_error": float(0.5 * np.mean(squares - 2.0 * along / dimension + 1.0)),
        "train_error": train,
    }
