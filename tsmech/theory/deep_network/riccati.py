"""Compiled loops of the matrix Riccati solution: one small factorisation a time, those of a block of times together.

The last axis of what a block works on is its times, so that each operation is one on all of them.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import deferred_kernel, deferred_kernel_of
from tsmech.theory.deep_network.unaligned import LANES, Problem

Array = NDArray[np.float64]

OPERATION = 0.8
"""What an operation on a time costs where it is interpreted."""


def _work(problem: Problem, times: Array, *_: Array) -> float:
    """Return what the loops cost where they are interpreted, in the units of :mod:`tsmech.kernels.deferral`."""
    n, width = problem.rows.shape
    return float(OPERATION * times.size * width * (n * width + 3 * problem.inputs * (n - problem.inputs)))


@deferred_kernel_of(_work)
def follow(problem: Problem, times: Array, one: Array, two: Array) -> None:
    """Write W₁ᵀ and W₂ at the times, up to a rotation of the hidden units, along the modes and other directions.

    Parameters
    ----------
    problem : Problem
    times : ndarray, shape (blocks, LANES)
    one, two : ndarray, shapes (blocks, inputs, width, LANES) and (blocks, outputs, width, LANES)
        What is written.
    """
    n, width = problem.rows.shape
    work = np.empty((n, width, LANES))
    for block in range(len(times)):
        _follow(problem, times[block], work, one[block], two[block])


@deferred_kernel_of(_work)
def measure(problem: Problem, times: Array, strengths: Array, learnt: Array, error: Array, gradient: Array) -> None:
    """Write the modes' u·W₂W₁v, the error ½ ‖Σ - W₂W₁‖² and the square of the gradient's length.

    Parameters
    ----------
    problem, times
        As in :func:`follow`.
    strengths : ndarray, shape (modes,)
        s of the modes u s vᵀ whose sum is Σ.
    learnt : ndarray, shape (blocks, modes, LANES)
        What is written, and in
    error, gradient : ndarray, shape (blocks, LANES)
    """
    n, width = problem.rows.shape
    inputs, outputs = problem.inputs, n - problem.inputs
    work, one, two = np.empty((n, width, LANES)), np.empty((inputs, width, LANES)), np.empty((outputs, width, LANES))
    missing, part = np.empty((outputs, inputs, LANES)), np.empty(LANES)
    for block in range(len(times)):
        _follow(problem, times[block], work, one, two)
        for t in range(LANES):
            error[block, t] = gradient[block, t] = 0.0
        for o in range(outputs):
            for i in range(inputs):
                for t in range(LANES):
                    part[t] = 0.0
                for h in range(width):
                    for t in range(LANES):
                        part[t] += two[o, h, t] * one[i, h, t]
                mode = o == i and o < len(strengths)
                if mode:
                    for t in range(LANES):
                        learnt[block, o, t] = part[t]
                s = strengths[o] if mode else 0.0
                for t in range(LANES):
                    missing[o, i, t] = s - part[t]
                    error[block, t] += 0.5 * (missing[o, i, t] * missing[o, i, t])
        for h in range(width):
            for o in range(outputs):
                for t in range(LANES):
                    part[t] = 0.0
                for i in range(inputs):
                    for t in range(LANES):
                        part[t] += missing[o, i, t] * one[i, h, t]
                for t in range(LANES):
                    gradient[block, t] += part[t] * part[t]
            for i in range(inputs):
                for t in range(LANES):
                    part[t] = 0.0
                for o in range(outputs):
                    for t in range(LANES):
                        part[t] += missing[o, i, t] * two[o, h, t]
                for t in range(LANES):
                    gradient[block, t] += part[t] * part[t]


@deferred_kernel
def _follow(problem: Problem, times: Array, work: Array, one: Array, two: Array) -> None:
    """Write both layers at the times of one block."""
    _solve(problem, times, work)
    modes, inputs, width = len(problem.angles), problem.inputs, work.shape[1]
    for m in range(modes):
        for h in range(width):
            for t in range(LANES):
                one[m, h, t] = two[m, h, t] = 0.0
    for i in range(len(work)):
        place = problem.places[i]
        if place < 2 * modes:
            m, angle = place % modes, problem.angles[place % modes]
            cos, sin = (math.cos(angle), math.sin(angle)) if place < modes else (-math.sin(angle), math.cos(angle))
            for h in range(width):
                for t in range(LANES):
                    one[m, h, t] += cos * work[i, h, t]
                    two[m, h, t] += sin * work[i, h, t]
            continue
        for h in range(width):
            for t in range(LANES):
                if place < modes + inputs:
                    one[place - modes, h, t] = work[i, h, t]
                else:
                    two[place - inputs, h, t] = work[i, h, t]


@deferred_kernel
def _solve(problem: Problem, times: Array, work: Array) -> None:
    r"""Write Q(t), up to a rotation of its columns, along the eigenvectors of F (eq. 19)."""
    rates, rows, pivots = problem.rates, problem.rows, problem.pivots
    n, width = rows.shape
    middle = np.empty((width, width, LANES))
    shares = np.ones((width, LANES))
    fall, square, decay, weighted = np.empty(LANES), np.empty(LANES), np.empty(LANES), np.empty(LANES)
    for j in range(width):
        for k in range(j):
            for t in range(LANES):
                middle[j, k, t] = 0.0
        own = max(rates[pivots[j]], 0.0) if pivots[j] < n else 0.0
        for t in range(LANES):
            middle[j, j, t] = math.exp(-2.0 * own * times[t])
    for i in range(n):
        rate = rates[i]
        falling = i > 0 and max(rate, 0.0) < max(rates[i - 1], 0.0)
        if falling:
            step = max(rate, 0.0) - max(rates[i - 1], 0.0)
            for t in range(LANES):
                fall[t] = math.exp(step * times[t])
        if i == 0 or rate != rates[i - 1]:
            size = 2.0 * abs(rate)
            for t in range(LANES):
                square[t] = times[t] if size == 0.0 else -math.expm1(-size * times[t]) / size
        for j in range(width):
            if i < pivots[j]:
                for t in range(LANES):
                    work[i, j, t] = 0.0
                continue
            if falling and i > pivots[j]:
                for t in range(LANES):
                    shares[j, t] *= fall[t]
            for t in range(LANES):
                work[i, j, t] = rows[i, j] * shares[j, t]
                weighted[t] = square[t] * work[i, j, t]
            for k in range(j + 1):
                for t in range(LANES):
                    middle[j, k, t] += weighted[t] * work[i, k, t]
    for k in range(width):
        for t in range(LANES):
            middle[k, k, t] = 1.0 / math.sqrt(middle[k, k, t])
        for j in range(k + 1, width):
            for t in range(LANES):
                middle[j, k, t] *= middle[k, k, t]
            for m in range(k + 1, j + 1):
                for t in range(LANES):
                    middle[j, m, t] -= middle[j, k, t] * middle[m, k, t]
    for i in range(n):
        if rates[i] < 0.0 and (i == 0 or rates[i] != rates[i - 1]):
            for t in range(LANES):
                decay[t] = math.exp(rates[i] * times[t])
        for j in range(width):
            if rates[i] < 0.0:
                for t in range(LANES):
                    work[i, j, t] *= decay[t]
            for k in range(j):
                for t in range(LANES):
                    work[i, j, t] -= work[i, k, t] * middle[j, k, t]
            for t in range(LANES):
                work[i, j, t] *= middle[j, j, t]
