r"""What balanced layers compute together, at any depth and from any directions: a flow of their product alone.

It needs layers that are balanced, :math:`W_{l+1}^T W_{l+1} = W_l W_l^T`, which gradient flow conserves.  Derivation
and equation numbers: ``theory/deep_linear.md``, section 5.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.deep_network.curves import LearningCurve
from tsmech.theory.deep_network.unaligned import Modes, imbalance

Array = NDArray[np.float64]

RTOL = 1e-10
"""Relative accuracy of the integration."""
DECOUPLED = 1e-12
"""Largest share of the product that couples directions which count as not coupled."""
BALANCED = 1e-9
"""Largest δ of neighbouring layers, as a share of their weights' mean square."""


def product_curve(times: ArrayLike, modes: Modes, start: Sequence[Array]) -> LearningCurve:
    r"""Return learning of balanced layers from the flow of their product P.

    .. math::
        \dot P = \sum_{l=1}^{D} (P P^T)^{(D - l)/D}\, (\Sigma - P)\, (P^T P)^{(l - 1)/D}, \qquad
        |\nabla E|^2 = \operatorname{tr} (\Sigma - P)^T \dot P

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing from 0.
    modes : tuple of ndarray, shapes (outputs, modes), (modes,) and (inputs, modes)
        The teacher's left singular vectors, singular values and right singular vectors.
    start : sequence of ndarray
        The layers W₁, ..., W_D at the start.

    Returns
    -------
    LearningCurve

    Raises
    ------
    InputError
        If the layers are not balanced.
    ConvergenceError
        If the integration stops short.

    Notes
    -----
    Exact.  Integrated to a relative accuracy of 1e-10 of the weakest direction at the start; a singular value
    decomposition at each evaluation, of P between the directions that the teacher reaches.

    References
    ----------
    theory/deep_linear.md, eq. 33.  S. Arora, N. Cohen, E. Hazan 2018, arXiv:1802.06509, theorem 1.
    """
    from scipy.integrate import odeint  # LSODA: between its steps it is as accurate as at them
    from scipy.linalg.lapack import dgesdd

    for below, above in itertools.pairwise(start):
        delta = imbalance(below, above)
        if delta is None or abs(delta) > BALANCED * (np.sum(below**2) + np.sum(above**2)) / len(below):
            raise InputError("the layers are not balanced: W_(l+1).T W_(l+1) must be W_l W_l.T for all l")
    t, (left, s, right), depth = np.asarray(times, float), modes, len(start)
    rank, product = min(map(min, (layer.shape for layer in start))), start[0]
    for layer in start[1:]:
        product = layer @ product
    outputs, inputs, alone = _coupled(product, left, right, rank)
    product, left, right, rank = outputs.T @ product @ inputs, outputs.T @ left, inputs.T @ right, rank - len(alone)
    target = (left * s) @ right.T

    upward = np.arange(depth, dtype=float)

    def factors(x: Array) -> Array:
        roots = np.zeros((*x.shape[:-1], max(target.shape), 1))
        roots[..., :rank, 0] = x[..., :rank] ** (2.0 / depth)
        rows, columns = roots[..., : target.shape[0], :] ** upward[::-1], roots[..., : target.shape[1], :] ** upward
        return np.asarray(rows @ columns.swapaxes(-1, -2))

    def change(_: float, flat: Array) -> Array:
        P = flat.reshape(target.shape)
        right, x, left, failed = dgesdd(P.T)  # of Pᵀ, which lies in memory as LAPACK wants it
        if failed:
            raise ConvergenceError("the product of the layers could not be integrated: its singular values diverge")
        return np.asarray(left.T @ (factors(x) * (left @ (target - P) @ right)) @ right.T).ravel()

    first = 0 if t[0] == 0.0 else 1  # times from 0, where the start is
    found, said = odeint(
        change,
        product.ravel(),
        np.concatenate([[0.0] * first, t]),
        rtol=RTOL,
        atol=RTOL * float(np.linalg.norm(product, 2)),
        tfirst=True,
        full_output=True,
        mxstep=100_000,
    )
    if said["message"] != "Integration successful.":
        raise ConvergenceError(f"the product of the layers could not be integrated: {said['message']}")
    products = found[first:].reshape(-1, *target.shape)
    missing = target - products
    u, x, v = np.linalg.svd(products)
    falls = (factors(x) * (u.swapaxes(1, 2) @ missing @ v.swapaxes(1, 2)) ** 2).sum(axis=(1, 2))
    strengths = np.einsum("om,toi,im->tm", left, products, right, optimize=True)
    q = 2.0 - 2.0 / depth
    fading = alone * (np.exp(-t[:, None]) if depth == 1 else (1 + q * depth * alone**q * t[:, None]) ** (-1 / q))
    error = 0.5 * ((missing**2).sum(axis=(1, 2)) + (fading**2).sum(axis=1))
    falls += depth * (fading ** (2 + q)).sum(axis=1)
    return LearningCurve(strengths, error, np.sqrt(np.maximum(falls, 0.0)))


def _coupled(product: Array, left: Array, right: Array, rank: int) -> tuple[Array, Array, Array]:
    """Return bases of the outputs and inputs that the teacher's reach through the product, and what it has elsewhere.

    The product maps both onto each other, and what is orthogonal to them onto itself: there each singular value
    vanishes alone (eq. 33a).  Of orthogonal layers a teacher with m modes reaches 2 m directions, in general all.
    """
    x = np.linalg.svd(product, compute_uv=False)
    scale, bases = x[0], [left, right]
    if x[rank - 1] <= 10 * DECOUPLED * scale:  # the weakest cannot be told from rounding
        return np.eye(product.shape[0]), np.eye(product.shape[1]), np.empty(0)
    while True:
        grown = []
        for own, other, maps in ((bases[0], bases[1], product), (bases[1], bases[0], product.T)):
            u, x, _ = np.linalg.svd(np.hstack([own, maps @ other / scale]), full_matrices=False)
            grown.append(u[:, x > DECOUPLED])
        if all(one.shape == two.shape for one, two in zip(grown, bases, strict=True)):
            break
        bases = grown
    outputs, inputs = bases
    elsewhere = product - outputs @ (outputs.T @ product @ inputs) @ inputs.T
    alone = np.linalg.svd(elsewhere, compute_uv=False)[:rank]
    return outputs, inputs, np.asarray(alone[alone > 5 * DECOUPLED * scale], float)
