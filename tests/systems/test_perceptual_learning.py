"""Perceptual learning as a system: answers that agree, and what must come out of neurons, layers and transfer."""

import doctest
from typing import Any

import numpy as np
import pytest

from tsmech import PerceptualLearning
from tsmech.compare import check
from tsmech.errors import InputError
from tsmech.systems import perceptual_learning


def observed(answer: str = "theory", **parameters: Any) -> dict[str, Any]:
    curve = PerceptualLearning(**parameters).curve(answer, None if answer == "theory" else 0)
    return {**curve.observables, **curve.summaries}


def test_the_documented_examples_hold() -> None:
    assert doctest.testmod(perceptual_learning).failed == 0


@pytest.mark.parametrize("parameters", [*PerceptualLearning.checks, {"depth": 1, "neurons": 9}])
def test_every_answer_says_the_same(parameters: dict[str, Any]) -> None:
    theory = observed(**parameters)
    assert set(theory) == set(PerceptualLearning.observables)
    for answer in ("reduced", "direct"):
        if PerceptualLearning(**parameters).lacks(answer) is None:
            for name, values in observed(answer, **parameters).items():
                assert values == pytest.approx(theory[name], abs=1e-6, nan_ok=True), (answer, name)


def test_the_most_informative_neurons_change_most_and_under_hebb_the_most_active() -> None:
    shared: dict[str, Any] = {"noise": 0.1, "duration": 4}
    gradient, hebbian = observed(**shared), observed(rule="hebbian", **shared)
    system = PerceptualLearning(**shared)
    task, preferred = system.task(), system.preferred()
    for name in ("neuron_change", "slope_change"):
        assert abs(gradient[name][-1]).argmax() in np.flatnonzero(abs(task.half) > 0.99 * abs(task.half).max())
    assert gradient["neuron_change"][-1][preferred == 0.0] == pytest.approx(0.0, abs=1e-9)
    assert preferred[hebbian["neuron_change"][-1].argmax()] == 0.0
    assert preferred[hebbian["response_change"][-1].argmax()] == 0.0
    assert abs(gradient["response_change"]).max() < 1e-9
    watched = observed(watched=20.0, **shared)
    assert watched["watched_change"] == pytest.approx(watched["neuron_change"][:, preferred == 18.0][:, 0])


def test_a_small_readout_changes_first_and_a_balanced_one_with_all_layers() -> None:
    """... the readout; the balanced control shows no order."""
    small = observed(depth=3, difference=60, samples=400)["half_change"]
    assert small[2] < 0.8 * small[0]
    balanced = observed(depth=3, difference=60, initial="balanced", samples=400)["half_change"]
    assert balanced == pytest.approx(np.full(3, balanced[0]))


def test_coarse_training_transfers_farther_than_fine() -> None:
    """Gains around an orientation 20 degrees away, as a share of that at the trained one, early and late."""
    shared: dict[str, Any] = {"test_orientations": [0, 20], "samples": [1.0, 60.0], "duration": 60}
    shares = []
    for difference in (4.0, 60.0):
        gain = observed(difference=difference, **shared)["transfer"] - 0.5
        shares.append(gain[:, 1] / gain[:, 0])
    assert (shares[1] > shares[0] + 0.2).all()


def test_hidden_neurons_become_sensitive_late() -> None:
    found = observed(difference=60, samples=200, test_orientations=[0.0, 45.0])
    accuracy, sensitivity = found["accuracy"], found["sensitivity"][:, 0]
    early = np.argmax(accuracy - accuracy[0] > (accuracy[-1] - accuracy[0]) / 2)
    late = np.argmax(sensitivity - 1 > (sensitivity[-1] - 1) / 2)
    assert early < late
    assert found["sensitivity"][-1, 1] < sensitivity[-1]


def test_a_random_readout_learns_the_same_in_the_end() -> None:
    random, theory = observed("direct", initial="random", duration=200), observed(duration=200)
    assert random["accuracy"][-1] == pytest.approx(theory["accuracy"][-1], abs=1e-6)
    assert random["slope_change"][-1] == pytest.approx(theory["slope_change"][-1], abs=1e-2)


@pytest.mark.parametrize(
    "parameters",
    [
        {"initial_readout": 0.0, "decision_noise": 0.0, "noise": 2.0, "difference": 5, "initial_gain": 0.15},
        {"initial": "balanced", "depth": 10, "initial_gain": 5.0, "duration": 0.1},
        {"initial": "balanced", "depth": 4, "initial_gain": 0.001, "duration": 1e7, "initial_readout": 1.0},
    ],
)
def test_theory_and_the_modes_say_the_same_of_hard_starts(parameters: dict[str, Any]) -> None:
    """... that know nothing yet, where every answer is a guess; that fall far; that grow through a long plateau."""
    theory, reduced = (observed(answer, samples=5, neurons=10, **parameters) for answer in ("theory", "reduced"))
    for name, values in reduced.items():
        assert theory[name] == pytest.approx(values, rel=1e-6, abs=1e-9, nan_ok=True), name


def test_the_largest_steps_are_stable() -> None:
    """... of Oja's rule from a large gain, and of descent from a large readout."""
    for parameters in ({"rule": "hebbian", "initial_gain": 3.0}, {"initial_readout": 20.0, "depth": 3}):
        with pytest.raises(InputError, match="stable up to") as said:
            PerceptualLearning(neurons=10, step=10.0, **parameters)
        h = 0.99 * float(str(said.value).split()[-1])
        curve = PerceptualLearning(neurons=10, step=h, duration=200 * h, samples=1, **parameters).curve("direct", 0)
        assert curve.diverged_at is None
        assert abs(curve.observables["train_error"][-1]) < 0.6


def test_columns_name_the_tests() -> None:
    frame = PerceptualLearning(samples=2, test_orientations=[0, 22.5]).theory()
    assert {"transfer[0]", "transfer[22.5]", "slope_change[39]"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"difference": 0}, "difference = 0 is not allowed: it must be a number above 0 and below 180"),
        ({"difference": 180}, "difference = 180 is not allowed"),
        ({"rule": "hebbian", "depth": 3}, "rule = hebbian is not allowed with depth = 3"),
        ({"rule": "hebbian", "initial": "balanced"}, "initial = balanced is not allowed with rule = hebbian"),
        ({"noise": 0, "decision_noise": 0}, "noise and decision_noise are both 0"),
        ({"step": 3.0}, "step = 3 is not allowed: gradient descent is stable up to 2.1"),
        ({"step": 0.5, "rule": "hebbian", "initial_gain": 3}, "gradient descent is stable up to 0.0"),
        ({"step": 0.1, "initial_readout": 50}, "gradient descent is stable up to 0.0"),
        ({"depth": 100, "initial_gain": 50}, "10^168 times as strong, 10^100 is the most"),
        ({"test_orientations": [0, 0]}, "test_orientations = 0, 0 is not allowed: one comes twice"),
        ({"neurons": 2}, "no neuron tells the orientations apart"),
        ({"neurons": 10**6}, "of memory"),
        ({"rule": "hebb"}, "did you mean hebbian?"),
        ({"initial_gain": 0}, "initial_gain = 0 is not allowed"),
    ],
)
def test_bad_input_is_one_line(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as said:
        PerceptualLearning(**parameters)
    assert message in str(said.value)
    assert "\n" not in str(said.value)


def test_answers_that_there_are_not_say_why() -> None:
    assert "no single mode" in str(PerceptualLearning(initial="random").lacks("theory"))
    assert "Hebbian rule" in str(PerceptualLearning(rule="hebbian").lacks("reduced"))
    assert PerceptualLearning(noise=0.0).curve("direct", 0).rows == 101


@pytest.mark.slow
def test_its_answers_agree() -> None:
    verdicts = check(PerceptualLearning, replicates=50)
    assert [verdict for verdict in verdicts if not verdict.agrees] == []
