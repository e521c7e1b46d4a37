r"""A perceptron that sees each example once: ordinary differential equations for N → ∞.

A step is :math:`w \to w + F\, y\, x / \sqrt N` with F a function of the stability.  Let θ be the angle between student
and teacher, Q = w·w/N, s = y h/√Q the stability of a fresh example, and g the component of the input that is
perpendicular to the student and points towards the teacher.  Then, in the time alpha = examples/N,

.. math::
    \frac{d\theta}{d\alpha} = - \frac{\langle F\, y g \rangle}{\sqrt Q}
        + \frac{\langle F^2 \rangle}{2 Q} \cot\theta, \qquad
    \frac{d \ln \sqrt Q}{d\alpha} = \frac{\langle F s \rangle}{\sqrt Q} + \frac{\langle F^2 \rangle}{2 Q} .

Derivations and equation numbers: theory/online_perceptron.md.
"""

import math
from typing import NamedTuple

import numpy as np

from tsmech.errors import ConvergenceError
from tsmech.theory.stabilities import Array, normal_density, orientation, panels

RULES = ("hebb", "perceptron", "adatron", "optimal", "logistic", "hinge")
TOLERANCE = 1e-9
"""Relative tolerance of the integration."""


MOST = 1e100
"""Largest √Q of a student that has not diverged."""


class Course(NamedTuple):
    """The student at up to n times: its angle to the teacher and the root of Q."""

    angle: Array
    root: Array
    diverged_at: float | None = None
    """Where √Q exceeded :data:`MOST`, which ends the course."""


def follow(rule: str, learning_rate: float, flip: float, start: tuple[float, float], times: Array) -> Course:
    """Integrate the equations of a rule.

    Parameters
    ----------
    rule : str
        One of ``RULES``.
    learning_rate : float
        η > 0; the optimal rule has none.
    flip : float
        f < ½, probability that a label is wrong.
    start : tuple of float
        √Q and the cosine ρ at alpha = 0.  The optimal rule forgets its start: from ρ = 0 its weights begin at zero,
        and √Q is then the length in units of which it grows.
    times : ndarray, shape (n,)
        Values of alpha, increasing from 0 on.

    Returns
    -------
    Course

    Raises
    ------
    ConvergenceError
        If the integration fails.

    Notes
    -----
    Limit N → ∞ at fixed alpha.  About 0.1 ms an evaluation; relative accuracy of the angle 1e-7.
    """
    from scipy.integrate import solve_ivp

    root, cosine = start
    if rule == "optimal":
        return _follow_optimal(flip, root, cosine, times)
    found = solve_ivp(
        lambda _, state: _derivatives(rule, learning_rate, flip, state),
        (0.0, float(times[-1])),
        np.array([math.log(math.acos(cosine)), math.log(root)]),
        method="LSODA",
        t_eval=times,
        events=_beyond,
        rtol=TOLERANCE,
        atol=TOLERANCE,
    )
    if not found.success:
        raise ConvergenceError(f"the equations of the {rule} rule were not integrated: {found.message}")
    ended = float(found.t_events[0][0]) if found.status == 1 else None  # type: ignore[index]
    return Course(np.exp(found.y[0]), np.exp(found.y[1]), ended)


def _beyond(_: float, state: Array) -> float:
    return float(state[1]) - math.log(MOST)


_beyond.terminal = True  # type: ignore[attr-defined]


def asymptote(rule: str, learning_rate: float, times: Array) -> Array | None:
    r"""Error of a rule for many noiseless examples; None where there is no law, or none is known here.

    .. math::
        \epsilon \simeq \frac{1}{\sqrt{2 \pi \alpha}} \;(\text{hebb}), \quad
        \frac{(2/3)^{1/3}}{\pi \alpha^{1/3}} \;(\text{perceptron}), \quad
        \frac{1}{(\eta - \eta^2/3)\, \alpha} \;(\text{adatron}, \eta < 3), \quad
        \frac{0.8834}{\alpha} \;(\text{optimal})

    Parameters
    ----------
    rule, learning_rate
        As of :func:`follow`.
    times : ndarray
        Values of alpha.

    References
    ----------
    theory/online_perceptron.md, eqs. 10-13.
    """
    with np.errstate(divide="ignore"):
        if rule == "hebb":
            found = 1.0 / np.sqrt(2.0 * np.pi * times)
        elif rule == "perceptron":
            found = (2.0 / 3.0) ** (1.0 / 3.0) / np.pi * times ** (-1.0 / 3.0)
        elif rule == "adatron" and learning_rate < 3.0:
            found = 1.0 / ((learning_rate - learning_rate**2 / 3.0) * times)
        elif rule == "optimal":
            found = 2.0 / (np.pi * _optimal_slope() * times)
        else:
            return None
    return np.asarray(found)


def _optimal_slope() -> float:
    """Return K/sin θ for θ → 0, twice the integral of φ(0) φ(v)²/Φ(v) (eq. 13)."""
    from scipy.special import ndtr

    v, weights = panels(edge=30.0)
    filled = v > -25.0
    ratio = normal_density(v[filled]) ** 2 / ndtr(v[filled])
    return float(2.0 / math.sqrt(2.0 * math.pi) * (weights[filled] @ ratio))


def _derivatives(rule: str, rate: float, flip: float, state: Array) -> list[float]:
    """Return d ln θ/dα and d ln √Q/dα (eqs. 5 and 6)."""
    angle, root = math.exp(state[0]), math.exp(state[1])
    tangent = math.tan(angle)
    kink = 1.0 / root if rule == "hinge" else 0.0
    scales = [abs(tangent)] + ([1.0 / (1.0 + root)] if rule == "logistic" else [])
    s, weights = panels(*(max(scale, 1e-9) for scale in scales), breaks=(kink,))
    law, pull = _law(s, weights, 1.0 / tangent, flip)
    F = _step(rule, rate, s, root)
    squared = float(law @ (F * F))
    turn = -float(pull @ F) + 0.5 * squared / tangent
    return [turn / angle, float(law @ (F * s)) + 0.5 * squared]


def _law(s: Array, weights: Array, cotangent: float, flip: float) -> tuple[Array, Array]:
    """Return the weights of averages over s, and of averages that contain y g besides (eq. 4)."""
    density: Array = 2.0 * weights * normal_density(s)
    v = cotangent * s
    return density * orientation(v, flip), density * (1.0 - 2.0 * flip) * normal_density(v)


def _step(rule: str, rate: float, s: Array, root: float) -> Array:
    """Return F/√Q at a stability (eq. 2)."""
    from scipy.special import expit

    if rule == "hebb":
        return np.full(s.shape, rate / root)
    if rule == "perceptron":
        return np.where(s < 0.0, rate / root, 0.0)
    if rule == "adatron":
        return np.asarray(rate * np.maximum(-s, 0.0))
    if rule == "logistic":
        return rate / root * np.asarray(expit(-root * s))
    return np.where(root * s < 1.0, rate / root, 0.0)


def _follow_optimal(flip: float, root: float, cosine: float, times: Array) -> Course:
    """Integrate d ln sin θ/dα = -K(θ)/2, in which √Q/ρ is constant (eqs. 8 and 9)."""
    from scipy.integrate import solve_ivp

    def gain(log_sine: float) -> float:
        sine = math.exp(min(log_sine, 0.0))
        tangent = sine / math.sqrt(max(1.0 - sine * sine, 1e-30))
        s, weights = panels(min(max(tangent, 1e-12), 1e3))
        law, pull = _law(s, weights, 1.0 / tangent, flip)
        filled = law > 0.0
        return float(np.sum(pull[filled] ** 2 / law[filled]))

    sine = math.sqrt((1.0 - cosine) * (1.0 + cosine))
    found = solve_ivp(
        lambda _, state: [-0.5 * gain(state[0])],
        (0.0, float(times[-1])),
        np.array([math.log(sine)]),
        method="LSODA",
        t_eval=times,
        rtol=TOLERANCE,
        atol=TOLERANCE,
    )
    if not found.success:
        raise ConvergenceError(f"the equations of the optimal rule were not integrated: {found.message}")
    angle = np.arcsin(np.minimum(np.exp(found.y[0]), 1.0))
    unit = root / cosine if cosine > 0.0 else root
    return Course(angle, unit * np.cos(angle))
