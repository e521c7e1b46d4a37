"""LinearPerceptron as a system."""

import doctest
from typing import Any

import pytest

import tsmech
from tests.commands import command
from tsmech.errors import InputError
from tsmech.systems import linear_perceptron


@pytest.mark.parametrize("prior", ["spherical", "gaussian"])
@pytest.mark.parametrize("alpha", [0.5, 2.0])
def test_every_answer_reports_the_same(prior: str, alpha: float) -> None:
    system = tsmech.LinearPerceptron(alpha=alpha, prior=prior, dimension=30)
    for frame in (system.theory(), system.reduced(rng=0), system.direct(rng=0)):
        assert {"R", "q", "Q", "generalization_error", "train_error"} <= set(frame)
        if prior == "spherical":
            assert frame.generalization_error[0] == pytest.approx(1 - frame.R[0])
            assert frame.Q[0] == pytest.approx(1.0)
    assert ("autocorrelation_time" in system.direct(rng=0)) == (prior == "spherical")


@pytest.mark.parametrize(
    ("name", "value"), [("temperature", 0.0), ("noise", -1.0), ("alpha", 0.0), ("prior", "ridge"), ("dimension", 1)]
)
def test_bad_input_is_named(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"^{name} = "):
        tsmech.LinearPerceptron(**{"alpha": 1.0, name: value})


def test_a_command_refuses_in_one_line() -> None:
    said = command("run", "linear_perceptron", "--alpha", "1", "--temperature", "0")
    assert (said.code, len(said.err.strip().splitlines())) == (2, 1)


def test_memory_is_estimated_before_it_is_taken() -> None:
    assert "memory" in str(tsmech.LinearPerceptron(alpha=1.0, dimension=10**6).obstacle("direct"))
    assert "memory" in str(tsmech.LinearPerceptron(alpha=1.0, dimension=10**6).obstacle("reduced"))
    assert tsmech.LinearPerceptron(alpha=1.0, dimension=10**6, prior="gaussian").obstacle("reduced") is None


@pytest.mark.slow
def test_the_answers_agree() -> None:
    verdicts = tsmech.check(tsmech.LinearPerceptron, replicates=100)
    assert [verdict for verdict in verdicts if not verdict.agrees] == []
    assert len(verdicts) == 60


def test_public_examples_run() -> None:
    outcome = doctest.testmod(linear_perceptron)
    assert outcome.attempted > 0
    assert outcome.failed == 0
