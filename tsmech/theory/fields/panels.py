r"""The averages of online learning for a pair (g, g') with kinks: composite Gauss–Legendre rules broken at every kink.

Given one field :math:`x_k` all others are Gaussian, and

.. math::
    E[g_k \Delta] = E\bigl[g_k\, E[\Delta | x_k]\bigr], \quad \beta_{kj} = E\bigl[g'_k\, E[g'_j | x_k]\bigr], \quad
    C_{kk}\, \alpha_k = E\bigl[g'_k x_k\, E[\Delta | x_k]\bigr] - \sum_j C_{kj}\, c_j\, \beta_{kj}

(Stein), two integrals one within the other; a jump J of a teacher's g at b counts in :math:`E[g'_j | x_k]` as J
times the field's density there.  No derivative of g' is taken.  Panels of the outer integral are finest where
another field's kink lies, as wide as that field's spread given x_k, so that nearly parallel fields are resolved too.

The four-field average is taken over the fields of both slopes in the same way, Δ² given these by Mehler's
formula; what the polynomials leave of :math:`E[g_i^2]` counts as one more term.  ``theory/online_sgd.md``, section 3.5.
"""

import numpy as np
from numpy.typing import NDArray

from tsmech.kernels.activations import Function
from tsmech.theory.fields.kinks import jumps, kinks, values

FloatArray = NDArray[np.float64]

_GRADES = np.array([-8.0, -3.0, -1.0, 0.0, 1.0, 3.0, 8.0])
_CHUNK = 1 << 21
_PARALLEL = 0.7
_SMALL = 1e-9


class Unit:
    """A pair (g, g') with its kinks and the jumps of g, as (where, how much)."""

    def __init__(self, g: Function, slope: Function) -> None:
        self.functions = g, slope
        self.kinks = kinks(g, slope)
        self.jumps = jumps(g)


class Panels:
    """Composite rules of ``panels`` panels of ``nodes`` nodes from -``edge`` to ``edge``, and more where kinks lie."""

    def __init__(self, student: Unit, teacher: Unit, edge: float, panels: int, nodes: int) -> None:
        self._units = student, teacher
        self._edges = np.linspace(-edge, edge, panels + 1)
        self._sparse = np.linspace(-edge, edge, panels // 2 + 1)
        self._node, self._weight = np.polynomial.legendre.leggauss(nodes)
        self._orders = 2 * nodes

    def _unit(self, i: int, K: int) -> Unit:
        return self._units[0 if i < K else 1]

    def _rule(self, edges: FloatArray, breaks: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return nodes and weights of a standard normal field, panels broken at ``breaks``, shape (..., n)."""
        shape = (*breaks.shape[:-1], edges.size)
        ends = np.sort(np.concatenate([np.broadcast_to(edges, shape), np.clip(breaks, edges[0], edges[-1])], axis=-1))
        half = 0.5 * np.diff(ends)[..., None]
        z = ends[..., :-1, None] + half * (1.0 + self._node)
        weight = half * self._weight * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)
        return z.reshape(*shape[:-1], -1), weight.reshape(*shape[:-1], -1)

    def _inner(
        self, i: int, K: int, centre: FloatArray, deviation: float, edges: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the rule of field i given others, (z, weight), and the fields themselves."""
        z, weight = self._rule(edges, (self._unit(i, K).kinks - centre[..., None]) / deviation)
        return z, weight, centre[..., None] + deviation * z

    def _outer(self, k: int, K: int, deviation: FloatArray, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the rule of field k, fine where the kinks of the fields with correlations rho with it are seen."""
        breaks = [self._unit(k, K).kinks / deviation[k]]
        for j in range(rho.size):
            if j != k and deviation[j] > 0.0 and abs(rho[j]) > 0.05:
                rest = np.sqrt((1.0 - rho[j]) * (1.0 + rho[j]))
                breaks += [(b / deviation[j] + rest * _GRADES) / rho[j] for b in self._unit(j, K).kinks]
        return self._rule(self._edges, np.concatenate(breaks))

    def _given(self, j: int, K: int, derivative: int, centre: FloatArray, deviation: float) -> FloatArray:
        """Return E[g_j | ·] or E[g'_j | ·] of a field with this centre and deviation, a jump's density in it."""
        unit = self._unit(j, K)
        if deviation == 0.0:
            return values(unit.functions[derivative], centre)
        _, weight, x = self._inner(j, K, centre, deviation, self._edges)
        mean = np.einsum("ni,ni->n", values(unit.functions[derivative], x), weight)
        if derivative and j >= K:
            for at, size in zip(*unit.jumps, strict=True):
                mean = mean + size * _density((at - centre) / deviation) / deviation
        return np.asarray(mean)

    def _fixed(self, i: int, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, ...]:
        """Return E[g_i Δ], E[g'_i x_i Δ] and E[g'_i g'_j] for all j."""
        deviation = np.sqrt(np.maximum(np.diag(C), 0.0))
        if deviation[i] == 0.0:
            rho, z, weight = np.zeros(c.size), np.zeros(1), np.ones(1)
        else:
            rho = np.clip(C[i] / np.where(deviation > 0.0, deviation * deviation[i], 1.0), -1.0, 1.0)
            rho[i] = 1.0
            z, weight = self._outer(i, K, deviation, rho)
        g, slope = (values(f, deviation[i] * z) * weight for f in self._unit(i, K).functions)
        error, slopes = np.zeros(z.size), np.empty(c.size)
        for j in range(c.size):
            at, spread = deviation[j] * rho[j] * z, deviation[j] * float(np.sqrt((1.0 - rho[j]) * (1.0 + rho[j])))
            error += c[j] * self._given(j, K, 0, at, spread)
            slopes[j] = slope @ self._given(j, K, 1, at, spread)
        return g @ error, slope @ (deviation[i] * z * error), slopes

    def power_of_slope(self, power: int, variance: float) -> float:
        """Return E[g'(x)^p] of the student's unit, x ~ N(0, variance)."""
        deviation = float(np.sqrt(variance))
        if deviation == 0.0:
            return float(values(self._units[0].functions[1], np.zeros(1))[0] ** power)
        z, weight = self._rule(self._edges, self._units[0].kinks / deviation)
        return float(weight @ values(self._units[0].functions[1], deviation * z) ** power)

    def squared_output(self, C: FloatArray, c: FloatArray, K: int) -> float:
        """Return E[Δ²] of Δ = Σ_i c_i g_i(x_i)."""
        return float(sum(c[i] * self._fixed(i, C, c, K)[0] for i in range(c.size)))

    def drift_averages(self, C: FloatArray, c: FloatArray, K: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return E[g''_k Δ], E[g'_k g'_j] and E[g_k Δ]."""
        found = [self._fixed(k, C, c, K) for k in range(K)]
        output, along, slopes = (np.array(part) for part in zip(*found, strict=True))
        variance = np.diag(C)[:K]
        curvature = np.divide(along - (slopes * C[:K]) @ c, variance, out=np.zeros(K), where=variance > 0.0)
        return curvature, slopes, output

    def fluctuation(self, C: FloatArray, c: FloatArray, K: int) -> FloatArray:
        """Return E[g'_k g'_l Δ²], shape (K, K)."""
        F = np.empty((K, K))
        for k in range(K):
            for m in range(k + 1):
                F[k, m] = F[m, k] = self._pair(k, m, C, c, K)
        return F

    def _pair(self, k: int, m: int, C: FloatArray, c: FloatArray, K: int) -> float:
        deviation = np.sqrt(np.maximum(np.diag(C), 0.0))
        along, weight, z = np.zeros(c.size), np.ones(1), np.zeros(1)
        if deviation[k] > 0.0:
            along = C[:, k] / deviation[k]
            rho = np.clip(np.divide(along, deviation, out=np.zeros(c.size), where=deviation > 0.0), -1.0, 1.0)
            z, weight = self._outer(k, K, deviation, rho)
        x = along * z[:, None]
        x[:, k] = deviation[k] * z
        rest = C - np.outer(along, along)
        if rest[m, m] > 1e-14 * C[m, m] and m != k:
            spread = np.sqrt(rest[m, m])
            beside = rest[:, m] / spread
            y, inner, x_m = self._inner(m, K, x[:, m], float(spread), self._sparse)
            weight = (weight[:, None] * inner).ravel()
            x = (x[:, None, :] + beside * y[:, :, None]).reshape(-1, c.size)
            x[:, m] = x_m.ravel()
            rest = rest - np.outer(beside, beside)
        rest[[k, m]] = rest[:, [k, m]] = 0.0
        slopes = weight * values(self._units[0].functions[1], x[:, k]) * values(self._units[0].functions[1], x[:, m])
        x, slopes = x[slopes != 0.0], slopes[slopes != 0.0]
        size = _CHUNK // (self._node.size * (self._sparse.size + 8)) // (50 if k == m else 1)
        chunks = [slice(at, at + size) for at in range(0, len(x), size)]
        return float(sum(slopes[some] @ self._square(x[some], rest, c, K, k == m) for some in chunks))

    def _square(self, x: FloatArray, C: FloatArray, c: FloatArray, K: int, narrow: bool) -> FloatArray:
        """Return E[Δ²] of fields with the centres x, shape (points, n), and the covariance C."""
        size = np.diag(C)
        deviation = np.sqrt(np.where(size > 1e-14 * size.max(initial=1e-300), size, 0.0))
        free = [int(i) for i in np.flatnonzero(deviation)]
        scale = np.outer(deviation, deviation)
        correlation = np.clip(np.divide(C, scale, out=np.zeros_like(C), where=scale > 0.0), -1.0, 1.0)
        correlation[range(len(C)), range(len(C))] = 0.0
        near = np.abs(correlation) > (_PARALLEL if narrow else 1.0)
        largest = np.abs(np.where(near, 0.0, correlation)).max(initial=1e-300)
        orders = int(min(self._orders, np.ceil(np.log(_SMALL) / np.log(min(largest, 0.999))) + 1))
        mean = np.zeros(len(x))
        for i in set(range(c.size)) - set(free):
            mean += c[i] * values(self._unit(i, K).functions[0], x[:, i])
        coefficients = {}
        for i in free:
            z, weight, field = self._inner(i, K, x[:, i], deviation[i], self._sparse)
            coefficients[i] = _project(z, weight, c[i] * values(self._unit(i, K).functions[0], field), orders)
            mean += coefficients[i][0]
        total = mean * mean
        for i, a in coefficients.items():
            total += np.einsum("pn,pn->n", a[1:], a[1:])
            for j in free[: free.index(i)]:
                if near[i, j]:
                    apart = self._product(i, j, x, deviation, correlation[i, j], K)
                    total += 2.0 * (c[i] * c[j] * apart - a[0] * coefficients[j][0])
                else:
                    power = correlation[i, j] ** np.arange(1, len(a))
                    total += 2.0 * np.einsum("p,pn,pn->n", power, a[1:], coefficients[j][1:])
        return total

    def _product(self, i: int, j: int, x: FloatArray, deviation: FloatArray, rho: float, K: int) -> FloatArray:
        """Return E[g_i g_j] of two fields with the centres x, one integral within the other."""
        rest = np.sqrt((1.0 - rho) * (1.0 + rho))
        own = (self._unit(i, K).kinks - x[:, i, None]) / deviation[i]
        other = (self._unit(j, K).kinks - x[:, j, None]) / deviation[j]
        seen = (other[..., None] + rest * _GRADES).reshape(len(x), -1) / rho
        z, weight = self._rule(self._sparse, np.concatenate([own, seen], axis=-1))
        g = values(self._unit(i, K).functions[0], x[:, i, None] + deviation[i] * z)
        centre = x[:, j, None] + deviation[j] * rho * z
        h = self._given(j, K, 0, centre.ravel(), float(deviation[j] * rest)).reshape(z.shape)
        return np.asarray((weight * g * h).sum(axis=-1))


def _project(z: FloatArray, weight: FloatArray, g: FloatArray, orders: int) -> FloatArray:
    """Return E[g h_p] for p below the number of orders, and the root of what they leave of E[g²]; orders first."""
    a = np.empty((orders + 1, len(z)))
    before, h = np.zeros_like(z), np.ones_like(z)
    product = weight * g
    for p in range(orders):
        a[p] = np.einsum("ni,ni->n", product, h)
        before, h = h, (z * h - np.sqrt(p) * before) / np.sqrt(p + 1)
    left = np.einsum("ni,ni->n", product, g) - np.einsum("pn,pn->n", a[:-1], a[:-1])
    a[-1] = np.sqrt(np.maximum(left, 0.0))
    return a


def _density(z: FloatArray) -> FloatArray:
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))
