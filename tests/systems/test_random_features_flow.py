"""Gradient flow on random features as a system."""

import doctest
from typing import Any

import numpy as np
import pytest

import tsmech
from tsmech import RandomFeatures, RandomFeaturesFlow
from tsmech.errors import ConvergenceError, InputError
from tsmech.systems import random_features_flow


def test_examples() -> None:
    assert doctest.testmod(random_features_flow) == (0, 3)


def test_both_answers_are_curves_of_the_same_observables() -> None:
    system = RandomFeaturesFlow(alpha=1.5, features=2, samples=[0, 1, 10], duration=10, dimension=20, initial_scale=1.0)
    for frame in (system.theory(), system.direct(rng=0)):
        assert frame.time.tolist() == [0.0, 1.0, 10.0]
        assert {"test_error", "train_error", "generalization_error", "early_stopping_time", "final_error"} <= set(frame)
        np.testing.assert_allclose(frame.test_error, frame.generalization_error + 0.125)


def test_long_training_ends_at_regression_in_the_simulation_too() -> None:
    """From the same law, not the same draw: means of 40 within five standard errors."""
    common: dict[str, Any] = {"alpha": 2.0, "features": 1.0, "penalty": 0.1, "dimension": 40}
    flow = RandomFeaturesFlow(**common, samples=[0, 1e6], duration=1e6)
    ends = np.array([flow.direct(rng=i).generalization_error.iloc[-1] for i in range(40)])
    still = np.array([RandomFeatures(**common).direct(rng=i).generalization_error[0] for i in range(40)])
    error = np.hypot(ends.std(ddof=1), still.std(ddof=1)) / np.sqrt(40)
    assert abs(ends.mean() - still.mean()) < 5 * error


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"initial_scale": -1}, "initial_scale = -1"),
        ({"duration": 0}, "duration = 0"),
        ({"features": 0}, "features = 0"),
        ({"samples": [1, 20], "duration": 10}, "samples has 20"),
    ],
)
def test_bad_input_is_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RandomFeaturesFlow(**{"alpha": 1, "features": 1, **parameters})


def test_ends_of_the_range_of_parameters_are_numbers_or_said_in_words() -> None:
    common: dict[str, Any] = {"features": 1.0, "samples": [0, 10], "duration": 10}
    with pytest.raises(ConvergenceError, match="was not resolved"):
        RandomFeaturesFlow(alpha=1e12, **common).theory()
    tiny, none = (RandomFeaturesFlow(alpha=2, penalty=each, **common).theory() for each in (1e-300, 0.0))
    np.testing.assert_allclose(tiny.test_error, none.test_error, rtol=1e-6)


def test_linear_features_beyond_the_input_dimension_move_nothing() -> None:
    flow = RandomFeaturesFlow(
        alpha=2, features=3, activation="linear", dimension=20, samples=[1e3, 1e14, 1e20], duration=1e20
    )
    error = flow.direct(rng=0).test_error
    np.testing.assert_allclose(error, error[0], rtol=1e-6)


@pytest.mark.slow
def test_the_check_finds_no_disagreement() -> None:
    verdicts = tsmech.check(RandomFeaturesFlow, replicates=100)
    assert len(verdicts) == 15
    assert all(verdict.agrees for verdict in verdicts)
