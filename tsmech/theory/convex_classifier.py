r"""Regularised convex classification for N → ∞: the replica-symmetric fixed point of a loss and a spectrum.

The student minimises :math:`\sum_\mu \ell(y_\mu h_\mu) + \lambda |w|^2`, h = w·x/√N.  With the variance q of the
field of a fresh example, its cosine R with the teacher's field, and V the response of the field of an example to its
own force, an example that is learnt has the field

.. math:: \operatorname{prox}(y h) = \arg\min_x \; \ell(x) + \frac{(x - y h)^2}{2 V} .

Derivations and equation numbers: theory/convex_classifier.md.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tsmech.theory.gibbs.likelihood import MEAN
from tsmech.theory.gibbs.saddle import TOLERANCE, follow, newton
from tsmech.theory.spectra import Spectrum
from tsmech.theory.stabilities import EDGE, Array, normal_density, panels, weighted

LOSSES = ("logistic", "hinge", "square")
LEAST = 1e-290
"""What stands for an average that is not positive, at a place where a solver tries and no solution is."""
FIRST = 1e3
"""Penalty in units of alpha ⟨s⟩, or of ⟨s⟩ below alpha = 1, at which all forces are nearly those of no weights."""

LONGEST = 3.0, 1.0
"""Longest steps of Newton's method that are tried at λ itself, before λ is followed."""
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
    r"""Return the fixed point for a loss: by Newton's method at λ, or followed from λ → ∞, where the student is Hebb's.

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
    Limit N → ∞; replica symmetry is exact, because the problem is convex.  At a penalty of order 1 about 0.3 ms
    (logistic, hinge) and 0.1 ms (square), at 1e-10 some ten times that.

    References
    ----------
    theory/convex_classifier.md, eqs. 4-14.  B. Aubin, F. Krzakala, Y. M. Lu, L. Zdeborová, arXiv:2006.06560; B.
    Loureiro et al., arXiv:2102.08127.
    """
    s, shares, t = spectrum.varying
    rho = float(shares @ (t * s))
    root_rho = math.sqrt(rho)
    units = np.array([1.0, root_rho, 1.0])
    lever, pulled = shares * t * s, shares * t * s**2

    def overlaps(logs: Array, ridge: float) -> tuple[float, float, float, Array]:
        """Return V, m/√ρ, q - m²/ρ without subtracting what is alike (eqs. 4 and 5), and s/(2λ + V̂ s)."""
        stiffness, pull, spread = _numbers(logs)
        resolvent = 1.0 / (ridge + max(stiffness - ridge, 0.0) * s)
        m = pull * float(pulled @ resolvent)
        resolvent = s * resolvent
        bent = pull * resolvent - m / rho  # what of the mean student is not along the teacher
        across = float(lever @ bent**2) + spread * float(shares @ resolvent**2)
        return float(shares @ resolvent), m / root_rho, across, resolvent

    def equations(logs: Array, softness: float) -> tuple[Array, Array]:
        """Return by how much the averages differ from the unknowns, in logarithms, and the derivatives of that."""
        ridge = 2.0 / softness
        V, along, across, resolvent = overlaps(logs, ridge)
        averages, by_overlaps = _averages(loss, V, along, across, flip)
        averages, by_overlaps = alpha * averages / units, alpha * by_overlaps / units[:, None]
        averages[0] += ridge
        averages = np.maximum(averages, LEAST)
        moved = by_overlaps @ _moved(logs, ridge, along, resolvent)
        return np.log(averages) - logs, moved / averages[:, None] - np.eye(3)

    def _moved(logs: Array, ridge: float, along: float, resolvent: Array) -> Array:
        """Return the derivatives of V, m/√ρ and q - m²/ρ, in rows, by the unknowns (eqs. 4 and 5)."""
        stiffness, pull, spread = _numbers(logs)
        softer = (stiffness if stiffness > ridge else 0.0) * resolvent**2
        bent = pull * resolvent - along / root_rho
        noise = spread * float(shares @ resolvent**2)
        narrower = pull * float(lever @ (bent * softer)) + spread * float(shares @ (resolvent * softer))
        return np.array(
            [
                [-float(shares @ softer), 0.0, 0.0],
                [-pull / root_rho * float(lever @ softer), along, 0.0],
                [-2.0 * narrower, 2.0 * float(lever @ bent**2), noise],
            ]
        )

    spread = float(shares @ s)
    first = max(penalty, FIRST * max(1.0, alpha) * spread)
    start = alpha * _averages(loss, 0.5 * spread / first, 1e-9, 1e-18, flip)[0] / units
    few, all_at_once = (np.log([start[0] + 2.0 * ridge, *start[1:]]) for ridge in (first, penalty))
    path = 1.0 / first, 1.0 / penalty, "1/penalty", STEP
    for longest in LONGEST:
        logs, residual, iterations = newton(equations, all_at_once, 1.0 / penalty, longest=longest)
        if residual <= TOLERANCE:
            break
    else:
        logs, residual, iterations = follow(equations, few, *path, attempt=newton)
    V, along, across, resolvent = overlaps(logs, 2.0 * penalty)
    _, pull, noise = _numbers(logs)
    norm = float(shares @ ((pull**2 * t + noise / s) * resolvent**2))
    field = along**2 + across
    R = along / math.sqrt(field)
    wrong = _train_error(loss, V, along, across, flip)
    return State(float(R), float(across / field / (1.0 + R)), float(field), norm, wrong, residual, iterations)


def _numbers(logs: Array) -> Iterator[float]:
    """Return the unknowns themselves, kept in range where a solver tries."""
    return (math.exp(min(max(log, -80.0), 60.0)) for log in logs.tolist())


def _averages(loss: str, V: float, along: float, across: float, flip: float) -> tuple[Array, Array]:
    """Return V̂, m̂ √ρ and q̂, each over alpha (eqs. 6-8, 13), and their derivatives by V, m/√ρ and q - m²/ρ (eq. 14)."""
    right, field = (1.0 - 2.0 * flip) * MEAN, along**2 + across
    if loss == "square":
        slope = 2.0 / (1.0 + 2.0 * V)
        left = 1.0 - 2.0 * right * along + field
        by_response = -slope * np.array([slope, right * slope, 2.0 * slope**2 * left])
        others = [[0.0, 0.0], [0.0, 0.0], [2.0 * slope**2 * (along - right), slope**2]]
        return np.array([slope, right * slope, slope**2 * left]), np.column_stack([by_response, others])
    root, spread = math.sqrt(field), math.sqrt(across)
    x, weights, g, slopes = examples(loss, V, root, spread)
    law = weighted(x / root, weights / root, along / spread, flip)
    jump = weights / spread * normal_density(x / spread)
    averaged = np.array([slopes, g**2])
    means, pull = averaged @ law, float(jump @ g)
    wider = averaged @ (law * (x**2 / field - 1.0)) / (2.0 * field)
    steeper = right / field**2 * (averaged @ (jump * x))
    by_along = 2.0 * along * wider + across * steeper
    by_across = wider - along * (field + across) / (2.0 * across) * steeper
    softer = -slopes * g
    steepest = float((right * along / field * jump - law * x / field) @ softer)
    pulled = right * float((jump * (x**2 / across - 1.0)) @ g) / (2.0 * across)
    derivatives = [
        [steepest, by_along[0], by_across[0]],
        [right * float(jump @ softer), 0.0, pulled],
        [2.0 * float(law @ (softer * g)), by_along[1], by_across[1]],
    ]
    return np.array([means[0], right * pull, means[1]]), np.array(derivatives)


def examples(loss: str, V: float, root: float, spread: float) -> tuple[Array, Array, Array, Array]:
    r"""Return a rule over the stabilities of fresh examples, and the forces that these would have.

    The logistic rule has its nodes at fields p *after* learning, where the force is :math:`g = 1/(1 + e^p)` and the
    stability :math:`x = p - V g` is explicit (eq. 12): no proximal operator is solved for.

    Parameters
    ----------
    loss : str
        ``logistic`` or ``hinge``.
    V : float
        Response, above 0.
    root, spread : float
        Standard deviations of the stability and of its part across the teacher: the largest scale and the smallest
        of what is averaged.

    Returns
    -------
    x, weights, g, slopes : ndarray, shape (n,)
        Stabilities in units of the field and weights of a rule for integrals over them, forces g and -dg/dx (eq. 3).
        Stabilities at which the hinge has no force are left out.
    """
    if loss == "hinge":
        nodes, weights = panels(spread / root, breaks=((1.0 - V) / root, 1.0 / root))
        learnt = slice(int(np.searchsorted(nodes, 1.0 / root)))
        x = root * nodes[learnt]
        g = np.minimum((1.0 - x) / V, 1.0)
        return x, root * weights[learnt], g, np.where(g < 1.0, 1.0 / V, 0.0)
    from scipy.special import expit

    centre, bend = _at_zero(V)
    near = tuple((np.arange(1.0, centre) - centre).tolist())
    steps = ((-centre, 1.0),) if near else ()
    nodes, weights = panels(spread / (1.0 + V * bend), breaks=near, steps=steps, edge=EDGE * root)
    p = centre + nodes
    g = expit(-p)
    curvature = g * expit(p)
    stretch = 1.0 + V * curvature
    return p - V * g, weights * stretch, g, curvature / stretch


def _at_zero(V: float) -> tuple[float, float]:
    """Return the field p after learning of an example without stability, p (1 + exp p) = V, and -dg/dp there.

    Newton's method from above on a convex function.
    """
    p, step = min(0.5 * V, math.log1p(V)), math.inf
    while step > 1e-9 * p:
        grown = math.exp(p)
        step = (p * (1.0 + grown) - V) / (1.0 + grown * (1.0 + p))
        p -= step
    return p, grown / (1.0 + grown) ** 2


def _train_error(loss: str, V: float, along: float, across: float, flip: float) -> float:
    """Return the probability that an example is wrong even when it is learnt: x below a multiple of -V (eq. 9)."""
    root, steepness = math.sqrt(along**2 + across), along / math.sqrt(across)
    edge = -{"hinge": 1.0, "square": 2.0, "logistic": 0.5}[loss] * V / root
    nodes, weights = panels(1.0 / max(steepness, 1e-3), breaks=(edge,))
    return float(weighted(nodes, weights, steepness, flip) @ (nodes < edge))
