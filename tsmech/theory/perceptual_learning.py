r"""Perceptual learning of a deep linear network of tuned neurons: one mode, along what tells two orientations apart.

Hidden layers start as g times the identity, so that hidden neurons inherit their inputs' tuning, the readout along the
mode with strength r₀.  Derivations and equation numbers: ``theory/perceptual_learning.md``.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError
from tsmech.theory.deep_network import layer_strengths, unbalanced_modes

Array = NDArray[np.float64]

RTOL = 1e-10
GAUSS = np.polynomial.legendre.leggauss(8)
"""Nodes and weights over a panel, in which the clock's rate changes by a factor e² at most."""
NEWTON = 4
"""Steps that find a time within a panel to rounding."""
LATEST = 1e-17
"""What is left of the way, as a share, where the clock's table ends."""


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

    Notes
    -----
    Closed forms at depths 1 and 2.  At others w² - r² is conserved as well, so that the time is an integral over one
    angle, which is tabulated and inverted to a relative accuracy of 1e-9 of the strengths, as far as times in double
    precision say where they are.

    References
    ----------
    theory/perceptual_learning.md, eqs. 4-5a.
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
    return TunedMode(*_Clock(target, gain, readout, depth).reached(power * t))


def solution(target: float, gain: float, readout: float, depth: int) -> tuple[float, float]:
    """Return w and r where the mode ends: a = ``target`` with the w² - r² of the start (eq. 5)."""
    from scipy.optimize import brentq

    if depth == 1:
        return gain, target
    kappa = (gain - readout) * (gain + readout)
    larger, smaller = (depth - 1, 1) if kappa >= 0.0 else (1, depth - 1)

    def excess(y: float) -> float:
        """Return log(a/e) where the smaller strength is exp(y)."""
        return larger * 0.5 * float(np.logaddexp(math.log(max(abs(kappa), 1e-300)), 2.0 * y)) + smaller * y - wanted

    wanted = math.log(target)
    low = math.exp(brentq(excess, -700.0, 350.0, xtol=1e-15, rtol=1e-15))
    high = math.hypot(math.sqrt(abs(kappa)), low)
    return (high, low) if kappa >= 0.0 else (low, high)


class _Clock:
    r"""The time of a mode in three layers or more, which its angle tells, and the strengths that it shows (eq. 5a).

    The angle is known from the start as θ and from the end as x, each to its own relative accuracy.
    """

    def __init__(self, target: float, gain: float, readout: float, depth: int) -> None:
        self._begun, self._ended = (gain, readout), solution(target, gain, readout, depth)
        self._target, self._depth = target, depth
        (g, r), (w, q) = self._begun, self._ended
        ratio = (g + r) / (w + q)
        # (w + r) grows as exp(θ); where both are alike, their difference by that of the smaller strengths
        apart = (r - q) * (1.0 + (r + q) / (g + w)) if g >= r else (g - w) * (1.0 + (g + w) / (r + q))
        way = math.log(ratio) if not 0.5 < ratio < 2.0 else math.log1p(apart / (w + q))
        self._rises, self._way = way < 0.0, abs(way)
        if self._way > 0.0:
            self._tabulate()

    def _tabulate(self) -> None:
        """Find the time at places of the angle, close to each other where the rate changes (both ends, plateaus)."""
        (g, r), D, half = self._begun, self._depth, self._way / 2.0
        first = 0.1 / D * (g if self._rises else min(g, r)) / (g + r)
        from_start = np.append(0.0, _places(min(first, half), half, D))
        from_end = _places(LATEST * self._way, half, D)[::-1]
        self._theta = np.concatenate([from_start, self._way - from_end[1:]])
        self._x = np.concatenate([self._way - from_start[:-1], from_end])
        self._widths = np.append(np.diff(from_start), -np.diff(from_end))
        passed = self._widths * self._mean(np.arange(self._widths.size), self._widths)
        self._times = np.append(0.0, np.cumsum(passed))

    def _mean(self, panels: NDArray[np.intp], parts: Array) -> Array:
        """Return the mean of dt/dθ over the first parts of panels, shape (n,)."""
        nodes = parts[:, None] * ((GAUSS[0] + 1.0) / 2.0)
        return self._slowness(self._theta[panels, None] + nodes, self._x[panels, None] - nodes) @ GAUSS[1] / 2.0

    def _slowness(self, theta: Array, x: Array) -> Array:
        r"""Return dt/dθ = 1/\|(e - a) w^(D - 2)\|."""
        w, r = self._strengths(theta, x)
        end_w, end_r = self._ended
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            sign = -1.0 if self._rises else 1.0
            even, odd = 2.0 * np.sinh(x / 2.0) ** 2, sign * np.sinh(x)
            near = (self._depth - 1) * np.log1p(even + end_r / end_w * odd) + np.log1p(even + end_w / end_r * odd)
            if self._rises:  # far from the end those two cancel
                far = (self._depth - 1) * np.log(w) + np.log(r) - math.log(self._target)
                near = np.where(far < -0.5, far, near)
            missing = np.log(abs(np.expm1(near))) + math.log(self._target)
            return np.asarray(np.exp(np.minimum(-missing - (self._depth - 2) * np.log(w), 690.0)))

    def _strengths(self, theta: Array, x: Array) -> tuple[Array, Array]:
        """Return w and r, from the start if they grow and from the end if they fall: sums of positive terms."""
        (w, r), angle = (self._begun, theta) if self._rises else (self._ended, x)
        even, odd = np.cosh(angle), np.sinh(angle)
        return w * even + r * odd, r * even + w * odd

    def reached(self, times: Array) -> tuple[Array, Array]:
        """Return w and r at times, shape (T,), in units of 1/λ."""
        if self._way == 0.0:
            return np.full(times.shape, self._begun[0]), np.full(times.shape, self._begun[1])
        shown = np.minimum(times, self._times[-1])
        panels = np.minimum(np.searchsorted(self._times, shown, side="right"), self._widths.size) - 1
        theta, x, width = self._theta[panels], self._x[panels], self._widths[panels]
        rest, whole = shown - self._times[panels], np.diff(self._times)[panels]
        parts = width * np.divide(rest, whole, out=np.zeros_like(rest), where=whole > 0.0)
        for _ in range(NEWTON):
            parts -= (parts * self._mean(panels, parts) - rest) / self._slowness(theta + parts, x - parts)
            parts = np.clip(parts, 0.0, width)
        return self._strengths(theta + parts, x - parts)


def _places(first: float, last: float, depth: int) -> Array:
    """Return places from the first to the last, further apart in proportion to themselves, up to a width."""
    share, width = min(0.5, 2.0 / depth), 0.5 / depth
    turn = min(max(width / share, first), last)
    one = np.geomspace(first, turn, 1 + math.ceil(math.log(turn / first) / share))
    two = np.linspace(turn, last, 1 + math.ceil((last - turn) / width))
    return np.concatenate([one, two[1:]])


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
