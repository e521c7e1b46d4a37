"""Singular values with their own relative accuracy, and an interpreter that is free meanwhile."""

import numpy as np
import pytest
from scipy.linalg.lapack import dgejsv

from tsmech.errors import ConvergenceError
from tsmech.theory.spectra.jacobi import singular_values


@pytest.mark.parametrize("shape", [(1, 1), (60, 40), (50, 50)])
def test_values_are_those_of_scipys_own_wrapper(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(0).standard_normal(shape) * np.geomspace(1, 1e-150, shape[1])
    kept = matrix.copy()
    values, *_, work, _, _ = dgejsv(matrix, joba=2, jobu=3, jobv=3)
    np.testing.assert_array_equal(singular_values(matrix), np.sort(values * work[0] / work[1])[::-1])
    np.testing.assert_array_equal(matrix, kept)


def test_values_of_orthogonal_columns_are_their_lengths() -> None:
    """Where values reach from 1 to 1e-200, of which a usual decomposition keeps sixteen digits of the largest."""
    lengths = np.geomspace(1.0, 1e-200, 12)
    basis = np.linalg.qr(np.random.default_rng(1).standard_normal((30, 12)))[0]
    np.testing.assert_allclose(singular_values(basis * lengths), lengths, rtol=1e-13)


def test_what_lapack_refuses_is_an_error() -> None:
    with pytest.raises(ConvergenceError, match="2 x 3 matrix: LAPACK's gejsv says -8"):
        singular_values(np.ones((2, 3)))
