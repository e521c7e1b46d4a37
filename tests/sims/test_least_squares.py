"""Least squares and least norm against NumPy's singular values; what they are given stays unless it may be lost."""

import numpy as np
import pytest

from tsmech.sims.least_squares import least_norm, least_squares


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(9, 4), (5, 5), (70, 40)])
def test_solutions_are_those_of_singular_values(shape: tuple[int, int], order: str) -> None:
    rng = np.random.default_rng(0)
    A = np.asarray(rng.standard_normal(shape), order=order)
    kept = A.copy()
    for right, solve, expected in (
        (rng.standard_normal((shape[0], 2)), least_squares, np.linalg.pinv(A)),
        (rng.standard_normal((shape[1], 2)), least_norm, np.linalg.pinv(A.T)),
    ):
        found, pivots = solve(A, right)
        np.testing.assert_allclose(found, expected @ right, atol=1e-12)
        np.testing.assert_allclose(np.abs(pivots).prod(), np.sqrt(np.linalg.det(A.T @ A)), rtol=1e-9)
        np.testing.assert_array_equal(A, kept)
        lost, _ = solve(A.copy(order="F"), right, overwrite=True)
        np.testing.assert_array_equal(lost, found)


def test_columns_that_are_dependent_have_a_pivot_of_zero() -> None:
    A = np.zeros((4, 2))
    A[0, 0] = 1.0
    assert least_squares(A, np.ones((4, 1)))[1].tolist() in ([1.0, 0.0], [-1.0, 0.0])
