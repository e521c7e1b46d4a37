"""Functions of a bidiagonal matrix by a contour, against its singular value decomposition."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tsmech.sims.bidiagonal.resolvent import ASIDE, _count_below, _ends, forms

SHAPES = [(1, 1.0), (2, 1.0), (3, 2.0), (90, 1.0), (200, 1.3)]


def draw(size, ratio, seed=0):
    """Return a bidiagonal matrix, three vectors, singular values and the components along right singular vectors."""
    rng = np.random.default_rng(seed)
    large = round(size * ratio)
    diagonal = np.sqrt(rng.chisquare(large - np.arange(size)) / large)
    beside = np.sqrt(rng.chisquare(size - 1 - np.arange(size - 1)) / large)
    vectors = rng.standard_normal((3, size))
    _, singular, right = np.linalg.svd(np.diag(diagonal) + np.diag(beside, 1))
    return diagonal, beside, vectors, singular, vectors @ right.T


@pytest.mark.parametrize(("size", "ratio"), SHAPES)
@pytest.mark.parametrize(
    ("functions", "steepness"),
    [
        ([lambda x: x**0, lambda x: x**0, lambda x: x**0], 0),
        ([lambda x: np.sqrt(x), lambda x: 1 / np.sqrt(x), lambda x: x], 1),
        ([lambda x: -np.exp(-x), lambda x: -np.expm1(-x) / x, lambda x: np.exp(-2 * x)], 10),
        ([lambda x: -np.exp(-50 * x), lambda x: -np.expm1(-50 * x) / x, lambda x: (1 - x / 4) ** 7], 200),
        ([lambda x: 0 * x, lambda x: 1 / x, lambda x: 1 / (x + 0.1)], 1),
    ],
)
def test_the_length_of_a_sum_of_functions(size, ratio, functions, steepness):
    """The contour is good to 1e-12; singular values to 1e-16 of the largest, magnified by the functions' steepness."""
    diagonal, beside, vectors, singular, components = draw(size, ratio)
    found = forms(diagonal, beside, vectors)
    at = singular**2
    parts = np.array([f(at) * x for f, x in zip(functions, components, strict=True)])
    expected, total = (parts.sum(axis=0) ** 2).sum(), (abs(parts).sum(axis=0) ** 2).sum()
    mine = found.square([f(found.nodes)[None] for f in functions])
    tolerance = 1e-12 + 1e-15 * (1 + steepness) * size * singular[0] / singular[-1]
    assert mine.shape == (1,)
    assert abs(mine[0] - expected) < tolerance * total


def test_few_or_many_vectors():
    diagonal, beside, vectors, _, _ = draw(20, 1.5)
    one = forms(diagonal, beside, vectors[:1])
    assert one.square([np.ones((1, one.nodes.size))])[0] == pytest.approx(vectors[0] @ vectors[0], rel=1e-12)
    four = forms(diagonal, beside, np.array([*vectors, vectors[0]]))
    ones = np.ones((1, four.nodes.size))
    assert four.square([ones, 0 * ones, 0 * ones, -ones])[0] == pytest.approx(0, abs=1e-11)


@pytest.mark.parametrize(("size", "ratio"), SHAPES)
def test_the_ends_enclose_the_spectrum_closely(size, ratio):
    diagonal, beside, _, singular, _ = draw(size, ratio)
    low, high = _ends(diagonal**2, beside**2)
    assert singular[-1] ** 2 * (1 - 2 * ASIDE) < low <= singular[-1] ** 2 * (1 + 1e-9)
    assert singular[0] ** 2 * (1 - 1e-14) <= high < singular[0] ** 2 * (1 + 2 * ASIDE)


@pytest.mark.parametrize(("size", "ratio"), SHAPES)
def test_negative_pivots_count_eigenvalues(size, ratio):
    diagonal, beside, _, singular, _ = draw(size, ratio)
    between = np.append(0.0, (singular[:-1] ** 2 + singular[1:] ** 2)[::-1] / 2)
    counts = [_count_below(diagonal**2, beside**2, x) for x in [*between, 10.0]]
    assert counts == list(range(size + 1))


def test_a_pivot_that_vanishes_does_no_harm():
    """The matrix (2 2; 2 5) has the eigenvalues 1 and 6, and the first pivot is 0 at 2."""
    q, e = np.array([2.0, 3.0]), np.array([2.0])
    assert [_count_below(q, e, x) for x in (0.99, 1.01, 2.0, 5.99, 6.01)] == [0, 1, 1, 1, 2]


def test_the_smallest_eigenvalue_keeps_its_digits():
    """A graded matrix: σ² = 1e-20 beside 1, of which SᵀS in floating point holds eight digits, keeps ten in 1/l²."""
    diagonal, beside = np.array([1.0, 1e-10]), np.array([1e-6])
    found = forms(diagonal, beside, np.array([[0.0, 1.0]]))
    # (SᵀS)⁻¹ = S⁻¹ S⁻ᵀ, and its square in the second element: 1e40 (1 + 1e-12).
    assert found.square([1 / found.nodes[None]])[0] == pytest.approx(1e40, rel=1e-11)


@pytest.mark.slow
def test_a_kernel_that_is_compiled_and_one_from_the_cache_give_the_same_bits(tmp_path):
    """The first process compiles, the second loads; the helpers of the inner loop are optimised with their caller."""
    code = """
import hashlib
import os
import subprocess
import sys

import numpy as np
from tsmech.sims.bidiagonal.resolvent import forms
rng = np.random.default_rng(0)
found = forms(1.0 + rng.random(200), rng.random(199), rng.standard_normal((2, 200)))
print(hashlib.sha256(found.weighted.tobytes()).hexdigest())
"""
    there = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    said = [subprocess.check_output([sys.executable, "-c", code], env=there, text=True) for _ in range(2)]
    assert said[0] == said[1]
    assert list(tmp_path.rglob("*.nbc")), "nothing was cached"
