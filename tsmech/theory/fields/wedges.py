r"""Averages of units g(x) = s x + r x₊ where Δ is small: half-spaces, in which it is linear, and wedges between them.

ReLU has s = 0, a linear unit r = 0, and leaky ReLU both.  With κ_i = c_i r_i, Δ = Σ_i κ_i (x_i)₊ + Σ_i c_i s_i x_i.
Units are gathered about the lines of a few of them, A.  With σ_i = ±1 the side of x_A on which x_i is positive,

.. math::
    (x_i)_+ = \theta(\sigma_i x_A)\, x_i + W_i, \qquad W_i = |x_i|\; 1[\sigma_i x_i x_A < 0],

    \Delta = \sum_A \theta(x_A)\, y_A + \zeta + \sum_i \kappa_i W_i, \qquad
    y_A = \sum_{i \in A} \sigma_i \kappa_i x_i, \quad \zeta = \sum_{\sigma_i = -1} \kappa_i x_i + \sum_i c_i s_i x_i .

Where Δ vanishes so do all y_A and ζ, fields whose vectors are sums of small differences; and W_i lives in the wedge
between x_i = 0 and x_A = 0, as narrow as the two are close.  ``theory/online_sgd.md``, section 3.6.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.jit import kernel
from tsmech.theory.fields.orthants import orthant_moment

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TWO_PI = 2.0 * math.pi
GATHERED = 0.2
"""Lines within this distance of each other, on the unit sphere, are gathered about one of them."""

_SAME = 1e-7
"""Teacher's lines within this distance of each other are one."""

_NARROWEST = 1e-9
"""Wedges within this angle are left out: their part of E[Δ²] is of third order in it."""


def _legendre_nodes() -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of the Gauss–Legendre rules on [0, 1] with 0 ... 6 nodes, a row each."""
    nodes, weights = np.zeros((7, 6)), np.zeros((7, 6))
    for count in range(1, 7):
        x, w = np.polynomial.legendre.leggauss(count)
        nodes[count, :count], weights[count, :count] = 0.5 * (1.0 + x), 0.5 * w
    return nodes, weights


_NODE, _WEIGHT = _legendre_nodes()


@kernel
def _length(x: FloatArray) -> float:
    return math.sqrt(np.sum(x * x))


@kernel
def angles(W: FloatArray, K: int) -> FloatArray:
    """Return the angles between the fields of students and of all units, shape (K, n), to a rounding in each.

    From the distances of the unit vectors to each other and to each other's opposite; π/2 where a unit has no weights.
    """
    n = W.shape[0]
    unit = np.empty(W.shape)
    for i in range(n):
        unit[i] = W[i] / max(1e-300, _length(W[i]))
    result = np.empty((K, n))
    for k in range(K):
        for j in range(n):
            result[k, j] = 2.0 * math.atan2(_length(unit[k] - unit[j]), _length(unit[k] + unit[j]))
    return result


@kernel
def relu_drift_averages(
    W: FloatArray, c: FloatArray, straight: FloatArray, bent: FloatArray, K: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Return the averages of :func:`tsmech.theory.fields.gaussian.drift_averages` for units g(x) = s x + r x₊.

    ``straight`` and ``bent`` are s and r of all units, shape (n,).  They follow from those of ReLUs,

    .. math::
        E[\theta_k \theta_j] = \frac{\pi - \vartheta}{2\pi}, \quad
        E[\delta(x_k)\, (x_j)_+] = \frac{|w_j|}{|w_k|} \frac{\sin\vartheta}{2\pi}, \quad
        E[(x_k)_+ (x_j)_+] = \frac{|w_k| |w_j|}{2\pi} \bigl[ \sin\vartheta + (\pi - \vartheta) \cos\vartheta \bigr]

    with ϑ the angle between the two fields, which a correlation near 1 gives with an error of 1e-16/ϑ.
    """
    n = W.shape[0]
    angle = angles(W, K)
    size = np.empty(n)
    for i in range(n):
        size[i] = _length(W[i])
    curvature, slopes, output = np.zeros(K), np.empty((K, n)), np.zeros(K)
    for k in range(K):
        for j in range(n):
            a, both = angle[k, j], bent[k] * bent[j]
            even = straight[k] * straight[j] + 0.5 * (straight[k] * bent[j] + bent[k] * straight[j])
            slopes[k, j] = even + both * (math.pi - a) / _TWO_PI
            output[k] += c[j] * even * np.sum(W[k] * W[j])
            output[k] += c[j] * both * size[k] * size[j] * (math.sin(a) + (math.pi - a) * math.cos(a)) / _TWO_PI
            if size[k] > 0.0:
                curvature[k] += c[j] * both * size[j] / size[k] * math.sin(a) / _TWO_PI
    return curvature, slopes, output


@kernel
def _lines(W: FloatArray, kinks: FloatArray, K: int, gathered: float) -> tuple[IntArray, FloatArray]:
    """Return the unit about whose line each unit is gathered, −1 for those without a kink, and the side on which it is.

    Students are gathered about the nearest of the teacher's lines within a distance, or of students far from these.
    """
    n = W.shape[0]
    line, side = np.full(n, -1), np.ones(n)
    for place in range(n):
        i = (place + K) % n
        size = _length(W[i])
        if kinks[i] == 0.0:
            continue
        line[i] = i
        nearest = gathered if i < K else _SAME
        for before in range(place if size > 0.0 else 0):
            j = (before + K) % n
            other = _length(W[j])
            if line[j] == j and other > 0.0:
                for s in (1.0, -1.0):
                    distance = _length(s * W[i] / size - W[j] / other)
                    if distance < nearest:
                        line[i], side[i], nearest = j, s, distance
    return line, side


@kernel
def _forms(W: FloatArray, kinks: FloatArray, slopes: FloatArray, line: IntArray, side: FloatArray) -> FloatArray:
    """Return the vectors of the y_A, each in the row of unit A, and of ζ in the last row, shape (n + 1, d)."""
    n, d = W.shape
    forms = np.zeros((n + 1, d))
    for i in range(n):
        if line[i] >= 0:
            forms[line[i]] += side[i] * kinks[i] * W[i]
            if side[i] < 0.0:
                forms[n] += kinks[i] * W[i]
        forms[n] += slopes[i] * W[i]
    return forms


@kernel
def _moment(G: FloatArray, steps: tuple[int, int, int, int], fields: tuple[int, int, int, int]) -> float:
    """Return E[∏ θ(x_a) ∏ x_b] of fields with covariance G, by their indices; negative ones are left out."""
    index = np.empty(8, np.int64)
    n = 0
    for a in steps:
        if a >= 0:
            index[n] = a
            n += 1
    count = n
    for a in fields:
        if a >= 0:
            index[n] = a
            n += 1
    C = np.empty((n, n))
    for a in range(n):
        for b in range(n):
            C[a, b] = G[index[a], index[b]]
    return orthant_moment(C, count)


@kernel
def _gram(rows: FloatArray) -> FloatArray:
    """Return rows · rowsᵀ, whatever library multiplies matrices elsewhere."""
    n = rows.shape[0]
    G = np.empty((n, n))
    for a in range(n):
        for b in range(a + 1):
            G[a, b] = G[b, a] = np.sum(rows[a] * rows[b])
    return G


@kernel
def _add_wedge(
    W: FloatArray,
    kinks: FloatArray,
    line: IntArray,
    side: FloatArray,
    forms: FloatArray,
    i: int,
    pairs: IntArray,
    totals: FloatArray,
) -> None:
    r"""Add E[θ_k θ_l κ_i W_i (2 Σ_A θ(x_A) y_A + 2 ζ + κ_i W_i + 2 Σ_{j<i} κ_j W_j)] for each pair k, l.

    In the plane of x_A and x_i, in polar coordinates, φ the angle from x_A = 0,

    .. math:: E[W_i h] = \frac{|w_i|}{\sqrt{2\pi}} \int_0^{\vartheta} d\varphi\, \sin(\vartheta - \varphi)\;
        E\bigl[ t^2 h \bigm| x_\varphi = 0 \bigr],

    t being the field along the ray and x_φ the one across it: moments of at most three steps.
    """
    n, d = W.shape
    size = _length(W[i])
    axis = W[line[i]] / _length(W[line[i]])
    chord = side[i] * W[i] / size - axis
    square = np.sum(chord * chord)
    across = chord + 0.5 * square * axis
    angle = 2.0 * math.asin(0.5 * math.sqrt(square))
    if angle < _NARROWEST:
        return
    across /= _length(across)
    members = 0
    for j in range(n):
        members += line[j] == line[i]
    count = 6 if members > 2 else (2 if angle < 3e-3 else (3 if angle < 0.03 else 5))
    rows = np.zeros((2 * n + 2, d))  # all units, y_A, ζ, t: given that x_φ is zero
    ray = 2 * n + 1
    used = np.zeros(n + 1, np.bool_)
    for a in range(n + 1):
        for b in range(d):
            used[a] |= forms[a, b] != 0.0
    for node in range(count):
        phi = angle * _NODE[count, node]
        normal = math.cos(phi) * axis + math.sin(phi) * across
        for a in range(n):
            rows[a] = W[a] - np.sum(W[a] * normal) * normal
        for a in range(n + 1):
            if used[a]:
                rows[n + a] = forms[a] - np.sum(forms[a] * normal) * normal
        rows[ray] = math.cos(phi) * across - math.sin(phi) * axis
        G = _gram(rows)
        own = kinks[i] * size * math.sin(angle - phi)
        weight = _WEIGHT[count, node] * own * angle / math.sqrt(_TWO_PI)
        for p in range(totals.size):
            k, m = pairs[p]
            part = own * (
                2.0 * _moment(G, (k, m, ray, -1), (ray, ray, ray, -1)) - _moment(G, (k, m, -1, -1), (ray, ray, ray, -1))
            )
            for a in range(n + 1):
                if used[a]:
                    part += 2.0 * _moment(G, (k, m, a if a < n else -1, -1), (ray, ray, n + a, -1))
            for j in range(i):
                if line[j] >= 0 and line[j] != j:
                    there = _moment(G, (k, m, line[j], -1), (ray, ray, j, -1))
                    if side[j] < 0.0:
                        there = _moment(G, (k, m, -1, -1), (ray, ray, j, -1)) - there
                    part += 2.0 * kinks[j] * (_moment(G, (k, m, j, -1), (ray, ray, j, -1)) - there)
            totals[p] += weight * part


@kernel
def relu_squares(
    W: FloatArray, kinks: FloatArray, slopes: FloatArray, K: int, pairs: IntArray, gathered: float
) -> FloatArray:
    """Return E[θ_k θ_l Δ²] for each row k, l of pairs, Δ = Σ_i kinks_i (x_i)₊ + Σ_i slopes_i x_i.

    An index of −1 stands for no step.  Students within the distance ``gathered`` of a line are gathered about it.
    """
    n, d = W.shape
    line, side = _lines(W, kinks, K, gathered)
    forms = _forms(W, kinks, slopes, line, side)
    rows = np.empty((2 * n + 1, d))
    rows[:n], rows[n:] = W, forms
    G = _gram(rows)
    totals = np.zeros(pairs.shape[0])
    for p in range(totals.size):
        k, m = pairs[p]
        for a in range(n + 1):
            for b in range(a + 1):
                if G[n + a, n + a] > 0.0 and G[n + b, n + b] > 0.0:
                    steps = k, m, a if a < n else -1, b if b < n else -1
                    totals[p] += (1.0 if a == b else 2.0) * _moment(G, steps, (n + a, n + b, -1, -1))
    for i in range(n):
        if line[i] >= 0 and line[i] != i:
            _add_wedge(W, kinks, line, side, forms, i, pairs, totals)
    return totals


@kernel
def relu_square(W: FloatArray, c: FloatArray, straight: FloatArray, bent: FloatArray, K: int) -> float:
    """Return E[Δ²] of units g(x) = s x + r x₊, by units gathered about lines."""
    return float(relu_squares(W, c * bent, c * straight, K, np.full((1, 2), -1), GATHERED)[0])


@kernel
def relu_fluctuation(
    W: FloatArray, c: FloatArray, straight: FloatArray, bent: FloatArray, K: int, gathered: float
) -> FloatArray:
    r"""Return :math:`E[g'_k g'_l \Delta^2]`, shape (K, K), of units g(x) = s x + r x₊, whose slope is s + r θ(x)."""
    F = np.empty((K, K))
    half = K * (K + 1) // 2
    pairs = np.full((half + int(np.any(straight[:K] != 0.0)), 2), -1)  # the last one is E[Δ²] itself
    at = 0
    for k in range(K):
        for m in range(k + 1):
            pairs[at, 0], pairs[at, 1] = k, m
            at += 1
    squares = relu_squares(W, c * bent, c * straight, K, pairs, gathered)
    for p in range(half):
        k, m = pairs[p]
        total = bent[k] * bent[m] * squares[p]
        if squares.size > half:
            of_k, of_m = squares[k * (k + 3) // 2], squares[m * (m + 3) // 2]
            total += straight[m] * bent[k] * of_k + straight[k] * bent[m] * of_m
            total += straight[k] * straight[m] * squares[half]
        F[k, m] = F[m, k] = total
    return F
