"""Kernel regression: the price of a spectrum, of a prediction, and of a training set."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tsmech.systems import kernel_regression
from tsmech.systems.kernel_regression import KernelRegression


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.mark.benchmark(group="Kernel regression: theory at 200 numbers of examples, the spectrum included")
@pytest.mark.parametrize("kernel", ["ntk", "gaussian"])
def test_theory(benchmark, kernel):
    points = [KernelRegression(examples=P, kernel=kernel) for P in range(10, 2010, 10)]

    def predict():
        kernel_regression._spectrum.cache_clear()
        return [point.theory_curve() for point in points]

    benchmark.pedantic(predict, rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="Kernel regression: one training set, P = 1000")
@pytest.mark.parametrize("peer", ["tsmech", "scikit-learn"])
def test_direct(benchmark, peer):
    system = KernelRegression(examples=1000, penalty=0.1, noise=0.3)
    rng = np.random.default_rng(0)
    if peer == "tsmech":
        benchmark.pedantic(system.direct_curve, (rng,), rounds=3, warmup_rounds=1)
        return
    from sklearn.kernel_ridge import KernelRidge

    X = rng.standard_normal((2000, 30))
    X *= 30**0.5 / np.linalg.norm(X, axis=1, keepdims=True)
    y = X[:, 0]

    def solve():
        fitted = KernelRidge(alpha=0.1, kernel="precomputed").fit(system.matrix(X[:1000]), y[:1000])
        return fitted.predict(system.matrix(X[1000:], X[:1000]))

    benchmark.pedantic(solve, rounds=3, warmup_rounds=1)
