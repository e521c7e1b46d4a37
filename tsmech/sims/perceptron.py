"""Students of a teacher perceptron at finite N: one training set and what a rule makes of it.

The simulations by name draw every example.  Hebb's rule and the pseudo-inverse are also drawn from the sufficient
statistics alone, exactly and at a cost of O(P).  Equation numbers are those of theory/perceptron.md.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.sims import version_space
from tsmech.sims.equilibrium import judge
from tsmech.sims.least_squares import least_norm, least_squares
from tsmech.sims.separation import maximum_stability
from tsmech.sims.wishart import wishart

Array = NDArray[np.float64]

LINEAR = ("hebb", "pseudo_inverse")


class Examples(NamedTuple):
    """A training set."""

    teacher: Array
    """Of length 1, shape (N,)."""
    inputs: Array
    """Shape (P, N)."""
    labels: Array
    """±1, shape (P,)."""

    @property
    def oriented(self) -> Array:
        """The examples, each times its label."""
        return self.inputs * self.labels[:, None]


def draw_examples(examples: int, flip: float, dimension: int, rng: Generator) -> Examples:
    """Draw a teacher and a training set of so many examples, labels wrong with probability f."""
    teacher_stream, input_stream, label_stream = rng.spawn(3)
    teacher = teacher_stream.standard_normal(dimension)
    teacher /= np.linalg.norm(teacher)
    inputs = input_stream.standard_normal((examples, dimension))
    return Examples(teacher, inputs, _labels(inputs @ teacher, flip, label_stream))


def draw_direct(rule: str, examples: int, flip: float, dimension: int, rng: Generator) -> dict[str, float]:
    """Learn one training set by hebb, pseudo_inverse or max_stability.

    Parameters
    ----------
    rule : str
    examples, dimension : int
        P and N.
    flip : float
        Probability that a label is wrong.
    rng : Generator

    Returns
    -------
    dict of float

    Raises
    ------
    ConvergenceError
        If the examples drawn cannot be separated, or a solver did not reach its accuracy.

    References
    ----------
    theory/perceptron.md, section 1.
    """
    drawn = draw_examples(examples, flip, dimension, rng)
    if rule == "hebb":
        student = drawn.labels @ drawn.inputs
    elif rule == "pseudo_inverse":
        student = _least_squares(drawn.inputs, drawn.labels)
    else:
        found = maximum_stability(drawn.oriented)
        if found is None:
            raise ConvergenceError(
                f"no student separates the {examples} examples drawn: a larger dimension makes this improbable"
            )
        student = found.weights
    unit = student / np.linalg.norm(student)
    stabilities = drawn.labels * (drawn.inputs @ unit)
    return _observe(float(unit @ drawn.teacher), stabilities, flip)


def draw_reduced(rule: str, examples: int, flip: float, dimension: int, rng: Generator) -> dict[str, float]:
    """Draw what hebb or pseudo_inverse makes of one training set from its law, without an input vector.

    Parameters and observables are those of :func:`draw_direct`; the law is the same at every N and P.

    Notes
    -----
    O(P) in time and memory.

    References
    ----------
    theory/perceptron.md, eqs. 28-34.
    """
    field_stream, label_stream, rest = rng.spawn(3)
    fields = field_stream.standard_normal(examples)
    labels = _labels(fields, flip, label_stream)
    if rule == "hebb":
        return _reduced_hebb(fields, labels, flip, dimension, rest)
    if examples < dimension:
        return _reduced_interpolation(fields, labels, flip, dimension, rest)
    return _reduced_regression(fields, labels, flip, dimension, rest)


class Ensemble(NamedTuple):
    """Students of one training set by two chains, from a random student and from the teacher."""

    drawn: Examples
    chains: tuple[version_space.Chain, version_space.Chain]
    burn_in: int
    """Students before those that were recorded."""

    def observe(self, flip: float) -> dict[str, float]:
        """Return the means over the students, and what the two chains say of equilibrium."""
        verdict = judge(self.chains[0].overlaps, self.chains[1].overlaps, self.burn_in)
        overlaps, wrong = (np.concatenate(parts) for parts in zip(*(chain[:2] for chain in self.chains), strict=True))
        first, second = (chain.students.mean(axis=0) for chain in self.chains)
        return {
            **_errors(float(np.mean(_angle(overlaps)) / np.pi), flip),
            "train_error": float(wrong.mean()) / self.drawn.labels.size,
            "R": float(overlaps.mean()),
            "q": float(first @ second),
            "R_random": verdict.random,
            "R_teacher": verdict.teacher,
            "autocorrelation_time": verdict.autocorrelation_time,
            "burn_in": verdict.burn_in,
            "equilibrated": float(verdict.equilibrated),
        }

    def observe_centre(self, flip: float) -> dict[str, float]:
        """Return what the centre of all students does.

        Its length follows from the scalar product of the means of two independent chains, which the number of students
        does not bias (eq. 35); its training error is that of the mean of both.
        """
        first, second = (chain.students.mean(axis=0) for chain in self.chains)
        mean = 0.5 * (first + second)
        cosine = float(mean @ self.drawn.teacher) / math.sqrt(max(float(first @ second), 1e-300))
        wrong = float(np.mean(self.drawn.oriented @ mean < 0.0))
        return self.observe(flip) | _of_cosines(np.array([cosine]), np.array([wrong]), flip)

    def observe_means(self, samples: int, flip: float) -> dict[str, float]:
        """Return what the mean of so many students does, on average over groups of them, as far apart as can be."""
        groups = max(1, self.chains[0].errors.size // samples)
        picked = [chain.students[k::groups][:samples].mean(axis=0) for chain in self.chains for k in range(groups)]
        means = np.array([mean / np.linalg.norm(mean) for mean in picked])
        wrong = np.mean(means @ self.drawn.oriented.T < 0.0, axis=1)
        return self.observe(flip) | _of_cosines(means @ self.drawn.teacher, wrong, flip)


def sample_gibbs(
    examples: int, flip: float, temperature: float, dimension: int, sweeps: int, rng: Generator
) -> Ensemble:
    """Draw students from the Gibbs law of one training set by two chains.

    Parameters
    ----------
    examples, dimension : int
        P and N.
    flip, temperature : float
    sweeps : int
        Students that each chain records, after half as many.
    rng : Generator

    Raises
    ------
    ConvergenceError
        At T = 0 if no student is without error.

    References
    ----------
    theory/perceptron.md, section 8.
    """
    example_stream, start_stream, *streams = rng.spawn(4)
    drawn = draw_examples(examples, flip, dimension, example_stream)
    oriented = drawn.oriented
    starts = [start_stream.standard_normal(dimension), drawn.teacher]
    if temperature == 0.0:
        found = maximum_stability(oriented)
        if found is None:
            raise ConvergenceError(f"no student has the labels of all {examples} examples drawn: raise the temperature")
        starts[0] = found.weights
        if flip > 0.0:  # the teacher itself makes errors: from it towards the version space
            starts[1] = _first_without_error(oriented, drawn.teacher, found.weights)
    counts = max(1, sweeps // 2), sweeps
    first, second = (
        version_space.sample(oriented, drawn.teacher, start, temperature, counts, stream)
        for start, stream in zip(starts, streams, strict=True)
    )
    return Ensemble(drawn, (first, second), counts[0])


def _labels(fields: Array, flip: float, rng: Generator) -> Array:
    return np.asarray(np.where(fields < 0.0, -1.0, 1.0) * np.where(rng.random(fields.size) < flip, -1.0, 1.0))


def _angle(cosine: Array) -> Array:
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _errors(error: float, flip: float) -> dict[str, float]:
    return {"generalization_error": error, "test_error": error * (1.0 - 2.0 * flip) + flip}


def _of_cosines(cosines: Array, wrong: Array, flip: float) -> dict[str, float]:
    """Return the means over students with these cosines and training errors."""
    errors = _errors(float(_angle(cosines).mean() / np.pi), flip)
    return errors | {"train_error": float(wrong.mean()), "R": float(cosines.mean())}


def _observe(cosine: float, stabilities: Array, flip: float) -> dict[str, float]:
    return {
        **_errors(float(_angle(np.array(cosine)) / np.pi), flip),
        "train_error": float(np.mean(stabilities < 0.0)),
        "R": cosine,
        "stability": float(stabilities.min()),
    }


def _least_squares(inputs: Array, labels: Array) -> Array:
    """Return the least-squares weights, of least norm where there are fewer examples than inputs."""
    P, N = inputs.shape
    found, _ = least_norm(inputs.T, labels[:, None]) if P <= N else least_squares(inputs, labels[:, None])
    return found[:, 0]


def _first_without_error(oriented: Array, teacher: Array, inside: Array) -> Array:
    """Return the point nearest the teacher without error on the line to one that has none."""
    at_teacher, at_inside = oriented @ teacher, oriented @ inside
    wrong = at_teacher <= 0.0
    share = float(np.max(-at_teacher[wrong] / (at_inside[wrong] - at_teacher[wrong]), initial=0.0))
    return teacher + (share + 1e-3 * (1.0 - share)) * (inside - teacher)


def _reduced_hebb(fields: Array, labels: Array, flip: float, dimension: int, rng: Generator) -> dict[str, float]:
    """Draw a student along and across the teacher and the stabilities that follow (eqs. 28-30)."""
    P = fields.size
    along = float(labels @ fields)
    across = math.sqrt(P * rng.chisquare(dimension - 1))
    sideways = across * rng.standard_normal(P)
    sideways += labels * ((across**2 - float(labels @ sideways)) / P)
    length = math.hypot(along, across)
    return _observe(along / length, labels * (fields * along + sideways) / length, flip)


def _reduced_interpolation(
    fields: Array, labels: Array, flip: float, dimension: int, rng: Generator
) -> dict[str, float]:
    """Draw the least-norm student of fewer examples than inputs from a 2 x 2 Wishart matrix (eqs. 31-32)."""
    P = fields.size
    root = math.sqrt(P)
    first = float(labels @ fields) / root
    second = math.sqrt(max(float(fields @ fields) - first**2, 0.0)) if P > 1 else 0.0
    inverse = np.linalg.inv(wishart(dimension + 1 - P, rng))
    y, z = np.array([root, 0.0]), np.array([first, second])
    along = float(z @ inverse @ y) / (1.0 + float(z @ inverse @ z))
    squared = float(y @ inverse @ y) - along * float(z @ inverse @ y)  # w·w, all of it
    length = math.sqrt(squared)
    return _observe(along / length, np.full(1, 1.0 / length), flip)


def _reduced_regression(fields: Array, labels: Array, flip: float, dimension: int, rng: Generator) -> dict[str, float]:
    """Draw the least-squares student of at least as many examples as inputs, and its residuals (eqs. 33-34)."""
    P = fields.size
    root = math.sqrt(P)
    y_axis = labels / root
    first = float(y_axis @ fields)
    rest = fields - first * y_axis
    second = float(np.linalg.norm(rest))
    kept = P - dimension + 1
    left, taken = wishart(kept, rng), wishart(dimension - 1, rng)
    values, vectors = np.linalg.eigh(left + taken)
    whiten = vectors @ np.diag(values**-0.5) @ vectors.T
    projector = whiten @ left @ whiten  # of the residuals, within the plane of the labels and the teacher's fields
    y, z = np.array([root, 0.0]), np.array([first, second])
    along = float(z @ projector @ y) / float(z @ projector @ z)
    target = y - along * z
    plane = projector @ target
    residual = float(target @ plane)
    explained = float(target @ target) - residual
    across = explained / rng.chisquare(kept + 1)
    length = math.sqrt(along**2 + across)
    residuals = plane[0] * y_axis + plane[1] * rest / second
    outside = residual - float(plane @ plane)
    if P > 2:
        noise = rng.standard_normal(P)
        noise -= (noise @ y_axis) * y_axis
        noise -= (noise @ rest) / second**2 * rest
        residuals += noise * math.sqrt(max(outside, 0.0) / float(noise @ noise))
    return _observe(along / length, (1.0 - labels * residuals) / length, flip)
