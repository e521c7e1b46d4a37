"""Kernels of infinitely wide networks: of the Gaussian process at their start (NNGP), and the tangent kernel (NTK)."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.checks import in_range, real_numbers
from tsmech.errors import ConvergenceError, InputError
from tsmech.kernels.activations import LEAK, Activation, Function, Pair, check_trainable, functions
from tsmech.machine.memory import shortage
from tsmech.theory.fields.kinks import kinks, values

Array = NDArray[np.float64]

KINDS = ("ntk", "nngp")

ORDERS = 300
"""Most Hermite polynomials of an activation that has no closed form."""

NODES = 40
"""Nodes of Gauss and Legendre's rule in each panel of about one unit between the kinks of such an activation."""

SMOOTH, MOST_NODES = 961, 16 * 960 + 1
"""Least and most nodes of the trapezoidal rule of one that has no kink: it converges exponentially."""

BLOCK = 1 << 21
"""Numbers in a block of values at the least nodes."""

EDGE = 12.0
"""Where a normal variable ends."""

LARGEST_VARIANCE = 1e150
"""Largest variance of a field: the product of two must not overflow."""

MATRICES = 8
"""Matrices of the kernel's size that are held at once."""

ACCURACY = 1e-7
"""Largest error of an average, in units of the mean squares of its factors."""


class Covariance(NamedTuple):
    """Covariances of the fields of two sets of inputs, shape (n, m), and the variances of each, (n,) and (m,)."""

    between: Array
    first: Array
    second: Array
    same: bool
    """Whether both sets are one."""


def network_kernel(
    inputs: ArrayLike,
    others: ArrayLike | None = None,
    *,
    hidden_layers: int = 1,
    activation: str | Activation | Pair = "relu",
    weight_variance: float = 1.0,
    bias_variance: float = 0.0,
    kind: str = "ntk",
) -> Array:
    r"""Return the kernel of an infinitely wide network in NTK parametrisation.

    With :math:`K^0 = \Theta^0 = \sigma_w^2\, x \cdot x'/D + \sigma_b^2`, and Gaussian fields u, u' of covariance
    :math:`K^{l-1}`, for the hidden layers l = 1, ..., L

    .. math:: K^l = \sigma_w^2\, E[g(u)\, g(u')] + \sigma_b^2, \qquad
        \Theta^l = K^l + \sigma_w^2\, E[g'(u)\, g'(u')]\, \Theta^{l-1} .

    Parameters
    ----------
    inputs : array_like, shape (n, D)
        One input a row.
    others : array_like, shape (m, D), optional
        The inputs of the columns; the same by default.
    hidden_layers : int
        L >= 0; without one the network is linear.
    activation : str, Activation or pair
        A name, or a function of one's own with its derivative.
    weight_variance, bias_variance : float
        σ_w² > 0 and σ_b² >= 0.
    kind : str
        ``ntk`` for Θ^L, ``nngp`` for K^L, the covariance of the outputs at the start.

    Returns
    -------
    ndarray, shape (n, m)

    Raises
    ------
    InputError
        If an argument is outside its range, the shapes do not fit, or the kernel does not fit into memory.
    ConvergenceError
        If the averages of an activation without closed form are not known to 1e-7.

    Notes
    -----
    O(n m) a layer.  Closed forms for linear, quadratic, erf, ReLU and leaky ReLU; others by their Hermite coefficients,
    which are taken by quadrature between the kinks of g and g': a function with a kink is refused where inputs are
    nearly alike, and one that is too steep for the variance of its fields.

    References
    ----------
    theory/wide_network.md, eqs. 3-6.  Jacot, Gabriel & Hongler, arXiv:1806.07572; Lee et al., arXiv:1902.06720.

    Examples
    --------
    >>> kernel = network_kernel([[1.0, 0.0], [0.0, 1.0]], activation="relu", weight_variance=2.0)
    >>> print(kernel.round(4))
    [[2.     0.3183]
     [0.3183 2.    ]]
    """
    x = _rows("inputs", inputs)
    y = x if others is None else _rows("others", others)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"others have {y.shape[1]} columns: they must have the {x.shape[1]} of inputs")
    if kind not in KINDS:
        raise InputError(f"kind = {kind!r} is not allowed: it must be one of {', '.join(KINDS)}")
    if not _is_count(hidden_layers):
        raise InputError(f"hidden_layers = {hidden_layers!r} is not allowed: it must be a whole number of at least 0")
    in_range("weight_variance", weight_variance, positive=True)
    in_range("bias_variance", bias_variance)
    if kind == "ntk":
        check_trainable(activation, " (its nngp kernel is known)")
    products, slopes = averages(activation)
    if short := shortage(8.0 * MATRICES * len(x) * len(y), f"a kernel of {len(x)} x {len(y)} inputs"):
        raise InputError(short)

    def layer(found: Covariance) -> Covariance:
        between, first, second = (weight_variance * part + bias_variance for part in found[:3])
        if not max(first.max(), second.max()) <= LARGEST_VARIANCE:
            raise InputError(f"the variance of a field is beyond {LARGEST_VARIANCE:g}: scale the inputs or the weights")
        return Covariance(between, first, second, found.same)

    D = x.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        first, second = (np.einsum("ij,ij->i", each, each) / D for each in (x, y))
        between = x @ y.T / D
        if others is None:
            np.fill_diagonal(between, first)
        covariance = layer(Covariance(between, first, second, others is None))
    tangent = covariance.between
    for _ in range(int(hidden_layers)):
        if kind == "ntk":
            change = weight_variance * slopes(covariance).between * tangent
        covariance = layer(products(covariance))
        if kind == "ntk":
            tangent = covariance.between + change
    return tangent if kind == "ntk" else covariance.between


Average = Callable[[Covariance], Covariance]


def averages(activation: str | Activation | Pair) -> tuple[Average, Average]:
    """Return E[g g'] and E[g'(u) g'(u')] as functions of the fields' covariance, each with its diagonals."""
    if isinstance(activation, str) and activation in CLOSED:
        return CLOSED[activation]
    g, slope = functions((activation.g, activation.slope) if isinstance(activation, Activation) else activation)
    name = activation if isinstance(activation, str) else getattr(activation, "name", "given")
    return Expansion(g, g, slope, name), Expansion(slope, g, slope, name)


def _is_count(given: object) -> bool:
    if isinstance(given, bool) or not isinstance(given, (int, float, np.integer, np.floating)):
        return False
    return float(given) >= 0 and float(given).is_integer()


def _rows(name: str, given: ArrayLike) -> Array:
    found = real_numbers(name, given)
    if found.ndim != 2 or 0 in found.shape or not np.isfinite(found).all():
        raise InputError(f"{name} of shape {found.shape}: must be a table of finite numbers, one input a row")
    return found


def _mapped(pair: Callable[[Array, Array, Array], Array], covariance: Covariance) -> Covariance:
    """Return an average of two fields as a function of covariance and variances, between the sets and within each."""
    c, v, w, same = covariance
    return Covariance(pair(c, v[:, None], w), pair(v, v, v), pair(w, w, w), same)


def _angle(c: Array, v: Array, w: Array) -> tuple[Array, Array, Array]:
    """Return √(v w), cosine and angle of two fields; fields without variance are at a right angle."""
    lengths = np.sqrt(v * w)
    cosine = np.clip(np.divide(c, lengths, out=np.zeros_like(c * lengths), where=lengths > 0), -1.0, 1.0)
    return lengths, cosine, np.arccos(cosine)


def _relu(c: Array, v: Array, w: Array) -> Array:
    lengths, cosine, angle = _angle(c, v, w)
    return np.asarray(lengths * (np.sin(angle) + (math.pi - angle) * cosine) / (2 * math.pi))


def _relu_slopes(c: Array, v: Array, w: Array) -> Array:
    return np.asarray((math.pi - _angle(c, v, w)[2]) / (2 * math.pi))


def _erf(c: Array, v: Array, w: Array) -> Array:
    return np.asarray(2 / math.pi * np.arcsin(c / np.sqrt((1 + v) * (1 + w))))


def _erf_slopes(c: Array, v: Array, w: Array) -> Array:
    return np.asarray(2 / math.pi / np.sqrt(1 + v + w + np.maximum(v * w - c * c, 0.0)))


def _leaky(c: Array, v: Array, w: Array) -> Array:
    """Return the average of x/100 + 0.99 max(x, 0): E[u max(u', 0)] = c/2."""
    return np.asarray((LEAK**2 + LEAK * (1 - LEAK)) * c + (1 - LEAK) ** 2 * _relu(c, v, w))


def _leaky_slopes(c: Array, v: Array, w: Array) -> Array:
    return np.asarray(LEAK**2 + LEAK * (1 - LEAK) + (1 - LEAK) ** 2 * _relu_slopes(c, v, w))


CLOSED: dict[str, tuple[Average, Average]] = {
    "linear": (lambda found: found, lambda found: _mapped(lambda c, v, w: np.ones(np.shape(c)), found)),
    "relu": (lambda found: _mapped(_relu, found), lambda found: _mapped(_relu_slopes, found)),
    "erf": (lambda found: _mapped(_erf, found), lambda found: _mapped(_erf_slopes, found)),
    "leaky_relu": (lambda found: _mapped(_leaky, found), lambda found: _mapped(_leaky_slopes, found)),
    "quadratic": (
        lambda found: _mapped(lambda c, v, w: v * w + 2 * c * c, found),
        lambda found: _mapped(lambda c, v, w: 4 * c, found),
    ),
}


class Expansion:
    """E[f(u) f(u')] = Σ_p c_p(v) c_p(w) ρ^p of any function f that is smooth but at the kinks of g and g'."""

    def __init__(self, function: Function, g: Function, slope: Function, name: str = "given") -> None:
        self._function, self._kinks, self._name = function, kinks(g, slope), name

    def __call__(self, covariance: Covariance) -> Covariance:
        """Return the averages, or raise ConvergenceError where the series has not converged."""
        c, v, w, same = covariance
        first, square = self._coefficients(v)
        second, other = (first, square) if same else self._coefficients(w)
        rho = np.clip(c / np.sqrt(np.maximum(v[:, None] * w, 1e-300)), -1.0, 1.0)
        if same:
            np.fill_diagonal(rho, 0.0)
        left, right = (_remaining(each, size) for each, size in ((first, square), (second, other)))
        found, power, error = np.zeros_like(rho), np.ones_like(rho), 1.0
        for p in range(ORDERS):
            found += first[:, p, None] * second[:, p] * power
            power *= rho
            error = float(left[:, p].max() * right[:, p].max() * abs(power).max())
            if error < 1e-15:
                break
        if error > ACCURACY:
            raise ConvergenceError(
                f"the kernel of the activation {self._name} is known to {error:.1g} only: inputs are nearly alike for "
                "a function that has a kink or is as steep"
            )
        if same:
            np.fill_diagonal(found, square)
        return Covariance(found, square, other, same)

    def _coefficients(self, v: Array) -> tuple[Array, Array]:
        """Return c_p(v) = E[f(√v z) h_p(z)], shape (n, orders), and E[f²], shape (n,)."""
        if not self._kinks.size:
            step = max(1, BLOCK // SMOOTH)
            parts = [self._smooth(v[start : start + step]) for start in range(0, len(v), step)]
            return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
        c, square = np.empty((len(v), ORDERS)), np.empty(len(v))
        alike, places = np.unique(v.round(14), return_inverse=True)  # inputs on a sphere have one variance
        for i, variance in enumerate(alike):
            z, weight = self._rule(max(float(variance), 1e-300))
            at = values(self._function, math.sqrt(variance) * z)
            c[places == i], square[places == i] = _weighted(z, weight) @ at, weight @ at**2
        return c, square

    def _smooth(self, v: Array) -> tuple[Array, Array]:
        """Return the same by the trapezoidal rule, with as many nodes as make every other one do for E[f²]."""
        nodes = SMOOTH
        while nodes <= MOST_NODES:
            z = np.linspace(-EDGE, EDGE, nodes)
            weight = np.exp(-(z**2) / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
            at = values(self._function, np.sqrt(v)[:, None] * z)
            square = at**2 @ weight
            if (abs(2 * at[:, ::2] ** 2 @ weight[::2] - square) <= ACCURACY * square).all():
                return at @ _weighted(z, weight).T, square
            nodes = 2 * nodes - 1
        raise ConvergenceError(
            f"the kernel of the activation {self._name} is not known: it is too steep for fields of variance "
            f"{float(v.max()):.3g}; scale the inputs or lower the variances"
        )

    def _rule(self, variance: float) -> tuple[Array, Array]:
        """Return nodes and weights for a standard normal z, in panels between the kinks of √v z."""
        at = self._kinks / math.sqrt(variance)
        bends = np.unique(np.concatenate([np.linspace(-EDGE, EDGE, 25), at[abs(at) < EDGE]]))
        x, w = np.polynomial.legendre.leggauss(NODES)
        half = np.diff(bends)[:, None] / 2
        z = (bends[:-1, None] + half * (x + 1)).ravel()
        return z, (half * w).ravel() * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _weighted(z: Array, weight: Array) -> Array:
    """Return the normalised Hermite polynomials times weights, shape (orders, nodes)."""
    found = np.empty((ORDERS, z.size))
    found[0], found[1] = weight, weight * z
    for p in range(1, ORDERS - 1):
        found[p + 1] = (z * found[p] - math.sqrt(p) * found[p - 1]) / math.sqrt(p + 1)
    return found


def _remaining(c: Array, square: Array) -> Array:
    """Return the root of the share of E[f²] that is beyond each order, shape (n, orders)."""
    size = np.maximum(square, 1e-300)[:, None]
    return np.sqrt(np.maximum(1 - np.cumsum(c**2, axis=1) / size, 1e-16))
