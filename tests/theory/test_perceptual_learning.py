"""The mode of two orientations, and Oja's rule, against brute integration of all weights."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from tsmech.problem.tuning import discrimination, preferred, responses, slopes
from tsmech.theory.perceptual_learning import hebbian, tuned_mode

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
