"""The capacity: a search over 2^30 weights, a quadratic programme beside a linear one."""

import numpy as np
import pytest
from scipy.optimize import linprog

from tsmech.sims import enumeration
from tsmech.sims.separation import maximum_stability


@pytest.mark.benchmark(group="is there a solution among 2^30 binary weights, alpha = 1.2")
def test_enumeration(benchmark):
    rng = np.random.default_rng(0)
    oriented = rng.standard_normal((36, 30))
    benchmark.pedantic(enumeration.exists, (oriented, 0.0, rng), rounds=3, warmup_rounds=1)


@pytest.mark.benchmark(group="can 150 random labels be learnt, N = 100")
@pytest.mark.parametrize("programme", ["quadratic", "linear"])
def test_programme(benchmark, programme):
    Z = np.random.default_rng(1).standard_normal((150, 100))

    def linear():
        return linprog(np.zeros(100), A_ub=-Z, b_ub=-np.ones(150), bounds=[(None, None)] * 100).status == 0

    assert benchmark.pedantic(linear if programme == "linear" else lambda: maximum_stability(Z) is not None, rounds=5)
