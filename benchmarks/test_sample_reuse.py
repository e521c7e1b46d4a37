"""Training on a stored training set, its peers with the same batches in the same run.

`extra_info` (in `--benchmark-json`) has nanoseconds per example and input component, of the epochs alone: what drawing
the training set takes is measured too and taken away.
"""

import math
import timeit

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tsmech.kernels.rule import Rule
from tsmech.kernels.schedules import constant
from tsmech.sims.sample_reuse import run_reduced, train
from tsmech.sims.two_layer.starts import embed, random_overlaps
from tsmech.theory.sample_reuse import mean_field

RATE, NOISE = 0.5, 0.1
K, M = 4, 2
EPOCHS = 10
GROUP = "K = 4, M = 2, erf, P = N = {}, {} epochs (peers: one), batch {} (target for batch 1: 2.5 ns, 10 x PyTorch)"


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def start(N):
    overlaps = random_overlaps(
        K, M, N, 1.0, teacher_rng=np.random.default_rng(0), student_rng=np.random.default_rng(1), orthonormal=True
    )
    W, B = embed(*overlaps, N, np.random.default_rng(2))
    return W, B, np.full(K, K**-0.5), np.full(M, M**-0.5)


def train_here(N, batch, epochs, order="without", stream="fast"):
    return train(
        *start(N), Rule("erf", "erf", constant(RATE), noise=NOISE, batch=batch), [epochs],
        examples=N, order=order, rng=np.random.default_rng(3), stream=stream,
    )  # fmt: skip


def training_set(N, B, A, rng):
    from scipy.special import erf

    X = rng.standard_normal((N, N)).astype(np.float32)
    return X, erf(X @ B.T / math.sqrt(2 * N)) @ A + NOISE * rng.standard_normal(N)


def batches(N, batch, epochs, rng):
    """Return the examples of each step, the same for all peers."""
    order = np.concatenate([rng.permutation(N) for _ in range(epochs)])
    return order[: order.size // batch * batch].reshape(-1, batch)


def train_in_numpy(W, X, y, v, steps):
    from scipy.special import erf

    w, N = W.copy(), W.shape[1]
    scale = 1.0 / math.sqrt(N)
    for chosen in steps:
        x = X[chosen]
        fields = x @ w.T * scale
        delta = erf(fields * math.sqrt(0.5)) @ v - y[chosen]
        pull = v * math.sqrt(2.0 / math.pi) * np.exp(-0.5 * fields**2) * delta[:, None]
        w -= RATE * scale / len(chosen) * pull.T @ x
    return w


def train_in_torch(W, X, y, v, steps, precision):
    import torch

    w, X, y, v = (torch.tensor(array, dtype=precision) for array in (W, X, y, v))
    steps = torch.tensor(steps)
    scale = 1.0 / math.sqrt(W.shape[1])
    with torch.no_grad():
        for chosen in steps:
            x = X[chosen]
            fields = x @ w.T * scale
            delta = torch.erf(fields * math.sqrt(0.5)) @ v - y[chosen]
            pull = v * math.sqrt(2.0 / math.pi) * torch.exp(-0.5 * fields**2) * delta[:, None]
            w.addmm_(pull.T, x, alpha=-RATE * scale / len(chosen))
    return w.numpy()


def note(benchmark, examples, N, overhead=0.0):
    if benchmark.stats is not None:  # None with --benchmark-disable
        each = 1e9 * (benchmark.stats.stats.min - overhead) / (examples * N)
        benchmark.extra_info["ns_per_example_and_input"] = each


@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("N", [1000, 4000])
def test_direct(benchmark, N, batch):
    benchmark.group = GROUP.format(N, EPOCHS, batch)
    overhead = min(timeit.repeat(lambda: train_here(N, batch, 0), number=1, repeat=6))
    run = benchmark.pedantic(train_here, (N, batch, EPOCHS), rounds=5, warmup_rounds=1)
    note(benchmark, EPOCHS * N, N, overhead)
    assert run.diverged_at is None


@pytest.mark.benchmark(group="storage and order: N = P = 1000, 10 epochs (ns per example and input in extra_info)")
@pytest.mark.parametrize("stream", ["fast", "numpy"])
@pytest.mark.parametrize("order", ["without", "with", "full"])
def test_storage(benchmark, order, stream):
    """Inputs in single precision ("fast") beside double; each round draws its training set, too."""
    N = 1000
    benchmark.pedantic(train_here, (N, 1, EPOCHS, order, stream), rounds=5, warmup_rounds=1)
    note(benchmark, EPOCHS * N, N)


@pytest.mark.parametrize("batch", [1, 32])
@pytest.mark.parametrize("N", [1000, 4000])
@pytest.mark.parametrize("peer", ["numpy", "torch in single precision", "torch in double precision"])
def test_peers(benchmark, N, batch, peer):
    """The same steps without drawing; a single epoch, so compare the ns in extra_info."""
    benchmark.group = GROUP.format(N, EPOCHS, batch)
    W, B, v, A = start(N)
    X, y = training_set(N, B, A, np.random.default_rng(3))
    steps = batches(N, batch, 1, np.random.default_rng(4))
    if peer == "numpy":
        benchmark.pedantic(train_in_numpy, (W, X, y, v, steps), rounds=3, warmup_rounds=1)
    else:
        torch = pytest.importorskip("torch")
        torch.set_num_threads(1)
        precision = torch.float32 if "single" in peer else torch.float64
        benchmark.pedantic(train_in_torch, (W, X, y, v, steps, precision), rounds=3, warmup_rounds=1)
    note(benchmark, steps.size, N)


# Large steps: two units each, erf

TWO = np.array([[0.35, 0.08], [0.08, 0.21]]), np.array([[0.3, 0.1], [0.0, 0.2]]), np.eye(2), np.ones(2), np.ones(2)
LARGE = Rule("erf", "erf", constant(0.3), noise=0.3)


def revealed(N, steps):
    P = 3 * N // 2
    return run_reduced(*TWO, LARGE, [steps], examples=P, dimension=N, order="full", rng=np.random.default_rng(0))


def full_steps_by_blas(N, steps):
    """Return the network's overlaps after full steps, by products with a stored matrix in double precision."""
    from scipy.special import erf

    P, rng = 3 * N // 2, np.random.default_rng(0)
    W, B = embed(*TWO[:3], N, rng)
    X = rng.standard_normal((P, N))
    y = erf(X @ B.T / math.sqrt(2 * N)).sum(axis=1) + 0.3 * rng.standard_normal(P)
    for _ in range(steps):
        fields = X @ W.T / math.sqrt(N)
        delta = erf(fields / math.sqrt(2)).sum(axis=1) - y
        pulls = math.sqrt(2 / math.pi) * np.exp(-0.5 * fields**2) * delta[:, None]
        W -= 0.3 * math.sqrt(N) / P * pulls.T @ X
    return W @ W.T / N


@pytest.mark.benchmark(group="N = 4000, P = 6000, 50 full steps (target: 15 x the network by BLAS)")
@pytest.mark.parametrize("what", ["reduced", "blas"])
def test_full_steps(benchmark, what):
    run = revealed if what == "reduced" else full_steps_by_blas
    benchmark.pedantic(run, args=(4000, 50), rounds=3)


@pytest.mark.benchmark(
    group="reduced, P = 1.5 N (targets: N = 60 000, 50 steps < 1 s; N = 10^6, 30 steps < 20 s, < 2 GiB)"
)
@pytest.mark.parametrize(("N", "steps"), [(60_000, 50), (1_000_000, 30)])
def test_large_revealed_networks(benchmark, N, steps):
    benchmark.pedantic(revealed, args=(N, steps), rounds=2 if N < 100_000 else 1)


@pytest.mark.benchmark(group="mean-field theory to 0.1 % (targets: 50 steps < 1.5 s, 100 steps < 4 s)")
@pytest.mark.parametrize("steps", [50, 100])
def test_mean_field_theory(benchmark, steps):
    at = np.linspace(0, steps, 6).astype(int)
    found = benchmark.pedantic(lambda: mean_field(*TWO, LARGE, at, alpha=1.5, rng=np.random.default_rng(0)), rounds=2)
    test = found.generalization_error + 0.045
    benchmark.extra_info["standard_error"] = float(np.max(test.std(axis=0, ddof=1) / math.sqrt(8) / test.mean(axis=0)))
    benchmark.extra_info["paths"] = found.paths
