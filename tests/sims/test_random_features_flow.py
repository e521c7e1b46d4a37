"""The direct simulation of gradient flow on random features, against small steps and against sampled inputs."""

import math

import numpy as np
import pytest

from tsmech.sims.features.problem import Problem
from tsmech.sims.features.teacher import Teacher
from tsmech.sims.random_features_flow import draw

PROBLEM = Problem(12, 20, 8, 0.05, 0.5, 1.3, 0.3, "relu", False, initial_scale=0.7)


@pytest.mark.parametrize(("P", "n"), [(12, 20), (20, 12), (15, 15)])
@pytest.mark.parametrize("penalty", [0.0, 0.05])
def test_it_is_what_small_steps_lead_to(P: int, n: int, penalty: float) -> None:
    """Gradient descent in steps h from the same random numbers; errors on 200 000 inputs.  Steps err by order h."""
    problem = PROBLEM._replace(examples=P, features=n, penalty=penalty)
    times = np.array([0.0, 1.0, 4.0])
    found = draw(times, problem, np.random.default_rng(1))
    inputs_rng, noise_rng, features_rng, start_rng = np.random.default_rng(1).spawn(4)
    D, teacher = 8, Teacher.of(1.3, 0.3, 8)
    F, X = features_rng.standard_normal((n, D)), inputs_rng.standard_normal((P, D))
    y = teacher.labels(X) + 0.5 * noise_rng.standard_normal(P)
    a = 0.7 * start_rng.standard_normal(n)
    test = np.random.default_rng(2).standard_normal((200_000, D))
    Z, T = (np.maximum(each @ F.T / math.sqrt(D), 0.0) / math.sqrt(n) for each in (X, test))
    target, step = teacher.labels(test), 1e-4
    for row, time in enumerate(times):
        for _ in range(round((time - (times[row - 1] if row else 0.0)) / step)):
            a = a + step * n / P * (Z.T @ (y - Z @ a) - penalty * a)
        missed = (T @ a - target) ** 2 / 2
        assert found["train_error"][row] == pytest.approx(np.mean((y - Z @ a) ** 2) / 2, rel=1e-3)
        error = 5 * missed.std() / math.sqrt(len(test))
        assert found["generalization_error"][row] == pytest.approx(missed.mean(), abs=error + 1e-3 * missed.mean())
        assert found["test_error"][row] == pytest.approx(found["generalization_error"][row] + 0.125)
