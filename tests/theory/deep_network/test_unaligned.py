"""Two layers in any directions: the Riccati solution against brute integration of every weight."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from tsmech.errors import InputError
from tsmech.theory.deep_network import balanced_modes, imbalance, two_layer_curve, two_layers

Array = NDArray[np.float64]
OUTPUTS, INPUTS, WIDTH = 6, 5, 4


def orthonormal(rows: int, columns: int, seed: int) -> Array:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((rows, columns)))[0]


MODES = orthonormal(OUTPUTS, 3, 1), np.array([4.0, 2.0, 1.0]), orthonormal(INPUTS, 3, 2)
CORRELATIONS = (MODES[0] * MODES[1]) @ MODES[2].T


def start(scale: float, delta: float) -> tuple[Array, Array]:
    first = np.sqrt(scale**2 - delta / 2) * orthonormal(INPUTS, WIDTH, 3).T
    return first, np.sqrt(scale**2 + delta / 2) * orthonormal(OUTPUTS, WIDTH, 4)


def integrate(first: Array, second: Array, times: Array, correlations: Array = CORRELATIONS) -> tuple[Array, Array]:
    """Return both layers at the times, by (2)."""

    def velocity(_: float, flat: Array) -> Array:
        one, two = flat[: first.size].reshape(first.shape), flat[first.size :].reshape(second.shape)
        missing = correlations - two @ one
        return np.concatenate([(two.T @ missing).ravel(), (missing @ one.T).ravel()])

    flat = np.concatenate([first.ravel(), second.ravel()])
    found = solve_ivp(velocity, (0, times[-1]), flat, t_eval=times, rtol=1e-11, atol=1e-15, method="LSODA").y.T
    return found[:, : first.size].reshape(-1, *first.shape), found[:, first.size :].reshape(-1, *second.shape)


@pytest.mark.parametrize(("scale", "delta"), [(0.5, 0.0), (0.5, 0.3), (0.5, -0.4), (1e-4, 0.0)])
def test_it_is_the_flow_of_all_weights(scale: float, delta: float) -> None:
    """From 1e-4 the strong mode grows by exp(40) before the weak one is learnt: there one formula would not do."""
    times = np.linspace(0.0, 14.0, 29)
    first, second = start(scale, delta)
    found = two_layers(times, CORRELATIONS, first, second)
    one, two = integrate(first, second, times)
    assert imbalance(first, second) == pytest.approx(delta, abs=1e-12)
    assert found.product == pytest.approx(two @ one, abs=1e-8)
    assert found.first == pytest.approx(one.transpose(0, 2, 1) @ one, abs=1e-8)
    assert found.second == pytest.approx(two @ two.transpose(0, 2, 1), abs=1e-8)


def test_it_ends_at_the_teacher_however_late() -> None:
    first, second = start(0.3, 0.1)
    assert two_layers([0.0, 1e6], CORRELATIONS, first, second).product[-1] == pytest.approx(CORRELATIONS, abs=1e-7)


@pytest.mark.parametrize("initial", [1e-9, 1e-200])
def test_aligned_modes_of_any_strength_keep_their_digits_at_any_time(initial: float) -> None:
    """The closed form of one mode is the second route; the hidden units are turned, so that no mode has its own."""
    strengths = np.array([1e6, 1.0, 1e-6])
    turned = orthonormal(WIDTH, 3, 5) * np.sqrt(initial)
    times = np.append(0.0, np.logspace(-7, 9, 33))
    found = two_layer_curve(times, (MODES[0], strengths, MODES[2]), (turned @ MODES[2].T, MODES[0] @ turned.T))
    assert found.strengths == pytest.approx(balanced_modes(times, strengths, np.full(3, initial), 2).learnt, rel=1e-12)


@pytest.mark.parametrize(("outputs", "inputs", "width", "delta"), [(2, 7, 1, 0.5), (6, 3, 3, -0.5), (4, 4, 4, 0.2)])
def test_modes_of_one_strength_and_layers_of_any_shape(outputs: int, inputs: int, width: int, delta: float) -> None:
    """At δ = ±2 g² one layer starts at nothing; two modes of one strength have no directions of their own."""
    correlations = 2.0 * orthonormal(outputs, 2, 1) @ orthonormal(inputs, 2, 2).T
    first = np.sqrt(0.25 - delta / 2) * orthonormal(inputs, width, 3).T
    second = np.sqrt(0.25 + delta / 2) * orthonormal(outputs, width, 4)
    times = np.array([0.0, 0.7, 3.0])
    one, two = integrate(first, second, times, correlations)
    found = two_layers(times, correlations, first, second)
    assert found.product == pytest.approx(two @ one, abs=1e-8)
    assert found.second == pytest.approx(two @ two.transpose(0, 2, 1), abs=1e-8)


def test_its_curve_falls_by_the_square_of_its_gradient() -> None:
    first, second = start(0.5, 0.3)
    times = np.array([0.1, 0.5, 1.0])
    before, at, after = (two_layer_curve(times + h, MODES, (first, second)) for h in (-1e-5, 0.0, 1e-5))
    assert (before.error - after.error) / 2e-5 == pytest.approx(at.gradient_norm**2, rel=1e-6)
    product = two_layers(times, CORRELATIONS, first, second).product
    assert at.strengths == pytest.approx(np.einsum("om,toi,im->tm", MODES[0], product, MODES[2]), abs=1e-12)
    assert at.error == pytest.approx(((CORRELATIONS - product) ** 2).sum(axis=(1, 2)) / 2, rel=1e-12)


def test_a_start_that_is_not_balanced_is_refused() -> None:
    first, second = start(0.5, 0.0)
    second = second * np.array([1.0, 1.0, 1.0, 1.01])
    assert imbalance(first, second) is None
    with pytest.raises(InputError, match="the start is not balanced"):
        two_layers([0.0, 1.0], CORRELATIONS, first, second)
