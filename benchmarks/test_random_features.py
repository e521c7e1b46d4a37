"""Random features: the price of a prediction, and of a replicate against one library solution of the same size."""

import math

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from tsmech.sims.features.problem import Problem
from tsmech.sims.random_features import draw
from tsmech.systems.random_features import RandomFeatures
from tsmech.systems.random_features_flow import RandomFeaturesFlow

EXAMPLES, DIMENSION = 2000, 1000
GROUP = "Random features, P = n_f = 2000, D = 1000, minimum norm (target: 1.3 x one lstsq)"


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


@pytest.mark.benchmark(group="Random features: theory at 200 points, best penalties included (target: 2 s)")
@pytest.mark.parametrize("penalty", [0.0, 0.1])
def test_theory(benchmark, penalty):
    points = [RandomFeatures(alpha=2.0, features=x, penalty=penalty) for x in np.geomspace(0.1, 10.0, 200)]
    found = benchmark.pedantic(RandomFeatures.curves, ("theory", points), rounds=3, warmup_rounds=1)
    assert len(found) == 200


@pytest.mark.benchmark(group=GROUP)
def test_direct(benchmark):
    """Eight predictors: four sets of features of two data sets, drawn, solved and compared exactly."""
    problem = Problem(EXAMPLES, EXAMPLES, DIMENSION, 0.0, 0.5, 1.0, 0.0, "relu", False)
    found = benchmark.pedantic(draw, (problem, np.random.default_rng(0)), rounds=2, warmup_rounds=0)
    assert found["train_error"] == 0.0


@pytest.mark.benchmark(group=GROUP)
def test_lstsq(benchmark):
    """One solution for one set of features; drawing them is not counted."""
    from scipy.linalg import lstsq

    rng = np.random.default_rng(0)
    X, F = rng.standard_normal((EXAMPLES, DIMENSION)), rng.standard_normal((EXAMPLES, DIMENSION))
    Z = np.maximum(X @ F.T / math.sqrt(DIMENSION), 0.0) / math.sqrt(EXAMPLES)
    y = X.sum(axis=1) / math.sqrt(DIMENSION)
    benchmark.pedantic(lstsq, (Z, y), rounds=2, warmup_rounds=0)


@pytest.mark.benchmark(group="Random features in time: 60 times")
@pytest.mark.parametrize("answer", ["theory", "direct"])
def test_flow(benchmark, answer):
    system = RandomFeaturesFlow(alpha=2.0, features=4.0, dimension=100)
    rng = np.random.default_rng(0)
    benchmark.pedantic(system.curve, (answer, rng), rounds=3, warmup_rounds=1)
