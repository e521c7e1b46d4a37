r"""Regularised convex classification for N → ∞: the replica-symmetric fixed point of a loss and a spectrum.

The student minimises :math:`\sum_\mu \ell(y_\mu h_\mu) + \lambda |w|^2`, h = w·x/√N.  With the variance q of the
field of a fresh example, its cosine R with the teacher's field, and V the response of the field of an example to its
own force, an example that is learnt has the field

.. math:: \operatorname{prox}(y h) = \arg\min_x \; \ell(x) + \frac{(x - y h)^2}{2 V} .

Derivations and equation numbers: theory/convex_classifier.md.
"""

import math
from dataclasses import dataclass

import numpy as np

from tsmech.errors import ConvergenceError
from tsmech.theory.gibbs.likelihood import MEAN
from tsmech.theory.gibbs.saddle import follow
from tsmech.theory.spectra import Spectrum
from tsmech.theory.stabilities import Array, normal_density, panels, weighted

LOSSES = ("logistic", "hinge", "square")
LEAST = 1e-290
"""What stands for an average that is not positive, at a place where a solver tries and no solution is."""
FIRST = 1e3
"""Penalty in units of alpha ⟨s⟩, or of ⟨s⟩ below alpha = 1, at which all forces are nearly those of no weights."""

STEP = 100.0
"""Factor between the first two penalties: along λ nothing is singular."""


@dataclass(frozen=True)
class State:
    """A solution of the fixed-point equations."""

    R: float
    """Cosine of student and teacher under the inputs' covariance: that of their fields."""
    distance: float
    """1 - R."""
    field: float
    """Variance of the student's field, q."""
    norm: float
    """w·w/N."""
    train_error: float
    """Share of the given labels that the student gets wrong."""
    residual: float
    """Largest relative change of an order parameter under the equations."""
    iterations: int
    """Evaluations of the equations."""


def solve(alpha: float, loss: str, penalty: float, flip: float, spectrum: Spectrum) -> State:
    r"""Return the fixed point for a loss, followed from λ → ∞, where the student is Hebb's.

    .. math::
        V = \Bigl\langle \frac{s}{2\lambda + \hat V s} \Bigr\rangle, \quad
        m = \Bigl\langle \frac{\hat m\, t s^2}{2\lambda + \hat V s} \Bigr\rangle, \quad
        q = \Bigl\langle \frac{\hat m^2 t s^3 + \hat q s^2}{(2\lambda + \hat V s)^2} \Bigr\rangle

    over the eigenvalues s, and with the force :math:`g = (\operatorname{prox}(x) - x)/V` on an example

    .. math::
        \hat V = - \alpha \langle g' \rangle, \quad \hat q = \alpha \langle g^2 \rangle, \quad
        \hat m = \alpha (1 - 2f) \sqrt{\frac{2}{\pi \rho}}\; \mathbb E\, g(\sqrt{q - m^2/\rho}\, z) .

    Parameters
    ----------
    alpha : float
        Training examples per input dimension, above 0.
    loss : str
        ``logistic``, ln(1 + exp(-x)); ``hinge``, (1 - x)₊; ``square``, (1 - x)².
    penalty : float
        λ > 0.
    flip : float
        f < ½, probability that a label is wrong.
    spectrum : Spectrum
        Of the inputs' covariance, with the teacher's mean square weights t; ρ = ⟨t s⟩.

    Raises
    ------
    ConvergenceError
        If the equations were not solved.

    Notes
    -----
    Limit N → ∞; replica symmetry is exact, because the problem is convex.  For isotropic inputs about 10 ms
    at a penalty of order 1, 30 ms at 1e-12.

    References
    ----------
    theory/convex_classifier.md, eqs. 4-8.  B. Aubin, F. Krzakala, Y. M. Lu, L. Zdeborová, arXiv:2006.06560; B. Loureiro
    et al., arXiv:2102.08127.
    """
    s, shares, t = spectrum.varying
    rho = float(shares @ (t * s))
    root_rho = math.sqrt(rho)
    units = np.array([1.0, root_rho, 1.0])
    lever, pulled = shares * t * s, shares * t * s**2

    def overlaps(logs: Array, ridge: float) -> tuple[float, float, float, Array]:
        """Return V, m/√ρ, q - m²/ρ without subtracting what is alike (eqs. 4 and 5), and s/(2λ + V̂ s)."""
        stiffness, pull, spread = np.exp(np.clip(logs, -80.0, 60.0)).tolist()
        resolvent = 1.0 / (ridge + max(stiffness - ridge, 0.0) * s)
        m = pull * float(pulled @ resolvent)
        resolvent = s * resolvent
        bent = pull * resolvent - m / rho  # what of the mean student is not along the teacher
        across = float(lever @ bent**2) + spread * float(shares @ resolvent**2)
        return float(shares @ resolvent), m / root_rho, across, resolvent

    def equations(logs: Array, softness: float) -> Array:
        ridge = 2.0 / softness
        V, along, across, _ = overlaps(logs, ridge)
        averages = alpha * _averages(loss, V, along, across, flip) / units
        averages[0] += ridge
        return np.asarray(np.log(np.maximum(averages, LEAST)) - logs)

    spread = float(shares @ s)
    first = max(penalty, FIRST * max(1.0, alpha) * spread)
    start = alpha * _averages(loss, 0.5 * spread / first, 1e-9, 1e-18, flip) / units
    start[0] += 2.0 * first
    logs, residual, iterations = follow(equations, np.log(start), 1.0 / first, 1.0 / penalty, "1/penalty", STEP)
    V, along, across, resolvent = overlaps(logs, 2.0 * penalty)
    _, pull, noise = np.exp(logs).tolist()
    norm = float(shares @ ((pull**2 * t + noise / s) * resolvent**2))
    field = along**2 + across
    R = along / math.sqrt(field)
    wrong = _train_error(loss, V, along, across, flip)
    return State(float(R), float(across / field / (1.0 + R)), float(field), norm, wrong, residual, iterations)


def force(loss: str, x: Array, V: float) -> tuple[Array, Array]:
    """Return the force g on examples with the stabilities x (in units of the field) and -g' (eq. 3).

    Parameters
    ----------
    loss : str
        One of ``LOSSES``.
    x : ndarray
    V : float
        Response, above 0.
    """
    if loss == "square":
        slope = 2.0 / (1.0 + 2.0 * V)
        return slope * (1.0 - x), np.full(x.shape, slope)
    if loss == "hinge":
        g = np.clip((1.0 - x) / V, 0.0, 1.0)
        return g, np.where((g > 0.0) & (g < 1.0), 1.0 / V, 0.0)
    g = _logistic_force(x, V)
    curvature = g * (1.0 - g)
    return g, curvature / (1.0 + V * curvature)


def _logistic_force(x: Array, V: float) -> Array:
    """Return g = 1/(1 + exp(p)) at the root p = x + V g.

    Halley's method on L + ln(1 + exp(x + exp L)) = ln V for L = ln V g: the left side is increasing and convex, L
    begins above the root, and a step is at most twice that of Newton's method.  With the bend c = f''/f' a step h
    leaves an error of the order of h (c h)²; the smallest value that rounding allows ends it too.
    """
    log_V = math.log(V)
    L = np.minimum(log_V - np.logaddexp(0.0, x), np.log(np.maximum(-x, 0.0) + math.log1p(V)))
    for _ in range(100):
        moved = np.exp(L)
        p = x + moved
        small = np.exp(-np.abs(p))
        share = np.where(p > 0.0, 1.0, small) / (1.0 + small)
        value = L - log_V + np.maximum(p, 0.0) + np.log1p(small)
        push = moved * share
        step = value / (1.0 + push)
        bend = push * (1.0 + moved * (1.0 - share)) / (1.0 + push)
        L = L - step / np.maximum(1.0 - 0.5 * bend * step, 0.5)
        value, step = np.abs(value), np.abs(step)
        if np.all(((1.0 + bend) * step <= 1e-5) | (value <= 1e-14 * (10.0 + np.abs(x) + np.abs(L)))):
            return np.asarray(np.exp(L) / V)
    raise ConvergenceError(f"the proximal operator of the logistic loss was not found at V = {V:.3g}")


def _averages(loss: str, V: float, along: float, across: float, flip: float) -> Array:
    """Return V̂, m̂ √ρ and q̂, each over alpha (eqs. 6-8)."""
    deviation, root = math.sqrt(across), math.sqrt(along**2 + across)
    x, law = _law(loss, V, root, along / deviation, flip)
    z, weights = _rule(loss, V, deviation)
    forces, slopes = force(loss, np.concatenate([x, deviation * z]), V)
    g, slope, across_teacher = forces[: x.size], slopes[: x.size], forces[x.size :]
    pull = float(weights @ (normal_density(z) * across_teacher))
    return np.array([float(law @ slope), (1.0 - 2.0 * flip) * MEAN * pull, float(law @ g**2)])


def _rule(loss: str, V: float, root: float, *scales: float) -> tuple[Array, Array]:
    """Return nodes and weights for functions of fields of this standard deviation, broken where the force has kinks.

    The logistic force bends within a field of order 1 where it begins to fall from 1, at -V, and where it has fallen to
    0, from 0 to ln V.
    """
    kinks = [1.0 - V, 1.0] if loss == "hinge" else []
    steps: tuple[tuple[float, float], ...] = ()
    if loss == "logistic":
        kinks = np.arange(-4.0, math.log1p(V) + 6.0, 2.0).tolist()
        scales, steps = (*scales, 1.0 / root), ((-V / root, 1.0 / root),) if V > 1.0 else ()
    kinks.append(-{"hinge": 1.0, "square": 2.0, "logistic": 0.5}[loss] * V)
    return panels(*scales, breaks=tuple(kink / root for kink in kinks), steps=steps)


def _law(loss: str, V: float, root: float, steepness: float, flip: float) -> tuple[Array, Array]:
    """Return stabilities of fresh examples, in units of the field, and the weights of their law."""
    nodes, weights = _rule(loss, V, root, 1.0 / max(steepness, 1e-3))
    return root * nodes, weighted(nodes, weights, steepness, flip)


def _train_error(loss: str, V: float, along: float, across: float, flip: float) -> float:
    """Return the probability that an example is wrong even when it is learnt: x below a multiple of -V (eq. 9)."""
    share = {"hinge": 1.0, "square": 2.0, "logistic": 0.5}[loss]
    x, law = _law(loss, V, math.sqrt(along**2 + across), along / math.sqrt(across), flip)
    return float(law @ (x < -share * V))
