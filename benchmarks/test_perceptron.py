"""Perceptrons: reductions against dense algebra, Monte Carlo on the sphere against its plain form, theory's price."""

import math

import numpy as np
import pytest

from tsmech.sims import perceptron, version_space
from tsmech.theory.perceptron import maximum_stability, quenched

EXAMPLES, DIMENSION = 4000, 2000


@pytest.mark.benchmark(group="least squares on 4000 labels, N = 2000")
@pytest.mark.parametrize("draw", [perceptron.draw_reduced, perceptron.draw_direct], ids=["reduced", "direct"])
def test_pseudo_inverse(benchmark, draw):
    rng = np.random.default_rng(0)
    found = benchmark.pedantic(draw, ("pseudo_inverse", EXAMPLES, 0.1, DIMENSION, rng), rounds=3, warmup_rounds=1)
    assert found["R"] == pytest.approx(math.cos(math.pi * 0.279635), abs=0.1)


@pytest.fixture
def state():
    rng = np.random.default_rng(1)
    drawn = perceptron.draw_examples(400, 0.0, 100, rng)
    w, v = drawn.teacher * 10.0, rng.standard_normal(100)
    return drawn.oriented, w, v, np.ascontiguousarray(drawn.oriented @ drawn.oriented.T)


@pytest.mark.benchmark(group="one trajectory in a version space of 400 examples, N = 100")
def test_rotation(benchmark, state):
    Z, w, v, gram = state
    pulls, kicks = np.empty(400), np.empty(400)

    def run():
        return version_space.rotate(Z @ w, Z @ v, gram, version_space.COLD, pulls, kicks)

    benchmark.extra_info["events"] = benchmark(run)


@pytest.mark.benchmark(group="one trajectory in a version space of 400 examples, N = 100")
def test_rotation_in_numpy(benchmark, state):
    Z, w, v, _ = state

    def run():
        position, velocity, left, last = w, v, math.pi / 2, -1
        while True:
            angles = np.mod(np.arctan2(Z @ position, -(Z @ velocity)), np.pi)
            if last >= 0:
                angles[last] = np.pi
            at = int(np.argmin(angles))
            turn = min(angles[at], left)
            cosine, sine = math.cos(turn), math.sin(turn)
            position, velocity = position * cosine + velocity * sine, velocity * cosine - position * sine
            left -= turn
            if left <= 0:
                return position
            velocity = velocity - 2 * (Z[at] @ velocity) / (Z[at] @ Z[at]) * Z[at]
            last = at

    assert (Z @ benchmark.pedantic(run, rounds=3) > -1e-9).all()


@pytest.mark.benchmark(group="theory at 50 values of alpha (target: < 2 s)")
@pytest.mark.parametrize("rule", ["gibbs T = 0.5", "gibbs T = 0", "max_stability"])
def test_theory(benchmark, rule):
    solve = {
        "gibbs T = 0.5": lambda alpha: quenched(alpha, 0.5, 0.0),
        "gibbs T = 0": lambda alpha: quenched(alpha, 0.0, 0.0),
        "max_stability": lambda alpha: maximum_stability(alpha, 0.0),
    }[rule]
    benchmark.pedantic(lambda: [solve(alpha) for alpha in np.linspace(0.2, 10.0, 50)], rounds=3)
