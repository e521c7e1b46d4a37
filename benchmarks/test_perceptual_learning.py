"""Perceptual learning: what each answer costs.

`pytest benchmarks/test_perceptual_learning.py --benchmark-group-by=group` prints them with ratios to the fastest.
"""

import pytest

from tsmech import PerceptualLearning


@pytest.mark.benchmark(group="40 tuned neurons, 3 layers, 1000 steps, 100 reports")
@pytest.mark.parametrize("answer", ["theory", "reduced", "direct"])
def test_one_answer(benchmark, answer):
    system = PerceptualLearning(depth=3, step=0.02)
    curve = benchmark.pedantic(system.curve, (answer, None if answer == "theory" else 0), rounds=3, warmup_rounds=1)
    assert curve.rows == 101
