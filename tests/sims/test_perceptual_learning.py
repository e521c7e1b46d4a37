"""Every weight beside the mode, and the mean over noisy responses beside responses that are drawn."""

import numpy as np
import pytest

from tsmech.problem.tuning import discrimination
from tsmech.sims import perceptual_learning as sims

TASK = discrimination(10, 2.0, 20.0, 0.4, [0.0])
TIMES = np.array([0.0, 0.5, 2.0])


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_the_mode_is_the_networks_own_step_by_step(depth: int) -> None:
    strengths = np.append(np.full(depth - 1, 0.5), 0.02)
    layers = sims.first_layers(depth, 0.5, 0.02 * TASK.direction)
    modes = sims.follow_mode(strengths, TASK.strength, TASK.power, TIMES, 0.05)
    states = list(sims.descend(layers, TASK.half, TASK.noise, TIMES, 0.05))
    for mode, state in zip(modes, states, strict=True):
        found = [TASK.direction @ one @ TASK.direction for one in state[:-1]] + [state[-1][0] @ TASK.direction]
        assert found == pytest.approx(mode, rel=1e-11)


def test_the_mean_gradient_is_that_of_drawn_responses() -> None:
    """One step from a random start, over 400 000 stimuli: within five standard errors of each readout weight."""
    rng = np.random.default_rng(0)
    readout = sims.random_readout(10, 0.5, rng)
    labels = rng.choice([-1.0, 1.0], 400_000)
    inputs = labels[:, None] * TASK.half + 0.4 * rng.standard_normal((400_000, 10))
    each = (labels - inputs @ (0.5 * readout))[:, None] * 0.5 * inputs
    (state,) = sims.descend(sims.first_layers(2, 0.5, readout), TASK.half, 0.4, np.array([0.1]), 0.1)
    moved = (state[1][0] - readout) / 0.1
    assert (abs(moved - each.mean(axis=0)) < 5 * each.std(axis=0) / np.sqrt(400_000)).all()


def test_ojas_steps_approach_its_flow() -> None:
    layers = sims.first_layers(2, 0.3, 0.05 * TASK.direction)
    rest = TASK.half, TASK.noise, TASK.second_moment, TIMES
    flow = list(sims.oja(layers, *rest, 0.0))[-1]
    apart = [abs(list(sims.oja(layers, *rest, step))[-1][0] - flow[0]).max() for step in (0.02, 0.01)]
    assert apart[0] / apart[1] == pytest.approx(2.0, rel=0.1)
