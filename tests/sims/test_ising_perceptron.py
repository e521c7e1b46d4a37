"""The binary perceptron at finite N: the census and the chain against plain sums, and equilibrium that is not there."""

import itertools
import math

import numpy as np
import pytest

from tsmech.sims import enumeration, ising_perceptron, metropolis, tempering


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
    metropolis.sweep(
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


def gibbs(counts, beta):
    """The law of the errors at an inverse temperature, from a census."""
    energies = np.arange(len(counts))
    return counts * np.where(energies > 0, np.exp(-beta * np.maximum(energies, 1)), 1.0)


@pytest.mark.parametrize("temperature", [0.0, 0.2])
def test_a_ladder_has_the_law_of_the_census(temperature):
    """One training set of N = 12: errors at all temperatures, coldest students, free energy.

    Twelve runs, five of their standard errors (Student's law: 4e-4); the laws of neighbours on the ladder are refused.
    """
    X = ising_perceptron.draw_examples(9, 12, np.random.default_rng(2))
    exact = enumeration.census(X, temperature)
    betas = tempering.ladder(X, temperature, np.random.default_rng(3))
    assert betas[0] == (math.inf if temperature == 0 else 1 / temperature)
    assert betas[-1] == 0
    assert (np.diff(betas) < 0).all()
    start = np.ones((betas.size, 12), dtype=np.int32)
    runs = [tempering.temper(X, start, betas, (100, 1000), np.random.default_rng([4, k])) for k in range(12)]
    laws = np.array([gibbs(exact.counts.sum(axis=1), beta) for beta in betas])
    energies = np.arange(10.0)
    expected = laws @ energies / laws.sum(axis=1)

    def apart(values, truth):
        return np.abs(np.mean(values, axis=0) - truth) / np.maximum(np.std(values, axis=0) / math.sqrt(11), 1e-12)

    found = [run.counts @ energies / 1000 for run in runs]
    assert apart(found, expected).max() < 5
    assert apart(found, np.roll(expected, 1)).min() > 5
    assert apart([run.mean for run in runs], exact.means).max() < 5
    free = [tempering.log_partition(betas, run.counts, 12) for run in runs]
    assert apart(free, math.log(laws[0].sum())) < 5
    assert np.std(free) < 0.05 * 12  # of one run; of a log Z between 0 and 12 ln 2


def test_the_free_energy_follows_from_histograms_without_error_where_they_have_none():
    """Histograms in proportion to the law itself; with an error at T = 0, or nothing in common, there is none."""
    counts = np.array([3, 20, 70, 120, 43])  # 2^8 students
    betas = np.array([math.inf, 4.0, 1.5, 0.5, 0.0])
    laws = np.array([gibbs(counts, beta) / gibbs(counts, beta).sum() for beta in betas])
    histograms = np.rint(laws * 1e12).astype(np.int64)
    assert tempering.log_partition(betas, histograms, 8) == pytest.approx(math.log(3), abs=1e-9)
    assert tempering.log_partition(betas[1:], histograms[1:], 8) == pytest.approx(
        math.log(gibbs(counts, 4.0).sum()), abs=1e-9
    )
    with_error = histograms.copy()
    with_error[0, 1] = 1
    assert math.isnan(tempering.log_partition(betas, with_error, 8))
    nothing_common = histograms.copy()
    nothing_common[1, 0] = 0
    assert math.isnan(tempering.log_partition(betas, nothing_common, 8))


def test_a_ladder_equilibrates_what_as_many_sweeps_of_one_chain_do_not():
    """T = 0, alpha = 0.6, N = 40, five training sets."""
    both = []
    for seed in range(5):
        tempered = ising_perceptron.temper_students(24, 0.0, 40, 1000, np.random.default_rng(seed))
        sweeps = 1000 * int(tempered["temperatures"])
        plain = ising_perceptron.sample_students(24, 0.0, 40, sweeps, "stable", np.random.default_rng(seed))
        both.append((tempered["equilibrated"], plain["equilibrated"]))
        assert tempered["train_error"] == 0
        assert 0.05 < tempered["entropy"] < math.log(2)
    tempered, plain = np.sum(both, axis=0)
    assert tempered >= 4
    assert plain <= 2


def test_a_ladder_does_not_cross_the_transition_and_says_so():
    """T = 0.2, alpha = 1.5, N = 100: between transition (1.263) and spinodal (1.516), as for one chain."""
    found = ising_perceptron.temper_students(150, 0.2, 100, 200, np.random.default_rng(1))
    assert found["equilibrated"] == 0
    assert found["R_teacher"] > 0.99
    assert found["R_random"] < 0.9


def test_each_branch_has_its_chain():
    arguments = (350, 0.5, 200, 100)
    poor, perfect = (
        ising_perceptron.sample_students(*arguments, b, np.random.default_rng(1)) for b in ("poor", "perfect")
    )
    assert poor["R"] == poor["R_random"] == perfect["R_random"]
    assert perfect["R"] == perfect["R_teacher"]
    assert poor["q"] < perfect["q"]
