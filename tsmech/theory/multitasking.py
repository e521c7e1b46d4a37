r"""The race of pathways: common and separate hidden units of a gated deep linear network learn the same tasks.

From each input domain K tasks lead to K output domains, through common units that serve all of them and through units
of their own.  A mode of strength s has encoders and decoders of strengths ε, δ (common) and e, d (own).
Derivations and equation numbers: ``theory/multitasking.md``.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError, InputError

Array = NDArray[np.float64]

RTOL = 1e-10
NODES = 20
"""Nodes of the quadrature of half times for each factor e of growth."""


class Pathways(NamedTuple):
    """Strengths of encoders and decoders, arrays of one shape, (modes,) or (T, modes)."""

    encoder: Array
    """ε, of the common units."""
    decoder: Array
    """δ, of the common units to each output domain."""
    own_encoder: Array
    """e, of a task's own units."""
    own_decoder: Array
    """d, of a task's own units."""

    @property
    def common(self) -> Array:
        """Strength εδ of the common pathway."""
        return self.encoder * self.decoder

    @property
    def total(self) -> Array:
        """Strength a = εδ + ed of a task."""
        return self.encoder * self.decoder + self.own_encoder * self.own_decoder


def race(times: ArrayLike, strengths: ArrayLike, start: Pathways, tasks: int) -> Pathways:
    r"""Return the pathways' strengths in time, the K tasks of an input domain being alike.

    .. math::
        \dot\varepsilon = K (s - a)\, \delta , \quad \dot\delta = (s - a)\, \varepsilon , \qquad
        \dot e = (s - a)\, d , \quad \dot d = (s - a)\, e , \qquad a = \varepsilon \delta + e d

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing from 0, in units of the inverse learning rate.
    strengths : array_like, shape (modes,)
        s > 0.
    start : Pathways
        Arrays of shape (modes,), at least 0.
    tasks : int
        K >= 1.

    Returns
    -------
    Pathways
        Arrays of shape (T, modes).

    Raises
    ------
    InputError
        If a strength is negative.
    ConvergenceError
        If the integration stops short.

    Notes
    -----
    ε² - Kδ² and e² - d² are conserved.  Integrated to a relative accuracy of 1e-9.

    References
    ----------
    theory/multitasking.md, eqs. 2-4.  Saxe, Sodhani & Lewallen 2022, arXiv:2207.10430.
    """
    from scipy.integrate import odeint

    t, s = np.asarray(times, float), np.asarray(strengths, float)
    first = np.stack([np.broadcast_to(np.asarray(one, float), s.shape) for one in start])
    if (s <= 0).any() or (first < 0).any():
        raise InputError("strengths must be above 0, and initial strengths at least 0")

    def velocity(_: float, flat: Array) -> Array:
        encoder, decoder, own_encoder, own_decoder = flat.reshape(4, -1)
        missing = s - encoder * decoder - own_encoder * own_decoder
        return np.concatenate(
            [tasks * missing * decoder, missing * encoder, missing * own_decoder, missing * own_encoder]
        )

    floor = RTOL * float(first[first > 0].min(initial=1.0))
    found, said = odeint(
        velocity, first.ravel(), np.concatenate([[0.0], t]), rtol=RTOL, atol=floor, tfirst=True, full_output=True,
        mxstep=100_000,
    )  # fmt: skip
    if said["message"] != "Integration successful.":
        raise ConvergenceError(f"the race could not be integrated: {said['message']}")
    return Pathways(*found[1:].reshape(t.size, 4, s.size).transpose(1, 0, 2))


def half_times(strengths: ArrayLike, start: Pathways, tasks: int) -> Array:
    r"""Return when each mode of a task is half learnt, shape (modes,); NaN where it never is or was from the start.

    .. math::
        t_{1/2} = \int_0^{\theta_{1/2}} \frac{d\theta}{s - a(\theta)} , \qquad a(\theta_{1/2}) = \frac s2 ,
        \qquad d\theta = (s - a)\, dt

    Parameters
    ----------
    strengths, start, tasks
        As in :func:`race`.

    Notes
    -----
    In θ the race is linear: common pathways grow as :math:`e^{\pm\sqrt K \theta}`, a task's own as
    :math:`e^{\pm\theta}`.

    References
    ----------
    theory/multitasking.md, eq. 9.
    """
    from scipy.optimize import brentq

    s = np.atleast_1d(np.asarray(strengths, float))
    every = np.stack([np.broadcast_to(np.asarray(one, float), s.shape) for one in start])
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    found = np.full(s.shape, np.nan)
    for mode, end in enumerate(s):
        first = Pathways(*every[:, mode])
        if not first.total <= end / 2 or not every[:, mode].any():
            continue
        last = 1.0
        while _at(last, first, tasks) < end / 2:
            last *= 2.0
        last = brentq(lambda theta, first, end: _at(theta, first, tasks) - end / 2, 0.0, last, (first, end), 1e-14)
        panels = math.ceil(last * math.sqrt(tasks)) or 1  # the integrand changes by factors over 1/√K
        theta = last / panels * (np.arange(panels)[:, None] + (nodes + 1.0) / 2.0)
        found[mode] = last / panels / 2.0 * float((weights / (end - _at(theta, first, tasks))).sum())
    return found


def _at(theta: Any, first: Pathways, tasks: int) -> Any:
    """Return the strength of a task after the clock has gone by θ (eq. 9)."""
    root = math.sqrt(tasks)
    even, odd = np.cosh(root * theta), np.sinh(root * theta)
    common = (first.encoder * even + root * first.decoder * odd) * (first.decoder * even + first.encoder / root * odd)
    even, odd = np.cosh(theta), np.sinh(theta)
    own = (first.own_encoder * even + first.own_decoder * odd) * (first.own_decoder * even + first.own_encoder * odd)
    return common + own


def typical_start(scale: float, width: int, common: int, own: int, tasks: int) -> tuple[float, float, float, float]:
    r"""Return strengths ε, δ, e, d from which pathways of small random weights typically grow.

    .. math::
        \varepsilon = \sqrt K \delta = |p| , \quad p = \tfrac12 \Bigl( E v + \frac{1}{\sqrt K} \sum_j D_j^T u_j \Bigr) ,
        \qquad
        e^{\langle \ln |p|^2 \rangle} = \frac{g^2}{H}\, e^{\psi(\text{units}/2)}

    Parameters
    ----------
    scale : float
        g, √width times the standard deviation of the weights.
    width : int
        H, units that a task uses.
    common, own : int
        How many of them are common, and its own; a pathway without units has no strength.
    tasks : int
        K.

    References
    ----------
    theory/multitasking.md, eq. 6.
    """
    from scipy.special import digamma

    sizes = [
        scale / math.sqrt(width) * math.exp(float(digamma(units / 2.0)) / 2.0) if units else 0.0
        for units in (common, own)
    ]
    return sizes[0], sizes[0] / math.sqrt(tasks), sizes[1], sizes[1]
