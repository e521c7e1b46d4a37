"""The system layer of gradient flow: sampling, the stable step, ridge at the end of time."""

import numpy as np
import pytest

from tsmech.errors import InputError
from tsmech.systems.gradient_flow import GradientFlow
from tsmech.systems.ridge import Ridge


@pytest.mark.parametrize("spectrum", ["isotropic", "two_level"])
def test_long_training_ends_at_ridge(spectrum: str) -> None:
    common = {"alpha": 2.0, "penalty": 0.3, "spectrum": spectrum}
    flow = GradientFlow(**common, duration=1e4, samples=1).theory()
    ridge = Ridge(**common).theory()
    for name in ("generalization_error", "test_error", "train_error", "weight_norm"):
        assert flow[name].iloc[-1] == pytest.approx(ridge[name].iloc[0], rel=1e-8)


def test_times_are_met_exactly() -> None:
    assert GradientFlow(alpha=1, duration=10, samples=[3.0, 1.0, 7.5]).theory()["time"].tolist() == [1.0, 3.0, 7.5]
    log = GradientFlow(alpha=1, duration=10, samples=5, spacing="log").theory()["time"].to_numpy()
    assert log[0] == 0.0
    assert log[-1] == 10.0
    np.testing.assert_allclose(np.diff(np.log(log[1:])), np.log(1e4) / 4)


def test_an_unstable_step_is_refused_with_the_stable_one() -> None:
    with pytest.raises(InputError, match=r"step = 9 is not allowed: gradient descent is stable up to 0\.\d+"):
        GradientFlow(alpha=2.0, step=9)


def test_the_best_time_lies_where_the_curve_is_least() -> None:
    system = GradientFlow(alpha=1.0, noise=0.7, duration=20, samples=2000)
    curve = system.theory()
    best = system.optimal_stopping()
    assert curve.generalization_error.min() == pytest.approx(best.error, rel=1e-5)
    assert curve.time[curve.generalization_error.argmin()] == pytest.approx(best.time, abs=0.02)
    at_best_penalty = Ridge(alpha=1.0, noise=0.7, penalty=system.optimal_penalty()).theory().generalization_error[0]
    assert 1.0 < best.error / at_best_penalty < 1.22


def test_anisotropic_inputs_have_no_reduction() -> None:
    assert "rotation invariance" in (GradientFlow(alpha=1, spectrum="two_level").lacks("reduced") or "")
