r"""A perceptron that sees each example once: by two coordinates of its weights, or every one of them.

A step is :math:`w \to w + F\, y\, x/\sqrt N`, F a function of y h with h = w·x/√N.  :func:`run_reduced` keeps the
student's component along the teacher and the length of the rest: an example enters by its own components along both,
normal numbers, and by the length of what is left of it.  :func:`run_direct` draws every input.  Both have one law
(theory/online_perceptron.md, section 4).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.kernels.steps import completed_steps
from tsmech.sims.streams import GAUSSIAN, QUANTUM, fill, fill_lengths, seed_lanes

Array = NDArray[np.float64]

HEBB, PERCEPTRON, ADATRON, OPTIMAL, LOGISTIC, HINGE = range(6)
TAGS = {
    "hebb": HEBB, "perceptron": PERCEPTRON, "adatron": ADATRON, "optimal": OPTIMAL, "logistic": LOGISTIC,
    "hinge": HINGE,
}  # fmt: skip
MOST = 1e200
"""Largest Q of a student that has not diverged."""
BLOCK = 4096
_ROOT = 1.0 / math.sqrt(2.0)
_DENSITY = 1.0 / math.sqrt(2.0 * math.pi)


class Rule(NamedTuple):
    """How the student learns."""

    tag: int
    """Which rule, of ``TAGS``."""
    rate: float
    """η; of the optimal rule √Q/ρ, which it keeps."""
    flip: float
    """Probability that a label is wrong."""


class Run(NamedTuple):
    """The student's component along the teacher and the length of the rest, over √N, at up to n times."""

    along: Array
    across: Array
    diverged_at: float | None


def make_rule(rule: str, learning_rate: float, flip: float, start: tuple[float, float]) -> tuple[Rule, float, float]:
    """Return a rule for the kernels, and the start's components along and across the teacher.

    Parameters
    ----------
    rule : str
        One of ``TAGS``.
    learning_rate, flip : float
    start : tuple of float
        √Q and ρ.  The optimal rule begins with no weights where ρ = 0.
    """
    root, cosine = start
    along, across = root * cosine, root * math.sqrt((1.0 - cosine) * (1.0 + cosine))
    if rule == "optimal":
        unit = root / cosine if cosine > 0.0 else root
        if cosine == 0.0:
            along = across = 0.0
        return Rule(OPTIMAL, unit, flip), along, across
    return Rule(TAGS[rule], learning_rate, flip), along, across


def run_reduced(
    rule: str,
    learning_rate: float,
    flip: float,
    start: tuple[float, float],
    times: Array,
    dimension: int,
    rng: Generator,
) -> Run:
    """Draw the student's course at these times from the chain of its two coordinates.

    Parameters
    ----------
    rule, learning_rate, flip, start
        As in :func:`make_rule`.
    times : ndarray, shape (n,)
        Values of alpha, multiples of 1/N, increasing.
    dimension : int
        N >= 2.
    rng : Generator

    Notes
    -----
    Exact in law at every N, at a price a step that does not depend on it.
    """
    made, along, across = make_rule(rule, learning_rate, flip, start)
    steps = completed_steps(times, 1.0 / dimension).astype(np.int64)
    out = np.empty((steps.size, 2))
    lanes = seed_lanes(rng)
    reached = _follow_chain(made, along, across, steps, dimension, lanes, rng, out)
    return _run(out, reached, times)


def run_direct(
    rule: str,
    learning_rate: float,
    flip: float,
    start: tuple[float, float],
    times: Array,
    dimension: int,
    rng: Generator,
) -> Run:
    """Train one network of N weights; parameters as in :func:`run_reduced`.

    Notes
    -----
    About 1 ns a step and weight.
    """
    made, along, across = make_rule(rule, learning_rate, flip, start)
    steps = completed_steps(times, 1.0 / dimension).astype(np.int64)
    start_stream, example_stream = rng.spawn(2)
    b = start_stream.standard_normal(dimension)
    b *= math.sqrt(dimension / float(b @ b))
    rest = start_stream.standard_normal(dimension)
    rest -= (rest @ b) / dimension * b
    rest *= math.sqrt(dimension / float(rest @ rest))
    out = np.empty((steps.size, 2))
    x = np.empty(-(-dimension // QUANTUM) * QUANTUM, dtype=np.float32)
    lanes = seed_lanes(example_stream)
    reached = _follow_network(made, along * b + across * rest, b, steps, x, lanes, example_stream, out)
    return _run(out, reached, times)


def _run(out: Array, reached: int, times: Array) -> Run:
    ended = reached < len(out)
    return Run(out[:reached, 0], out[:reached, 1], float(times[reached]) if ended else None)


@kernel
def pull(rule: Rule, field: float, along: float, across: float) -> float:
    """Return F at a field y h of a student with these components along and across the teacher."""
    if rule.tag == HEBB:
        return rule.rate
    if rule.tag == PERCEPTRON:
        return rule.rate if field < 0.0 else 0.0
    if rule.tag == ADATRON:
        return -rule.rate * field if field < 0.0 else 0.0
    if rule.tag == LOGISTIC:
        return rule.rate / (1.0 + math.exp(min(field, 700.0)))
    if rule.tag == HINGE:
        return rule.rate if field < 1.0 else 0.0
    length = math.sqrt(along * along + across * across)
    if length == 0.0:
        return rule.rate * (1.0 - 2.0 * rule.flip) * _DENSITY * 2.0
    v = field / length * along / max(across, 1e-300)
    if v < -25.0 and rule.flip == 0.0:
        return -rule.rate * across / length * v  # φ/Φ → -v
    right = rule.flip + (1.0 - 2.0 * rule.flip) * 0.5 * math.erfc(-v * _ROOT)
    return rule.rate * across / length * (1.0 - 2.0 * rule.flip) * _DENSITY * math.exp(-0.5 * v * v) / right


@kernel
def _follow_chain(
    rule: Rule,
    along: float,
    across: float,
    steps: NDArray[np.int64],
    dimension: int,
    lanes: NDArray[np.uint32],
    rng: Generator,
    out: Array,
) -> int:
    """Run the chain and record it; return how many records there are before it diverged."""
    normals, lengths = np.empty(2 * BLOCK, dtype=np.float32), np.empty(BLOCK)
    degrees = np.full(BLOCK, dimension - 2)
    done, place = 0, BLOCK
    for record in range(steps.size):
        while done < steps[record]:
            if place == BLOCK:
                fill(GAUSSIAN, lanes, rng, normals)
                fill_lengths(degrees, rng, lengths)
                place = 0
                if not along * along + across * across < MOST:
                    return record
            u, z = float(normals[place]), float(normals[BLOCK + place])
            label = -1.0 if u < 0.0 else 1.0
            if rule.flip > 0.0 and rng.random() < rule.flip:
                label = -label
            push = label * pull(rule, label * (along * u + across * z), along, across) / dimension
            if push != 0.0:
                along += push * u
                sideways, rest = across + push * z, push * lengths[place]
                across = math.sqrt(sideways * sideways + rest * rest)
            place += 1
            done += 1
        out[record, 0], out[record, 1] = along, across
        if not along * along + across * across < MOST:
            return record
    return steps.size


@kernel
def _follow_network(
    rule: Rule,
    w: Array,
    b: Array,
    steps: NDArray[np.int64],
    x: NDArray[np.float32],
    lanes: NDArray[np.uint32],
    rng: Generator,
    out: Array,
) -> int:
    """Train the network and record it; return how many records there are before it diverged."""
    N = w.size
    root = math.sqrt(N)
    done = 0
    along, across = _components(w, b)
    for record in range(steps.size):
        while done < steps[record]:
            fill(GAUSSIAN, lanes, rng, x)
            u = h = 0.0
            for i in range(N):
                u += b[i] * x[i]
                h += w[i] * x[i]
            label = -1.0 if u < 0.0 else 1.0
            if rule.flip > 0.0 and rng.random() < rule.flip:
                label = -label
            push = label * pull(rule, label * h / root, along, across) / root
            if push != 0.0:
                for i in range(N):
                    w[i] += push * x[i]
                if rule.tag == OPTIMAL:
                    along, across = _components(w, b)
            done += 1
        along, across = _components(w, b)
        out[record, 0], out[record, 1] = along, across
        if not along * along + across * across < MOST:
            return record
    return steps.size


@kernel
def _components(w: Array, b: Array) -> tuple[float, float]:
    """Return the student's component along the teacher, of squared length N, and the length of the rest, over √N."""
    N = w.size
    along = square = 0.0
    for i in range(N):
        along += w[i] * b[i]
    along /= N
    for i in range(N):
        rest = w[i] - along * b[i]
        square += rest * rest
    return along, math.sqrt(square / N)
