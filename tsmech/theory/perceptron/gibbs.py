r"""Students drawn from the Gibbs law on the sphere, the energy being the number of wrong labels; and their centre.

The replica-symmetric free energy is

.. math::
    -\beta f = \frac12 \ln (1 - q) + \frac{q - R^2}{2 (1 - q)} + \alpha \bigl\langle \ln L(\sqrt q\, s) \bigr\rangle,
    \qquad L(h) = e^{-\beta} + (1 - e^{-\beta})\, \Phi\Bigl( \frac{h}{\sqrt{1 - q}} \Bigr),

s the stability of a fresh example under the centre of the ensemble, whose cosine with the teacher is R/√q.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.gibbs.likelihood import MEAN, Likelihood, mean_log, pull, rule, second_moment
from tsmech.theory.gibbs.saddle import TOLERANCE, Path, follow, others
from tsmech.theory.perceptron.margin import separability_threshold
from tsmech.theory.perceptron.state import State
from tsmech.theory.stabilities import Array, panels, weighted

FOLLOWED = "from few examples"
FIRST = 1e-2
"""Examples per input at which a solution is followed from."""
LOGITS = np.linspace(-60.0, 230.0, 146)
"""Values of ln (1 - q)/q between which solutions with R = q are looked for."""
STARTS = {
    "from the teacher": np.array([8.0, 8.0]),
    "from a frozen student": np.array([-4.0, 8.0]),
}
"""Where else solutions are looked for: R̂ and q̂, logarithms of, at R ≈ q ≈ 1, at R ≈ 0 and q ≈ 1."""


class Search(NamedTuple):
    """How a solution was found."""

    residual: float
    iterations: int
    branch: str


def quenched(alpha: float, temperature: float, flip: float) -> State:
    r"""Gibbs learning at a temperature T, by the replica-symmetric saddle point.

    With :math:`g = (\ln L)'`,

    .. math::
        \hat R = \alpha (1 - 2f) \sqrt{\frac2\pi}\; \mathbb E\, g(\sqrt{q - R^2}\, z), \quad
        \hat q = \alpha \bigl\langle g(\sqrt q\, s)^2 \bigr\rangle, \quad
        R = (1 - q) \hat R, \quad q = (1 - q)^2 (\hat R^2 + \hat q) .

    Parameters
    ----------
    alpha : float
        Training examples per input dimension, above 0.
    temperature : float
        T >= 0; at 0 all students without error are equally probable.
    flip : float
        f < ½, probability that a label is wrong.

    Returns
    -------
    State

    Raises
    ------
    InputError
        At T = 0 if no student is without error.
    ConvergenceError
        If the equations were not solved.

    Notes
    -----
    Limit N → ∞.  Followed from alpha → 0, and solved from other starts besides: the solution of the lowest free energy
    (at T = 0 of the highest entropy) is returned, with its branch.  Where the replicon exceeds 1 replica symmetry is
    broken and the state is an approximation.  Without wrong labels q = R at T = 0, and with them at T = 1/ln((1-f)/f).

    References
    ----------
    theory/perceptron.md, eqs. 12-16.  G. Györgyi, N. Tishby, in Neural Networks and Spin Glasses (1990).
    """
    if temperature == 0.0 and alpha >= (threshold := separability_threshold(flip)):
        raise InputError(
            f"alpha = {alpha:g} is not allowed at temperature 0: with flip = {flip:g} the version space is empty from "
            f"{threshold:.6g} on"
        )
    if temperature == bayes_temperature(flip):
        return _matched(alpha, flip)
    first = min(FIRST, alpha)
    at_zero = Likelihood(1.0, temperature)
    slope = float(at_zero.slope(np.zeros(1))[0])
    start = np.log([first * (1.0 - 2.0 * flip) * MEAN * slope, first * slope**2])

    def equations(logs: Array, at: float) -> Array:
        return np.asarray(np.log(_conjugates(*_order(logs), at, temperature, flip)) - logs)

    followed = follow(equations, start, first, alpha, known=_path(temperature, flip))
    solutions = {FOLLOWED: followed, **others(equations, STARTS, alpha, followed[0])}
    states = []
    for branch, (unknowns, residual, iterations) in solutions.items():
        q, across, p = _order(unknowns)
        cosine = min(p * math.exp(unknowns[0]), 1.0)
        search = Search(residual, iterations, branch)
        states.append(_state(alpha, temperature, flip, order=(q, across, p, cosine), search=search))
    return _stable(states, temperature)


@functools.lru_cache(maxsize=64)
def _path(temperature: float, flip: float) -> Path:
    """Return where what is found along the path from few examples is kept: all alpha have its beginning in common."""
    return {}


def bayes(alpha: float, flip: float, samples: int | None = None) -> State:
    r"""Centre of the posterior, R = √q, or the mean of n of its samples.

    .. math:: R_n = \frac{n q}{\sqrt{n + n (n - 1) q}}

    Parameters
    ----------
    alpha, flip : float
        As in :func:`quenched`; the temperature is 0 without wrong labels, else 1/ln((1-f)/f).
    samples : int, optional
        n; the centre itself where none is given.

    Returns
    -------
    State
        The training error is that of the centre and left out for a mean of n samples.

    References
    ----------
    theory/perceptron.md, eqs. 21-24.  T. L. H. Watkin, Europhys. Lett. 21, 871 (1993).
    """
    from dataclasses import replace

    gibbs = _matched(alpha, flip)
    assert gibbs.q is not None
    q, p = gibbs.q, gibbs.distance
    if samples is not None:
        apart = p * (1.0 + samples * q) / (1.0 + (samples - 1) * q)  # 1 - R_n²
        cosine = math.sqrt(max(1.0 - apart, 0.0))
        return replace(gibbs, R=cosine, distance=apart / (1.0 + cosine), train_error=None)
    root = math.sqrt(q)
    return replace(gibbs, R=root, distance=p / (1.0 + root), train_error=_wrong_of_centre(q, p, flip))


def bayes_temperature(flip: float) -> float:
    """Return the temperature at which the Gibbs law is the posterior, 1/ln((1-f)/f)."""
    return 0.0 if flip == 0.0 else 1.0 / math.log((1.0 - flip) / flip)


def annealed(alpha: float, temperature: float, flip: float) -> State:
    r"""Gibbs learning in the annealed approximation: ln⟨Z⟩ in place of ⟨ln Z⟩.

    .. math:: -\beta f = \max_R \; \tfrac12 \ln (1 - R^2) + \alpha \ln \bigl[ 1 - (1 - e^{-\beta}) \epsilon_f(R) \bigr]

    with the probability :math:`\epsilon_f = f + (1 - 2f) \epsilon` that a student has a label wrong.

    Parameters
    ----------
    alpha, temperature, flip : float
        As in :func:`quenched`.

    Returns
    -------
    State
        Without q, which the approximation does not say.

    References
    ----------
    theory/perceptron.md, eqs. 25-26.  H. S. Seung, H. Sompolinsky, N. Tishby, Phys. Rev. A 45, 6056 (1992).
    """
    gain = 1.0 if temperature == 0.0 else -math.expm1(-1.0 / temperature)
    cotangent, wrong, residual = _maximum(lambda e: alpha * gain * (1.0 - 2.0 * flip) / (1.0 - gain * e), flip)
    left = 1.0 - gain * wrong
    logarithm = -math.log(math.hypot(1.0, cotangent)) + alpha * math.log1p(-gain * wrong)
    train = (1.0 - gain) * wrong / left
    return _thermal(cotangent, train, logarithm, alpha, temperature, residual)


def high_temperature(alpha: float, temperature: float, flip: float) -> State:
    r"""Gibbs learning in the limit T → ∞ at fixed alpha/T, with the given alpha/T.

    .. math:: -\beta f = \max_R \; \tfrac12 \ln (1 - R^2) - \frac\alpha T \epsilon_f(R)

    Parameters
    ----------
    alpha, temperature, flip : float
        As in :func:`quenched`, T > 0.

    Returns
    -------
    State
        Two students are independent given their cosine with the teacher, so q = R².

    References
    ----------
    theory/perceptron.md, eq. 27.  H. S. Seung, H. Sompolinsky, N. Tishby, Phys. Rev. A 45, 6056 (1992).
    """
    from dataclasses import replace

    cotangent, wrong, residual = _maximum(lambda e: alpha / temperature * (1.0 - 2.0 * flip), flip)
    logarithm = -math.log(math.hypot(1.0, cotangent)) - alpha / temperature * wrong
    found = _thermal(cotangent, wrong, logarithm, alpha, temperature, residual)
    return replace(found, q=found.R**2)


def free_energy(q: float, R: float, alpha: float, temperature: float, flip: float) -> float:
    """Return -βf of eq. 12 at any order parameters, R² < q < 1: stationary at the saddle point (-βf → S at T = 0)."""
    across, p = 1.0 - R * R / q, 1.0 - q
    return 0.5 * math.log(p) + 0.5 * q * across / p + alpha * mean_log(q, across, p, temperature, flip)


def _matched(alpha: float, flip: float) -> State:
    """Return the Gibbs state at the temperature of the posterior, where R = q: one equation.

    Alpha is only a shift of a curve in ln (1 - q)/q, so that all its solutions are between the curve's known values.
    """
    from scipy.optimize import brentq

    temperature, shift = bayes_temperature(flip), math.log(alpha)
    calls, states = 0, []

    def residual(logit: float) -> float:
        nonlocal calls
        calls += 1
        return _matched_excess(logit, flip) + shift

    signs = np.sign(_matched_curve(flip) + shift)
    for i in np.flatnonzero(signs[1:] != signs[:-1]):
        logit = brentq(residual, LOGITS[i], LOGITS[i + 1], xtol=1e-13, rtol=1e-15, maxiter=300)
        left = abs(residual(logit))
        if left <= TOLERANCE:
            q, p = 1.0 / (1.0 + math.exp(logit)), 1.0 / (1.0 + math.exp(-logit))
            search = Search(left, calls, "R = q")
            states.append(_state(alpha, temperature, flip, order=(q, p, p, q), search=search))
    if not states:
        raise ConvergenceError(f"no saddle point was found at alpha = {alpha:.6g}")
    return _stable(states, temperature)


def _matched_excess(logit: float, flip: float) -> float:
    """Return ln of (1 - q) R̂/(q alpha), which is -ln alpha at a solution, as a function of ln (1 - q)/q."""
    q, p = 1.0 / (1.0 + math.exp(logit)), 1.0 / (1.0 + math.exp(-logit))
    return math.log(p / q * pull(q, p, p, bayes_temperature(flip), flip))


@functools.lru_cache(maxsize=256)
def _matched_curve(flip: float) -> Array:
    return np.array([_matched_excess(logit, flip) for logit in LOGITS])


def _stable(states: list[State], temperature: float) -> State:
    """Return the state of the lowest free energy, at T = 0 of the highest entropy."""

    def weight(state: State) -> float:
        assert state.entropy is not None
        assert state.free_energy is not None
        return state.entropy if temperature == 0.0 else -state.free_energy

    return max(states, key=weight)


def _order(unknowns: Array) -> tuple[float, float, float]:
    """Return q, 1 - R²/q and p = 1 - q from the logarithms of R̂ and q̂ (eq. 15)."""
    along, spread = np.exp(np.clip(unknowns, -230.0, 80.0))
    total = along**2 + spread
    p = 2.0 / (1.0 + math.sqrt(1.0 + 4.0 * total))
    return float(p * p * total), float(spread / total), p


def _conjugates(q: float, across: float, p: float, alpha: float, temperature: float, flip: float) -> Array:
    """Return R̂ and q̂."""
    averages = pull(q, across, p, temperature, flip), second_moment(q, across, p, temperature, flip)
    return alpha * np.array(averages)


def _state(
    alpha: float,
    temperature: float,
    flip: float,
    *,
    order: tuple[float, float, float, float],
    search: Search,
) -> State:
    """Return what follows from q, 1 - R²/q, 1 - q and R, each with its own digits."""
    q, across, p, cosine = order
    likelihood = Likelihood(p, temperature)
    fields, weights = rule(q, across, likelihood, flip)
    train = float(weights @ likelihood.wrong(fields))
    logarithm = 0.5 * math.log(p) + 0.5 * q * across / p + alpha * float(weights @ likelihood.log(fields))
    return State(
        R=cosine,
        distance=(p + q * across) / (1.0 + cosine),
        train_error=train,
        q=q,
        free_energy=0.0 - temperature * logarithm,
        entropy=logarithm + (alpha * train / temperature if temperature > 0.0 else 0.0),
        replicon=alpha * p**2 * float(weights @ likelihood.curvature(fields) ** 2),
        residual=search.residual,
        iterations=search.iterations,
        branch=search.branch,
    )


def _wrong_of_centre(q: float, p: float, flip: float) -> float:
    """Return the training error of the centre: its field on a training example is h + p g(h), which grows with h."""
    from scipy.optimize import brentq

    if flip == 0.0:
        return 0.0
    likelihood = Likelihood(p, bayes_temperature(flip))

    def field(h: float) -> float:
        return h + p * float(likelihood.slope(np.array([h]))[0])

    edge = brentq(field, -50.0 * math.sqrt(p), 0.0, xtol=1e-14) / math.sqrt(q)
    tangent = math.sqrt(p / q)
    nodes, weights = panels(tangent, breaks=(edge,))
    return float(weighted(nodes, weights, 1.0 / tangent, flip) @ (nodes < edge))


def _maximum(steepness: Callable[[float], float], flip: float) -> tuple[float, float, float]:
    """Return cot θ at the maximum of ln sin θ + Σ(ε_f), ε_f there and the residual of its equation.

    With the angle θ = πε between student and teacher it is where cot θ = -Σ'(ε_f) (1 - 2f)/π: ``steepness`` is
    -(1 - 2f) Σ' as a function of ε_f.
    """
    from scipy.optimize import brentq

    def error(log_cotangent: float) -> float:
        return flip + (1.0 - 2.0 * flip) * math.atan(math.exp(-log_cotangent)) / math.pi

    def residual(log_cotangent: float) -> float:
        return math.log(steepness(error(log_cotangent)) / math.pi) - log_cotangent

    log_cotangent = brentq(residual, -600.0, 300.0, xtol=1e-14, maxiter=400)
    left = abs(residual(log_cotangent))
    if left > TOLERANCE:
        raise ConvergenceError(f"the maximum over R was not found: the residual is {left:.2g}")
    return math.exp(log_cotangent), error(log_cotangent), left


def _thermal(
    cotangent: float, train: float, logarithm: float, alpha: float, temperature: float, residual: float
) -> State:
    length = math.hypot(1.0, cotangent)
    return State(
        R=cotangent / length,
        distance=1.0 / (length * (length + cotangent)),
        train_error=train,
        free_energy=0.0 - temperature * logarithm,
        entropy=logarithm + (alpha * train / temperature if temperature > 0.0 else 0.0),
        residual=residual,
        branch="maximum",
    )
