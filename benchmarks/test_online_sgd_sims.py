"""Online SGD simulated: the chain, the network, their peers in the same run, and what the machine could do at best.

`pytest benchmarks/test_online_sgd_sims.py --benchmark-group-by=group` prints each group with ratios to its fastest
member; `extra_info` (in `--benchmark-json`) has nanoseconds per step, or per step and weight column.
"""

import math

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tsmech.kernels.jit import kernel
from tsmech.kernels.rule import Rule
from tsmech.kernels.schedules import constant
from tsmech.sims.online_sgd import run_direct, run_reduced
from tsmech.sims.streams import GAUSSIAN, fill, no_lanes, seed_lanes
from tsmech.sims.two_layer.blocks import BLOCK, add_gram, add_products, add_pushes
from tsmech.sims.two_layer.starts import embed, random_overlaps

RATE, NOISE = 0.5, 0.1
RULE = Rule("erf", "erf", constant(RATE), noise=NOISE)
DIRECT = "direct, K = 4, M = 2, erf, N = {} (target: 1.2 ns per step and column; 10 x NumPy, 15 x and 30 x PyTorch)"


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def start(K, M, N):
    overlaps = random_overlaps(
        K, M, N, 1.0, teacher_rng=np.random.default_rng(0), student_rng=np.random.default_rng(1), orthonormal=True
    )
    return *overlaps, np.full(K, K**-0.5), np.full(M, M**-0.5)


def measure(benchmark, function, arguments, per, unit="ns_per_step", rounds=10, options=None):
    """Run a benchmark and note its least time divided by ``per``."""
    result = benchmark.pedantic(function, arguments, options or {}, rounds=rounds, warmup_rounds=1)
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info[unit] = 1e9 * benchmark.stats.stats.min / per
    return result


# The chain -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("N", [10**3, 10**5, 10**7])
@pytest.mark.parametrize(("K", "M", "target"), [(4, 2, 150), (10, 10, 3000)])
def test_reduced(benchmark, K, M, target, N):
    benchmark.group = f"100 000 steps of the reduced chain, K = {K}, M = {M} (target: {target / 10:.0f} ms)"
    steps = 100_000
    options = {"rule": RULE, "alphas": [steps / N], "dimension": N, "rng": np.random.default_rng(2)}
    run = measure(benchmark, run_reduced, start(K, M, N), steps, options=options)
    assert run.diverged_at is None


@pytest.mark.benchmark(group="N = 100 000, K = 4, M = 2: 128 000 steps reduced, 512 direct (target: 500 x per step)")
@pytest.mark.parametrize("answer", ["reduced", "direct"])
def test_reduced_against_direct(benchmark, answer):
    """Each takes steps enough to make its start negligible; compare the ns in extra_info."""
    N = 100_000
    Q, R, T, v, A = start(4, 2, N)
    rng = np.random.default_rng(2)
    if answer == "reduced":
        steps = 128_000
        options = {"rule": RULE, "alphas": [steps / N], "dimension": N, "rng": rng}
        measure(benchmark, run_reduced, (Q, R, T, v, A), steps, options=options)
    else:
        steps = 512
        W, B = embed(Q, R, T, N, rng)
        options = {"rule": RULE, "alphas": [steps / N], "rng": rng}
        measure(benchmark, run_direct, (W, B, v, A), steps, options=options, rounds=3)


# The network and its peers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("N", [2000, 10_000])
def test_direct(benchmark, N):
    benchmark.group = DIRECT.format(N)
    steps = 20_000_000 // N
    Q, R, T, v, A = start(4, 2, N)
    rng = np.random.default_rng(2)
    W, B = embed(Q, R, T, N, rng)
    options = {"rule": RULE, "alphas": [steps / N], "rng": rng}
    run = measure(benchmark, run_direct, (W, B, v, A), steps * N, "ns_per_step_and_column", 5, options)
    assert run.diverged_at is None


@pytest.mark.benchmark(group="direct, other inputs and sizes (ns per step and column in extra_info)")
@pytest.mark.parametrize(
    ("N", "K", "M", "inputs", "batch"),
    [
        (500, 4, 2, "gaussian", 1),
        (100_000, 4, 2, "gaussian", 1),
        (1_000_000, 4, 2, "gaussian", 1),
        (2000, 10, 10, "gaussian", 1),
        (2000, 4, 2, "binary", 1),
        (2000, 4, 2, "uniform", 1),
        (2000, 4, 2, "gaussian", 64),
    ],
)
def test_direct_elsewhere(benchmark, N, K, M, inputs, batch):
    steps = max(20_000_000 // (N * batch), 128)
    Q, R, T, v, A = start(K, M, N)
    rng = np.random.default_rng(2)
    W, B = embed(Q, R, T, N, rng)
    options = {"rule": RULE._replace(batch=batch), "alphas": [steps * batch / N], "rng": rng, "inputs": inputs}
    measure(benchmark, run_direct, (W, B, v, A), steps * batch * N, "ns_per_step_and_column", 3, options)


def train_in_numpy(W, B, v, A, steps, rng):
    from scipy.special import erf

    w, N = W.copy(), W.shape[1]
    scale = 1.0 / math.sqrt(N)
    for _ in range(steps):
        x = rng.standard_normal(N)
        fields = w @ x * scale
        label = A @ erf(B @ x * (scale * math.sqrt(0.5))) + NOISE * rng.standard_normal()
        delta = v @ erf(fields * math.sqrt(0.5)) - label
        step = RATE * scale * delta * v * math.sqrt(2.0 / math.pi) * np.exp(-0.5 * fields**2)
        w -= np.multiply.outer(step, x)
    return w


def train_in_torch(W, B, v, A, steps, automatic):
    import torch

    w, b, v, A = (torch.tensor(x) for x in (W, B, v, A))
    w.requires_grad_(automatic)
    N = W.shape[1]
    scale = 1.0 / math.sqrt(N)
    with torch.set_grad_enabled(automatic):
        for _ in range(steps):
            x = torch.randn(N, dtype=torch.float64)
            fields = w @ x * scale
            label = A @ torch.erf(b @ x * (scale * math.sqrt(0.5))) + NOISE * torch.randn((), dtype=torch.float64)
            delta = v @ torch.erf(fields * math.sqrt(0.5)) - label
            if automatic:
                (0.5 * delta**2).backward()
                with torch.no_grad():
                    w -= RATE * w.grad
                w.grad = None
            else:
                step = RATE * scale * delta * v * math.sqrt(2.0 / math.pi) * torch.exp(-0.5 * fields**2)
                w -= torch.outer(step, x)
    return w.detach().numpy()


@pytest.mark.parametrize("N", [2000, 10_000])
@pytest.mark.parametrize("peer", ["numpy", "torch", "torch_autograd"])
def test_direct_peers(benchmark, N, peer):
    """One example at a time, each in a tenth of the steps of :func:`test_direct`."""
    benchmark.group = DIRECT.format(N)
    steps = 2_000_000 // N
    Q, R, T, v, A = start(4, 2, N)
    rng = np.random.default_rng(2)
    W, B = embed(Q, R, T, N, rng)
    if peer == "numpy":
        function, arguments = train_in_numpy, (W, B, v, A, steps, rng)
    else:
        torch = pytest.importorskip("torch")
        torch.set_num_threads(1)
        function, arguments = train_in_torch, (W, B, v, A, steps, peer == "torch_autograd")
    measure(benchmark, function, arguments, steps * N, "ns_per_step_and_column", rounds=3)


# What the machine can do ---------------------------------------------------------------------------------------


@kernel
def fill_repeatedly(lanes, rng, out, times):
    for _ in range(times):
        fill(GAUSSIAN, lanes, rng, out)


@kernel
def multiply_repeatedly(weights, inputs, fields, times):
    for _ in range(times):
        add_products(weights, inputs, fields)


@kernel
def take_gram_repeatedly(inputs, gram, times):
    for _ in range(times):
        add_gram(inputs, gram)


@kernel
def push_repeatedly(student, pushes, inputs, times):
    for _ in range(times):
        add_pushes(student, 1.0, 1.0, pushes, inputs)


@pytest.mark.benchmark(group="one million normal numbers")
@pytest.mark.parametrize("source", ["lanes", "generator in a kernel", "generator"])
def test_normals(benchmark, source):
    rng = np.random.default_rng(0)
    count = 1_048_576
    lanes = seed_lanes(rng) if source == "lanes" else no_lanes()
    out = np.empty(16 * BLOCK * 128, dtype=np.float32)
    if source == "generator":
        measure(benchmark, lambda: rng.standard_normal(count), (), count, "ns_each")
    else:
        measure(benchmark, fill_repeatedly, (lanes, rng, out, count // out.size), count, "ns_each")


@kernel
def horner(x, out, times):
    """33 fused multiply-adds for each number, with nothing else to wait for."""
    for _ in range(times):
        for i in range(x.size):
            total = x[i]
            for _ in range(33):
                total = total * x[i] + x[i]
            out[i] = total


@pytest.mark.benchmark(group="fused multiply-adds: 33 x 2048 numbers, 1000 times")
@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_multiply_adds(benchmark, precision):
    x = np.full(2048, 0.5, dtype=precision)
    out = np.empty_like(x)

    measure(benchmark, horner, (x, out, 1000), 33 * 2048 * 1000, "ns_each")


@kernel
def scale(x):
    for i in range(x.size):
        x[i] *= 1.0000001


@pytest.mark.benchmark(group="memory: 128 MB read and written in pieces")
@pytest.mark.parametrize("megabytes", [0.5, 8, 128])
def test_memory(benchmark, megabytes):
    """GB/s in extra_info, reading and writing counted once each."""
    x = np.ones(int(megabytes * 2**17))
    times = int(128 / megabytes)

    def run():
        for _ in range(times):
            scale(x)

    measure(benchmark, run, (), 1, "ns")
    if benchmark.stats is not None:
        benchmark.extra_info["GB_per_s"] = 2 * x.nbytes * times / benchmark.extra_info.pop("ns")


@pytest.mark.benchmark(group="parts of the network: one strip of 2000 columns, 1000 blocks of 8 examples")
@pytest.mark.parametrize("part", ["draw", "fields", "gram", "steps"])
def test_parts(benchmark, part):
    """The sum of the four is what :func:`test_direct` would take without its rule and without waiting for weights."""
    rng = np.random.default_rng(0)
    N, K, M = 2000, 4, 2
    lanes = seed_lanes(rng)
    flat = np.zeros(BLOCK * N // 128 * 128, dtype=np.float32)
    fill(GAUSSIAN, lanes, rng, flat)
    inputs = np.zeros((BLOCK, N), dtype=np.float32)
    inputs.ravel()[: flat.size] = flat
    weights, fields = rng.standard_normal((K + M, N)), np.zeros((K + M, BLOCK))
    gram, pushes = np.zeros((BLOCK, BLOCK)), np.zeros((K, BLOCK), dtype=np.float32)
    times = 1000
    call, arguments = {
        "draw": (fill_repeatedly, (lanes, rng, flat, times)),
        "fields": (multiply_repeatedly, (weights, inputs, fields, times)),
        "gram": (take_gram_repeatedly, (inputs, gram, times)),
        "steps": (push_repeatedly, (weights[:K], pushes, inputs, times)),
    }[part]
    measure(benchmark, call, arguments, times * BLOCK * N, "ns_per_step_and_column")
