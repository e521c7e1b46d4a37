"""The binary perceptron at finite N: the census and the chain against plain sums, and equilibrium that is not there."""

import itertools
import math

import numpy as np
import pytest

from tsmech.sims import enumeration, ising_perceptron


def all_students(N):
    return np.array(list(itertools.product([-1, 1], repeat=N)))


@pytest.mark.parametrize(("P", "N"), [(1, 2), (3, 5), (9, 8), (14, 11)])
@pytest.mark.parametrize("temperature", [0.0, 0.4, 3.0])
def test_the_census_is_a_plain_sum(P, N, temperature):
    X = ising_perceptron.draw_examples(P, N, np.random.default_rng([P, N]))
    found = enumeration.census(X, temperature)
    students = all_students(N)
    errors = (students @ X.T.astype(np.int64) < 0).sum(axis=1)
    plus = (students == 1).sum(axis=1)
    counts = np.zeros((P + 1, N + 1), dtype=int)
    np.add.at(counts, (errors, plus), 1)
    np.testing.assert_array_equal(found.counts, counts)
    weights = np.exp(-errors / temperature) if temperature else (errors == 0) * 1.0
    np.testing.assert_allclose(found.means, weights @ students / weights.sum(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_exact_means_are_those_of_the_law(temperature):
    P, N = 7, 9
    found = ising_perceptron.enumerate_students(P, temperature, N, np.random.default_rng(3))
    X = ising_perceptron.draw_examples(P, N, np.random.default_rng(3)).astype(np.int64)
    students = all_students(N)
    errors = (students @ X.T < 0).sum(axis=1)
    weights = np.exp(-errors / temperature) if temperature else (errors == 0) * 1.0
    law = weights / weights.sum()
    cosines = students.mean(axis=1)
    kept = law > 0
    assert found["R"] == pytest.approx(law @ cosines)
    assert found["generalization_error"] == pytest.approx(law @ np.arccos(cosines) / math.pi)
    assert found["train_error"] == pytest.approx(law @ errors / P)
    assert found["entropy"] == pytest.approx(-(law[kept] @ np.log(law[kept])) / N)
    assert found["free_energy"] == pytest.approx(-temperature * math.log(weights.sum()) / N)
    assert found["q"] == pytest.approx(np.mean((law @ students) ** 2))


def test_the_teacher_has_no_error_and_sums_stay_small():
    for N in (2, 50, 2000):
        X = ising_perceptron.draw_examples(20, N, np.random.default_rng(N)).astype(np.int64)
        assert (X.sum(axis=1) >= 0).all()
        assert 2**27 <= np.abs(X).sum(axis=1).max() <= 2**29
        scaled = X / 2.0 ** np.round(np.log2(X.std()))
        assert scaled.std() == pytest.approx(1.0, rel=0.5)


def test_sweeps_are_metropolis():
    """The kernel beside a loop of plain Python on the same random numbers."""
    X = ising_perceptron.draw_examples(9, 7, np.random.default_rng(1))
    w = np.random.default_rng(2).choice(np.array([-1, 1], dtype=np.int32), 7)
    fields = (X @ w).astype(np.int32)
    chances = np.exp(-np.arange(10) / 0.8)
    cosines, errors, total = np.empty(30), np.empty(30), np.zeros(7)
    moved = w.copy()
    ising_perceptron.sweep(
        moved,
        fields.copy(),
        np.ascontiguousarray(2 * X.T),
        chances,
        30,
        np.random.default_rng(5),
        cosines,
        errors,
        total,
    )
    rng, plain, sums = np.random.default_rng(5), w.astype(np.int64), np.zeros(7)
    for step in range(30):
        for i in range(7):
            flipped = plain.copy()
            flipped[i] *= -1
            added = (X @ flipped < 0).sum() - (X @ plain < 0).sum()
            if added <= 0 or rng.random() < math.exp(-added / 0.8):
                plain = flipped
        sums += plain
        assert cosines[step] == plain.mean()
        assert errors[step] == (X @ plain < 0).sum()
    np.testing.assert_array_equal(moved, plain)
    np.testing.assert_array_equal(total, sums)


@pytest.mark.parametrize("temperature", [0.7, 2.0])
def test_the_chain_has_the_means_of_the_census(temperature):
    """One training set of N = 12: 20 000 sweeps against all 4096 students; five standard errors of the chain."""
    seed = 11
    example_stream = np.random.default_rng(seed).spawn(4)[0]
    X = ising_perceptron.draw_examples(10, 12, example_stream)
    exact = enumeration.census(X, temperature)
    weights = exact.counts * np.exp(-np.arange(11) / temperature)[:, None]
    expected = (weights.sum(axis=0) @ (np.arange(13) / 6 - 1)) / weights.sum()
    found = ising_perceptron.sample_students(10, temperature, 12, 20_000, "stable", np.random.default_rng(seed))
    spread = math.sqrt(2 * found["autocorrelation_time"] / 40_000) * 0.5
    assert found["equilibrated"] == 1
    assert found["R"] == pytest.approx(expected, abs=5 * spread)
    assert found["q"] == pytest.approx(np.mean(exact.means**2), abs=10 * spread)


def test_a_metastable_point_is_not_in_equilibrium():
    """T = 0.5, alpha = 1.75, between the transition (1.571) and the spinodal (1.903): two chains, two branches."""
    found = ising_perceptron.sample_students(350, 0.5, 200, 400, "stable", np.random.default_rng(1))
    assert found["equilibrated"] == 0
    assert found["R_teacher"] > 0.99
    assert found["R_random"] < 0.9
    below = ising_perceptron.sample_students(100, 1.0, 200, 400, "stable", np.random.default_rng(1))
    assert below["equilibrated"] == 1


def test_each_branch_has_its_chain():
    arguments = (350, 0.5, 200, 100)
    poor, perfect = (
        ising_perceptron.sample_students(*arguments, b, np.random.default_rng(1)) for b in ("poor", "perfect")
    )
    assert poor["R"] == poor["R_random"] == perfect["R_random"]
    assert perfect["R"] == perfect["R_teacher"]
    assert poor["q"] < perfect["q"]
