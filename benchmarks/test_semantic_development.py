"""Semantic development: what theory, modes and the network of one table cost.

`pytest benchmarks/test_semantic_development.py --benchmark-group-by=group` prints them with ratios to the fastest.
"""

import pytest

from tsmech import SemanticDevelopment


@pytest.mark.benchmark(group="8 items, 200 properties, 100 times: each answer, embedding and similarity included")
@pytest.mark.parametrize("answer", ["theory", "limit", "reduced", "direct"])
def test_one_answer(benchmark, answer):
    system = SemanticDevelopment(step=0.02)
    rng = None if answer in ("theory", "limit") else 0
    curve = benchmark.pedantic(system.curve, (answer, rng), rounds=3, warmup_rounds=1)
    assert curve.rows == 101
