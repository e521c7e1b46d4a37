r"""E[Δ²] and E[g'_k g'_l Δ²] where a student has nearly learnt its teacher: no term is larger than Δ itself.

Δ = Σ_i c_i g_i(x_i) is then a small difference of large fields.  Fields are written as vectors, x_i = w_i · z with z
standard normal, so that differences of units are differences of vectors, and Δ is put together from those:

=============== ==================================================================================
student         Δ
=============== ==================================================================================
linear          one field
quadratic       one quadratic form
erf             units gathered about references r: Σ c_i [g(w_i) − g(r)] and (Σ c_i) g(r)
relu            units gathered about lines, :mod:`tsmech.theory.fields.wedges`
=============== ==================================================================================

All are identities, right for every student; they are used where the other formulas would cancel.
``theory/online_sgd.md``, section 3.6.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import ERF, LINEAR, QUADRATIC, RELU
from tsmech.kernels.jit import deferred_kernel
from tsmech.theory.fields.gaussian import arcsine, squared_output
from tsmech.theory.fields.wedges import GATHERED, relu_fluctuation, relu_square

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TWO_OVER_PI = 2.0 / math.pi
_GATHERED = 0.1
"""Units within this distance, in units of √(1 + C_ii), of each other are written as differences."""

_SAME = 1e-7
"""The teacher's units are gathered within this distance only."""

NEAR, NEAR_RELU = 1e-4, 1e-6
"""Below this part of (Σ_i abs(c_i) √E[g_i²])² averages are taken by the formulas of this module; ReLU's cost more."""

_U1 = np.array([0.5])
_U2 = 0.5 + np.array([-0.5, 0.5]) / math.sqrt(3.0)
_U3 = 0.5 + np.array([-0.5, 0.0, 0.5]) * math.sqrt(0.6)
_NODES = (_U1, _U2, _U3)
_WEIGHTS = (np.array([1.0]), np.array([0.5, 0.5]), np.array([5.0, 8.0, 5.0]) / 18.0)


@deferred_kernel
def _inner(x: FloatArray, y: FloatArray) -> float:
    """Return x · y, added in the order that is written."""
    total = 0.0
    for a in range(x.size):
        total += x[a] * y[a]
    return total


@deferred_kernel
def _distance(x: FloatArray, y: FloatArray, sign: float) -> float:
    """Return (x − sign y)²."""
    total = 0.0
    for a in range(x.size):
        part = x[a] - sign * y[a]
        total += part * part
    return total


@deferred_kernel
def _products(rows: FloatArray, others: FloatArray) -> FloatArray:
    """Return the scalar products of rows with others, whatever library multiplies matrices elsewhere."""
    G = np.empty((rows.shape[0], others.shape[0]))
    for i in range(G.shape[0]):
        for j in range(G.shape[1]):
            G[i, j] = _inner(rows[i], others[j])
    return G


@deferred_kernel
def vectors(X: FloatArray, S: FloatArray) -> FloatArray:
    """Return w_i = (X_i, V_i), shape (n, r + K), with V Vᵀ = S for students and 0 for teachers.

    Columns of V that are rounding, or come from negative eigenvalues within the solver's tolerance, are zero.
    """
    (n, r), K = X.shape, S.shape[0]
    W = np.zeros((n, r + K))
    for i in range(n):
        for a in range(r):
            W[i, a] = X[i, a]
    for j in range(K):
        left = S[j, j]
        for m in range(j):
            left -= W[j, r + m] * W[j, r + m]
        if left > 1e-15 * S[j, j]:
            root = math.sqrt(left)
            W[j, r + j] = root
            for i in range(j + 1, K):
                total = S[i, j]
                for m in range(j):
                    total -= W[i, r + m] * W[j, r + m]
                W[i, r + j] = total / root
    return W


@deferred_kernel
def scale(C: FloatArray, c: FloatArray, K: int, student: int, teacher: int) -> float:
    """Return (Σ_i abs(c_i) √E[g_i²])², which E[Δ²] cannot exceed, with erf's E[g²] taken as min(1, C_ii)."""
    total = 0.0
    for i in range(c.size):
        tag = student if i < K else teacher
        q = max(0.0, C[i, i])
        if tag == ERF:
            size = min(1.0, q)
        elif tag == RELU:
            size = 0.5 * q
        elif tag == QUADRATIC:
            size = 3.0 * q * q
        else:
            size = q if tag == LINEAR else math.nan
        total += abs(c[i]) * math.sqrt(size)
    return total * total


@deferred_kernel
def _references(W: FloatArray, K: int) -> tuple[IntArray, FloatArray]:
    """Return each unit's reference, −1 for the origin, and the sign of its vector there.

    Students are gathered about the nearest of the teacher's units, of the origin and of students far from these.
    """
    n = W.shape[0]
    reference, sign = np.empty(n, np.int64), np.ones(n)
    for place in range(n):
        i = (place + K) % n
        reference[i] = i
        size = _inner(W[i], W[i])
        nearest = _GATHERED * _GATHERED if i < K else _SAME * _SAME
        if size < nearest:
            reference[i], nearest = -1, size
        for other in range(place):
            j = (other + K) % n
            if reference[j] == j:
                for s in (1.0, -1.0):
                    distance = _distance(W[j], W[i], s) / (1.0 + _inner(W[j], W[j]))
                    if distance < nearest:
                        reference[i], sign[i], nearest = j, s, distance
    return reference, sign


@deferred_kernel
def _atoms(W: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, int]:
    """Return coefficients and, as rows of pairs, reference and difference of the parts of Δ, and the rule's nodes.

    A part is c [g(r + d) − g(r)], or c g(r) where its difference is zero.
    """
    n, d = W.shape
    reference, sign = _references(W, K)
    coefficients, rows = np.zeros(n), np.zeros((2 * n, d))
    largest = 0.0
    for i in range(n):
        j = reference[i]
        base, difference = rows[2 * i], rows[2 * i + 1]
        for a in range(d if j >= 0 else 0):
            base[a] = W[j, a]
        if j == i:
            coefficients[i] += c[i]
        else:
            if j >= 0:
                coefficients[j] += sign[i] * c[i]
            for a in range(d):
                difference[a] = sign[i] * W[i, a] - base[a]
            square = _inner(difference, difference)
            if square > 0.0:  # else the part is zero, and no reference
                coefficients[i] += sign[i] * c[i]
            largest = max(largest, square / (1.0 + _inner(base, base)))
    return coefficients, rows, 0 if largest < 1e-9 else (1 if largest < 1e-4 else 2)


@deferred_kernel
def _parts(W: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, int]:
    """Return what :func:`_atoms` does, less the parts whose coefficients vanish."""
    coefficients, rows, rule = _atoms(W, c, K)
    kept = 0
    for a in range(coefficients.size):
        if coefficients[a] != 0.0:
            coefficients[kept] = coefficients[a]
            for b in range(rows.shape[1]):
                rows[2 * kept, b], rows[2 * kept + 1, b] = rows[2 * a, b], rows[2 * a + 1, b]
            kept += 1
    return coefficients[:kept], rows[: 2 * kept], rule


@deferred_kernel
def _arcsine_part(G: FloatArray, a: int, b: int, rule: int) -> float:
    r"""Return E of the product of two parts of Δ, up to 2/π, rows 2a, 2a + 1, 2b, 2b + 1 of the Gram matrix G.

    .. math:: \int_0^1\!\! du \int_0^1\!\! dv\; \partial_u \partial_v \arcsin
        \frac{a(u) \cdot b(v)}{\sqrt{(1 + |a(u)|^2)(1 + |b(v)|^2)}}, \qquad a(u) = r_a + u\, d_a, \ b(v) = r_b + v\, d_b

    by Gauss–Legendre; without the integral and derivative of a part that is no difference.
    """
    i, d, j, e = 2 * a, 2 * a + 1, 2 * b, 2 * b + 1
    moves_a, moves_b = G[d, d] > 0.0, G[e, e] > 0.0
    nodes, weights = _NODES[2], _WEIGHTS[2]
    if rule == 0:
        nodes, weights = _NODES[0], _WEIGHTS[0]
    elif rule == 1:
        nodes, weights = _NODES[1], _WEIGHTS[1]
    total = 0.0
    for p in range(nodes.size if moves_a else 1):
        u = nodes[p] if moves_a else 0.0
        na = 1.0 + G[i, i] + 2.0 * u * G[i, d] + u * u * G[d, d]
        along_a = (G[i, d] + u * G[d, d]) / na
        for q in range(nodes.size if moves_b else 1):
            v = nodes[q] if moves_b else 0.0
            nb = 1.0 + G[j, j] + 2.0 * v * G[j, e] + v * v * G[e, e]
            along_b = (G[j, e] + v * G[e, e]) / nb
            size = 1.0 / math.sqrt(na * nb)
            product = G[i, j] + u * G[d, j] + v * G[i, e] + u * v * G[d, e]
            by_u, by_v = G[d, j] + v * G[d, e], G[i, e] + u * G[d, e]
            s = product * size
            s_u, s_v = (by_u - product * along_a) * size, (by_v - product * along_b) * size
            far = 1.0 / ((1.0 - s) * (1.0 + s))
            if moves_a and moves_b:
                s_uv = (G[d, e] - by_u * along_b - by_v * along_a + product * along_a * along_b) * size
                total += weights[p] * weights[q] * math.sqrt(far) * (s_uv + s * s_u * s_v * far)
            elif moves_a:
                total += weights[p] * s_u * math.sqrt(far)
            elif moves_b:
                total += weights[q] * s_v * math.sqrt(far)
            else:
                total += arcsine(s)
    return total


@deferred_kernel
def _arcsine_square(coefficients: FloatArray, G: FloatArray, rule: int) -> float:
    """Return E[Δ²] of erf units from the parts of Δ and the Gram matrix of their rows."""
    total = 0.0
    for a in range(coefficients.size):
        for b in range(a + 1):
            weight = coefficients[a] * coefficients[b] * (1.0 if a == b else 2.0)
            total += weight * _arcsine_part(G, a, b, rule)
    return _TWO_OVER_PI * total


@deferred_kernel
def _erf(W: FloatArray, c: FloatArray, K: int, F: FloatArray) -> None:
    """Fill F for erf units: the slopes tilt the Gaussian, equation (16), here the scalar products of vectors."""
    coefficients, rows, rule = _parts(W, c, K)
    G, H = _products(rows, rows), _products(rows, W[:K])
    tilted = np.empty(G.shape)
    for k in range(K):
        for m in range(k + 1):
            kk, mm, km = 1.0 + _inner(W[k], W[k]), 1.0 + _inner(W[m], W[m]), _inner(W[k], W[m])
            det = kk * mm - km * km
            for i in range(G.shape[0]):
                x, y = (mm * H[i, k] - km * H[i, m]) / det, (kk * H[i, m] - km * H[i, k]) / det
                for j in range(i + 1):
                    tilted[i, j] = tilted[j, i] = G[i, j] - x * H[j, k] - y * H[j, m]
            F[k, m] = F[m, k] = _TWO_OVER_PI / math.sqrt(det) * _arcsine_square(coefficients, tilted, rule)


@deferred_kernel
def _quadratic(W: FloatArray, c: FloatArray, K: int, F: FloatArray) -> float:
    """Return E[Δ²] of quadratic units, Δ = zᵀ A z with A = Σ_i c_i w_i w_iᵀ, and fill F with E[4 x_k x_l Δ²].

    A is a sum of outer products that cancel entry by entry, at the rounding of the weights.
    """
    n, d = W.shape
    A, pulls = np.zeros((d, d)), np.empty((K, d))
    trace = square = 0.0
    for a in range(d):
        for b in range(d):
            for i in range(n):
                A[a, b] += c[i] * W[i, a] * W[i, b]
            square += A[a, b] * A[a, b]
        trace += A[a, a]
        for k in range(K):
            pulls[k, a] = _inner(A[a], W[k])
    power = trace * trace + 2.0 * square
    for k in range(K):
        for m in range(k + 1):
            across = 4.0 * trace * _inner(W[k], pulls[m]) + 8.0 * _inner(pulls[k], pulls[m])
            F[k, m] = F[m, k] = 4.0 * (_inner(W[k], W[m]) * power + across)
    return power


@deferred_kernel
def two_slopes(n: int, K: int, teacher: int) -> tuple[FloatArray, FloatArray]:
    """Return s and r of units g(x) = s x + r x₊, ReLU students and a ReLU or linear teacher, shape (n,)."""
    straight, bent = np.zeros(n), np.ones(n)
    if teacher == LINEAR:
        straight[K:], bent[K:] = 1.0, 0.0
    return straight, bent


def small_square(W: FloatArray, c: FloatArray, K: int, student: int, teacher: int) -> float:
    """Return E[Δ²] of units with the vectors W, equal activations or ReLU students of linear teachers.

    It is no kernel, nor are those below that choose by the activation: one that holds all cases takes half a minute to
    compile for one of them.
    """
    if student == LINEAR:
        return float(np.sum((c @ W) ** 2))
    if student == QUADRATIC:
        power: float = _quadratic(W, c, 0, np.empty((0, 0)))
        return power
    if student == ERF:
        coefficients, rows, rule = _parts(W, c, K)
        square: float = _arcsine_square(coefficients, _products(rows, rows), rule)
        return square
    if student != RELU:
        return math.nan
    straight, bent = two_slopes(c.size, K, teacher)
    square = relu_square(W, c, straight, bent, K)
    return square


def small_fluctuation(W: FloatArray, c: FloatArray, K: int, student: int, teacher: int) -> FloatArray:
    r"""Return :math:`F_{kl} = E[g'_k g'_l \Delta^2]`, shape (K, K), for the same units."""
    F = np.empty((K, K))
    if student == LINEAR:
        F.fill(small_square(W, c, K, student, teacher))
    elif student == QUADRATIC:
        _quadratic(W, c, K, F)
    elif student == ERF:
        _erf(W, c, K, F)
    elif student == RELU:
        straight, bent = two_slopes(c.size, K, teacher)
        F = relu_fluctuation(W, c, straight, bent, K, GATHERED)
    else:
        F.fill(math.nan)
    return F


@deferred_kernel
def is_near(C: FloatArray, c: FloatArray, K: int, student: int, teacher: int) -> bool:
    """Return whether the student is so near its teacher that the formulas of this module are the better ones."""
    if student != teacher and not (student == RELU and teacher == LINEAR):
        return False
    part = NEAR_RELU if student == RELU else NEAR
    return squared_output(C, c, K, student, teacher) < part * scale(C, c, K, student, teacher)


def mean_square(
    X: FloatArray, S: FloatArray, C: FloatArray, c: FloatArray, K: int, student: int, teacher: int
) -> float:
    """Return E[Δ²], never negative, of units with the coordinates X = (U, L) and S."""
    if is_near(C, c, K, student, teacher):
        return max(0.0, small_square(vectors(X, S), c, K, student, teacher))
    return max(0.0, squared_output(C, c, K, student, teacher))
