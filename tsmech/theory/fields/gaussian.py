r"""Averages of activations over jointly Gaussian fields, and of products of two of them.

Fields are zero-mean Gaussian with covariance C.  Everything here follows from one- and two-field averages in
closed form and from one identity: multiplying by the slope of an erf unit only tilts the Gaussian (a rank-one
change of C).  Activations are the tags of :mod:`tsmech.kernels.activations` whose averages are closed, the two units of
a pair may differ; an average that is not known is NaN.
``theory/online_sgd.md`` derives each formula, section 3.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import ERF, LINEAR, QUADRATIC, RELU, SIGN
from tsmech.kernels.jit import deferred_kernel
from tsmech.kernels.rounding import fused

_TWO_OVER_PI = 2.0 / math.pi
_SLOPE_AT_ZERO = math.sqrt(_TWO_OVER_PI)
_PI = math.pi
_HALF_PI = 0.5 * math.pi


_ARCSINE = (
    0.16666666666666657,
    0.07499999999990194,
    0.04464285717160332,
    0.03038194198325319,
    0.0223722608517715,
    0.0173503371202047,
    0.014001301179724696,
    0.011191033632198822,
    0.012157745878583752,
    -0.002246496013813719,
    0.03788964802370373,
    -0.046128659736464496,
    0.0496328699277025,
)
"""Coefficients in z = x² of (arcsin x / x − 1) / z on abs(x) ≤ 1/2: the Taylor series, economised to degree 12.

They are written out, since a library's rounding of them differs between machines, and compiled code keeps them.
"""


@deferred_kernel
def arcsine(x: float) -> float:
    r"""Return arcsin x, correct to a few units in the last place; arguments beyond ±1 (rounding) count as ±1.

    Without a branch or a library call, so that a loop over it is compiled to vector instructions:
    a polynomial for \|x\| ≤ 1/2, and :math:`\pi/2 - 2\arcsin\sqrt{(1-|x|)/2}` above.
    """
    size = min(abs(x), 1.0)
    small = size <= 0.5
    z = size * size if small else 0.5 * (1.0 - size)
    s = size if small else math.sqrt(z)
    a, y = _ARCSINE, z * z
    even = fused(y, fused(y, fused(y, fused(y, fused(y, fused(y, a[12], a[10]), a[8]), a[6]), a[4]), a[2]), a[0])
    odd = fused(y, fused(y, fused(y, fused(y, fused(y, a[11], a[9]), a[7]), a[5]), a[3]), a[1])
    value = fused(s * z, fused(z, odd, even), s)
    return math.copysign(value if small else _HALF_PI - 2.0 * value, x)


@deferred_kernel
def mean(f: int, xx: float) -> float:
    """Return E[f(x)], x ~ N(0, xx)."""
    if f == RELU:
        return math.sqrt(xx / (2.0 * _PI))
    if f == QUADRATIC:
        return xx
    if f in (ERF, LINEAR, SIGN):
        return 0.0
    return math.nan


@deferred_kernel
def mean_slope(f: int, xx: float) -> float:
    """Return E[f'(x)], x ~ N(0, xx); for sign twice the density at the jump, and 0 for a field without variance."""
    if f == ERF:
        return _SLOPE_AT_ZERO / math.sqrt(1.0 + xx)
    if f == RELU:
        return 0.5
    if f == LINEAR:
        return 1.0
    if f == QUADRATIC:
        return 0.0
    if f == SIGN:
        return _SLOPE_AT_ZERO / math.sqrt(xx) if xx > 0.0 else 0.0
    return math.nan


@deferred_kernel
def mean_curvature(f: int, xx: float) -> float:
    """Return E[f''(x)], x ~ N(0, xx); for ReLU the density at the kink, and 0 for a field without variance."""
    if f == RELU and xx > 0.0:
        return 1.0 / math.sqrt(2.0 * _PI * xx)
    if f == QUADRATIC:
        return 2.0
    if f in (RELU, ERF, LINEAR, SIGN):
        return 0.0
    return math.nan


@deferred_kernel
def correlation(xx: float, yy: float, xy: float) -> float:
    """Return xy / √(xx yy), within ±1; 0 where a field has no variance."""
    if xx <= 0.0 or yy <= 0.0:
        return 0.0
    return min(1.0, max(-1.0, xy / math.sqrt(xx * yy)))


@deferred_kernel
def product(f: int, g: int, xx: float, yy: float, xy: float) -> float:
    r"""Return E[f(x) g(y)] for two fields with variances xx, yy and covariance xy.

    .. math::
        \text{erf, erf: } \tfrac2\pi \arcsin\frac{C_{xy}}{\sqrt{(1+C_{xx})(1+C_{yy})}}, \qquad
        \text{relu, relu: } \frac{\sqrt{C_{xx}C_{yy}}}{2\pi}
        \left[\sqrt{1-\rho^2} + \rho\left(\tfrac\pi2 + \arcsin\rho\right)\right],

    with ρ the correlation; the rest follows from E[y f(x)] = C_xy E[f'] (Stein).  A sign is an erf without the 1 + in
    its variance.  Equations (13) and (14).
    """
    if f > g:
        f, g, xx, yy = g, f, yy, xx
    if f < ERF:
        return math.nan
    if g == LINEAR:
        return xy * mean_slope(f, xx)
    if g == QUADRATIC:
        return yy * mean(f, xx) + xy * xy * mean_curvature(f, xx)
    if g == ERF:
        return _TWO_OVER_PI * arcsine(xy / math.sqrt((1.0 + xx) * (1.0 + yy)))
    if g == SIGN:
        if f == SIGN:
            return _TWO_OVER_PI * arcsine(correlation(xx, yy, xy))
        if f == ERF:
            return _TWO_OVER_PI * arcsine(xy / math.sqrt((1.0 + xx) * yy)) if yy > 0.0 else 0.0
        if f in (RELU, LINEAR):
            return (0.5 if f == RELU else 1.0) * xy * mean_slope(SIGN, yy)
        return 0.0 if f == QUADRATIC else math.nan
    if g != RELU:
        return math.nan
    if f == ERF:
        return 0.5 * xy * mean_slope(ERF, xx)
    rho = correlation(xx, yy, xy)
    return math.sqrt(xx * yy) * (math.sqrt((1.0 - rho) * (1.0 + rho)) + rho * (_HALF_PI + arcsine(rho))) / (2.0 * _PI)


@deferred_kernel
def slope_product(f: int, g: int, xx: float, yy: float, xy: float) -> float:
    r"""Return E[f'(x) g'(y)], the derivative of :func:`product` by xy (Price).  Section 3.2."""
    if f > g:
        f, g, xx, yy = g, f, yy, xx
    if f < ERF:
        return math.nan
    if g == LINEAR:
        return mean_slope(f, xx)
    if g == QUADRATIC:
        return 2.0 * xy * mean_curvature(f, xx)
    if g == ERF:
        return _TWO_OVER_PI / math.sqrt((1.0 + xx) * (1.0 + yy) - xy * xy)
    if g == SIGN:
        if f == ERF:
            return _TWO_OVER_PI / math.sqrt((1.0 + xx) * yy - xy * xy) if yy > 0.0 else 0.0
        if f in (RELU, LINEAR):
            return (0.5 if f == RELU else 1.0) * mean_slope(SIGN, yy)
        return 0.0 if f == QUADRATIC else math.nan
    if g != RELU:
        return math.nan
    if f == ERF:
        return 0.5 * mean_slope(ERF, xx)
    return 0.25 + arcsine(correlation(xx, yy, xy)) / (2.0 * _PI)


@deferred_kernel
def curvature_product(f: int, g: int, xx: float, yy: float, xy: float) -> float:
    r"""Return E[f''(x) g(y)], twice the derivative of :func:`product` by xx.  Equation (15).

    An erf's curvature is −x f'(x): the slope tilts the Gaussian.  A ReLU's is δ(x): it conditions on x = 0.
    """
    if f == ERF:
        tilt = xy / (1.0 + xx)
        return -mean_slope(ERF, xx) * tilt * mean_slope(g, yy - xy * tilt)
    if f == QUADRATIC:
        return 2.0 * mean(g, yy)
    if f == RELU and xx > 0.0:
        return mean_curvature(RELU, xx) * mean(g, max(0.0, yy - xy * xy / xx))
    return 0.0 if f in (RELU, LINEAR) else math.nan


@deferred_kernel
def squared_output(C: NDArray[np.float64], c: NDArray[np.float64], K: int, student: int, teacher: int) -> float:
    r"""Return E[Δ²] of Δ = Σ_i c_i g_i(x_i), the first K units being the student's, the others the teacher's.

    C has shape (n, n), c shape (n,).  Where Δ vanishes the terms cancel to rounding, about
    :math:`10^{-16} (\sum_i |c_i| \sqrt{E[g_i^2]})^2`; the result may then have either sign.
    """
    total = 0.0
    for i in range(C.shape[0]):
        f = student if i < K else teacher
        total += c[i] * c[i] * product(f, f, C[i, i], C[i, i], C[i, i])
        for j in range(i):
            g = student if j < K else teacher
            total += 2.0 * c[i] * c[j] * product(f, g, C[i, i], C[j, j], C[i, j])
    return total


@deferred_kernel
def drift_averages(
    C: NDArray[np.float64], c: NDArray[np.float64], K: int, student: int, teacher: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    r"""Return the averages of the drift: :math:`E[g''_k \Delta]`, :math:`E[g'_k g'_j]`, :math:`E[g_k \Delta]`.

    Shapes (K,), (K, n) and (K,).  With them, for any Gaussian field z (Stein; equation (8)),

    .. math:: E[g'_k \Delta z] = C_{zk} E[g''_k \Delta] + \sum_j C_{zj}\, c_j E[g'_k g'_j].
    """
    n = C.shape[0]
    curvature, slopes, output = np.zeros(K), np.empty((K, n)), np.zeros(K)
    for k in range(K):
        for j in range(n):
            g = student if j < K else teacher
            curvature[k] += c[j] * curvature_product(student, g, C[k, k], C[j, j], C[k, j])
            slopes[k, j] = slope_product(student, g, C[k, k], C[j, j], C[k, j])
            output[k] += c[j] * product(student, g, C[k, k], C[j, j], C[k, j])
    return curvature, slopes, output
