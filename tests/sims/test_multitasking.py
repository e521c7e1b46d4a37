"""Every weight beside the pathways' strengths, and gradients beside differences of the loss."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tsmech.sims import multitasking as sims

Array = NDArray[np.float64]
STRENGTHS = np.array([2.0, 1.0])
RNG = np.random.default_rng(0)
MAPPING = sims.draw_mapping(STRENGTHS, 3, 4, 5, RNG)


def test_velocities_are_minus_the_gradient() -> None:
    weights = sims.random_weights(MAPPING, 1.0, 6, 3, 3, np.random.default_rng(1))
    targets = MAPPING.targets()

    def loss() -> float:
        return float(((targets - weights.products()[1]) ** 2).sum() / 2)

    for part, expected in zip(weights, sims.velocities(weights, targets), strict=True):
        for index in [(0, *[0] * (part.ndim - 1)), tuple(n - 1 for n in part.shape)]:
            held, around = part[index], []
            for sign in (1, -1):
                part[index] = held + sign * 1e-6
                around.append(loss())
            part[index] = held
            assert expected[index] == pytest.approx((around[1] - around[0]) / 2e-6, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("step", [0.02, 0.0])
@pytest.mark.parametrize(("common", "own"), [(4, 0), (0, 4), (3, 3)])
def test_pathways_are_the_networks_own(common: int, own: int, step: float) -> None:
    """... step by step; and a new output domain afterwards, on the encoders that there are."""
    start = np.array(
        [[0.2 * bool(common)] * 2, [0.1 * bool(common)] * 2, [0.15 * bool(own)] * 2, [0.1 * bool(own)] * 2]
    )
    times, tolerance = np.array([0.0, 0.6, 2.0]), 1e-11 if step else 1e-7
    weights = sims.aligned_weights(MAPPING, start, common, own, np.random.default_rng(2))
    states = list(sims.train(weights, MAPPING, times, step))
    network = sims.measure(iter(states), MAPPING)
    paths = sims.race(start, STRENGTHS, 3, times, step)
    total = paths[:, 0] * paths[:, 1] + paths[:, 4] * paths[:, 7]
    assert network.strengths == pytest.approx(total, rel=tolerance, abs=tolerance)
    assert network.common == pytest.approx(paths[:, 0] * paths[:, 1], rel=tolerance, abs=tolerance)
    assert network.error == pytest.approx(((STRENGTHS - total) ** 2).sum(axis=1) / 2, abs=1e-6)
    assert network.crosstalk == pytest.approx(((paths[:, 0] * paths[:, 1]) ** 2).sum(axis=1) / 2, abs=1e-6)

    added = MAPPING._replace(outputs=sims.draw_mapping(STRENGTHS, 1, 4, 5, np.random.default_rng(3)).outputs)
    fresh = sims.aligned_weights(added, start, common, own, np.random.default_rng(4))
    again = sims.measure(sims.train(sims.new_output(states[-1], fresh, added, aligned=True), added, times, step), added)
    new = sims.race(np.vstack([paths[-1][:1], start[1:]]), STRENGTHS, 1, times, step)
    assert again.strengths == pytest.approx(new[:, 0] * new[:, 1] + new[:, 2] * new[:, 3], rel=1e-6, abs=tolerance * 10)


def test_tasks_done_at_once_have_the_error_that_crosstalk_says() -> None:
    """Of three tasks with all their gates open, on 200 000 white inputs: within five standard errors (eq. 8)."""
    weights = sims.random_weights(MAPPING, 1.0, 6, 3, 3, np.random.default_rng(5))
    common, total = weights.products()
    rng, draws = np.random.default_rng(6), 200_000
    inputs = rng.standard_normal((3, draws, 4))
    errors = []
    for shift in range(3):  # which input domain answers where, all such tasks being done once
        for task in range(3):
            out = (task + shift) % 3
            answer = inputs[task] @ total[task, out].T
            for other in {0, 1, 2} - {task}:
                answer = answer + inputs[other] @ common[other, out].T
            errors.append(((answer - inputs[task] @ MAPPING.targets()[task, out].T) ** 2).sum(axis=1) / 2)
    found = sims.measure(iter([weights]), MAPPING)
    every = np.array(errors)
    assert float(found.error[0] + 2 * found.crosstalk[0]) == pytest.approx(
        every.mean(), abs=5 * every.std(axis=1).max() / np.sqrt(draws)
    )
