"""Perceptual learning of a deep linear network of tuned neurons: every weight, by gradient descent or Oja's rule.

Equation numbers are those of theory/perceptual_learning.md.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError
from tsmech.sims.deep_network import Network, Task, decoupled

Array = NDArray[np.float64]


def first_layers(depth: int, gain: float, readout: Array) -> list[Array]:
    """Return hidden layers that are ``gain`` times the identity, and the readout, shape (1, N)."""
    return [gain * np.eye(len(readout)) for _ in range(depth - 1)] + [readout[None].copy()]


def random_readout(neurons: int, strength: float, rng: Generator) -> Array:
    """Return a readout of independent normal weights, of mean square strength² over all neurons together."""
    return np.asarray(strength / np.sqrt(neurons) * rng.standard_normal(neurons))


def network(layers: Sequence[Array], half: Array, noise: float) -> Network:
    """Return a network whose loss is the mean over noisy responses (eq. 2)."""
    square = float(half @ half)
    power = noise**2 + square
    # X with X Xᵀ the covariance σ² 1 + d dᵀ, and Y with Y Xᵀ = d
    root = noise * np.eye(half.size) + (np.sqrt(power) - noise) * np.outer(half, half) / square
    return Network(layers, Task(half[None] / np.sqrt(power), root))


def descend(layers: Sequence[Array], half: Array, noise: float, times: Array, step: float) -> Iterator[list[Array]]:
    """Yield the layers at the times, trained on the mean over noisy responses; fewer where they diverge.

    Parameters
    ----------
    layers : sequence of ndarray
        The first weights.
    half : ndarray, shape (N,)
        d: labels ±1 have the responses ±d + σ ξ, from which their mean is taken (eqs. 1-2).
    noise : float
        σ.
    times : ndarray, shape (T,)
        Whole steps where step > 0.
    step : float
        Of gradient descent; 0 is gradient flow.
    """
    student = network(layers, half, noise)
    for _ in student.follow(times, step):
        yield [one.copy() for one in student.layers()]


def oja(
    layers: Sequence[Array], half: Array, noise: float, second_moment: Array, times: Array, step: float
) -> Iterator[list[Array]]:
    """Yield both layers at the times: the first by Oja's subspace rule, the readout by gradient descent (eq. 8).

    Parameters
    ----------
    layers, half, noise, times, step
        As of :func:`descend`; two layers.
    second_moment : ndarray, shape (N, N)
        Mean products of responses, from which no mean is taken.
    """
    (hidden, readout), N = (one.copy() for one in layers), half.size

    def velocity(hidden: Array, readout: Array) -> tuple[Array, Array]:
        driven = hidden @ second_moment
        through = readout @ hidden
        missing = half - noise**2 * through - (through @ half) * half
        return driven - driven @ hidden.T @ hidden, missing @ hidden.T

    before = 0.0
    for time in times:
        if step > 0:
            for _ in range(round((time - before) / step)):
                change, turn = velocity(hidden, readout)
                hidden, readout = hidden + step * change, readout + step * turn
        elif time > before:
            from scipy.integrate import solve_ivp

            def flat(_: float, state: Array) -> Array:
                change, turn = velocity(state[: N * N].reshape(N, N), state[N * N :][None])
                return np.concatenate([change.ravel(), turn.ravel()])

            found = solve_ivp(
                flat, (before, time), np.concatenate([hidden.ravel(), readout.ravel()]), rtol=1e-9, atol=1e-11
            )
            if not found.success:
                raise ConvergenceError(f"the rule could not be followed: {found.message}")
            hidden, readout = found.y[: N * N, -1].reshape(N, N), found.y[N * N :, -1][None]
        before = time
        if not abs(hidden).max() < 1e6:
            return
        yield [hidden.copy(), readout.copy()]


def follow_mode(strengths: Array, strength: float, power: float, times: Array, step: float) -> Array:
    """Return the layers' strengths along the mode, step by step, shape (T, depth).

    Parameters
    ----------
    strengths : ndarray, shape (depth,)
        At the start.
    strength, power : float
        s and λ along the mode: descent on s and λ is that on s/λ with λ times the step (eq. 4).
    times, step
        As of :func:`descend`.
    """
    found = decoupled(strengths[:, None], np.array([strength / power]), power * times, power * step)
    return found[:, :, 0]
