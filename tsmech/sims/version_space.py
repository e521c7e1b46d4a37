r"""Students drawn from the Gibbs law of a training set on the sphere, by exact reflected and refracted rotations.

The energy counts the examples with a negative stability and depends on the direction of w alone, so that
:math:`e^{-\beta E(w)}` with independent normal components has the law on the sphere as that of its directions.  With
velocities v that are normal too, free motion under this weight is a rotation, w cos φ + v sin φ.  At each hyperplane
where an example changes sides the energy jumps by one: the velocity's normal component pays for it or is reflected
(at T = 0 always).  No step is rejected and nothing is discretised [1]_.  theory/perceptron.md, section 8.

References
----------
.. [1] A. Pakman, L. Paninski, Exact Hamiltonian Monte Carlo for truncated multivariate Gaussians, J. Comput. Graph.
   Stat. 23, 518 (2014), arXiv:1208.4118; H. M. Afshar, J. Domke, Reflection, refraction and Hamiltonian Monte Carlo,
   NIPS 28 (2015).
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.kernels.jit import strict_kernel

Array = NDArray[np.float64]

COLD = 1e200
"""Inverse temperature that no velocity can pay for."""


class Chain(NamedTuple):
    """What a chain recorded."""

    overlaps: Array
    """Cosine of student and teacher, shape (n,)."""
    errors: Array
    """Examples with a wrong label, shape (n,)."""
    students: Array
    """Of length 1, shape (n, N)."""


@strict_kernel
def rotate(fields: Array, speeds: Array, gram: Array, beta: float, pulls: Array, kicks: Array) -> int:
    """Rotate a state by a quarter turn; return the number of hyperplanes that it met.

    Parameters
    ----------
    fields, speeds : ndarray, shape (P,)
        Scalar products of the examples y x with w and with v at the start; changed.
    gram : ndarray, shape (P, P)
        Scalar products of the examples.
    beta : float
        Inverse temperature; :data:`COLD` at T = 0.
    pulls, kicks : ndarray, shape (P,)
        Coefficients of the examples that are to be added to w and v so that the free rotation from there ends where
        the reflected one does; set.

    Notes
    -----
    The field of example μ vanishes once in half a turn, at cot φ = -speed/field: the next event has the largest
    cotangent below the present one.  O(P) an event.
    """
    P = fields.size
    pulls[:] = 0.0
    kicks[:] = 0.0
    now, last, events = np.inf, -1, 0
    while True:
        best, at = 0.0, -1
        for mu in range(P):
            cotangent = -speeds[mu] / fields[mu]
            if cotangent > best and cotangent < now and mu != last:
                best, at = cotangent, mu
        if at < 0:
            return events
        sine = 1.0 / math.sqrt(1.0 + best * best)
        cosine = best * sine
        speed = speeds[at] * cosine - fields[at] * sine
        cost = 2.0 * beta * gram[at, at]
        if speed > 0.0:
            after = math.sqrt(speed * speed + cost)
        elif speed * speed > cost:
            after = -math.sqrt(speed * speed - cost)
        else:
            after = -speed
        change = (after - speed) / gram[at, at]
        pulls[at] -= change * sine
        kicks[at] += change * cosine
        for mu in range(P):
            fields[mu] -= change * sine * gram[at, mu]
            speeds[mu] += change * cosine * gram[at, mu]
        now, last = best, at
        events += 1


def sample(
    oriented: Array, teacher: Array, start: Array, temperature: float, counts: tuple[int, int], rng: Generator
) -> Chain:
    """Return a chain of students, one each quarter turn.

    Parameters
    ----------
    oriented : ndarray, shape (P, N)
        The examples, each times its label.
    teacher : ndarray, shape (N,)
        Of length 1.
    start : ndarray, shape (N,)
        The first student; at T = 0 without error.
    temperature : float
        T >= 0.
    counts : tuple of int
        Students before the record and in it.
    rng : Generator

    Notes
    -----
    A trajectory at whose end rounding has left a student with errors at T = 0 is not taken; the old student counts
    again.  O(P) an event, about one event for each example and trajectory, and O(N P) a trajectory.
    """
    P, N = oriented.shape
    gram = np.ascontiguousarray(oriented @ oriented.T)
    beta = min(1.0 / temperature, COLD) if temperature > 0.0 else COLD
    pulls, kicks = np.empty(P), np.empty(P)
    w = start * (math.sqrt(rng.chisquare(N)) / float(np.linalg.norm(start)))
    before, recorded = counts
    errors, students = np.empty(recorded), np.empty((recorded, N))
    wrong = int((oriented @ w < 0.0).sum())
    for step in range(before + recorded):
        v = rng.standard_normal(N)
        rotate(oriented @ w, oriented @ v, gram, beta, pulls, kicks)
        moved = v + kicks @ oriented
        missed = int((oriented @ moved < 0.0).sum())
        if temperature > 0.0 or missed == 0:
            w, wrong = moved, missed
        if step >= before:
            students[step - before], errors[step - before] = w / math.sqrt(float(w @ w)), wrong
    return Chain(students @ teacher, errors, students)
