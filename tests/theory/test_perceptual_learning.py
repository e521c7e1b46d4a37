"""The mode of two orientations, and Oja's rule, against brute integration of all weights."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from tsmech.problem.tuning import discrimination, preferred, responses, slopes
from tsmech.theory.deep_network import balanced_modes, half_times
from tsmech.theory.perceptual_learning import hebbian, solution, tuned_mode

Array = NDArray[np.float64]
TASK = discrimination(9, 2.0, 20.0, 0.4, [0.0, 15.0])
TIMES = np.array([0.0, 0.7, 2.0, 6.0])


def test_neurons_are_tuned() -> None:
    """... around what they prefer, over 180 degrees; slopes are derivatives; half the differences are odd."""
    assert responses(8, 2.0, preferred(8)).diagonal() == pytest.approx(np.ones(8))
    assert responses(8, 2.0, -90.0) == pytest.approx(responses(8, 2.0, 90.0))
    step = 1e-5
    numeric = (responses(8, 2.0, 10 + step) - responses(8, 2.0, 10 - step)) / np.radians(2 * step)
    assert slopes(8, 2.0, 10.0) == pytest.approx(numeric, rel=1e-6)
    assert TASK.half == pytest.approx(-TASK.half[::-1])
    assert TASK.tests[0] == pytest.approx(TASK.half)
    fine = discrimination(9, 2.0, 1e-3, 0.4, [0.0])
    assert fine.half / np.radians(1e-3) * 2 == pytest.approx(fine.slope, rel=1e-5)


@pytest.mark.parametrize("readout", [0.01, 0.5])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_mode_is_the_flow_of_all_weights(depth: int, readout: float) -> None:
    """Descent on (2) by derivatives by complex steps of the mean loss: no formula of the mode's."""
    N, g = 9, 0.5
    start = np.concatenate([(g * np.eye(N)).ravel()] * (depth - 1) + [readout * TASK.direction])

    def loss(flat: NDArray[np.complex128]) -> complex:
        through = np.eye(N, dtype=complex)
        for layer in range(depth - 1):
            through = flat[layer * N * N : (layer + 1) * N * N].reshape(N, N) @ through
        output = flat[(depth - 1) * N * N :] @ through
        return complex((1 - output @ TASK.half) ** 2 + TASK.noise**2 * (output @ output)) / 2

    def velocity(_: float, flat: Array) -> Array:
        found = np.empty(flat.size)
        for place in range(flat.size):
            varied = flat.astype(complex)
            varied[place] += 1e-30j
            found[place] = -loss(varied).imag / 1e-30
        return found

    end = solve_ivp(velocity, (0, 2.0), start, method="RK45", rtol=1e-6, atol=1e-8).y[:, -1]
    found = tuned_mode([0.0, 2.0], TASK.strength, TASK.power, g, readout, depth)
    u = TASK.direction
    for layer in range(depth - 1):
        weights = end[layer * N * N : (layer + 1) * N * N].reshape(N, N)
        assert weights == pytest.approx(g * (np.eye(N) - np.outer(u, u)) + found.hidden[-1] * np.outer(u, u), abs=1e-5)
    assert end[(depth - 1) * N * N :] == pytest.approx(found.readout[-1] * u, abs=1e-5)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_the_mode_ends_at_the_best_linear_readout(depth: int) -> None:
    found = tuned_mode([0.0, 1e4], TASK.strength, TASK.power, 0.5, 0.01, depth)
    best = np.linalg.solve(TASK.noise**2 * np.eye(9) + np.outer(TASK.half, TASK.half), TASK.half)
    assert found.hidden[-1] ** (depth - 1) * found.readout[-1] == pytest.approx(np.linalg.norm(best), rel=1e-6)
    if depth > 1:
        assert found.hidden**2 - found.readout**2 == pytest.approx(0.5**2 - 0.01**2, rel=1e-6)


@pytest.mark.parametrize("depth", [3, 4, 10, 60])
@pytest.mark.parametrize("gain", [1e-3, 0.3, 3.0])
def test_a_balanced_mode_is_that_of_a_deep_network(depth: int, gain: float) -> None:
    """... by its own closed form, through plateaus of any length and from far above the end.

    Around the end of a long plateau times in double precision do not say where it is.
    """
    s, power = TASK.strength, TASK.power
    (half,) = half_times([s / power], [min(gain**depth, s / power / 4)], depth)
    times = np.append(0.0, half / power * np.array([1e-3, 0.5, 0.9, 40.0]))
    found = tuned_mode(times, s, power, gain, gain, depth)
    if gain**depth < s / power:
        known = balanced_modes(power * times, [s / power], [gain**depth], depth).learnt[:, 0]
        assert found.hidden == pytest.approx(known ** (1 / depth), rel=1e-7)
    else:

        def velocity(_: float, y: Array) -> Array:
            return np.asarray((s - power * np.exp(depth * y)) * np.exp((depth - 2) * y))

        end = times[-1]
        known = solve_ivp(velocity, (0, end), [np.log(gain)], "LSODA", times, rtol=1e-10, atol=1e-12).y[0]
        assert found.hidden == pytest.approx(np.exp(known), rel=1e-7)
    assert found.readout == pytest.approx(found.hidden, rel=1e-12)


@pytest.mark.parametrize(("gain", "readout"), [(0.5, 0.0), (0.02, 0.4), (0.3, 20.0), (4.0, 0.1), (4.0, 3.0)])
def test_a_mode_that_is_not_balanced_follows_its_equations(gain: float, readout: float) -> None:
    s, power = TASK.strength, TASK.power
    times = np.array([0.0, 0.01, 0.3, 3.0, 60.0])

    def velocity(_: float, state: Array) -> Array:
        w, r = state
        return np.asarray((s - power * w**3 * r) * np.array([w**2 * r, w**3]))

    known = solve_ivp(velocity, (0, 60), [gain, readout], t_eval=times, rtol=1e-11, atol=1e-13, method="LSODA").y
    found = tuned_mode(times, s, power, gain, readout, 4)
    assert found.hidden == pytest.approx(known[0], rel=1e-8)
    assert found.readout == pytest.approx(known[1], rel=1e-8, abs=1e-14)
    w, r = solution(s / power, gain, readout, 4)
    assert w**3 * r == pytest.approx(s / power)
    assert w**2 - r**2 == pytest.approx(gain**2 - readout**2)


def test_ojas_rule_is_the_flow_of_all_weights() -> None:
    N, g, readout = 9, 0.3, 0.05 * TASK.direction
    C = TASK.second_moment
    samples = np.outer(TASK.mean + TASK.half, TASK.mean + TASK.half), np.outer(*[TASK.mean - TASK.half] * 2)
    assert pytest.approx((samples[0] + samples[1]) / 2 + TASK.noise**2 * np.eye(N)) == C

    def velocity(_: float, flat: Array) -> Array:
        W, w = flat[: N * N].reshape(N, N), flat[N * N :]
        centred = TASK.noise**2 * np.eye(N) + np.outer(TASK.half, TASK.half)
        return np.concatenate([(W @ C - W @ C @ W.T @ W).ravel(), W @ (TASK.half - centred @ (W.T @ w))])

    start = np.concatenate([(g * np.eye(N)).ravel(), readout])
    expected = solve_ivp(velocity, (0, 6), start, t_eval=TIMES, rtol=1e-10, atol=1e-12, method="LSODA").y.T
    found = hebbian(TIMES, C, TASK.half, TASK.noise, g, readout)
    assert found.hidden.reshape(4, -1) == pytest.approx(expected[:, : N * N], abs=1e-7)
    assert found.readout == pytest.approx(expected[:, N * N :], abs=1e-7)
