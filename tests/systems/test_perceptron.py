"""Perceptron as a system: what its answers report, what is refused, and that they agree."""

import doctest
from typing import Any

import numpy as np
import pytest

import tsmech
from tests.commands import command
from tsmech.errors import InputError
from tsmech.systems import perceptron


@pytest.mark.parametrize("rule", perceptron.RULES)
@pytest.mark.parametrize("flip", [0.0, 0.1])
def test_every_answer_keeps_the_definitions(rule: str, flip: float) -> None:
    system = tsmech.Perceptron(alpha=1.5, rule=rule, flip=flip, dimension=30, sweeps=20)
    frames = [system.theory(), system.direct(rng=1)]
    if rule in perceptron.REDUCED:
        frames.append(system.reduced(rng=1))
    else:
        assert "scalar products" in str(system.lacks("reduced"))
    for frame in frames:
        expected = frame.generalization_error[0] * (1 - 2 * flip) + flip
        assert frame.test_error[0] == pytest.approx(expected, rel=1e-12)
        assert {"R", "train_error"} <= set(frame.columns)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"flip": 0.5}, "flip = 0.5 is not allowed: it must be below 0.5"),
        ({"flip": 0.1, "alpha": 3.0}, "version space is empty from 2.99"),
        ({"flip": 0.1, "alpha": 3.0, "rule": "max_stability"}, "version space is empty from 2.99"),
        ({"rule": "hebb", "temperature": 0.5}, "temperature = 0.5 has no effect with rule = hebb"),
        ({"rule": "bayes", "method": "annealed"}, "method = annealed has no effect with rule = bayes"),
        ({"method": "high_temperature"}, "temperature = 0 is not allowed with method = high_temperature"),
        ({"samples": 3}, "samples = 3 has no effect with rule = gibbs"),
        ({"rule": "bayes", "samples": 300}, "samples = 300 is not allowed: it must be at most sweeps = 200"),
        ({"alpha": 0.0}, "alpha = 0"),
        ({"temperature": -1.0}, "temperature = -1"),
        ({"rule": "hebbian"}, "did you mean hebb"),
        ({"dimension": 1}, "dimension = 1"),
    ],
)
def test_bad_input_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        tsmech.Perceptron(**{"alpha": 1.0, **given})


def test_a_command_refuses_in_one_line() -> None:
    said = command("run", "perceptron", "--alpha", "4", "--flip", "0.1")
    assert (said.code, len(said.err.strip().splitlines())) == (2, 1)
    assert "version space is empty" in said.err
    assert command("run", "perceptron", "--alpha", "1", "--flip", "0.5").code == 2


def test_gibbs_with_flips_beyond_the_threshold_is_fine_above_zero_temperature() -> None:
    frame = tsmech.Perceptron(alpha=4.0, flip=0.1, temperature=1.0).theory()
    assert 0 < frame.generalization_error[0] < 0.5


def test_broken_replica_symmetry_is_told() -> None:
    with pytest.warns(UserWarning, match="replica symmetry is broken"):
        tsmech.Perceptron(alpha=3.0, flip=0.2, temperature=0.05).theory()


def test_memory_is_estimated_before_it_is_taken() -> None:
    assert "memory" in str(tsmech.Perceptron(alpha=1e4, dimension=10**9).obstacle("direct"))
    assert "memory" in str(tsmech.Perceptron(alpha=1e4, dimension=10**9, rule="hebb").obstacle("reduced"))


def test_solutions_say_how_they_were_found() -> None:
    state = tsmech.Perceptron(alpha=2.0, temperature=0.5).state()
    assert state.residual < 1e-9
    assert state.iterations > 0
    assert state.branch == "from few examples"


def test_answers_do_not_depend_on_neighbours_of_a_sweep() -> None:
    alone = tsmech.Perceptron(alpha=2.0, temperature=0.5).theory().R[0]
    swept = tsmech.run("perceptron", alpha=[0.5, 2.0, 7.0], temperature=0.5, answers="theory", workers=1)
    assert swept[swept.alpha == 2.0].R.to_list() == [alone]


@pytest.mark.slow
def test_the_answers_agree() -> None:
    """Each rule's simulations, extrapolated from N = 30 ... 160, with theory, and the reductions in law."""
    verdicts = tsmech.check(tsmech.Perceptron, replicates=60)
    assert [verdict for verdict in verdicts if not verdict.agrees] == []
    assert len(verdicts) > 50


def test_a_wrong_theory_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptron.Perceptron, "checks", ({"alpha": 0.5, "rule": "pseudo_inverse"},))
    right = perceptron.Perceptron.state
    monkeypatch.setattr(
        perceptron.Perceptron, "state", lambda self: right(tsmech.Perceptron(alpha=0.3, rule="pseudo_inverse"))
    )
    wrong = {verdict.observable for verdict in tsmech.check(tsmech.Perceptron, replicates=200) if not verdict.agrees}
    assert "R" in wrong


def test_public_examples_run() -> None:
    outcome = doctest.testmod(perceptron)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_equilibrium_is_in_the_table() -> None:
    frame = tsmech.Perceptron(alpha=1.0, dimension=40, sweeps=100).direct(rng=0)
    assert frame.equilibrated[0] == 1.0
    assert frame.burn_in[0] == pytest.approx(50 / frame.autocorrelation_time[0])
    assert np.isfinite(frame.R_random[0] - frame.R_teacher[0])
