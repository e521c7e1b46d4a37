"""Students of a linear teacher: reductions beside dense algebra."""

import numpy as np
import pytest

from tsmech.sims import linear_perceptron as sims


@pytest.mark.benchmark(group="two students of 1000 examples, N = 500")
@pytest.mark.parametrize("prior", ["gaussian", "spherical"])
@pytest.mark.parametrize("draw", [sims.draw_reduced, sims.draw_direct], ids=["reduced", "direct"])
def test_draw(benchmark, draw, prior):
    rng = np.random.default_rng(0)
    found = benchmark.pedantic(draw, (1000, 0.25, 0.5, prior, 500, rng), rounds=3, warmup_rounds=1)
    assert found["train_error"] == pytest.approx(0.125, rel=0.3)
