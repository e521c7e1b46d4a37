"""Gradient descent: the price of a learning curve, and the reduction against dense algebra at the same N and alpha.

`pytest benchmarks/test_gradient_flow.py --benchmark-group-by=group` prints each group with ratios to its fastest.
"""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tsmech.sims import gradient_flow as simulation
from tsmech.theory import gradient_flow as theory
from tsmech.theory.gradient_flow import stopping as gradient_flow_stopping
from tsmech.theory.spectra import power_law

NOISE, DIMENSION = 0.5, 2000
ALPHAS = [0.5, 1.0, 2.0]
TIMES = np.geomspace(0.01, 100, 100)
LONG = np.append(np.geomspace(0.01, 1e6, 99), np.inf)
SPANS = {"early": TIMES, "late": np.geomspace(100, 1e6, 100), "from 0.01 to infinity": LONG}


@pytest.fixture(autouse=True)
def one_core():
    """Linear algebra on one core on both sides, as in a worker: what contention does to its threads is no result."""
    with threadpool_limits(1):
        yield


def agrees(errors, times, alpha=1.0, dimension=DIMENSION):
    """Fluctuations are of order 1/√N, and at late times 1/√N of an error that a few small eigenvalues dominate."""
    expected = theory.learning_curve(times, alpha, NOISE)["generalization_error"]
    return np.abs(errors / expected - 1)[times < 50].max(initial=0.0) < 10 / np.sqrt(dimension)


def draw_training_set(alpha):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((round(alpha * DIMENSION), DIMENSION))
    b = np.ones(DIMENSION)
    return X, b, X @ b / np.sqrt(DIMENSION) + NOISE * rng.standard_normal(len(X))


def follow_dense(X, b, y, times):
    """Form the covariance and diagonalise it: what the reduction is measured against, without the time of the draw."""
    modes, vectors = np.linalg.eigh(X.T @ X / len(X))
    modes = np.maximum(modes, 1e-13)
    target = vectors.T @ (X.T @ y * (np.sqrt(DIMENSION) / len(X)))
    w = (-np.expm1(-np.multiply.outer(times, modes)) / modes * target) @ vectors.T
    return ((w - b) ** 2).mean(axis=1) / 2


@pytest.mark.parametrize("span", SPANS)
@pytest.mark.parametrize("alpha", ALPHAS)
def test_reduced(benchmark, alpha, span):
    benchmark.group = f"one student at 100 times, N = 2000, alpha = {alpha:g}"
    rng, times = np.random.default_rng(0), SPANS[span]
    draw = benchmark.pedantic(
        simulation.draw_reduced, (times, alpha, NOISE, DIMENSION, rng), rounds=20, warmup_rounds=1
    )
    assert agrees(draw["generalization_error"], times, alpha)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_dense_eigenvectors(benchmark, alpha):
    benchmark.group = f"one student at 100 times, N = 2000, alpha = {alpha:g}"
    errors = benchmark.pedantic(follow_dense, (*draw_training_set(alpha), TIMES), rounds=2)
    assert agrees(errors, TIMES, alpha)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_dense_eigenvalues_alone(benchmark, alpha):
    benchmark.group = f"one student at 100 times, N = 2000, alpha = {alpha:g}"
    X, _, _ = draw_training_set(alpha)
    benchmark.pedantic(np.linalg.eigvalsh, (X.T @ X / len(X),), rounds=2)


@pytest.mark.benchmark(group="one student at 100 times to t = infinity, N = 1 000 000, alpha = 1")
def test_reduced_a_million_late(benchmark):
    rng = np.random.default_rng(0)
    draw = benchmark.pedantic(simulation.draw_reduced, (LONG, 1.0, NOISE, 10**6, rng), rounds=2)
    assert agrees(draw["generalization_error"], LONG, dimension=10**6)


@pytest.mark.benchmark(group="one student at 100 times to t = 100, N = 100 000 000, alpha = 1")
def test_reduced_hundred_million(benchmark):
    rng = np.random.default_rng(0)
    draw = benchmark.pedantic(simulation.draw_reduced, (TIMES, 1.0, NOISE, 10**8, rng), rounds=20, warmup_rounds=1)
    assert agrees(draw["generalization_error"], TIMES, dimension=10**8)


@pytest.mark.benchmark(group="theory at 100 times")
@pytest.mark.parametrize("step", [0.0, 0.1, 0.4])
def test_isotropic(benchmark, step):
    benchmark(theory.learning_curve, LONG, 1.0, NOISE, step=step)


@pytest.mark.benchmark(group="theory at 100 times")
@pytest.mark.parametrize("weights", ["equal", "unequal"])
def test_spectral_400_eigenvalues(benchmark, weights):
    spectrum = power_law(1.0, 400, 1.0 if weights == "equal" else power_law(1.0, 400).eigenvalues)
    benchmark(theory.spectral_learning_curve, TIMES, 1.0, NOISE, spectrum)


@pytest.mark.benchmark(group="best time")
@pytest.mark.parametrize("step", [0.0, 0.1])
def test_optimal_stopping(benchmark, step):
    benchmark(gradient_flow_stopping.optimal_stopping, 1.5, NOISE, step=step)
