r"""A Gaussian data matrix that is never drawn: it is revealed only along the directions that learning asks for.

A first-order method sees its P examples :math:`x_\mu \in \mathbb R^N` through products of the matrix X (P × N, of
independent N(0, 1) entries) with a few vectors: weights, X w, and one number an example, Xᵀ f.  Once X is known along
some directions it is independent and normal across them, so each product can be drawn when it is asked for, from its
law given all that was drawn before (Lu 2021; ``theory/sample_reuse.md``, section 5).

Known are an orthonormal basis :math:`u_1, \dots, u_m` of directions among the examples, explicitly, and orthonormal
directions :math:`v_1, \dots, v_n` among the inputs in name only: weights are given by their coordinates along these,
and :math:`X v_i` are vectors of P numbers.  A product with f first needs f's part across the u's.  Along its direction
u the matrix has the coordinates :math:`u \cdot X v_i` along what is known, and across it a vector of independent normal
numbers in N − n dimensions: a length χ along one direction more, :math:`v_{n+1}`.  With it comes
:math:`X v_{n+1} = \chi\, u + (1 - U U^T)\, z` with z normal and u among the columns of U.  When n reaches N all of X is
known, and products are sums.

References
----------
.. [1] Y. M. Lu, "Householder dice: a matrix-free algorithm for simulating dynamics on Gaussian and random orthogonal
   ensembles", IEEE Trans. Inf. Theory 67 (2021) 8264, arXiv:2101.07464.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from tsmech.errors import InputError

FloatArray = NDArray[np.float64]
Respond = Callable[[slice, FloatArray], FloatArray]
"""From a slice of the examples and their fields, shape (K, count), to the numbers f, shape (J, count)."""

BLOCK, LEAST = 1 << 16, 512
"""Numbers of each basis that are worked on at a time, so that they stay in the cache, and the least of them a row."""
SAME = 1e-10
"""A vector whose part across what is known is smaller than this, as a share of its length, brings nothing new."""
DEPENDENT = 1e-7
"""Share of a squared length that is lost to other vectors, beyond which scalar products no longer tell the rest."""


class _Pending(NamedTuple):
    """New directions, whose vectors of P numbers have yet to be written down.

    The new u are ``mix.T @ (residual - beyond @ U)``, the new X v are ``z + lengths.T @ u - inner.T @ (U, u)``.
    """

    residual: FloatArray
    """What the pulls have across U, shape (J, P)."""
    beyond: FloatArray
    """What rounding has left there along U, shape (J, m)."""
    mix: FloatArray
    """What makes residuals orthonormal, shape (J, new)."""
    normal: FloatArray
    """Normal numbers z, one row a new direction among the inputs, shape (count, P)."""
    inner: FloatArray
    """Their scalar products with all u, old and new, shape (m + new, count)."""
    lengths: FloatArray
    """Coordinates of Xᵀu along the new v, shape (new, count)."""


class RevealedMatrix:
    """A matrix X of independent N(0, 1) entries, known along the directions that were asked for.

    Parameters
    ----------
    examples, inputs
        Its shape, P and N.
    known
        Number of orthonormal directions among the inputs that are known from the start, such as those of all units.
    most
        Most columns that products with Xᵀ will have in all: memory is taken for so many directions, see :meth:`bytes`.
    rng
        Where its entries come from.

    Notes
    -----
    A product of K columns reads each of the two bases twice; n directions among the inputs and n − ``known`` among the
    examples cost about 16 K P n operations.
    """

    def __init__(self, examples: int, inputs: int, known: int, most: int, rng: Generator) -> None:
        if known > inputs:
            raise InputError(f"{inputs} inputs cannot have {known} independent directions")
        self._examples, self._inputs = examples, inputs
        self._rng = rng
        self._left = np.empty((min(most, examples, inputs), examples))  # rows u
        self._right = np.empty((min(known + most, inputs), examples))  # rows X v
        rng.standard_normal(out=self._right[:known])
        self._m, self._n = 0, known
        self._coordinates = np.zeros((len(self._left), len(self._right)))  # u · X v
        self._pending: _Pending | None = None

    @staticmethod
    def bytes(examples: int, inputs: int, known: int, most: int) -> int:
        """Return the bytes that a matrix takes with the work on its directions."""
        directions = min(most, examples, inputs) + min(known + most, inputs)
        return 8 * examples * (directions + 8)

    @property
    def directions(self) -> int:
        """Number of directions among the inputs along which it is known, and which coordinates refer to."""
        return self._n

    def fields(self, weights: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Yield the products X w block by block: a slice of the examples and an array of shape (K, count).

        ``weights``, of shape (K, n), are coordinates of K vectors along the known directions.
        """
        for part in self._parts():
            self._write(part)
            yield part, weights @ self._right[: self._n, part]
        self._pending = None

    def product(self, weights: FloatArray, respond: Respond) -> FloatArray:
        r"""Return :math:`X^T f` for numbers f that depend on the fields :math:`X w`, and reveal the matrix along them.

        Parameters
        ----------
        weights : ndarray, shape (K, n)
            Coordinates of K vectors along the known directions.
        respond
            Called block by block with a slice of the examples and their fields, shape (K, count); returns the numbers
            f, shape (J, count).

        Returns
        -------
        ndarray, shape (J, n')
            Coordinates of the J products along the known directions, which have become more.
        """
        pulls, along = np.empty((0, 0)), np.zeros((0, 0))
        known = self._right if self._n == self._inputs else self._left[: self._m]
        for part, fields in self.fields(weights):
            answer = respond(part, fields)
            if not pulls.size:
                pulls, along = np.empty((len(answer), self._examples)), np.zeros((len(answer), len(known)))
            pulls[:, part] = answer
            along += answer @ known[:, part].T
        return along if known is self._right else self._reveal(pulls, along)

    def _parts(self) -> Iterator[slice]:
        size = max(LEAST, BLOCK // max(1, self._n))
        for start in range(0, self._examples, size):
            yield slice(start, min(start + size, self._examples))

    def _reveal(self, pulls: FloatArray, along: FloatArray) -> FloatArray:
        """Draw the products of pulls with the matrix; ``along`` are their parts along U, shape (J, m)."""
        m, n, J = self._m, self._n, len(pulls)
        normal = np.empty((min(J, self._inputs - n), self._examples))
        beyond, rightward, gram = np.zeros((J, m)), np.zeros((J, n)), np.zeros((J, J))
        within, beside = np.zeros((len(normal), m)), np.zeros((len(normal), J))
        for part in self._parts():
            left, residual, z = self._left[:m, part], pulls[:, part], normal[:, part]
            residual -= along @ left
            beyond += residual @ left.T
            rightward += residual @ self._right[:n, part].T
            gram += residual @ residual.T
            z[:] = self._rng.standard_normal(z.shape)
            within += z @ left.T
            beside += z @ residual.T
        known = self._coordinates[:m, :n]
        squares = np.diag(gram) + np.sum(along**2, axis=1)
        along = along + beyond
        factors = _factorise(gram - beyond @ beyond.T, squares)
        if factors is None:
            parts = self._straighten(pulls, beyond, squares)
            mix, beyond = np.eye(J)[:, : parts.shape[1]], np.zeros((J, m))
            rightward = np.zeros((J, n))
            for part in self._parts():
                rightward += pulls[:, part] @ self._right[:n, part].T
            beside = normal @ pulls.T
        else:
            mix, parts = factors
        new = mix.shape[1]
        count = min(new, self._inputs - n)
        lengths = np.tril(self._rng.standard_normal((new, count)), -1)
        lengths[np.diag_indices(count)] = np.sqrt(self._rng.chisquare(self._inputs - n - np.arange(count)))
        inner = np.concatenate([within.T, mix.T @ (beside.T - beyond @ within.T)])[:, :count]
        coordinates = np.concatenate([mix.T @ (rightward - beyond @ known), lengths], axis=1)
        self._pending = _Pending(pulls, beyond, mix, normal[:count], inner, lengths)
        self._m, self._n = m + new, n + count
        self._coordinates[m : self._m, : self._n] = coordinates
        return np.asarray(along @ self._coordinates[:m, : self._n] + parts @ coordinates)

    def _write(self, part: slice) -> None:
        """Write one block of the directions that are pending."""
        if self._pending is None:
            return
        residual, beyond, mix, normal, inner, lengths = self._pending
        m, n = self._m - mix.shape[1], self._n - len(normal)
        left = self._left[: self._m, part]
        left[m:] = mix.T @ (residual[:, part] - beyond @ left[:m])
        self._right[n : self._n, part] = normal[:, part] + lengths.T @ left[m:] - inner.T @ left

    def _straighten(self, pulls: FloatArray, beyond: FloatArray, squares: FloatArray) -> FloatArray:
        """Replace pulls that all but depend on each other by orthonormal vectors, one after another.

        Returns the coordinates of what they were along these, shape (J, new).
        """
        for part in self._parts():
            pulls[:, part] -= beyond @ self._left[: self._m, part]
        parts = np.zeros((len(pulls), len(pulls)))
        new = 0
        for k, vector in enumerate(pulls):
            for _ in range(2):
                share = pulls[:new] @ vector
                vector -= share @ pulls[:new]
                parts[k, :new] += share
            length = math.sqrt(vector @ vector)
            if length > SAME * math.sqrt(squares[k]):
                parts[k, new] = length
                pulls[new] = vector / length
                new += 1
        return parts[:, :new]


def _factorise(gram: FloatArray, squares: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Return what makes vectors with these scalar products orthonormal, and their coordinates along the result.

    Both have shape (J, new); vectors that bring nothing new are left out, ``squares`` being what their squared lengths
    were at first.  None where vectors depend on each other so nearly that scalar products do not tell their difference.
    """
    kept: list[int] = []
    parts = np.zeros(gram.shape)
    for k in range(len(gram)):
        if gram[k, k] <= SAME**2 * squares[k]:
            continue
        for a, other in enumerate(kept):
            parts[k, a] = (gram[k, other] - parts[k, :a] @ parts[other, :a]) / parts[other, a]
        rest = gram[k, k] - parts[k] @ parts[k]
        if rest < DEPENDENT * gram[k, k]:
            return None
        parts[k, len(kept)] = math.sqrt(rest)
        kept.append(k)
    parts = parts[:, : len(kept)]
    mix = np.zeros(parts.shape)
    mix[kept] = np.linalg.inv(parts[kept]).T if kept else 0.0
    return mix, parts
