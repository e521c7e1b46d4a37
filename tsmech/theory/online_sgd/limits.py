r"""What is known in closed form about online SGD: the ends, the plateau and the linear student at finite N.

Second routes to the ODEs of :mod:`tsmech.theory.online_sgd` and to both simulations.  Derivations and the symbols:
``theory/online_sgd.md``, sections 5 and 6.

References
----------
.. [1] D. Saad and S. A. Solla, Phys. Rev. E 52 (1995) 4225.
.. [2] S. Goldt, M. S. Advani, A. M. Saxe, F. Krzakala and L. Zdeborová, arXiv:1906.08632.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.kernels.activations import LEAK, check_trainable, functions
from tsmech.kernels.schedules import learning_rate
from tsmech.theory.fields.quadrature import power_of_slope
from tsmech.theory.overlaps import Activation, check_shapes

FloatArray = NDArray[np.float64]


def slope_moment(activation: Activation, power: int, variance: float) -> float:
    r"""Return :math:`E[g'(x)^p]` for x ~ N(0, q), p = 2 or 4, q = ``variance`` > 0.

    .. math:: \text{erf: } \left(\tfrac2\pi\right)^{p/2} \frac{1}{\sqrt{1 + pq}}, \quad \text{relu: } \tfrac12, \quad
        \text{linear: } 1, \quad \text{quadratic: } 2^p q^{p/2} (p-1)!!

    For all others, and a pair (g, g'), by two composite rules, which have to agree.
    """
    check_trainable(activation)
    moments = {
        "erf": (2.0 / math.pi) ** (power / 2) / math.sqrt(1.0 + power * variance),
        "relu": 0.5,
        "leaky_relu": 0.5 * (1.0 + LEAK**power),
        "linear": 1.0,
        "quadratic": 2.0**power * variance ** (power / 2) * (1.0 if power == 2 else 3.0),
    }
    if isinstance(activation, str) and activation in moments:
        return float(moments[activation])
    return power_of_slope(*functions(activation), power, variance)


def critical_learning_rate(activation: Activation, teacher_norm: float = 1.0, batch: int = 1) -> float:
    r"""Return the largest learning rate at which one unit still converges to a noiseless teacher of one unit.

    .. math:: \eta_c = 2 B\, \frac{E[g'(\rho)^2]}{E[g'(\rho)^4]}, \qquad \rho \sim N(0, T)

    Near Q = R = T the ODEs are linear with two eigenvalues, along the teacher
    :math:`-\eta E[g'^2 \rho^2] / (TB)`, always negative, and across it
    :math:`(\eta / B)\,(-2 E[g'^2] + (\eta/B) E[g'^4])`, which changes sign at η_c.  With T = 1 and B = 1 this is
    π√(5/3) for erf, 2 for linear and ReLU, 1/6 for x².

    Parameters
    ----------
    activation
        A name or a pair (g, g').
    teacher_norm : float
        T = b·b/N > 0, the teacher's squared norm a dimension.  The second layers are 1; for v = A multiply g by it.
    batch : int
        Examples a step, B, fixed as N → ∞.

    Raises
    ------
    InputError
        If teacher_norm is not positive, or batch is below 1.

    References
    ----------
    Equations (24) and (25) of ``theory/online_sgd.md``; for erf M. Biehl and H. Schwarze, J. Phys. A 28 (1995) 643.
    """
    if not 0.0 < teacher_norm < math.inf:
        raise InputError(f"teacher_norm must be a finite number > 0, but is {teacher_norm}")
    if batch < 1:
        raise InputError(f"batch must be >= 1, but is {batch}")
    return 2.0 * batch * slope_moment(activation, 2, teacher_norm) / slope_moment(activation, 4, teacher_norm)


def asymptotic_error(
    activation: Activation,
    v: ArrayLike,
    field_variance: ArrayLike,
    *,
    learning_rate: float,
    noise: float,
    batch: int = 1,
) -> float:
    r"""Return the error that label noise leaves in the end, to first order in the learning rate.

    .. math:: \epsilon_g^* = \frac{\eta \sigma^2}{4B} \sum_k v_k^2\, E[g'(\lambda_k)^2],
        \qquad \lambda_k \sim N(0, Q_{kk})

    at a noiseless solution: Q_kk = T_mm for a unit that has learnt teacher unit m, 0 for a spare one that has
    shrunk.  With v = 1, erf and T = 1 it is :math:`\frac{\eta\sigma^2}{2\pi}(K - M + M/\sqrt3)`.

    Parameters
    ----------
    activation
        A name or a pair (g, g').
    v : array_like, shape (K,)
        The student's second layer at the solution.
    field_variance : array_like, shape (K,)
        Q_kk at the solution.
    learning_rate, noise, batch
        η, σ (a standard deviation) and B.

    Notes
    -----
    Exact as η → 0 where the solution is isolated or its flat directions are not driven.  With erf units, v fixed and
    K − M ≥ 2, two spare units with w = −w' cancel exactly: noise drives the student along that direction on the
    scale alpha ~ 1/(η²σ²), ε_g goes on falling and this value is a long plateau, not the limit.

    References
    ----------
    Equation (27) of ``theory/online_sgd.md``; for erf and v = 1 Goldt et al. [2].
    """
    units = zip(np.broadcast_to(v, np.shape(field_variance)), np.asarray(field_variance, dtype=np.float64), strict=True)
    total = sum(weight**2 * slope_moment(activation, 2, variance) for weight, variance in units)
    return float(learning_rate * noise**2 / (4.0 * batch) * total)


class Plateau(NamedTuple):
    """The symmetric plateau: all Q_kl are Q, all R_km are R, and the error is generalization_error.

    An asymmetry of the overlaps R grows there like exp(escape_rate · η alpha), for η → 0.
    """

    Q: float
    R: float
    generalization_error: float
    escape_rate: float


def symmetric_plateau(units: int, teacher_norm: float = 1.0) -> Plateau:
    r"""Return the symmetric plateau of K = M erf units with orthogonal teacher units and v = A = 1, for η → 0.

    .. math:: Q^* = \frac{T}{K(1+T) - T}, \qquad R^* = \sqrt{\frac{T Q^*}{K}}, \qquad
        \epsilon_g^* = \frac K\pi \left[ \arcsin\frac{T}{1+T} - K \arcsin \frac{T}{K(1+T)} \right]

    All student units are equal, along the sum of the teacher's; this is the least error of such a student.  It is a
    saddle: a difference between units grows at the rate η times

    .. math:: \frac2\pi\, \frac{T^2 K}{(K(1+T) - T)^{1/2}\, (K(1+T) + T)^{3/2}} \quad (K > 1),

    so that a random start, with asymmetries of order 1/√N, leaves after ½ ln N of its inverse (and a constant).

    References
    ----------
    Equations (29) and (30) of ``theory/online_sgd.md``; for T = 1 Saad and Solla [1]: Q* = 1/(2K−1).
    """
    if units < 1 or not 0.0 < teacher_norm < math.inf:
        raise InputError(f"units must be >= 1 and teacher_norm finite and > 0, but are {units} and {teacher_norm}")
    K, T = units, teacher_norm
    Q = T / (K * (1.0 + T) - T)
    error = K / math.pi * (math.asin(T / (1.0 + T)) - K * math.asin(T / (K * (1.0 + T))))
    less, more = K * (1.0 + T) - T, K * (1.0 + T) + T
    rate = 2.0 / math.pi * T**2 * K / (math.sqrt(less) * more**1.5) if K > 1 else 0.0
    return Plateau(Q, math.sqrt(T * Q / K), error, rate)


def linear_recursion(
    Q: ArrayLike,
    R: ArrayLike,
    T: ArrayLike,
    v: ArrayLike,
    A: ArrayLike,
    *,
    schedule: FloatArray,
    noise: float,
    weight_decay: float,
    batch: int,
    dimension: int,
    steps: ArrayLike,
) -> tuple[FloatArray, FloatArray]:
    r"""Return the exact means E[Q] and E[R] of a linear student after so many steps, at finite N and B.

    With :math:`D_k = \sum_l v_l Q_{kl} - \sum_m A_m R_{km}`, :math:`D_m` likewise for the teacher's units and
    :math:`e = \sum_k v_k D_k - \sum_m A_m D_m` the mean square of Δ without noise,

    .. math::
        R_{km} &\leftarrow \bigl(1 - \tfrac\kappa N\bigr) R_{km} - \tfrac\eta N v_k D_m, \\
        Q_{kl} &\leftarrow \bigl(1 - \tfrac\kappa N\bigr)^2 Q_{kl}
            - \bigl(1 - \tfrac\kappa N\bigr) \tfrac\eta N (v_k D_l + v_l D_k)
            + \frac{\eta^2 v_k v_l}{N^2 B} \bigl[ (N + B + 1)\, e + N \sigma^2 \bigr].

    Parameters
    ----------
    Q, R, T, v, A : array_like
        Overlaps at the start and second layers, shapes (K, K), (K, M), (M, M), (K,), (M,); v stays fixed.
    schedule : ndarray, shape (n, 4)
        The learning rate, taken at alpha = step · B / N where the step begins; see :mod:`tsmech.kernels.schedules`.
    noise, weight_decay, batch, dimension
        σ (a standard deviation), κ, B and N.
    steps : array_like of int, shape (n,)
        Numbers of steps, increasing.

    Returns
    -------
    tuple of ndarray
        E[Q], shape (n, K, K), and E[R], shape (n, K, M).

    References
    ----------
    Equations (32) and (33) of ``theory/online_sgd.md``; for N → ∞ they are its ODEs.
    """
    Q, R, T, v, A = (np.array(a, dtype=np.float64) for a in (Q, R, T, v, A))
    check_shapes(Q, R, T, v, A)
    wanted = np.atleast_1d(np.asarray(steps, dtype=np.int64))
    if wanted.size == 0 or wanted[0] < 0 or (np.diff(wanted) <= 0).any():
        raise InputError(f"steps must be increasing and >= 0, but are {wanted.tolist()}")
    N, B = dimension, batch
    keep = 1.0 - weight_decay / N
    means_Q, means_R = np.empty((wanted.size, *Q.shape)), np.empty((wanted.size, *R.shape))
    step = 0
    for i, last in enumerate(wanted):
        while step < last:
            eta = learning_rate(schedule, step * B / N)
            student, teacher = Q @ v - R @ A, v @ R - A @ T
            square = v @ student - A @ teacher
            cross = np.outer(v, student)
            kick = eta**2 / (N * N * B) * ((N + B + 1) * square + N * noise**2)
            Q = keep**2 * Q - keep * eta / N * (cross + cross.T) + kick * np.outer(v, v)
            R = keep * R - eta / N * np.outer(v, teacher)
            step += 1
        means_Q[i], means_R[i] = Q, R
    return means_Q, means_R
