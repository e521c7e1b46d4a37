"""The binary perceptron: the census of 2^30 students, a sweep of Metropolis' method against NumPy and the machine.

The limit of a sweep is what it takes to read two arrays of P integers, add and compare: measured on the same arrays.
"""

import numpy as np
import pytest
from numba import njit

from tsmech.sims import enumeration, ising_perceptron, metropolis

N, P, SWEEPS = 256, 512, 200


@pytest.fixture
def state():
    rng = np.random.default_rng(0)
    X = ising_perceptron.draw_examples(P, N, rng)
    w = rng.choice(np.array([-1, 1], dtype=np.int32), N)
    return X, w, np.exp(-np.arange(P + 1.0)), rng


def note(benchmark, trials):
    if benchmark.stats:
        benchmark.extra_info["ns_per_trial_and_example"] = benchmark.stats["min"] / (trials * P) * 1e9


@pytest.mark.benchmark(group="flips of one weight times examples, N = 256, P = 512 (target: 20x NumPy)")
def test_kernel(benchmark, state):
    X, w, chances, rng = state
    doubled, fields = np.ascontiguousarray(2 * X.T), (X @ w).astype(np.int32)
    nothing, total = np.empty(0), np.zeros(N)
    arguments = (w, fields, doubled, chances, SWEEPS, rng, nothing, nothing, total)
    benchmark.pedantic(metropolis.sweep, arguments, rounds=3, warmup_rounds=1)
    note(benchmark, SWEEPS * N)


@pytest.mark.benchmark(group="flips of one weight times examples, N = 256, P = 512 (target: 20x NumPy)")
def test_numpy(benchmark, state):
    X, w, chances, rng = state
    doubled = np.ascontiguousarray(2 * X.T)

    def run():
        student, fields = w.copy(), (X @ w).astype(np.int32)
        for i in range(N):
            moved = fields - student[i] * doubled[i]
            added = np.count_nonzero(moved < 0) - np.count_nonzero(fields < 0)
            if added <= 0 or rng.random() < chances[added]:
                student[i], fields = -student[i], moved

    benchmark.pedantic(run, rounds=5, warmup_rounds=1)
    note(benchmark, N)


@njit
def _limit(fields, doubled, sweeps):
    wrong = 0
    for _ in range(sweeps):
        for i in range(doubled.shape[0]):
            for mu in range(fields.size):
                wrong += 1 if fields[mu] - doubled[i, mu] < 0 else 0
    return wrong


@pytest.mark.benchmark(group="flips of one weight times examples, N = 256, P = 512 (target: 20x NumPy)")
def test_limit(benchmark, state):
    X, w, _, _ = state
    arguments = ((X @ w).astype(np.int32), np.ascontiguousarray(2 * X.T), SWEEPS)
    benchmark.pedantic(_limit, arguments, rounds=3, warmup_rounds=1)
    note(benchmark, SWEEPS * N)


@pytest.mark.benchmark(group="all 2^30 students on 36 examples (target: < 20 s)")
def test_census(benchmark):
    X = ising_perceptron.draw_examples(36, 30, np.random.default_rng(1))
    enumeration.census(X[:, :10], 0.5)
    found = benchmark.pedantic(enumeration.census, (X, 0.5), rounds=1)
    assert found.counts.sum() == 2**30
