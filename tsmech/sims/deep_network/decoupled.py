"""Aligned modes of a deep linear network, each by itself: gradient descent of the strengths of its layers."""

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.kernels.jit import kernel

Array = NDArray[np.float64]


def decoupled(layers: Array, strengths: Array, times: Array, step: float) -> Array:
    """Return the strengths of aligned modes, layer by layer, at the times, shape (T, depth, modes) (eq. 3).

    It has fewer rows where a mode diverges.
    """
    if step == 0:
        return _decoupled_flow(layers, strengths, times)
    state, found, before = layers.copy(), [], 0.0
    bound = 1e6 * max(1.0, float(abs(layers).max()), float(strengths.max()))
    for time in times:
        _decoupled_descend(state, strengths, step, round((time - before) / step))
        before = time
        if not abs(state).max() <= bound:
            break
        found.append(state.copy())
    return np.array(found).reshape(-1, *layers.shape)


def _decoupled_flow(layers: Array, strengths: Array, times: Array) -> Array:
    from scipy.integrate import solve_ivp

    def velocity(_: float, flat: Array) -> Array:
        w = flat.reshape(layers.shape)
        others = np.array([np.prod(np.delete(w, layer, axis=0), axis=0) for layer in range(len(w))])
        return np.asarray(((strengths - w.prod(axis=0)) * others).ravel())

    if times[-1] == 0.0:
        return np.broadcast_to(layers, (times.size, *layers.shape)).copy()
    floor = 1e-12 * max(float(abs(layers).min()), 1e-6)
    found = solve_ivp(velocity, (0.0, times[-1]), layers.ravel(), method="LSODA", rtol=1e-10, atol=floor, t_eval=times)
    if not found.success:
        raise ConvergenceError(f"gradient flow could not be followed: {found.message}")
    return np.asarray(found.y.T.reshape(times.size, *layers.shape))


@kernel
def _decoupled_descend(state: Array, strengths: Array, step: float, count: int) -> None:
    """Make `count` steps of each mode: w_l += step (s - w_1 ... w_D) times the product of the other layers."""
    depth, modes = state.shape
    before, after = np.empty(depth + 1), np.empty(depth + 1)
    for mode in range(modes):
        for _ in range(count):
            before[0], after[depth] = 1.0, 1.0
            for layer in range(depth):
                before[layer + 1] = before[layer] * state[layer, mode]
            for layer in range(depth - 1, -1, -1):
                after[layer] = after[layer + 1] * state[layer, mode]
            error = step * (strengths[mode] - before[depth])
            for layer in range(depth):
                state[layer, mode] += error * before[layer] * after[layer + 1]
