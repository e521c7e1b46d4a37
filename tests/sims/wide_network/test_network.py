"""Finite networks: their hidden units, gradients and tangent kernels, against libraries and differences."""

import math

import numpy as np
import pytest
from scipy.special import erf

from tsmech.kernels.activations import ERF, RELU, Activation
from tsmech.sims.wide_network.layers import respond
from tsmech.sims.wide_network.network import Architecture, Network

RNG = np.random.default_rng(0)
OWN = Activation("sine", np.sin, np.cos)


def test_hidden_units_answer_as_the_library_says_to_the_last_digits() -> None:
    """Errors of g below one unit in the last place of 1, and of g itself where it is small; of g' alike."""
    x = np.concatenate([RNG.standard_normal(20_000) * 3, [0.0, 8.99, 9.01, 40.0, -40.0], 10.0 ** -np.arange(20.0)])
    product, bias = ((x - 0.25) / 2).reshape(1, -1), np.full(x.size, 0.25)
    field = 2 * product + bias
    for tag, g, slope in (
        (ERF, erf(field / math.sqrt(2)), math.sqrt(2 / math.pi) * np.exp(-(field**2) / 2)),
        (RELU, np.maximum(field, 0), (field > 0).astype(float)),
    ):
        values, slopes = product.copy(), np.empty_like(field)
        respond(tag, 2.0, bias, values, slopes)
        np.testing.assert_allclose(values, g, rtol=1e-15, atol=4.5e-16)
        np.testing.assert_allclose(slopes, slope, rtol=0, atol=4.5e-16)
    small = 10.0 ** -np.arange(1.0, 300.0).reshape(1, -1)
    values = small.copy()
    respond(ERF, 1.0, np.zeros(small.size), values, np.empty_like(small))
    np.testing.assert_allclose(values, erf(small / math.sqrt(2)), rtol=1e-15, atol=0)


@pytest.mark.parametrize(("activation", "layers"), [("erf", 1), ("relu", 2), ("tanh", 3), ("linear", 2), (OWN, 2)])
def test_gradients_and_kernels_are_those_of_differences(activation: str | Activation, layers: int) -> None:
    network = Network(Architecture(3, 5, layers, activation, 1.5, 0.2))
    parameters, X = RNG.standard_normal(network.count), RNG.standard_normal((4, 3))
    J = np.empty((4, network.count))
    for i in range(network.count):
        h = np.zeros(network.count)
        h[i] = 1e-6
        J[:, i] = (network.output(parameters + h, X) - network.output(parameters - h, X)) / 2e-6
    pull = RNG.standard_normal(4)
    found = network.gradient(parameters, *network.forward(parameters, X)[1:], pull, np.empty(network.count))
    np.testing.assert_allclose(found, pull @ J, atol=1e-7)
    np.testing.assert_allclose(network.kernel(parameters, X, 2), J @ J[:2].T, atol=1e-6)
