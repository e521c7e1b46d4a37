"""The network and its reduction have one law: two-sample tests of overlaps, with negative controls."""

import numpy as np
import pytest
from scipy import stats

from tests.sims.online import rule, run_direct, run_reduced, start
from tsmech.kernels.schedules import constant
from tsmech.sims.two_layer.starts import embed

OBSERVED = {
    "Q00": lambda run: run.Q[:, 0, 0],
    "Q01": lambda run: run.Q[:, 0, 1],
    "R00": lambda run: run.R[:, 0, 0],
    "R11": lambda run: run.R[:, 1, 1],
    "v1": lambda run: run.v[:, 1],
}


def samples(count, seed, simulate):
    runs = [simulate(np.random.default_rng((seed, i))) for i in range(count)]
    return {name: np.array([value(run) for run in runs]) for name, value in OBSERVED.items()}


def least_p(one, other):
    """Return the smallest p-value of two-sample tests over observables and times, times their number (Bonferroni)."""
    values = [
        stats.ks_2samp(one[name][:, t], other[name][:, t]).pvalue
        for name in OBSERVED
        for t in range(one[name].shape[1])
    ]
    return min(values) * len(values)


LAW = rule("erf", rate=1.0, second_layer_rate=0.3, noise=0.3, weight_decay=0.1)


@pytest.mark.parametrize("N", [50, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "batch", [1, pytest.param(4, marks=pytest.mark.slow), pytest.param(12, marks=pytest.mark.slow)]
)
def test_direct_and_reduced_have_one_law(N, batch):
    """From one start, with a negative control: 5 % more learning rate in the reduced chain is noticed."""
    Q, R, T, v, A = start(N=N)
    W, B = embed(Q, R, T, N, np.random.default_rng(3))
    options = LAW | {"alphas": [0.5, 2.0, 8.0], "batch": batch}
    direct = samples(1000, 1, lambda rng: run_direct(W, B, v, A, rng=rng, **options))

    def reduced(seed, **changed):
        return samples(1000, seed, lambda rng: run_reduced(Q, R, T, v, A, dimension=N, rng=rng, **options | changed))

    assert least_p(direct, reduced(2)) > 1e-3
    assert least_p(direct, reduced(3, schedule=constant(1.05))) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("N", [4, 6, 11])
def test_one_law_where_few_directions_are_left(N):
    """K + M = 4 is the least dimension; 6 and 11 have fewer directions outside than a block has examples.

    A chain that takes its rest from one dimension more is noticed at N = 4.
    """
    Q, R, T, v, A = start(K=2, N=N)
    W, B = embed(Q, R, T, N, np.random.default_rng(3))
    options = LAW | {"alphas": [1.0, 4.0, 16.0]}
    direct = samples(1000, 1, lambda rng: run_direct(W, B, v, A, rng=rng, **options))
    reduced = samples(1000, 2, lambda rng: run_reduced(Q, R, T, v, A, dimension=N, rng=rng, **options))
    assert least_p(direct, reduced) > 1e-3
    if N == 4:
        # η/N, κ/N and η_v/N as before, but χ² with one degree of freedom outside the weights instead of none
        ratio = (N + 1) / N
        wrong = rule(
            "erf",
            rate=ratio,
            second_layer_rate=0.3 * ratio,
            noise=0.3,
            weight_decay=0.1 * ratio,
            alphas=[0.8, 3.2, 12.8],
        )
        other = samples(1000, 3, lambda rng: run_reduced(Q, R, T, v, A, dimension=N + 1, rng=rng, **wrong))
        assert least_p(direct, other) < 1e-3


@pytest.mark.slow
def test_large_batches_have_one_law_where_few_directions_are_left():
    """Steps spread over blocks, with fewer directions outside the weights than students."""
    Q, R, T, v, A = start(K=3, N=7)
    W, B = embed(Q, R, T, 7, np.random.default_rng(3))
    options = LAW | {"alphas": [4.0, 16.0, 64.0], "batch": 20}
    direct = samples(1000, 1, lambda rng: run_direct(W, B, v, A, rng=rng, **options))
    reduced = samples(1000, 2, lambda rng: run_reduced(Q, R, T, v, A, dimension=7, rng=rng, **options))
    assert least_p(direct, reduced) > 1e-3


def test_inputs_matter_at_small_dimension():
    """Binary inputs have x² = N exactly: the law of Q differs from that of Gaussian inputs at N = 10."""
    Q, R, T, v, A = start(K=2, N=10)
    W, B = embed(Q, R, T, 10, np.random.default_rng(3))
    options = LAW | {"alphas": [1.0, 4.0]}
    gaussian, binary = (
        samples(500, 1, lambda rng, x=x: run_direct(W, B, v, A, rng=rng, inputs=x, **options))
        for x in ("gaussian", "binary")
    )
    assert least_p(gaussian, binary) < 1e-3
