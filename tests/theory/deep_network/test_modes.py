"""Modes of deep linear networks: closed forms against brute integration of all layers, limits and conserved numbers."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from tsmech.errors import InputError
from tsmech.theory.deep_network import (
    aligned_curve,
    aligned_weights,
    balanced_modes,
    effective_start,
    half_times,
    largest_step,
    layer_strengths,
    unbalanced_half_times,
    unbalanced_modes,
)

Array = NDArray[np.float64]
TIMES = np.linspace(0.0, 6.0, 13)


def integrate(start: Array, s: float, times: Array) -> Array:
    """Return the strengths of all layers of one mode by (3), with nothing else known, shape (T, depth)."""

    def velocity(_: float, w: Array) -> Array:
        return (s - w.prod()) * np.array([np.delete(w, layer).prod() for layer in range(w.size)])

    found = solve_ivp(velocity, (0, times[-1]), start, t_eval=times, rtol=1e-11, atol=1e-14, method="LSODA")
    return np.asarray(found.y.T)


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 8])
def test_balanced_layers_follow_their_equation(depth: int) -> None:
    s, a = np.array([1.7, 0.8]), np.array([0.05, 0.2])
    found = balanced_modes(TIMES, s, a, depth)
    for mode in range(2):
        layers = integrate(np.full(depth, a[mode] ** (1 / depth)), s[mode], TIMES)
        assert found.learnt[:, mode] == pytest.approx(layers.prod(axis=1), rel=1e-7)
    assert found.learnt + found.missing == pytest.approx(np.broadcast_to(s, (13, 2)), rel=1e-12)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_what_is_missing_keeps_its_own_accuracy_to_the_end(depth: int) -> None:
    """Near its end a mode decays as exp(-rate t): 1, 2 s, D s^(2 - 2/D), down to numbers far below rounding of s."""
    s = 1.3
    late = balanced_modes([0.0, 30.0, 31.0], [s], [0.1], depth).missing[1:, 0]
    rate = 1.0 if depth == 1 else depth * s ** (2 - 2 / depth)
    assert np.log(late[0] / late[1]) == pytest.approx(rate, rel=1e-6)
    assert 0 < late[1] < 1e-12


def test_a_start_at_either_end_stays_there() -> None:
    for depth in (1, 2, 3):
        assert balanced_modes(TIMES, [2.0], [2.0], depth).missing == pytest.approx(0.0, abs=1e-300)
        learnt = balanced_modes(TIMES, [2.0], [0.0], depth).learnt[:, 0]
        assert learnt == pytest.approx(2.0 * -np.expm1(-TIMES) if depth == 1 else np.zeros(13), abs=1e-15)


def test_half_learning_is_where_the_curves_say() -> None:
    """... through the hypergeometric clock (9), which the series and the table do not know."""
    s, a = np.array([3.0, 1.0, 0.2]), np.array([1e-3, 0.1, 0.05])
    for depth in (1, 2, 3, 4, 7):
        for strength, start, at in zip(s, a, half_times(s, a, depth), strict=True):
            assert balanced_modes([0.0, at], [strength], [start], depth).learnt[-1, 0] == pytest.approx(strength / 2)


@pytest.mark.parametrize("depth", [3, 10, 50])
def test_a_long_plateau_ends_when_it_ends(depth: int) -> None:
    """From a₀/s = 1e-6 on: the half time, by the hypergeometric clock, and the last decay by its rate from there.

    An integrator in time is off by 3e-5 at ten layers; rounding of the time alone makes 1e-10.
    """
    (half,) = half_times([1.7], [1.7e-6], depth)
    found = balanced_modes([0.0, half, half + 1.0, half + 2.0], [1.7], [1.7e-6], depth)
    assert found.learnt[1, 0] == pytest.approx(0.85, rel=2e-9)
    (_, later), missing = half_times([1.7, 1.7], [1.7e-6, 0.85e-3], depth), found.missing
    again = balanced_modes([later, later + 1.0, later + 2.0], [1.7], [0.85e-3], depth).missing
    assert missing[1:] == pytest.approx(again, rel=2e-8)


def test_starts_at_half_and_at_the_end_are_what_they_are() -> None:
    """... though a root and its power round."""
    for depth in (2, 3, 7, 30):
        for s in (1e-6, 0.7, 1.3, 3.0, 1e6):
            layers = np.full((depth, 1), s ** (1 / depth))
            assert aligned_curve([0.0, 1.0], [s], layers, 1).error == pytest.approx(0.0, abs=1e-24 * s**2)
            assert half_times([s], [s / 2], depth) == pytest.approx(0.0, abs=1e-300)
    with pytest.raises(InputError, match="between 0 and these"):
        aligned_curve([0.0, 1.0], [1.0], np.full((3, 1), 1.001), 1)


def test_equal_layers_beyond_their_end_come_down() -> None:
    found = aligned_curve(TIMES, [1.0, 2.0], np.array([[1.5, 0.1], [1.5, 0.1]]), 2)
    layers = integrate(np.array([1.5, 1.5]), 1.0, TIMES)
    assert found.strengths[:, 0] == pytest.approx(layers.prod(axis=1), rel=1e-8)
    assert found.strengths[:, 1] == pytest.approx(balanced_modes(TIMES, [2.0], [0.01], 2).learnt[:, 0], rel=1e-12)


def test_published_half_times() -> None:
    """Saxe et al. 2014: a shallow network at ln 2 for every mode; two layers at (1/2s) ln(s/a₀ - 1)."""
    assert half_times([5.0, 1.0, 0.1], 0.0, 1) == pytest.approx(np.log(2))
    assert half_times([4.0, 1.0], 0.01, 2) == pytest.approx([np.log(399) / 8, np.log(99) / 2])
    assert np.isnan(half_times([1.0, 1.0], [0.6, 0.0], 2)).all()


def test_deep_modes_come_in_stages_and_shallow_ones_do_not() -> None:
    """While the first mode goes from a tenth to nine tenths, how far does the second get?"""
    times = np.linspace(0.0, 20.0, 20_001)
    shares = {}
    for depth in (1, 2, 3):
        strong, weak = balanced_modes(times, [2.0, 1.0], [1e-4, 1e-4], depth).learnt.T
        shares[depth] = weak[np.argmax(strong > 1.8)]
    assert shares[1] > 0.85
    assert shares[2] < 0.05
    assert shares[3] < 0.01


@pytest.mark.parametrize(
    ("u", "v", "s"), [(0.1, 0.001, 2.0), (0.001, 0.1, 2.0), (0.03, 0.03, 1.0), (3.0, 1.0, 1.0), (0.0, 0.2, 1.0)]
)
def test_two_layers_of_different_strengths_follow_their_equation(u: float, v: float, s: float) -> None:
    layers = integrate(np.array([u, v]), s, TIMES)
    found = unbalanced_modes(TIMES, [s], [u], [v])
    assert found.learnt[:, 0] == pytest.approx(layers.prod(axis=1), rel=1e-8, abs=1e-12)
    assert np.stack(layer_strengths(found.learnt, [u], [v]), axis=1)[:, :, 0] == pytest.approx(layers, rel=1e-8)
    (half,) = unbalanced_half_times([s], [u], [v])
    assert np.isnan(half) if u * v > s / 2 else unbalanced_modes([half], [s], [u], [v]).learnt == pytest.approx(s / 2)


@settings(deadline=None, max_examples=50)
@given(st.floats(0.01, 2), st.floats(0.01, 2), st.floats(0.1, 5))
def test_two_layers_keep_their_difference_and_their_order(u: float, v: float, s: float) -> None:
    found = unbalanced_modes(TIMES, [s], [u], [v])
    first, second = layer_strengths(found.learnt, [u], [v])
    assert first**2 - second**2 == pytest.approx(u**2 - v**2, abs=1e-9 * (u**2 + v**2 + s))
    assert first * second == pytest.approx(found.learnt, rel=1e-9)
    swapped = unbalanced_modes(TIMES, [s], [v], [u]).learnt
    assert swapped == pytest.approx(found.learnt, rel=1e-12)
    assert found.learnt + found.missing == pytest.approx(s, rel=1e-9)


def test_layers_of_very_different_strengths_learn_as_one_layer_from_their_own_start() -> None:
    """A large κ is one layer with the time κ t, and its digits are not taken from the strength itself."""
    u, v = 1e4, np.array([0.0, 1e-13, 1e-7])
    times = np.array([0.0, 1e-18, 1e-12, 1e-8])
    found = unbalanced_modes(times, [1.0] * 3, [u] * 3, v)
    one = balanced_modes(u**2 * times, [1.0] * 3, u * v, 1)
    assert found.learnt == pytest.approx(one.learnt, rel=1e-7, abs=0.0)
    assert found.missing == pytest.approx(one.missing, rel=1e-7, abs=0.0)
    half = unbalanced_half_times([1.0] * 3, [u] * 3, v)
    assert half == pytest.approx(half_times([1.0] * 3, u * v, 1) / u**2, rel=1e-7, abs=0.0)


def test_equal_layers_are_balanced_ones() -> None:
    one = unbalanced_modes(TIMES, [2.0, 1.0], [0.1, 0.2], [0.1, 0.2])
    other = balanced_modes(TIMES, [2.0, 1.0], [0.01, 0.04], 2)
    assert one.learnt == pytest.approx(other.learnt, rel=1e-12)
    assert one.missing == pytest.approx(other.missing, rel=1e-9, abs=1e-12)


def test_the_gradient_is_the_rate_at_which_the_error_falls() -> None:
    """dE/dt = -|∇E|²: by central differences, for balanced and unbalanced layers, with a mode that does not fit."""
    times = np.array([0.0, 0.5, 1.0, 2.0])
    for layers in (np.full((3, 3), 0.4), np.array([[0.5, 0.3, 0.3], [0.1, 0.2, 0.2]])):
        curve = aligned_curve(times, [2.0, 1.0, 0.7], layers, 2)
        step = 1e-5
        around = [
            aligned_curve(times + sign * step * (times > 0), [2.0, 1.0, 0.7], layers, 2).error for sign in (-1, 1)
        ]
        fall = (around[0] - around[1])[1:] / (2 * step)
        assert fall == pytest.approx(curve.gradient_norm[1:] ** 2, rel=1e-6)
        assert (curve.strengths[:, 2] == 0).all()
        assert curve.error[-1] > 0.7**2 / 2


def test_weights_of_aligned_modes_multiply_to_the_modes() -> None:
    rng = np.random.default_rng(0)
    along = [np.linalg.qr(rng.standard_normal((n, 2)))[0] for n in (5, 4, 6)]
    curve = aligned_curve(TIMES, [2.0, 1.0], np.full((2, 2), 0.2), 2)
    assert curve.layers is not None
    flat = aligned_weights(along, curve.layers)
    first, second = flat[:, :20].reshape(-1, 4, 5), flat[:, 20:].reshape(-1, 6, 4)
    product = np.einsum("om,toi,im->tm", along[2], second @ first, along[0])
    assert product == pytest.approx(curve.strengths)


def test_the_largest_step_is_where_descent_turns_unstable() -> None:
    """Two steps a little below and above it, from beside the solution."""
    for depth, s in ((1, 2.0), (2, 3.0), (4, 1.5)):
        for share, grows in ((0.99, False), (1.01, True)):
            w = np.full(depth, s ** (1 / depth)) * (1 + 1e-6)
            first = abs(s - w.prod())
            for _ in range(200):
                w = w + share * largest_step(s, depth) * (s - w.prod()) * w.prod() / w
            assert (abs(s - w.prod()) > first) == grows


def test_small_layers_start_at_a_typical_strength() -> None:
    """The mean logarithm of \\|W₁v + W₂ᵀu\\|²/4 over draws."""
    rng = np.random.default_rng(1)
    width, scale, draws = 6, 0.3, 40_000
    grown = scale / np.sqrt(width) * rng.standard_normal((2, draws, width))
    logs = np.log((grown.sum(axis=0) ** 2).sum(axis=1) / 4)
    assert np.log(effective_start(scale, width)) == pytest.approx(logs.mean(), abs=4 * logs.std() / np.sqrt(draws))


def test_wrong_strengths_are_refused() -> None:
    for s, a in (([0.0], 0.0), ([1.0], 1.5), ([1.0], -0.1)):
        with pytest.raises(InputError, match="strengths must be above 0"):
            balanced_modes(TIMES, s, a, 2)
    with pytest.raises(InputError, match="at depth 2 alone"):
        aligned_curve(TIMES, [1.0], np.array([[0.1], [0.2], [0.3]]), 1)


def test_a_thousand_times_take_milliseconds() -> None:
    """The budget is 2 ms at depth 2 and 10 ms at others; ten times as much is refused here, on any machine."""
    times = np.linspace(0, 10, 1000)
    for depth, budget in ((2, 0.02), (3, 0.1)):
        balanced_modes(times, [3.0, 2.0, 1.0], 1e-3, depth)
        begin = time.process_time()
        balanced_modes(times, [3.0, 2.0, 1.0], 1e-3, depth)
        assert time.process_time() - begin < budget
