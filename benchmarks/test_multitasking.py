"""Multitasking: what each answer costs.

`pytest benchmarks/test_multitasking.py --benchmark-group-by=group` prints them with ratios to the fastest.
"""

import pytest

from tsmech import Multitasking


@pytest.mark.benchmark(group="4 tasks of 3 modes, 16 units, 1000 steps and as many for a new task")
@pytest.mark.parametrize("answer", ["theory", "reduced", "direct"])
def test_one_answer(benchmark, answer):
    system = Multitasking(step=0.01)
    curve = benchmark.pedantic(system.curve, (answer, None if answer == "theory" else 0), rounds=3, warmup_rounds=1)
    assert curve.rows == 101
