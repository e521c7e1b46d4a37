"""One-pass perceptrons: the chain, whose price does not see N, and the network."""

import numpy as np
import pytest

from tsmech.sims.online_perceptron import run_direct, run_reduced
from tsmech.theory.online_perceptron import follow


@pytest.mark.benchmark(group="a step of a one-pass perceptron")
@pytest.mark.parametrize("rule", ["perceptron", "optimal", "logistic"])
@pytest.mark.parametrize(("run", "dimension"), [(run_reduced, 1000), (run_reduced, 10**7), (run_direct, 1000)],
                         ids=["reduced-1e3", "reduced-1e7", "direct-1e3"])  # fmt: skip
def test_step(benchmark, rule, run, dimension):
    steps = 200_000 if run is run_reduced else 20_000
    times = np.array([0.0, steps / dimension])
    rng = np.random.default_rng(0)
    benchmark.pedantic(run, (rule, 1.0, 0.1, (1.0, 0.1), times, dimension, rng), rounds=3, warmup_rounds=1)
    if benchmark.stats:
        benchmark.extra_info["ns_per_step"] = benchmark.stats["min"] / steps * 1e9


@pytest.mark.benchmark(group="the equations of a one-pass perceptron to alpha = 1000")
@pytest.mark.parametrize("rule", ["perceptron", "optimal", "logistic"])
def test_theory(benchmark, rule):
    benchmark.pedantic(follow, (rule, 1.0, 0.1, (1.0, 0.1), np.array([0.0, 1000.0])), rounds=3)
