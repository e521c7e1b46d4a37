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
from tsmech.kernels.jit import kernel
from tsmech.kernels.products import add_combinations, add_products
from tsmech.sims.streams import GAUSSIAN, QUANTUM, fill, seed_lanes

FloatArray = NDArray[np.float64]
Respond = Callable[[slice, FloatArray], FloatArray]
"""From a slice of the examples and their fields, shape (K, count), to the numbers f, shape (J, count)."""

TILE, LEAST, MOST = 1 << 19, 128, 2048
"""Numbers of both bases in a tile, so that it stays in the cache; least and most of them in a row."""
TILES = 4
"""Tiles of which the fields are given to the caller at a time."""
SAME = 1e-9
"""A vector whose part across what is known is smaller than this, as a share of its length, brings nothing new."""
ASKEW = 5e-6
"""Scalar product of unit vectors up to which its cube is rounding: to second order then is as good as exactly."""
DEPENDENT = 1e-7
"""Share of a squared length that is lost to other vectors, beyond which scalar products no longer tell the rest."""


class _Across(NamedTuple):
    """What is left of J pulls across U, as scalar products of it and of normal numbers."""

    taken: FloatArray
    """What was along U: coordinates, shape (J, m)."""
    left: FloatArray
    """Of what is left, and of the normal numbers, with U: shape (J + count, m)."""
    right: FloatArray
    """Of what is left with X V, shape (J, n)."""
    gram: FloatArray
    """Of what is left with itself and with the normal numbers, shape (J, J + count)."""


class _Pending(NamedTuple):
    """New directions, whose vectors of P numbers have yet to be written down."""

    work: FloatArray
    """Rows of what J pulls have across U, then of normal numbers, shape (tiles, J + count, size)."""
    mix: FloatArray
    """The new u are ``mix @`` the former, shape (new, J)."""
    factors: FloatArray
    """Each new X v is a row of the normal numbers, and ``factors @`` all u, old and new: shape (count, m + new)."""


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
    examples cost about 14 K P n operations.  A tile, what one basis has of the same few examples, is one piece of
    memory.
    """

    def __init__(self, examples: int, inputs: int, known: int, most: int, rng: Generator) -> None:
        if known > inputs:
            raise InputError(f"{inputs} inputs cannot have {known} independent directions")
        self._examples, self._inputs = examples, inputs
        self._rng, self._lanes = rng, seed_lanes(rng)
        left, right = min(most, examples, inputs), min(known + most, inputs)
        self._tiles = math.ceil(examples / min(MOST, max(LEAST, TILE // (left + right))))
        self._size = math.ceil(examples / self._tiles)
        self._left = np.empty((self._tiles, left, self._size))  # rows u
        self._right = np.empty((self._tiles, right, self._size))  # rows X v
        self._work = np.empty((0, 0, 0))
        self._m, self._n = 0, known
        self._coordinates = np.zeros((left, right))  # u · X v
        self._askew = np.zeros((left, left))  # u · u but for the ones, which is rounding
        self._pending: _Pending | None = None
        _draw(self._lanes, rng, examples, self._right, 0, known)

    @staticmethod
    def bytes(examples: int, inputs: int, known: int, most: int) -> int:
        """Return the bytes that a matrix takes with the work on its directions."""
        left, right = min(most, examples, inputs), min(known + most, inputs)
        return 8 * (examples * (left + right + 2 * known + 8) + left * (left + right))

    @property
    def directions(self) -> int:
        """Number of directions among the inputs along which it is known, and which coordinates refer to."""
        return self._n

    def fields(self, weights: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
        """Yield the products X w block by block: a slice of the examples and an array of shape (K, count).

        ``weights``, of shape (K, n), are coordinates of K vectors along the known directions.
        """
        weights = np.ascontiguousarray(weights)
        for tiles in self._blocks():
            if self._pending is not None:
                _write(tiles.start, tiles.stop, *self._pending, self._left, self._m, self._right, self._n)
            fields = np.zeros((tiles.stop - tiles.start, len(weights), self._size))
            _add_fields(tiles.start, weights, self._right, fields)
            part = slice(tiles.start * self._size, min(tiles.stop * self._size, self._examples))
            yield part, fields.swapaxes(0, 1).reshape(len(weights), -1)[:, : part.stop - part.start]
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
        everything = self._n == self._inputs
        known, count = (self._right, self._n) if everything else (self._left, self._m)
        along = np.empty((0, 0))
        for tiles, (part, fields) in zip(self._blocks(), self.fields(weights), strict=True):
            answer = respond(part, fields)
            J = len(answer)
            if tiles.start == 0:
                along = np.zeros((J, count))
                shape = self._tiles, J + min(J, self._inputs - self._n), self._size
                if self._work.shape != shape:
                    self._work = np.zeros(shape)
            _put(answer, tiles.start, self._work)
            _add_along(tiles.start, tiles.stop, self._work, known, along)
        return along if everything else self._reveal(self._straight(along))

    def _blocks(self) -> list[slice]:
        """Return the tiles that are worked on at a time."""
        return [slice(start, min(start + TILES, self._tiles)) for start in range(0, self._tiles, TILES)]

    def _straight(self, products: FloatArray) -> FloatArray:
        """Return coordinates along U, shape (J, m), from scalar products with it: orthonormal but for rounding."""
        m = products.shape[1]
        once = products @ self._askew[:m, :m]
        return np.asarray(products - once + once @ self._askew[:m, :m])

    def _reveal(self, along: FloatArray) -> FloatArray:
        """Draw the products of the pulls with the matrix; ``along`` are their coordinates along U, shape (J, m)."""
        m, n, J = self._m, self._n, len(along)
        _draw(self._lanes, self._rng, self._examples, self._work, J, self._work.shape[1])
        found = self._clear(along)
        along = found.taken
        squares = np.diag(found.gram) + np.sum(along**2, axis=1)
        factors = _factorise(found.gram[:, :J], squares)
        if factors is None:
            parts = self._straighten(squares)
            found = self._clear(np.zeros((J, m)))
            along = along + parts @ found.taken[: parts.shape[1]]
            mix = np.eye(parts.shape[1], J)
        else:
            mix, parts = factors
        new, count = len(mix), min(len(mix), self._inputs - n)
        self._m, self._n = m + new, n + count
        lengths = np.tril(self._rng.standard_normal((new, count)), -1)
        lengths[np.diag_indices(count)] = np.sqrt(self._rng.chisquare(self._inputs - n - np.arange(count)))
        self._coordinates[m : self._m, : self._n] = np.concatenate([mix @ found.right, lengths], axis=1)
        self._askew[m : self._m, :m] = mix @ found.left[:J]
        self._askew[:m, m : self._m] = self._askew[m : self._m, :m].T
        self._askew[m : self._m, m : self._m] = mix @ found.gram[:, :J] @ mix.T - np.eye(new)
        inner = np.concatenate([found.left[J : J + count], (mix @ found.gram[:, J : J + count]).T], axis=1)
        wanted = np.concatenate([np.zeros((count, m)), lengths.T], axis=1)
        self._pending = _Pending(self._work, np.ascontiguousarray(mix), self._straight(wanted - inner))
        known = self._coordinates[: self._m, : self._n]
        return np.asarray(along @ known[:m] + parts @ known[m:])

    def _clear(self, take: FloatArray) -> _Across:
        """Take from the pulls what they have along U, ``take`` and what that leaves; return what was taken and is left.

        One pass does where the scalar products with U that rounding leaves behind are small beside the lengths: then
        later coordinates are set right to second order.  Else there is a second one.
        """
        m, n, J = self._m, self._n, len(take)
        taken = np.zeros((J, m))
        while True:
            taken += take
            left, right = np.zeros((self._work.shape[1], m)), np.zeros((J, n))
            gram = np.zeros((J, len(left)))
            _take_and_multiply(np.ascontiguousarray(-take), self._work, self._left, self._right, left, right, gram)
            take = self._straight(left[:J])
            squares = np.diag(gram)
            new = squares > SAME**2 * (squares + np.sum(taken**2, axis=1))
            if not (np.abs(take) > ASKEW * np.sqrt(squares[:, None]))[new].any():
                return _Across(taken, left, right, gram)

    def _straighten(self, squares: FloatArray) -> FloatArray:
        """Replace pulls that all but depend on each other by orthonormal vectors, one after another, then zeros.

        Returns the coordinates of what they were along these, shape (J, new).
        """
        J, new = len(squares), 0
        pulls, parts = self._work[:, :J].swapaxes(0, 1).reshape(J, -1), np.zeros((J, J))
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
        pulls[new:] = 0.0
        self._work[:, :J] = pulls.reshape(J, self._tiles, self._size).swapaxes(0, 1)
        return parts[:, :new]


@kernel
def _draw(lanes, rng, examples, tiles, first, last):  # type: ignore[no-untyped-def]
    """Fill rows of tiles with normal numbers, in single precision as a network's inputs; with zeros beyond examples."""
    size = tiles.shape[2]
    numbers = np.empty((size // QUANTUM + 1) * QUANTUM, np.float32)
    for tile in range(len(tiles)):
        for k in range(first, last):
            fill(GAUSSIAN, lanes, rng, numbers)
            row = tiles[tile, k]
            for i in range(size):
                row[i] = numbers[i] if tile * size + i < examples else 0.0


@kernel
def _write(  # type: ignore[no-untyped-def]
    start, stop, work, mix, factors, left, m, right, n
):
    """Write the new directions, which are :class:`_Pending`, into the last rows of some tiles."""
    (new, J), count = mix.shape, factors.shape[0]
    for tile in range(start, stop):
        new_left, new_right = left[tile, m - new : m], right[tile, n - count : n]
        for k in range(new):
            for i in range(left.shape[2]):
                new_left[k, i] = 0.0
        add_combinations(mix, work[tile, :J], new_left)
        for k in range(count):
            for i in range(left.shape[2]):
                new_right[k, i] = work[tile, J + k, i]
        add_combinations(factors, left[tile, :m], new_right)


@kernel
def _add_fields(start, weights, right, fields):  # type: ignore[no-untyped-def]
    for tile in range(fields.shape[0]):
        add_combinations(weights, right[start + tile, : weights.shape[1]], fields[tile])


@kernel
def _put(answer, start, work):  # type: ignore[no-untyped-def]
    """Put rows of numbers, as many as they are, into tiles from one on."""
    size = work.shape[2]
    for k in range(answer.shape[0]):
        for i in range(answer.shape[1]):
            work[start + i // size, k, i % size] = answer[k, i]


@kernel
def _add_along(start, stop, work, known, along):  # type: ignore[no-untyped-def]
    J, m = along.shape
    for tile in range(start, stop):
        add_products(work[tile, :J], known[tile, :m], along)


@kernel
def _take_and_multiply(factors, work, left, right, leftward, rightward, gram):  # type: ignore[no-untyped-def]
    """Add combinations of the u to the pulls, and scalar products of the result as in :class:`_Across`."""
    (J, m), n = factors.shape, rightward.shape[1]
    for tile in range(len(work)):
        pulls = work[tile, :J]
        add_combinations(factors, left[tile, :m], pulls)
        add_products(work[tile], left[tile, :m], leftward)
        add_products(pulls, right[tile, :n], rightward)
        add_products(pulls, work[tile], gram)


def _factorise(gram: FloatArray, squares: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Return what makes vectors with these scalar products orthonormal, and their coordinates along the result.

    Their shapes are (new, J) and (J, new); vectors that bring nothing new are left out, ``squares`` being what their
    squared lengths were at first.  None where vectors depend on each other so nearly that scalar products do not tell
    their difference.
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
    mix = np.zeros(parts.T.shape)
    mix[:, kept] = np.linalg.inv(parts[kept]) if kept else 0.0
    return mix, parts
