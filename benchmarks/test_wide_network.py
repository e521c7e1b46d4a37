"""Wide networks: steps of gradient descent against PyTorch on the CPU, one thread each."""

import itertools
import math

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tsmech.sims.wide_network import Architecture, Data, Training, train
from tsmech.theory.network_kernel import network_kernel

STEPS, DIMENSION = 200, 20
SIZES = [(64, 50), (512, 200)]
GROUP = "Network of {} units, P = {}, 200 steps (target: {})"
TARGETS = {64: "3 x PyTorch", 512: "no slower than PyTorch"}


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def examples(P):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((P, DIMENSION))
    return X, X @ rng.standard_normal(DIMENSION) / math.sqrt(DIMENSION)


@pytest.mark.benchmark
@pytest.mark.parametrize(("width", "P"), SIZES)
def test_direct(benchmark, width, P):
    """All that is reported at both ends of training counted."""
    benchmark.group = GROUP.format(width, P, TARGETS[width])
    X, y = examples(P)
    shape = Architecture(DIMENSION, width, 2, "erf", 1.5, 0.1)
    data = Data(np.concatenate([X, X[:1]]), y, y[:1], 1)
    training = Training(np.array([0.1 * STEPS]), 1.0, False, 0.1)
    limit = network_kernel(data.inputs, X, hidden_layers=2, activation="erf", weight_variance=1.5, bias_variance=0.1)
    found = benchmark.pedantic(
        train, (shape, data, training, limit, np.random.default_rng(1)), rounds=5, warmup_rounds=1
    )
    benchmark.extra_info["us per step"] = 1e6 * benchmark.stats.stats.min / STEPS
    assert found.diverged_at is None


@pytest.mark.benchmark
@pytest.mark.parametrize(("width", "P"), SIZES)
def test_torch(benchmark, width, P):
    benchmark.group = GROUP.format(width, P, TARGETS[width])
    torch = pytest.importorskip("torch", reason="PYTORCH IS NOT INSTALLED: the targets against it are NOT measured")
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    inputs, labels = (torch.tensor(part) for part in examples(P))
    sizes = [DIMENSION, width, width, 1]

    def steps():
        layers = []
        for fan, out in itertools.pairwise(sizes):
            layers.append((torch.randn(out, fan, requires_grad=True), torch.randn(out, requires_grad=True), fan))
        optimiser = torch.optim.SGD([part for W, b, _ in layers for part in (W, b)], lr=0.1)
        for _ in range(STEPS):
            h = inputs
            for i, (W, b, fan) in enumerate(layers):
                h = math.sqrt(1.5 / fan) * (h @ W.T) + math.sqrt(0.1) * b
                h = torch.erf(h * math.sqrt(0.5)) if i < 2 else h
            loss = ((h[:, 0] - labels) ** 2).mean() / 2
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    benchmark.pedantic(steps, rounds=5, warmup_rounds=1)
    benchmark.extra_info["us per step"] = 1e6 * benchmark.stats.stats.min / STEPS
