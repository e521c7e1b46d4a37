"""Ridge regression: the reduction against dense algebra at the same N and alpha, and the price of a prediction.

`pytest benchmarks/test_ridge.py --benchmark-group-by=group` prints each group with ratios to its fastest member.
"""

import numpy as np
import pytest

from tsmech.sims import ridge as simulation
from tsmech.theory import ridge as theory
from tsmech.theory.spectra import power_law

NOISE, PENALTY, DIMENSION, EXAMPLES = 0.5, 0.25, 4000, 8000


def draw_training_set(rng):
    X = rng.standard_normal((EXAMPLES, DIMENSION)) / np.sqrt(DIMENSION)
    b = np.ones(DIMENSION)
    return X, X @ b + NOISE * rng.standard_normal(EXAMPLES), b


@pytest.mark.benchmark(group="one training set, N = 4000, alpha = 2")
def test_reduced(benchmark):
    rng = np.random.default_rng(0)
    arguments = (2.0, NOISE, PENALTY, 1.0, 0.0, DIMENSION, rng)
    draw = benchmark.pedantic(simulation.draw_reduced, arguments, rounds=1000, warmup_rounds=10)
    expected = theory.isotropic(2.0, NOISE, PENALTY)["generalization_error"]
    assert draw["generalization_error"] == pytest.approx(float(expected), rel=0.1)


@pytest.mark.benchmark(group="one training set, N = 4000, alpha = 2")
def test_dense_numpy(benchmark):
    rng = np.random.default_rng(0)

    def draw_and_solve():
        X, y, b = draw_training_set(rng)
        w = np.linalg.solve(X.T @ X + PENALTY * np.eye(DIMENSION), X.T @ y)
        return np.mean((w - b) ** 2) / 2

    error = benchmark.pedantic(draw_and_solve, rounds=2, iterations=1, warmup_rounds=0)
    assert error == pytest.approx(float(theory.isotropic(2.0, NOISE, PENALTY)["generalization_error"]), rel=0.1)


@pytest.mark.benchmark(group="one training set, N = 4000, alpha = 2")
def test_scikit_learn(benchmark):
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)

    def draw_and_fit():
        X, y, b = draw_training_set(rng)
        w = Ridge(alpha=PENALTY, fit_intercept=False, copy_X=False).fit(X, y).coef_
        return np.mean((w - b) ** 2) / 2

    error = benchmark.pedantic(draw_and_fit, rounds=2, iterations=1, warmup_rounds=0)
    assert error == pytest.approx(float(theory.isotropic(2.0, NOISE, PENALTY)["generalization_error"]), rel=0.1)


@pytest.mark.benchmark(group="one training set, N = 1 000 000, alpha = 2")
def test_reduced_million(benchmark):
    rng = np.random.default_rng(0)
    arguments = (2.0, NOISE, PENALTY, 1.0, 0.0, 1_000_000, rng)
    benchmark.pedantic(simulation.draw_reduced, arguments, rounds=10, warmup_rounds=1)


@pytest.mark.benchmark(group="theory at 1000 values of alpha")
def test_isotropic(benchmark):
    benchmark(theory.isotropic, np.linspace(0.01, 4, 1000), NOISE, PENALTY)


@pytest.mark.benchmark(group="theory at 1000 values of alpha")
@pytest.mark.parametrize("penalty", [0.0, PENALTY])
def test_spectral_1000_eigenvalues(benchmark, penalty):
    benchmark(theory.spectral, np.linspace(0.01, 4, 1000), NOISE, penalty, power_law(1.0, 1000))


@pytest.mark.benchmark(group="best penalty")
@pytest.mark.parametrize("weights", ["equal", "unequal"])
def test_optimal_penalty(benchmark, weights):
    spectrum = power_law(1.0, 1000, 1.0 if weights == "equal" else power_law(1.0, 1000).eigenvalues)
    benchmark(theory.optimal_penalty, 0.7, NOISE, spectrum)
