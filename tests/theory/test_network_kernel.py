"""The kernels of infinitely wide networks: against finite networks, quadrature and each other."""

import doctest
from typing import Any

import numpy as np
import pytest
from scipy.integrate import dblquad

import tsmech
from tsmech.errors import ConvergenceError, InputError
from tsmech.kernels.activations import BUILT_IN, Activation
from tsmech.sims.wide_network import Architecture, Network
from tsmech.theory import network_kernel as module
from tsmech.theory.network_kernel import Covariance, Expansion, averages, network_kernel

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))


def test_examples() -> None:
    assert doctest.testmod(module) == (0, 2)
    assert tsmech.network_kernel is network_kernel


@pytest.mark.parametrize(
    ("activation", "hidden_layers"), [("relu", 1), ("erf", 2), ("tanh", 2), ("linear", 3), ("relu", 3)]
)
def test_it_is_the_mean_over_finite_networks(activation: str, hidden_layers: int) -> None:
    """400 networks of width 200 and 400: their mean, extrapolated in 1/n, within five standard errors."""
    draws, widths = 200, (100, 200)
    means, errors, squares = [], [], []
    for width in widths:
        network = Network(Architecture(3, width, hidden_layers, activation, 1.7, 0.3))
        found, outputs = [], []
        for _ in range(draws):
            parameters = RNG.standard_normal(network.count)
            found.append(network.kernel(parameters, X, 4))
            outputs.append(np.outer(f := network.output(parameters, X), f))
        means.append(np.mean(found, axis=0))
        errors.append(np.std(found, axis=0) / np.sqrt(draws))
        squares.append((np.mean(outputs, axis=0), np.std(outputs, axis=0) / np.sqrt(draws)))
    given = {"hidden_layers": hidden_layers, "activation": activation, "weight_variance": 1.7, "bias_variance": 0.3}
    limit, error = 2 * means[1] - means[0], np.hypot(2 * errors[1], errors[0])
    expected = network_kernel(X, **given)
    assert (abs(limit - expected) <= 5 * error + 1e-9).all()
    wrong = network_kernel(X, **given | {"weight_variance": 1.5})
    assert (abs(limit - wrong) > 5 * error).any()
    mean, spread = squares[1]
    assert (abs(mean - network_kernel(X, **given, kind="nngp")) < 5 * spread + 20 * abs(mean) / widths[1]).all()


@pytest.mark.parametrize("name", ["relu", "erf", "tanh", "leaky_relu", "quadratic"])
def test_averages_are_those_of_quadrature(name: str) -> None:
    g, slope = BUILT_IN[name].g, BUILT_IN[name].slope
    v, w, c = 1.3, 0.6, 0.4
    found = [part(Covariance(np.array([[c]]), np.array([v]), np.array([w]), False)) for part in averages(name)]
    rest = np.sqrt(w - c * c / v)
    kink = -c / np.sqrt(v) / rest  # where the second field is zero, in units of the first
    ends = ((-9.0, lambda a: kink * a), (lambda a: kink * a, 9.0))
    for function, average in zip((g, slope), found, strict=True):

        def integrand(b: float, a: float, f: Any = function) -> float:
            u = np.sqrt(v) * a
            values = f(np.array([u, c / v * u + rest * b]))
            return float(values[0] * values[1] * np.exp(-(a * a + b * b) / 2) / (2 * np.pi))

        parts = [dblquad(integrand, *half, *end, epsabs=1e-8)[0] for half in ((-9, 0), (0, 9)) for end in ends]
        assert average.between[0, 0] == pytest.approx(sum(parts), abs=2e-7)


@pytest.mark.parametrize("name", ["erf", "relu"])
def test_the_expansion_agrees_with_closed_forms(name: str) -> None:
    g, slope = BUILT_IN[name].g, BUILT_IN[name].slope
    Y = 0.7 * RNG.standard_normal((5, 40))
    K = Y @ Y.T / 40 + 0.5 * np.eye(5)
    for same, covariance in (
        (True, Covariance(K, np.diag(K).copy(), np.diag(K).copy(), True)),
        (False, Covariance(K[:2, 2:], np.diag(K)[:2].copy(), np.diag(K)[2:].copy(), False)),
    ):
        for function, closed in zip((g, slope), averages(name), strict=True):
            found, expected = Expansion(function, g, slope)(covariance), closed(covariance)
            np.testing.assert_allclose(found.between, expected.between, atol=1e-7)
            np.testing.assert_allclose(found.first, expected.first, rtol=1e-9)
            assert found.same is same


def test_a_kink_and_inputs_that_are_nearly_alike_are_refused() -> None:
    own = Activation("own", BUILT_IN["relu"].g, BUILT_IN["relu"].slope)
    near = np.array([[1.0, 0.0], [1.0, 1e-3]])
    with pytest.raises(ConvergenceError, match="nearly alike"):
        network_kernel(near, activation=own)
    assert np.isfinite(network_kernel(np.eye(2), activation=own)).all()


def test_fields_of_large_variance_are_resolved_or_refused() -> None:
    """At a variance v tanh is a step of width 1/√v: E tanh² = 1 - √(2/πv) and E sech⁴ = √(2/πv) 2/3, to 1/v of it."""
    v = 2000.0
    small = float(np.sqrt(2 / np.pi / v))
    inputs = [[np.sqrt(v)]]
    output = network_kernel(inputs, activation="tanh", kind="nngp")[0, 0]
    assert output == pytest.approx(1 - small, abs=2 * small / v)
    assert network_kernel(inputs, activation="tanh")[0, 0] - output == pytest.approx(v * small * 2 / 3, rel=2 / v)
    with pytest.raises(ConvergenceError, match="too steep for fields of variance 1e"):
        network_kernel([[1e5]], activation="tanh")
    steep = network_kernel([[1e5]], activation="erf", kind="ntk")[0, 0]  # E g'² = 2/π √(1 + 2 v)
    assert steep == pytest.approx(2 / np.pi * (np.pi / 2 + 1e10 / np.sqrt(1 + 2e10)), rel=1e-4)


def test_kernels_are_symmetric_positive_and_alike_between_two_sets() -> None:
    for kind in ("ntk", "nngp"):
        kernel = network_kernel(X, activation="relu", hidden_layers=2, kind=kind)
        np.testing.assert_allclose(kernel, kernel.T)
        assert np.linalg.eigvalsh(kernel)[0] > 0
        np.testing.assert_allclose(network_kernel(X[:2], X[2:], hidden_layers=2, kind=kind), kernel[:2, 2:])
    linear = network_kernel(X, activation="linear", hidden_layers=3, weight_variance=1.0)
    np.testing.assert_allclose(linear, 4 * X @ X.T / 3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "ntkk"}, "kind = 'ntkk' is not allowed: it must be one of ntk, nngp"),
        ({"hidden_layers": -1}, "hidden_layers = -1"),
        ({"hidden_layers": 1.5}, "hidden_layers = 1.5"),
        ({"weight_variance": 0.0}, "weight_variance"),
        ({"bias_variance": -1.0}, "bias_variance"),
        ({"activation": "softmax"}, "softmax"),
        ({"others": [[1.0, 2.0]]}, "others have 2 columns"),
        ({"inputs": [[np.nan]]}, "inputs of shape"),
        ({"inputs": [["a"]]}, "inputs = .*: must be a real number"),
        ({"inputs": [[1j]]}, "inputs = .*: must be a real number"),
        ({"inputs": [[1e100]]}, "the variance of a field is beyond"),
        ({"hidden_layers": "2"}, "hidden_layers = '2'"),
        ({"activation": "sign"}, "its nngp kernel is known"),
        ({"inputs": np.broadcast_to(X[:1], (10**7, 3))}, "a kernel of 10000000 x 10000000 inputs takes"),
    ],
)
def test_bad_arguments_are_named(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        network_kernel(**{"inputs": X} | given)
