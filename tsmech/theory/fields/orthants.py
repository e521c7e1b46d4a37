r"""Averages of step functions and fields, for ReLU units: orthant probabilities and their moments.

.. math:: E\Bigl[\prod_{a} \theta(x_a) \prod_b x_b\Bigr]

for zero-mean Gaussian fields and at most four steps.  Up to three steps the probability is elementary; four need
one integral along C(t) = diag + t · offdiag (Plackett), and integrating by parts (Stein) turns every moment
into probabilities of fewer steps given that some fields vanish.  See ``theory/online_sgd.md``, section 3.4.

References
----------
.. [1] R. L. Plackett, Biometrika 41 (1954) 351, A reduction formula for normal multivariate integrals, section 2.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.theory.fields.gaussian import arcsine, correlation

FloatArray = NDArray[np.float64]

_TWO_OVER_PI = 2.0 / math.pi
_PARALLEL = 1.0 - 1e-14  # correlations beyond this are those of one field: an angle of 1e-7
_PENDING = 32  # more than the averages that can wait: at most seven a field, four fields deep
_DENSITY_AT_ZERO = 1.0 / math.sqrt(2.0 * math.pi)


def _graded_nodes(count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Return t, √(1−t²) and weights for ∫₀¹ dt: Gauss–Legendre in y, t = cos(π y⁴ / 2).

    With nearly parallel fields the integrand has layers at t = 1 as thin as their distance; the fourth power
    puts nodes into layers of every width, where an ungraded rule of t = sin θ is wrong by 1e-4.
    """
    y, weight = np.polynomial.legendre.leggauss(count)
    y, weight = 0.5 * (1.0 + y), 0.5 * weight
    angle = 0.5 * math.pi * y**4
    return np.cos(angle), np.sin(angle), weight * 2.0 * math.pi * y**3 * np.sin(angle)


_T, _SINE, _WEIGHT = _graded_nodes(96)


@kernel
def _layer(pq: float, rp: float, sp: float, rq: float, sq: float, rs: float) -> float:
    """Return the part of the pair p, q in the integral of :func:`sign_product`; r and s are the other fields."""
    far = (1.0 - pq) * (1.0 + pq)
    total = 0.0
    for n in range(_T.size):
        t = _T[n]
        root = math.sqrt(far + (pq * _SINE[n]) ** 2)
        # the parts of r and s along q, once what lies along p is taken off
        r_rest = t * (rq - t * pq * rp) / root
        s_rest = t * (sq - t * pq * sp) / root
        rr = max(1e-32, 1.0 - (t * rp) ** 2 - r_rest * r_rest)
        ss = max(1e-32, 1.0 - (t * sp) ** 2 - s_rest * s_rest)
        total += _WEIGHT[n] / root * arcsine((t * rs - t * t * rp * sp - r_rest * s_rest) / math.sqrt(rr * ss))
    return pq * total


@kernel
def sign_product(rho: FloatArray) -> float:
    r"""Return the connected average of four signs, with correlations rho of shape (4, 4).

    .. math::
        \Omega = E[s_1 s_2 s_3 s_4] = \frac{4}{\pi^2} \sum_{p<q} \int_0^1
        \frac{\rho_{pq}\,dt}{\sqrt{1 - t^2 \rho_{pq}^2}} \arcsin \rho_{rs|pq}(t),

    with r, s the other two fields.  Equation (21).  The error is that of the correlations' own rounding: 1e-15,
    growing to 1e-16/δ where fields are within an angle δ of parallel.
    """
    a, b, c, d, e, f = rho[0, 1], rho[0, 2], rho[0, 3], rho[1, 2], rho[1, 3], rho[2, 3]
    total = _layer(a, b, c, d, e, f) + _layer(b, a, c, d, f, e) + _layer(c, a, b, e, f, d)
    total += _layer(d, a, e, b, f, c) + _layer(e, a, d, c, f, b) + _layer(f, b, d, c, e, a)
    return _TWO_OVER_PI * _TWO_OVER_PI * total


@kernel
def step_product(rho: FloatArray, n: int) -> float:
    r"""Return E[∏_a θ(x_a)], the probability that the first n fields are positive, n ≤ 4.

    .. math:: 2^{-n} \Bigl[1 + \tfrac2\pi \sum_{p<q} \arcsin\rho_{pq} + \Omega\,\delta_{n4}\Bigr]

    for a matrix of correlations rho.  Equation (20).
    """
    angles = 0.0
    for p in range(n):
        for q in range(p):
            angles += arcsine(rho[p, q])
    total = 1.0 + _TWO_OVER_PI * angles
    if n == 4:
        total += sign_product(rho)
    return float(total / (1 << n))


@kernel
def _merge(rho: FloatArray, n: int, steps: int) -> tuple[int, int]:
    """Take equal steps only once, θ(x) θ(x) = θ(x), in the first n rows and columns of rho.

    Steps that rounding cannot tell apart count as equal.  Returns the numbers of fields and steps that are left; none
    are left where two steps exclude one another, θ(x) θ(−x) = 0.
    """
    a = 1
    while a < steps:
        known = False
        for b in range(a):
            if rho[a, b] < -_PARALLEL:
                return 0, -1
            known |= rho[a, b] > _PARALLEL
        if known:
            n -= 1
            for i in range(n):
                for j in range(n):
                    rho[i, j] = rho[i + (i >= a), j + (j >= a)]
            steps -= 1
        else:
            a += 1
    return n, steps


@kernel
def _leave_out(rho: FloatArray, n: int, p: int, rest: FloatArray) -> None:
    """Fill rest with the correlations of the first n fields but p and the last."""
    for i in range(n - 2):
        for j in range(n - 2):
            rest[i, j] = rho[i + (i >= p), j + (j >= p)]


@kernel
def _given_zero(rho: FloatArray, n: int, p: int, steps: int, rest: FloatArray) -> float:
    """Fill rest with the correlations of the first n fields but p and the last, given that field p is zero.

    Returns the product of the conditional standard deviations of the fields outside the steps.
    """
    scale = 1.0
    _leave_out(rho, n, p, rest)
    for i in range(n - 2):
        along = rho[i + (i >= p), p]
        deviation = math.sqrt((1.0 - along) * (1.0 + along))
        if i + 1 >= steps:
            scale *= deviation
        for j in range(i):
            beside = rho[j + (j >= p), p]
            size = deviation * math.sqrt((1.0 - beside) * (1.0 + beside))
            part = rest[i, j] - along * beside
            rest[i, j] = rest[j, i] = min(1.0, max(-1.0, part / size)) if size > 0.0 else 0.0
    return scale


@kernel
def orthant_moment(C: FloatArray, steps: int) -> float:
    r"""Return :math:`E[\prod_{a<s}\theta(x_a) \prod_{b \ge s} x_b]`, s = ``steps`` ≤ 4, C of shape (n, n), n ≤ 8.

    By parts on the last field, x:

    .. math::
        E[x f \theta_D] = \sum_{b} C_{xb}\, E[\partial_b f\,\theta_D]
        + \sum_{p \in D} \frac{C_{xp}}{\sqrt{2\pi C_{pp}}}\, E[f\,\theta_{D\setminus p} \mid x_p = 0],

    again and again until no field is left outside a step.  Equation (19).  Fields are first scaled to unit
    variance, so that the parts that cancel between nearly parallel fields come from the same correlations.
    """
    # the averages still to be taken: correlations, number of fields, of steps among them, and weight
    rho = np.empty((_PENDING, 8, 8))
    fields, leading = np.empty(_PENDING, np.int64), np.empty(_PENDING, np.int64)
    weight = np.ones(_PENDING)
    n = C.shape[0]
    for a in range(n):
        for b in range(n):
            rho[0, a, b] = correlation(C[a, a], C[b, b], C[a, b])
        if a >= steps:
            weight[0] *= math.sqrt(C[a, a])
    fields[0], leading[0] = n, steps
    current = np.empty((8, 8))
    pending = 1
    total = 0.0
    while pending > 0:
        pending -= 1
        w = weight[pending]
        n, s = _merge(rho[pending], fields[pending], leading[pending])
        for a in range(n):
            for b in range(n):
                current[a, b] = rho[pending, a, b]
        if n == s:
            total += w * step_product(current, n)
        for b in range(s, n - 1):
            _leave_out(current, n, b, rho[pending])
            fields[pending], leading[pending] = n - 2, s
            weight[pending] = w * current[n - 1, b]
            pending += 1
        if n > s:
            for p in range(s):
                scale = _given_zero(current, n, p, s, rho[pending])
                fields[pending], leading[pending] = n - 2, s - 1
                weight[pending] = w * current[n - 1, p] * _DENSITY_AT_ZERO * scale
                pending += 1
    return total
