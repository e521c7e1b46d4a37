r"""The four-field averages of online learning: E[g'_k g'_l Δ²] for every pair of student units.

Δ = Σ_i c_i g_i(x_i) is the student's error; the first K units are the student's (c = v), the others the teacher's
(c = −A).  The fields have covariance C, shape (n, n).  Exact for every pair of built-in activations:

=============== ==================================================================================
student         how
=============== ==================================================================================
erf             the two slopes tilt the Gaussian: E[Δ²] under a rank-two change of C, (16)
linear          the slopes are 1
quadratic       Stein's identity twice: two-field averages, (17)
relu            moments of orthants, :mod:`tsmech.theory.fields.orthants`, (18)-(21)
=============== ==================================================================================
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import ERF, LINEAR, QUADRATIC, RELU, SIGN
from tsmech.kernels.jit import deferred_kernel, kernel
from tsmech.theory.fields.gaussian import arcsine, curvature_product, product, slope_product, squared_output
from tsmech.theory.fields.orthants import orthant_moment

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TWO_OVER_PI = 2.0 / math.pi
_SUMS = 32
"""Sums that are added up side by side: each waits for the one number before, and none for another."""


@deferred_kernel
def _erf(C: FloatArray, c: FloatArray, K: int, teacher: int, F: FloatArray) -> None:
    """Fill F for a student of erf units: O(K² n²), nearly all of it one long loop in vector instructions."""
    n = C.shape[0]
    of_erf = n if teacher == ERF else K
    pairs = of_erf * (of_erf + 1) // 2
    weight, sine, sums = np.empty(pairs), np.empty(pairs), np.empty(min(pairs, _SUMS))
    at = 0
    for i in range(of_erf):
        for j in range(i + 1):
            weight[at + j] = _TWO_OVER_PI * c[i] * c[j] * (2.0 if j < i else 1.0)
        at += i + 1
    x, y, scale = np.empty(n), np.empty(n), np.empty(n)
    for k in range(K):
        Ck = C[k]
        for m in range(k + 1):
            Cm = C[m]
            det = (1.0 + Ck[k]) * (1.0 + Cm[m]) - Ck[m] * Ck[m]
            for i in range(n):
                x[i] = ((1.0 + Cm[m]) * Ck[i] - Ck[m] * Cm[i]) / det
                y[i] = ((1.0 + Ck[k]) * Cm[i] - Ck[m] * Ck[i]) / det
                scale[i] = 1.0 / math.sqrt(1.0 + C[i, i] - x[i] * Ck[i] - y[i] * Cm[i])
            at = 0
            for i in range(of_erf):
                Ci = C[i]
                xi, yi, si = x[i], y[i], scale[i]
                for j in range(i + 1):
                    sine[at + j] = si * scale[j] * (Ci[j] - xi * Ck[j] - yi * Cm[j])
                at += i + 1
            total, sums[:] = 0.0, 0.0
            for p in range(0, pairs, _SUMS):
                factors, sines = weight[p : p + _SUMS], sine[p : p + _SUMS]
                for q in range(sines.size):
                    sums[q] += factors[q] * arcsine(sines[q])
            for q in range(sums.size):
                total += sums[q]
            for i in range(of_erf, n):
                ii = C[i, i] - x[i] * Ck[i] - y[i] * Cm[i]
                total += c[i] * c[i] * product(teacher, teacher, ii, ii, ii)
                for j in range(i):
                    jj = C[j, j] - x[j] * Ck[j] - y[j] * Cm[j]
                    ij = C[i, j] - x[i] * Ck[j] - y[i] * Cm[j]
                    total += 2.0 * c[i] * c[j] * product(teacher, ERF if j < K else teacher, ii, jj, ij)
            F[k, m] = F[m, k] = _TWO_OVER_PI / math.sqrt(det) * total


@deferred_kernel
def _quadratic(C: FloatArray, c: FloatArray, K: int, teacher: int, F: FloatArray) -> None:
    """Fill F for a student of quadratic units, E[4 x_k x_l Δ²]: O(K² n²)."""
    n = C.shape[0]
    power = squared_output(C, c, K, QUADRATIC, teacher)
    second = np.empty((n, n))  # E of the second derivatives of Δ² / 2 by the fields
    for i in range(n):
        f = QUADRATIC if i < K else teacher
        curved = 0.0
        for j in range(n):
            g = QUADRATIC if j < K else teacher
            curved += c[j] * curvature_product(f, g, C[i, i], C[j, j], C[i, j])
            second[i, j] = c[i] * c[j] * slope_product(f, g, C[i, i], C[j, j], C[i, j])
        second[i, i] += c[i] * curved
    for k in range(K):
        for m in range(k + 1):
            total = C[k, m] * power
            for i in range(n):
                for j in range(n):
                    total += 2.0 * C[k, i] * second[i, j] * C[j, m]
            F[k, m] = F[m, k] = 4.0 * total


@kernel
def _quadratic_of_sign(C: FloatArray, c: FloatArray, K: int, F: FloatArray) -> None:
    """Fill F for a student of quadratic units and a teacher of signs: products of both are odd, and average to zero."""
    _quadratic(C[:K, :K].copy(), c[:K], K, QUADRATIC, F)
    covariance, units = np.empty((4, 4)), np.empty(4, np.int64)
    for k in range(K):
        for m in range(k + 1):
            total = 0.0
            for i in range(K, c.size):
                for j in range(K, c.size):
                    units[:] = i, j, k, m
                    for a in range(4):
                        for b in range(4):
                            covariance[a, b] = C[units[a], units[b]]
                    total += c[i] * c[j] * (4.0 * orthant_moment(covariance, 2) - C[k, m])
            F[k, m] = F[m, k] = F[k, m] + 4.0 * total


@kernel
def _terms(c: FloatArray, K: int, teacher: int) -> tuple[IntArray, FloatArray]:
    """Write Δ as a sum of terms: coefficient · x^power · (1, or θ(x), or θ(x + noise of variance 1)).

    Returns rows (unit, power, kind), kind 0, 1 or 2 as above, and the coefficients.  A ReLU is x θ(x); an erf is
    E[sign(x + noise)] = 2 E[θ(x + noise)] − 1 and a sign 2 θ(x) − 1, the constants of all such units together one term.
    """
    n = c.size
    rows, coefficients = np.empty((n + 1, 3), np.int64), np.zeros(n + 1)
    for i in range(n + 1):
        kind = RELU if i < K else teacher
        rows[i, 0] = min(i, n - 1)
        bounded = kind in (ERF, SIGN)
        rows[i, 1] = 0 if bounded or i == n else (2 if kind == QUADRATIC else 1)
        rows[i, 2] = 0 if i == n else (2 if kind == ERF else (1 if kind in (RELU, SIGN) else 0))
        if i < n:
            coefficients[i] = 2.0 * c[i] if bounded else c[i]
            coefficients[n] -= c[i] if bounded else 0.0
    return rows, coefficients


@kernel
def _term_moment(C: FloatArray, k: int, m: int, terms: IntArray, i: int, j: int) -> float:
    """Return E[θ(x_k) θ(x_m) · term i · term j]."""
    units, noise = np.empty(8, np.int64), np.zeros(8)
    units[0], units[1] = k, m
    steps = 2
    for term in range(2):
        row = terms[i if term == 0 else j]
        if row[2] > 0:
            units[steps] = row[0]
            noise[steps] = row[2] - 1
            steps += 1
    n = steps
    for term in range(2):
        row = terms[i if term == 0 else j]
        for _ in range(row[1]):
            units[n] = row[0]
            n += 1
    covariance = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            covariance[a, b] = C[units[a], units[b]]
        covariance[a, a] += noise[a]
    return orthant_moment(covariance, steps)


@kernel
def _relu(C: FloatArray, c: FloatArray, K: int, teacher: int, F: FloatArray) -> None:
    """Fill F for a student of ReLU units: O(K² n²) moments of orthants."""
    terms, coefficients = _terms(c, K, teacher)
    for k in range(K):
        for m in range(k + 1):
            total = 0.0
            for i in range(coefficients.size):
                for j in range(i + 1):
                    weight = coefficients[i] * coefficients[j] * (1.0 if i == j else 2.0)
                    if weight != 0.0:
                        total += weight * _term_moment(C, k, m, terms, i, j)
            F[k, m] = F[m, k] = total


def fluctuation(C: FloatArray, c: FloatArray, K: int, student: int, teacher: int) -> FloatArray:
    r"""Return :math:`F_{kl} = E[g'(\lambda_k) g'(\lambda_l) \Delta^2]`, shape (K, K), noiseless labels."""
    F = np.empty((K, K))
    if student == ERF:
        _erf(C, c, K, teacher, F)
    elif student == LINEAR:
        F.fill(squared_output(C, c, K, LINEAR, teacher))
    elif student == QUADRATIC and teacher == SIGN:
        _quadratic_of_sign(C, c, K, F)
    elif student == QUADRATIC:
        _quadratic(C, c, K, teacher, F)
    elif student == RELU:
        _relu(C, c, K, teacher, F)
    else:
        F.fill(math.nan)
    return F
