r"""A linear unit that meets its P = alpha N examples without replacement at N → ∞: one pass, and the epochs after it.

In the first epoch no example comes twice, which is exact one-pass SGD; a and c are the rates per epoch of
:mod:`tsmech.theory.sample_reuse.linear`.  Derivations and equation numbers: ``theory/sample_reuse.md``, section 3.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import InputError
from tsmech.theory.sample_reuse.linear import LinearCurve, checked, largest, linear_unit

Array = NDArray[np.float64]


def first_epoch(
    epochs: ArrayLike,
    alpha: float,
    noise: float,
    *,
    Q: float,
    R: float,
    teacher: float = 1.0,
    rate: float,
    decay: float = 0.0,
    bound: float | None = None,
) -> LinearCurve:
    r"""Follow a linear student of a linear teacher by SGD in the first epoch without replacement: one pass.

    With :math:`e = 2 \epsilon_g`, the weights' deviation p along the teacher, :math:`\rho = a/\alpha` and
    :math:`g = a + c`,

    .. math::
        \dot e &= (a \rho - 2 a - 2 c)\, e - 2 c\, \beta p + a \rho\, \sigma^2, \qquad \dot p = - g p - c \beta, \\
        \dot u_1 &= - g u_1 + 2 \rho \bigl( \sigma^2 - \tfrac cg \beta p \bigr), \qquad
        \dot u_2 = - 2 g u_2 + 2 \rho\, \bigl( e + \tfrac cg \beta p \bigr) - \rho^2 (e + \sigma^2) , \\
        \epsilon_t &= \epsilon_g + \tfrac12 (\sigma^2 - u_1 - u_2) .

    Parameters
    ----------
    epochs : array_like, shape (n,)
        Increasing, from 0 to 1.
    alpha, noise, Q, R, teacher, rate, decay, bound
        As in :func:`tsmech.theory.sample_reuse.linear.linear_unit`.

    Returns
    -------
    LinearCurve

    Raises
    ------
    InputError
        If an argument is outside its range.

    Notes
    -----
    Exact for N → ∞ at fixed alpha and batch.  The system is linear, and solved by the exponential of its matrix.

    References
    ----------
    theory/sample_reuse.md, eqs. 13-16.

    Examples
    --------
    >>> curve = first_epoch([0.5, 1.0], alpha=1.0, noise=0.5, Q=1.0, R=0.0, rate=1.5)
    >>> print((curve.generalization_error + 0.125).round(4))
    [0.9296 0.7952]
    """
    from scipy.linalg import expm

    at = checked(epochs, alpha, Q, R, noise=noise, rate=rate, decay=decay)
    if at[-1] > 1.0:
        raise InputError(f"epochs = {at[-1]:g}: the first epoch ends at 1")
    pull, g, variance = rate / alpha, rate + decay, noise**2
    bent = 2 * pull * teacher * (decay / g if g > 0 else 0.0)
    matrix = np.array(
        [  # u_2, u_1, e, p, 1
            [-2 * g, 0.0, 2 * pull - pull**2, bent, -(pull**2) * variance],
            [0.0, -g, 0.0, -bent, 2 * pull * variance],
            [0.0, 0.0, rate * pull - 2 * g, -2 * decay * teacher, rate * pull * variance],
            [0.0, 0.0, 0.0, -g, -decay * teacher],
            [0.0, 0.0, 0.0, 0.0, 0.0],
        ]
    )
    start = np.array([0.0, 0.0, Q - 2 * teacher * R + teacher**2, R - teacher, 1.0])

    def observables(times: Array) -> tuple[Array, Array, Array, Array]:
        with np.errstate(over="ignore", invalid="ignore"):
            u_2, u_1, e, p, _ = (expm(times[:, None, None] * matrix) @ start).T
            e = np.maximum(e, 0.0)
            train = np.maximum(e + variance - u_1 - u_2, 0.0)
            return e + 2 * teacher * p + teacher**2, p + teacher, e / 2, train / 2

    found = observables(at)
    limit = largest(Q, teacher, bound)
    beyond = ~(found[0] <= limit)
    reached = int(np.argmax(beyond)) if beyond.any() else at.size
    diverged_at = None
    if reached < at.size:
        low, diverged_at = (float(at[reached - 1]) if reached else 0.0), float(at[reached])
        while diverged_at - low > 1e-9 * diverged_at:
            middle = (low + diverged_at) / 2
            low, diverged_at = (middle, diverged_at) if observables(np.array([middle]))[0] <= limit else (low, middle)
    return LinearCurve(*found, diverged_at).until(reached)


def without_replacement(
    epochs: ArrayLike,
    alpha: float,
    noise: float,
    *,
    Q: float,
    R: float,
    teacher: float = 1.0,
    rate: float,
    decay: float = 0.0,
    bound: float | None = None,
) -> LinearCurve:
    """Follow a linear student by SGD without replacement: exactly in the first epoch, from then on for small steps.

    Later epochs are gradient flow from the start, which leaves out the noise of SGD.  Where :func:`unstable` there are
    none: the curve counts as diverged at the end of the first.

    Parameters
    ----------
    epochs, alpha, noise, Q, R, teacher, rate, decay, bound
        As in :func:`tsmech.theory.sample_reuse.linear.linear_unit`.

    Returns
    -------
    LinearCurve

    References
    ----------
    theory/sample_reuse.md, section 3.
    """
    at = checked(epochs, alpha, Q, R, noise=noise, rate=rate, decay=decay)
    given: Any = {"alpha": alpha, "noise": noise, "Q": Q, "R": R, "teacher": teacher, "rate": rate, "decay": decay}
    given["bound"] = bound
    single = at[at <= 1.0]
    found = first_epoch(np.append(single, 1.0), **given)
    if found.diverged_at is not None:
        return found
    found = found.until(single.size)
    if single.size == at.size:
        return found
    if unstable(alpha, rate, decay):
        return found._replace(diverged_at=1.0)
    later = linear_unit(at[at > 1.0], **given)
    return LinearCurve(
        np.append(found.Q, later.Q),
        np.append(found.R, later.R),
        np.append(found.generalization_error, later.generalization_error),
        np.append(found.train_error, later.train_error),
        None,
    )


def unstable(alpha: float, rate: float, decay: float) -> bool:
    """Return whether the error of a linear unit grows, or rests, in one pass: a² >= 2 alpha (a + c)."""
    return rate**2 >= 2.0 * alpha * (rate + decay) > 0.0
