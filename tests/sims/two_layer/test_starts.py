"""Where students and teachers of two layers start: the law of their overlaps, at any dimension."""

import math

import numpy as np
import pytest
from scipy import stats

from tsmech.sims.two_layer.starts import (
    random_overlaps,
    random_student,
    random_teacher,
    semidefinite_factor,
)


@pytest.mark.slow
def test_random_overlaps_have_the_law_of_random_networks():
    """Two-sample tests of all kinds of overlaps at N = 12; a Bartlett factor of N + 1 instead is noticed."""
    K, M, N, count = 2, 2, 12, 4000

    def from_networks(i):
        rng = np.random.default_rng((7, i))
        W, B = random_student(K, N, 0.5, rng), random_teacher(M, N, rng)
        return W @ W.T / N, W @ B.T / N, B @ B.T / N

    def from_overlaps(i, dimension=N):
        teacher, student = np.random.default_rng((8, i)).spawn(2)
        overlaps = random_overlaps(K, M, dimension, 0.5, teacher_rng=teacher, student_rng=student)
        return [x * dimension / N for x in overlaps]

    def values(draw):
        draws = [draw(i) for i in range(count)]
        return {
            "Q00": [Q[0, 0] for Q, _, _ in draws],
            "Q11": [Q[1, 1] for Q, _, _ in draws],
            "Q01": [Q[0, 1] for Q, _, _ in draws],
            "R": [R[1, 0] for _, R, _ in draws],
            "T00": [T[0, 0] for _, _, T in draws],
            "T01": [T[0, 1] for _, _, T in draws],
            "cos": [R[0, 0] / math.sqrt(Q[0, 0] * T[0, 0]) for Q, R, T in draws],
            "det": [np.linalg.det(Q - R @ np.linalg.solve(T, R.T)) for Q, R, T in draws],
        }

    networks, overlaps = values(from_networks), values(from_overlaps)
    wrong = values(lambda i: from_overlaps(i, N + 1))
    assert min(stats.ks_2samp(networks[x], overlaps[x]).pvalue for x in networks) > 1e-4
    assert min(stats.ks_2samp(networks[x], wrong[x]).pvalue for x in networks) < 1e-4


@pytest.mark.parametrize("N", [10**3, 10**7])
def test_random_overlaps_at_any_dimension(N):
    Q, R, T = random_overlaps(
        3, 2, N, 0.1, teacher_rng=np.random.default_rng(0), student_rng=np.random.default_rng(1), orthonormal=True
    )
    np.testing.assert_array_equal(T, np.eye(2))
    np.testing.assert_allclose(Q / 0.01, np.eye(3), atol=6 * math.sqrt(2 / N))
    assert np.all(np.abs(R) <= 0.6 / math.sqrt(N))


@pytest.mark.parametrize("orthonormal", [False, True])
def test_random_teachers(orthonormal):
    B = random_teacher(3, 5000, np.random.default_rng(0), orthonormal=orthonormal)
    T = B @ B.T / 5000
    np.testing.assert_allclose(T, np.eye(3), atol=1e-13 if orthonormal else 6 * math.sqrt(2 / 5000))


def test_graded_overlaps_keep_their_small_rows():
    small = np.array([[1.0, 1e-12, 0.0], [1e-12, 4e-24, 1e-24], [0.0, 1e-24, 1e-20]])
    factor = semidefinite_factor(small)
    scale = np.sqrt(np.diag(small))
    np.testing.assert_allclose(factor @ factor.T / np.outer(scale, scale), small / np.outer(scale, scale), atol=1e-14)
