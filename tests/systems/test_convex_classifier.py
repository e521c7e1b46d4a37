"""ConvexClassifier as a system."""

import doctest
import importlib.util
from typing import Any

import pytest

import tsmech
from tests.commands import command
from tsmech.errors import InputError
from tsmech.systems import convex_classifier


@pytest.mark.parametrize("loss", convex_classifier.LOSSES)
def test_every_answer_reports_the_same(loss: str) -> None:
    pytest.importorskip("sklearn")
    system = tsmech.ConvexClassifier(alpha=1.5, loss=loss, flip=0.1, dimension=30)
    frames = [system.theory(), system.direct(rng=0)]
    assert set(frames[0]) == set(frames[1]) == set(tsmech.ConvexClassifier.observables)
    for frame in frames:
        assert frame.test_error[0] == pytest.approx(0.8 * frame.generalization_error[0] + 0.1)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"flip": 0.5}, "flip = 0.5 is not allowed: it must be below 0.5"),
        ({"penalty": 0.0}, "penalty = 0"),
        ({"penalty": 1e-20}, "penalty = 1e-20 is not allowed: it must be at least"),
        ({"penalty": 1e20}, "penalty = 1e.20 is not allowed: it must be at most"),
        ({"loss": "exponential"}, "loss = exponential"),
        ({"alpha": 0.0}, "alpha = 0"),
        ({"ratio": 3.0}, "ratio = 3 has no effect"),
        ({"eigenvalues": [1.0, 2.0], "teacher_weights": [0.0, 0.0]}, "the teacher's field must vary"),
    ],
)
def test_bad_input_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        tsmech.ConvexClassifier(**{"alpha": 1.0, **given})


def test_a_command_refuses_in_one_line() -> None:
    said = command("run", "convex_classifier", "--alpha", "1", "--flip", "0.5")
    assert (said.code, len(said.err.strip().splitlines())) == (2, 1)


def test_the_teacher_s_length_is_no_parameter() -> None:
    assert "signal" not in tsmech.ConvexClassifier.parameters()
    assert "reduced" in str(tsmech.ConvexClassifier(alpha=1.0).lacks("reduced"))


def test_without_scikit_learn_there_is_theory_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "sklearn" else found(name))
    problem = tsmech.ConvexClassifier(alpha=1.0)
    assert "tsmech[classifiers]" in str(problem.obstacle("direct"))
    assert problem.lacks("theory") is None
    assert tsmech.ConvexClassifier(alpha=1.0, loss="hinge", dimension=10).direct(rng=0).R[0] > 0


@pytest.mark.slow
def test_the_answers_agree() -> None:
    pytest.importorskip("sklearn")
    assert [verdict for verdict in tsmech.check(tsmech.ConvexClassifier, replicates=60) if not verdict.agrees] == []


def test_public_examples_run() -> None:
    outcome = doctest.testmod(convex_classifier)
    assert outcome.attempted > 0
    assert outcome.failed == 0
