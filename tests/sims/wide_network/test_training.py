"""Training of finite networks, against plain code and limits."""

from typing import Any

import numpy as np
import pytest

from tsmech.sims.wide_network import Architecture, Data, Network, Training, train


def run(step: float, scale: float = 1.0, times: tuple[float, ...] = (0.0, 1.0, 5.0), **changes: object) -> Any:
    shape = Architecture(3, 30, 1, "erf", 1.5, 0.2)
    rng = np.random.default_rng(1)
    data = Data(rng.standard_normal((8, 3)), rng.standard_normal(5), rng.standard_normal(3), 2)
    training = Training(np.array(times), scale, False, step)._replace(**changes)
    limit = np.concatenate([np.eye(5), np.zeros((3, 5))])
    return shape, data, train(shape, data, training, limit, np.random.default_rng(2))


def test_steps_are_plain_gradient_descent_and_small_ones_are_the_flow() -> None:
    shape, data, found = run(0.25)
    network = Network(shape)
    theta = np.random.default_rng(2).standard_normal(network.count)
    X, y = data.inputs[:5], data.labels
    errors = []
    for count in range(21):
        f = network.output(theta, X)
        if count in (0, 4, 20):
            errors.append(np.mean((f - y) ** 2) / 2)
        gradient = network.gradient(theta, *network.forward(theta, X)[1:], (f - y) / 5, np.empty(network.count))
        theta = theta - 0.25 * gradient
    np.testing.assert_allclose(found.observables["train_error"], errors, rtol=1e-10)
    flow = run(0.0)[2].observables["train_error"]
    gaps = [abs(run(step)[2].observables["train_error"][-1] - flow[-1]) for step in (0.02, 0.01)]
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.1)  # first order in the step


def test_what_is_reported_at_the_start() -> None:
    shape, data, found = run(0.0, centred=True)
    seen = found.observables
    assert seen["train_error"][0] == pytest.approx(np.mean(data.labels**2) / 2)
    assert seen["kernel_change"][0] == seen["weight_change"][0] == seen["distance"][0] == 0.0
    assert seen["output"].shape == (3, 2)
    assert seen["similarity"].shape == (3, 2, 2)
    np.testing.assert_allclose(np.diagonal(seen["similarity"][0]), 1.0)
    own = Network(shape).kernel(
        np.random.default_rng(2).standard_normal(Network(shape).count), data.inputs, 5
    )[:5]  # fmt: skip
    assert found.kernel_deviation == pytest.approx(np.linalg.norm(own - np.eye(5)) / np.sqrt(5))


def test_a_large_scale_makes_the_network_linear() -> None:
    """The distance to its own linearisation falls as 1/s where the start is taken off."""
    distances = [run(0.0, scale, centred=True)[2].observables["distance"][-1] for scale in (10.0, 40.0)]
    assert distances[0] / distances[1] == pytest.approx(4.0, rel=0.1)


def test_training_that_diverges_ends_where_it_does() -> None:
    _, _, found = run(200.0, times=(0.0, 400.0, 4000.0, 40000.0), centred=True)
    assert found.diverged_at == 4000.0
    assert len(found.observables["train_error"]) == 2
    assert np.isfinite(found.observables["train_error"]).all()
