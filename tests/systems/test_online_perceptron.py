"""OnlinePerceptron as a system: what is reported, what is refused, and that the answers agree."""

import doctest
from typing import Any

import numpy as np
import pytest

import tsmech
from tests.commands import command
from tsmech.errors import InputError
from tsmech.systems import online_perceptron
from tsmech.systems.online_perceptron import RULES


@pytest.mark.parametrize("rule", RULES)
def test_every_answer_keeps_the_definitions(rule: str) -> None:
    system = tsmech.OnlinePerceptron(rule=rule, duration=2, samples=4, dimension=50, initial_overlap=0.2)
    for frame in (system.theory(), system.reduced(rng=1), system.direct(rng=1)):
        assert frame.alpha.tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
        assert frame.rho.to_numpy() == pytest.approx(np.cos(np.pi * frame.generalization_error))
        assert frame.R.to_numpy() == pytest.approx(frame.rho * np.sqrt(frame.Q))
        assert (frame.rho[0], frame.Q[0]) == pytest.approx((0.2, 1.0))
        assert frame.scaled_error.to_numpy() == pytest.approx(frame.alpha * frame.generalization_error)


def test_the_optimal_rule_begins_without_weights() -> None:
    system = tsmech.OnlinePerceptron(rule="optimal", duration=1, samples=1, dimension=200)
    for frame in (system.theory(), system.reduced(rng=0), system.direct(rng=0)):
        assert (frame.Q[0], frame.rho[0], frame.generalization_error[0]) == pytest.approx((0.0, 0.0, 0.5), abs=1e-12)
        assert frame.generalization_error[1] == pytest.approx(0.27, abs=0.12)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"flip": 0.5}, "flip = 0.5 is not allowed: it must be below 0.5"),
        ({"initial_norm": 0.0}, "initial_norm = 0"),
        ({"initial_overlap": 1.0}, "initial_overlap = 1"),
        ({"rule": "optimal", "initial_overlap": -0.1}, "initial_overlap = -0.1 is not allowed with rule = optimal"),
        ({"rule": "optimal", "learning_rate": 2.0}, "learning_rate = 2 has no effect with rule = optimal"),
        ({"learning_rate": 0.0}, "learning_rate = 0"),
        ({"duration": -1.0}, "duration = -1"),
        ({"rule": "rosenblatt"}, "rule = rosenblatt is not allowed"),
        ({"duration": 1e-4}, "duration = 0.0001 is not allowed: the first step ends"),
    ],
)
def test_bad_input_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        tsmech.OnlinePerceptron(**given)


def test_a_command_refuses_in_one_line() -> None:
    said = command("run", "online_perceptron", "--initial-norm", "0")
    assert (said.code, len(said.err.strip().splitlines())) == (2, 1)


def test_asymptotes_are_reported_where_there_are_any() -> None:
    assert "asymptote" in tsmech.OnlinePerceptron(rule="adatron", duration=5, samples=2).theory()
    assert "asymptote" not in tsmech.OnlinePerceptron(rule="adatron", flip=0.1, duration=5, samples=2).theory()
    assert "asymptote" not in tsmech.OnlinePerceptron(rule="hinge", duration=5, samples=2).theory()


@pytest.mark.slow
def test_the_answers_agree() -> None:
    verdicts = tsmech.check(tsmech.OnlinePerceptron, replicates=100)
    assert [verdict for verdict in verdicts if not verdict.agrees] == []
    assert len(verdicts) == 180


def test_a_wrong_rate_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from tsmech.sims import online_perceptron as sims

    right = sims.run_reduced
    monkeypatch.setattr(
        online_perceptron.OnlinePerceptron, "checks", ({"rule": "adatron", "duration": 2.0, "samples": (1.0, 2.0)},)
    )
    monkeypatch.setattr(sims, "run_reduced", lambda rule, rate, *rest: right(rule, 1.1 * rate, *rest))
    wrong = {v.comparison for v in tsmech.check(tsmech.OnlinePerceptron, replicates=100) if not v.agrees}
    assert wrong == {"direct = reduced", "reduced -> theory"}


def test_public_examples_run() -> None:
    outcome = doctest.testmod(online_perceptron)
    assert outcome.attempted > 0
    assert outcome.failed == 0
