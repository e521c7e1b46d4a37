r"""The learning rule of a two-layer network, seen from within a block of examples.

Both simulations take their examples x_1 ... x_b in blocks.  The rule needs no more of a block than the fields at its
start and the examples' scalar products, because a step along x_i changes the field of a later x_j by a multiple of
x_i·x_j.  It finds, one after the other, the d_ki in

.. math:: w_k/\sqrt N \to w_k/\sqrt N + \sum_i d_{ki}\,x_i ,

in a space whose size has nothing to do with N.  What the examples are, N numbers each or their coordinates in the span
of the weights, is for the simulation to know.  See ``theory/online_sgd.md``, section 8.

The two functions are put in place in the kernels, which infer their types (a unit is a tag or a function, and each has
a specialisation): they have no annotations, and their docstrings give shapes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.schedules import learning_rate
from tsmech.sims.two_layer.blocks import BLOCK, Matrix
from tsmech.sims.two_layer.units import Unit, inlined, respond

LARGEST_FIELD = 1e6
"""A run has diverged when a field or a second-layer weight exceeds this in absolute value, or is not a number."""


class Rule(NamedTuple):
    """What is learnt and how, but for the arrays: numbers alone, so that it costs a kernel nothing to pass them on."""

    student: Unit
    teacher: Unit
    second_layer_rate: float
    noise: float
    weight_decay: float
    batch: int
    N: int


class Task(NamedTuple):
    """A rule with its arrays, in the order in which the kernels take them."""

    rule: Rule
    factor: Matrix
    """Lower-triangular L, shape (M, M), with T = L Lᵀ."""
    A: Matrix
    schedule: Matrix
    record_at: NDArray[np.int64]
    """Steps after which the state is recorded, increasing."""


@inlined
def ask_teacher(rule, factor, A, along, count, noise_rng, labels):  # type: ignore[no-untyped-def]
    r"""Fill in the labels of a block, :math:`y_i = \sum_m A_m g(\nu_{mi}) + \sigma\xi_i` with ν = L ``along``.

    Parameters
    ----------
    rule : Rule
    factor, A : ndarray, shapes (M, M) and (M,)
    along : ndarray, shape (M, BLOCK)
        The examples' coordinates along the teacher.
    count : int
        Examples in the block.
    labels : ndarray, shape (BLOCK,)
    """
    for i in range(count):
        label = rule.noise * noise_rng.standard_normal() if rule.noise > 0.0 else 0.0
        for m in range(A.size):
            field = 0.0
            for j in range(m + 1):
                field += factor[m, j] * along[j, i]
            label += A[m] * respond(rule.teacher, field)[0]
        labels[i] = label


@inlined
def learn(rule, schedule, v, fields, labels, gram, position, count, progress, stop, pushes, pulls, values):  # type: ignore[no-untyped-def]
    r"""Learn from the examples of a block, up to its end or to the end of a given step.

    .. math:: d_{ki} = -\frac{\eta}{N b}\, v_k\, g'(\lambda_{ki})\, \Delta_i, \qquad
              \lambda_{kj} \to \Bigl(1 - \frac\kappa N\Bigr) \lambda_{kj} + \sum_{i} d_{ki}\, x_i \cdot x_j

    for the examples j after a step, with the sum over its b examples i.

    Parameters
    ----------
    rule : Rule
    schedule : ndarray, shape (n, 4)
    v : ndarray, shape (K,)
        The second layer, changed in place.
    fields : ndarray, shape (K, BLOCK)
        λ_ki at first, changed in place.
    labels : ndarray, shape (BLOCK,)
    gram : ndarray, shape (BLOCK, BLOCK)
        x_i·x_j for i < j; the rest only has to be finite, and all of it if a step has BLOCK examples or more.
    position, count : int
        The next example of the block, and how many there are.
    progress : tuple
        Steps completed; examples that the step under way has had; the factor by which the weights of the block's
        start have been multiplied since.
    stop : int
        The step to stop after.
    pushes : ndarray, shape (K, BLOCK)
        Filled with the d_ki, decayed since.
    pulls, values : ndarray, shape (K,)
        Sum of g(λ_ki) Δ_i over the step under way, and scratch.

    Returns
    -------
    position, progress : as above
    bounded : bool
        False where the run has diverged.
    """
    K, N, batch = v.size, rule.N, rule.batch
    decay = 1.0 - rule.weight_decay / N
    second_rate = rule.second_layer_rate / (N * batch)
    varying = schedule.shape[0] > 1 or schedule[0, 3] != 0.0
    step, taken, shrink = progress
    first = position
    rate = learning_rate(schedule, step * batch / N) / (N * batch)
    while position < count and step < stop:
        error = -labels[position]
        for k in range(K):
            if not abs(fields[k, position]) <= LARGEST_FIELD:
                return position, (step, taken, shrink), False
            values[k], pushes[k, position] = respond(rule.student, fields[k, position])
            error += v[k] * values[k]
        for k in range(K):
            pushes[k, position] *= -rate * error * v[k]
            pulls[k] += error * values[k]
        position += 1
        taken += 1
        if taken == batch:
            for k in range(K):
                if decay != 1.0:
                    for j in range(BLOCK):
                        fields[k, j] *= decay
                    for i in range(first):
                        pushes[k, i] *= decay
                for i in range(first, position):
                    push = pushes[k, i]
                    for j in range(BLOCK):
                        fields[k, j] += push * gram[i, j]
            if second_rate > 0.0:
                for k in range(K):
                    v[k] = decay * v[k] - second_rate * pulls[k]
                    pulls[k] = 0.0
                    if not abs(v[k]) <= LARGEST_FIELD:
                        return position, (step, taken, shrink), False
            if batch <= BLOCK:
                shrink *= decay
            taken = 0
            step += 1
            first = position
            if varying:
                rate = learning_rate(schedule, step * batch / N) / (N * batch)
    return position, (step, taken, shrink), True
