"""Largest steps of gradient descent of deep linear networks: at what they learn, and at their start."""

from typing import Any

import numpy as np
import pytest

from tsmech import DeepLinear
from tsmech.errors import InputError
from tsmech.sims.deep_network import Network, Task


def dense_sharpness(network: Network) -> float:
    """Return the largest eigenvalue of the Hessian, all of which is computed by differences."""
    unit = 1e-5 * np.eye(network.flat.size)
    rows = [network.velocity_at(network.flat - one) - network.velocity_at(network.flat + one) for one in unit]
    return float(np.linalg.eigvalsh(np.array(rows) / 2e-5)[-1])


def drawn_network(system: DeepLinear) -> Network:
    modes, weights = system.drawn(np.random.default_rng(0))
    return Network(weights.layers, Task(modes.correlations, tanh=system.nonlinearity == "tanh"))


@pytest.mark.parametrize(
    "parameters",
    [
        {"initial": "small", "initial_scale": 2.0},
        {"initial": "small", "initial_scale": 1.5, "depth": 4},
        {"initial": "orthogonal", "initial_scale": 1.5, "depth": 3},
        {"initial": "orthogonal", "initial_scale": 1.5, "imbalance": -3.0},
        {"initial": "small", "initial_scale": 2.0, "nonlinearity": "tanh"},
        {"initial": "pretrained", "teacher_strengths": 0.5},
    ],
)
def test_steps_are_stable_from_the_start_on(parameters: dict[str, Any]) -> None:
    """At its limit, 2 over the start's largest curvature, a network learns; at eight times that it diverges."""
    same: dict[str, Any] = {"inputs": 3, "outputs": 4, "width": 5, "teacher_strengths": [1.5, 1.0], "start_seed": 5}
    system = DeepLinear(**same | parameters)
    network = drawn_network(system)
    limit = 2.0 / dense_sharpness(network)
    assert limit < 0.9 * system.largest_step()
    with pytest.raises(InputError, match="gradient descent is stable up to") as said:
        DeepLinear(**same | parameters, step=1.02 * limit)
    assert float(str(said.value).split()[-1]) == pytest.approx(limit, rel=0.01)
    curve = DeepLinear(**same | parameters, step=0.98 * limit, duration=2000 * limit, samples=20).curve("direct", 0)
    errors = curve.observables["train_error"]
    assert curve.diverged_at is None
    assert errors[-1] < 1e-3 * errors[0]
    network.descend(8.0 * limit, 500)
    assert network.diverged()


def test_two_aligned_layers_are_steep_across_modes() -> None:
    """From modes of opposite κ: the bound of eq. 15a at both ends, which is that of all weights."""
    system = DeepLinear(
        initial="unbalanced", layer_strengths=[3, 0.1, 0.2, 2], teacher_strengths=[2, 1], duration=20, start_seed=0
    )
    network = drawn_network(system)
    begun = dense_sharpness(network)
    network.flow(20.0)
    ended = dense_sharpness(network)
    assert max(begun, ended) < 2.0 / system.largest_step() < 1.1 * max(begun, ended)
    steep = DeepLinear(initial="unbalanced", layer_strengths=[3, 2], teacher_strengths=[0.5], start_seed=0)
    assert dense_sharpness(drawn_network(steep)) == pytest.approx(2.0 / steep.largest_step(), rel=0.05)


def test_a_diverging_network_stops_where_it_diverged() -> None:
    """Without a seed the limit is that of typical starts; of narrow deep networks some are ten times as steep."""
    system = DeepLinear(
        initial="small", initial_scale=2.0, depth=3, width=1, inputs=1, outputs=1, teacher_strengths=1.0,
        step=0.02, duration=8, samples=20,
    )  # fmt: skip
    steep, gentle = (system.curve("direct", seed) for seed in (132, 0))
    assert gentle.diverged_at is None
    assert steep.rows == 1
    assert steep.diverged_at == pytest.approx(0.4)
    assert np.isfinite(steep.observables["train_error"]).all()
