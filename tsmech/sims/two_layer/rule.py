r"""Learning in blocks of examples: the loop that the chain, the network and training on stored examples share.

Both simulations take their examples x_1 ... x_b in blocks.  The rule needs no more of a block than the fields at its
start and the examples' scalar products, because a step along x_i changes the field of a later x_j by a multiple of
x_i·x_j.  It finds, one after the other, the d_ki in

.. math:: w_k/\sqrt N \to w_k/\sqrt N + \sum_i d_{ki}\,x_i ,

in a space whose size has nothing to do with N.  What the examples are, N numbers each or their coordinates in the span
of the weights, is for the simulation to know.  See ``theory/online_sgd.md``, section 8.

A simulation is a value (arrays, generators) and three functions of it, which :func:`follow` takes as arguments:

- ``next_block(problem, machine, progress, count, pushes, labels)`` makes the steps of the block before, if there was
  one, and takes the next ``count`` examples: their fields, scalar products and labels;
- ``record(problem, machine, v, shrink, pushes, row)`` records the state after the steps so far;
- ``squares(problem, machine, shrink, pushes, out)`` fills in its Q_kk.

All functions here are inlined into the kernels, which infer the types (a unit is a tag or a function, and each has a
specialisation), so that no unit ends up in Numba's cache.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.borrowing import borrowed
from tsmech.kernels.rule import Rule
from tsmech.kernels.schedules import learning_rate
from tsmech.sims.two_layer.blocks import BLOCK, Matrix
from tsmech.sims.two_layer.units import inlined, respond


class Problem(NamedTuple):
    """What is learnt and how, as the kernels take it."""

    rule: Rule
    """Its activations are tags or compiled functions."""
    N: int
    factor: Matrix
    """Lower-triangular L, shape (M, M), with T = L Lᵀ."""
    A: Matrix
    record_at: NDArray[np.int64]
    """Steps after which the state is recorded, increasing."""
    bound: float
    """Largest Q_kk or v_k² of a run that has not diverged: see :mod:`tsmech.kernels.divergence`."""


@inlined
def ask_teacher(rule: Any, factor: Any, A: Any, along: Any, count: Any, noise_rng: Any, labels: Any) -> None:
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
def learn(
    problem: Any,
    v: Any,
    fields: Any,
    labels: Any,
    gram: Any,
    position: Any,
    count: Any,
    progress: Any,
    stop: Any,
    pushes: Any,
    scratch: Any,
    calm: Any,
) -> Any:
    r"""Learn from the examples of a block: up to its end, to the end of a given step, or of one with a large field.

    .. math:: d_{ki} = -\frac{\eta}{N b}\, v_k\, g'(\lambda_{ki})\, \Delta_i, \qquad
              \lambda_{kj} \to \Bigl(1 - \frac\kappa N\Bigr) \lambda_{kj} + \sum_{i} d_{ki}\, x_i \cdot x_j

    for the examples j after a step, with the sum over its b examples i.

    Parameters
    ----------
    problem : Problem
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
    scratch : ndarray, shape (2, K)
        Sum of g(λ_ki) Δ_i over the step under way, and room for values.
    calm : bool
        False where a field of the step under way has exceeded half the root of the bound.

    Returns
    -------
    position, progress, calm : as above
        ``calm`` is False, too, where a v_k² exceeds the bound.

    Notes
    -----
    A unit at the bound has so large a field in 62 % of the examples: it is noticed within a few of them.
    """
    rule, N, bound = problem.rule, problem.N, problem.bound
    schedule, batch = rule.schedule, rule.batch
    K, pulls, values = v.size, scratch[0], scratch[1]
    large = 0.5 * math.sqrt(bound)
    decay = 1.0 - rule.weight_decay / N
    second_rate = rule.second_layer_rate / (N * batch)
    varying = schedule.shape[0] > 1 or schedule[0, 3] != 0.0
    step, taken, shrink = progress
    first = position
    rate = learning_rate(schedule, step * batch / N) / (N * batch)
    while position < count and step < stop:
        error = -labels[position]
        for k in range(K):
            if not abs(fields[k, position]) <= large:
                calm = False
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
                    if not v[k] * v[k] <= bound:
                        calm = False
            if batch <= BLOCK:
                shrink *= decay
            taken = 0
            step += 1
            first = position
            if varying:
                rate = learning_rate(schedule, step * batch / N) / (N * batch)
            if not calm:
                break
    return position, (step, taken, shrink), calm


@inlined
def follow(problem: Any, machine: Any, v: Any, recorded_v: Any, next_block: Any, record: Any, squares: Any) -> Any:
    """Train up to the last record, or until the run has diverged.

    Parameters
    ----------
    problem : Problem
    machine : NamedTuple
        What a simulation needs, with ``fields`` and ``gram`` as :func:`learn` takes them.
    v : ndarray, shape (K,)
        The second layer, changed in place.
    recorded_v : ndarray, shape (n, K)
    next_block, record, squares
        See above.

    Returns
    -------
    int, int
        How many records were made, and the step that the run ended after.

    Notes
    -----
    A batch of at most BLOCK examples is a step inside a block.  A larger one is spread over several blocks: the weights
    stay as they are until it is complete.
    """
    problem = borrowed(problem)
    machine = borrowed(machine)
    v = borrowed(v)
    recorded_v = borrowed(recorded_v)
    batch, record_at, bound = problem.rule.batch, problem.record_at, problem.bound
    spread = batch > BLOCK
    decay = 1.0 - problem.rule.weight_decay / problem.N
    labels, pushes = np.zeros(BLOCK), np.zeros((v.size, BLOCK))
    scratch, sizes = np.zeros((2, v.size)), np.zeros(v.size)
    progress = 0, 0, 1.0
    recorded = count = position = 0
    calm = True
    while True:
        if progress[0] == record_at[recorded]:
            record(problem, machine, v, progress[2], pushes, recorded)
            for k in range(v.size):  # an assignment of arrays would take seconds to compile, with its words of error
                recorded_v[recorded, k] = v[k]
            recorded += 1
            if recorded == record_at.size:
                return recorded, progress[0]
        if position == count:
            count = min(BLOCK, batch - progress[1]) if spread else BLOCK // batch * batch
            next_block(problem, machine, progress, count, pushes, labels)
            pushes[:] = 0.0
            progress = progress[0], progress[1], decay if spread and progress[1] == 0 else 1.0
            position = 0
        position, progress, calm = learn(
            problem,
            v,
            machine.fields,
            labels,
            machine.gram,
            position,
            count,
            progress,
            record_at[recorded],
            pushes,
            scratch,
            calm,
        )
        if not calm and progress[1] == 0:
            squares(problem, machine, progress[2], pushes, sizes)
            calm = True
            for k in range(v.size):
                if not (sizes[k] <= bound and v[k] * v[k] <= bound):
                    return recorded, progress[0]
