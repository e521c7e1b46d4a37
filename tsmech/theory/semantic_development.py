r"""Semantic development in the limit of many properties: the singular values of regular trees.

Properties of items at the leaves of a tree are the state of a chain that starts at the root as +1 or -1 with equal
probabilities and flips with probability ε at each branch.  Derivations and equation numbers:
``theory/semantic_development.md``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tsmech.errors import InputError

Array = NDArray[np.float64]

BLOCK = 1 << 17
"""Numbers that are computed together, few enough for a processor's cache."""


class TreeModes(NamedTuple):
    """Modes of the items of a regular tree."""

    strengths: Array
    """Singular values of Yᵀ/√properties, decreasing, shape (items,)."""
    items: Array
    """An orthonormal vector over the items for each, shape (items, items), one a column."""


def tree_similarity(branching: int, levels: int, flip: float) -> Array:
    r"""Return the mean product of two items' properties, (1 - 2ε)² to the power of the levels to their common branch.

    Parameters
    ----------
    branching, levels : int
        B >= 2 branches at each of L >= 1 levels: B^L items.
    flip : float
        ε in [0, 1/2].

    References
    ----------
    theory/semantic_development.md, eq. 2.
    """
    items = np.arange(branching**levels)
    apart = np.full((items.size, items.size), levels)
    for level in range(levels):
        block = items // branching ** (levels - 1 - level)
        apart[block[:, None] == block] = levels - 1 - level
    return np.asarray((1.0 - 2.0 * flip) ** (2.0 * apart))


def tree_modes(branching: int, levels: int, flip: float) -> TreeModes:
    r"""Return the modes of a regular tree for infinitely many properties.

    .. math::
        s_0^2 = \Delta_L , \qquad s_l^2 = \Delta_{L - l} - B^{L - l} q^{L - l + 1}, \qquad
        \Delta_m = 1 + \sum_{j=1}^{m} (B - 1) B^{j - 1} q^j, \quad q = (1 - 2\varepsilon)^2

    with :math:`(B - 1) B^{l - 1}` modes that tell apart the branches at level l = 1, ..., L.

    Parameters
    ----------
    branching, levels, flip
        As in :func:`tree_similarity`.

    Returns
    -------
    TreeModes

    Raises
    ------
    InputError
        If a parameter is outside its range.

    References
    ----------
    theory/semantic_development.md, eqs. 3-4.  Saxe, McClelland & Ganguli 2019, PNAS 116, 11537.
    """
    if branching < 2 or levels < 1 or not 0.0 <= flip <= 0.5:
        raise InputError("a tree has branching >= 2, levels >= 1 and flip between 0 and 1/2")
    q, count = (1.0 - 2.0 * flip) ** 2, branching**levels
    within = [1.0]
    for j in range(1, levels + 1):
        within.append(within[-1] + (branching - 1) * branching ** (j - 1) * q**j)
    squares, columns = [within[levels]], [np.full((count, 1), count**-0.5)]
    contrasts = np.linalg.qr(np.hstack([np.ones((branching, 1)), np.eye(branching)[:, :-1]]))[0][:, 1:]
    for level in range(1, levels + 1):
        below = branching ** (levels - level)
        one = np.repeat(contrasts, below, axis=0) / below**0.5
        columns.append(np.kron(np.eye(branching ** (level - 1)), one))
        between = within[levels - level] - below * q ** (levels - level + 1)
        squares += [between] * columns[-1].shape[1]
    return TreeModes(np.sqrt(np.maximum(squares, 0.0)), np.hstack(columns))


class Beliefs(NamedTuple):
    """What aligned modes say and represent in time."""

    responses: Array
    """Output for one property, shape (T, items)."""
    illusion: Array
    """Largest output for a property that an item lacks, 0 where none is positive, shape (T,)."""
    similarity: Array
    """Inner products of the items' representations, shape (T, items, items)."""
    backward: Array
    """Square of the property's own representation, shape (T,)."""
    longest: Array
    """The largest such square of all properties, shape (T,)."""


def beliefs(layers: Array, properties: Array, items: Array, place: int, lacking: Array | None) -> Beliefs:
    r"""Return what a network of aligned modes says of items and properties.

    .. math::
        y_{pi} = \sum_\mu u_{p\mu}\, a_\mu\, v_{i\mu} , \qquad
        h_i \cdot h_j = \sum_\mu w_{1\mu}^2\, v_{i\mu} v_{j\mu} , \qquad
        |h_p|^2 = \sum_\mu w_{D\mu}^2\, u_{p\mu}^2

    Parameters
    ----------
    layers : ndarray, shape (T, depth, modes)
        Strengths of the layers in time.
    properties, items : ndarray, shapes (properties, modes) and (items, modes)
        Modes u over properties and v over items.
    place : int
        The property p that is asked.
    lacking : ndarray, shape (properties, items), or None
        1 where an item lacks a property; without it there is no illusion, NaN.

    Notes
    -----
    Without a hidden layer an item's representation is its output.  O(T modes properties items), some times together.

    References
    ----------
    theory/semantic_development.md, eqs. 6-7.
    """
    strengths = layers.prod(axis=1)
    responses = (strengths * properties[place]) @ items.T
    illusion = np.full(len(layers), np.nan)
    if lacking is not None:
        asked, item = np.nonzero(lacking)
        shares, block = (properties[asked] * items[item]).T, max(1, BLOCK // max(1, asked.size))
        for begin in range(0, len(strengths), block):
            said = strengths[begin : begin + block] @ shares
            illusion[begin : begin + block] = said.max(axis=1, initial=0.0)
    first = (strengths if layers.shape[1] == 1 else layers[:, 0]) ** 2
    similarity = np.einsum("im,tm,jm->tij", items, first, items, optimize=True)
    squares = layers[:, -1] ** 2 @ properties.T**2
    return Beliefs(responses, illusion, similarity, squares[:, place], squares.max(axis=1))


def most_illusory(outputs: Array, strengths: Array, inputs: Array, lacking: Array) -> int:
    """Return the property with the strongest illusion while modes are learnt one after another.

    Parameters
    ----------
    outputs, strengths, inputs : ndarray, shapes (properties, modes), (modes,) and (items, modes)
        The modes, the strongest first.
    lacking : ndarray, shape (properties, items)
        1 where an item lacks a property, else 0.
    """
    best = np.zeros(len(lacking))
    for modes in range(1, len(strengths)):
        first = (outputs[:, :modes] * strengths[:modes]) @ inputs[:, :modes].T
        best = np.maximum(best, (first * lacking).max(axis=1))
    return int(np.argmax(best))
