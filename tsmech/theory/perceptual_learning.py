r"""Perceptual learning of a deep linear network of tuned neurons: one mode, along what tells two orientations apart.

Hidden layers start as g times the identity, so that hidden neurons inherit their inputs' tuning, the readout along the
mode with strength r₀.  Derivations and equation numbers: ``theory/perceptual_learning.md``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError
from tsmech.theory.deep_network import layer_strengths, unbalanced_modes

Array = NDArray[np.float64]

RTOL = 1e-10


class TunedMode(NamedTuple):
    """Strengths along the mode in time, shape (T,)."""

    hidden: Array
    """w, of each hidden layer."""
    readout: Array
    """r, of the last layer."""


def tuned_mode(times: ArrayLike, strength: float, power: float, gain: float, readout: float, depth: int) -> TunedMode:
    r"""Return the mode's strengths in the hidden layers and in the readout.

    .. math::
        \dot w = (s - \lambda a)\, w^{D-2} r , \qquad \dot r = (s - \lambda a)\, w^{D-1} , \qquad a = w^{D-1} r

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing from 0, in units of the inverse learning rate.
    strength, power : float
        s and λ, correlation with the labels and variance of the responses along the mode.
    gain, readout : float
        g and r₀ at the start.
    depth : int
        D >= 1 layers; 1 has the readout alone.

    Returns
    -------
    TunedMode

    Raises
    ------
    ConvergenceError
        If the integration stops short.

    Notes
    -----
    Closed forms at depths 1 and 2, in which w² - r² is conserved; the two equations integrated at others.

    References
    ----------
    theory/perceptual_learning.md, eqs. 4-6.
    """
    t = np.asarray(times, float)
    target = strength / power
    if depth == 1:
        left = np.exp(-power * t)
        return TunedMode(np.full(t.size, gain), target + (readout - target) * left)
    if depth == 2:
        found = unbalanced_modes(power * t, [target], [gain], [readout])
        first, second = layer_strengths(found.learnt, [gain], [readout])
        return TunedMode(first[:, 0], second[:, 0])
    from scipy.integrate import odeint

    def velocity(_: float, state: Array) -> list[float]:
        w, r = float(state[0]), float(state[1])
        missing = strength - power * w ** (depth - 1) * r
        return [missing * w ** (depth - 2) * r, missing * w ** (depth - 1)]

    states, said = odeint(
        velocity, [gain, readout], np.concatenate([[0.0], t]), rtol=RTOL, atol=RTOL, tfirst=True, full_output=True
    )
    if said["message"] != "Integration successful.":
        raise ConvergenceError(f"the mode could not be integrated: {said['message']}")
    return TunedMode(states[1:, 0], states[1:, 1])


class Hebbian(NamedTuple):
    """A hidden layer under Oja's subspace rule, and a readout that learns from it by gradient flow."""

    hidden: Array
    """W₁ in time, shape (T, N, N)."""
    readout: Array
    """w₂ in time, shape (T, N)."""


def hebbian(times: ArrayLike, second_moment: Array, half: Array, noise: float, gain: float, readout: Array) -> Hebbian:
    r"""Return a hidden layer that learns by Oja's rule, mode by mode of the responses' second moments.

    .. math::
        \dot W_1 = W_1 C - W_1 C W_1^T W_1 , \qquad
        \omega_k^2 = \frac{1}{1 + (g^{-2} - 1)\, e^{-2 c_k t}} , \qquad
        \dot w_2 = (d - w_2 W_1 (\sigma^2 + d d^T))\, W_1^T

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing from 0.
    second_moment : ndarray, shape (N, N)
        C, with eigenvalues c_k.
    half : ndarray, shape (N,)
        d.
    noise : float
        σ.
    gain : float
        g: W₁ is g times the identity at the start.
    readout : ndarray, shape (N,)
        w₂ at the start.

    Returns
    -------
    Hebbian

    Raises
    ------
    ConvergenceError
        If the integration of the readout stops short.

    References
    ----------
    theory/perceptual_learning.md, eqs. 8-9.
    """
    from scipy.integrate import solve_ivp

    t = np.asarray(times, float)
    values, basis = np.linalg.eigh(second_moment)

    def singular(time: ArrayLike) -> Array:
        late = np.exp(-2.0 * np.multiply.outer(np.asarray(time, float), values))
        return np.asarray(1.0 / np.sqrt(1.0 + (gain**-2 - 1.0) * late))

    d = basis.T @ half

    def velocity(time: float, w: Array) -> Array:
        omega = singular(time)
        through = w * omega
        return omega * (d - noise**2 * through - (through @ d) * d)

    found = solve_ivp(
        velocity, (0.0, max(float(t[-1]), 1e-300)), basis.T @ readout, method="LSODA", t_eval=t, rtol=RTOL, atol=1e-13
    )
    if not found.success:
        raise ConvergenceError(f"the readout could not be integrated: {found.message}")
    hidden = np.einsum("ik,tk,jk->tij", basis, singular(t), basis, optimize=True)
    return Hebbian(hidden, found.y.T @ basis.T)
