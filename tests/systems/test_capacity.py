"""Capacity as a system."""

import doctest
from typing import Any

import pytest

import tsmech
from tests.commands import command
from tsmech.errors import InputError
from tsmech.systems import capacity


def test_what_each_answer_says() -> None:
    problem = tsmech.Capacity(alpha=2.0, dimension=20)
    assert problem.theory().separable_fraction[0] == 0.5
    assert problem.answer("exact").separable_fraction[0] == pytest.approx(0.5)
    assert problem.reduced(rng=0).separable_fraction[0] in (0.0, 1.0)
    assert problem.direct(rng=0).separable_fraction[0] in (0.0, 1.0)
    assert problem.theory().critical_capacity[0] == tsmech.critical_capacity(0.0)


def test_answers_that_there_are_not_say_why() -> None:
    for given in ({"margin": 0.5}, {"weights": "binary"}):
        problem = tsmech.Capacity(alpha=1.0, **given)
        for answer in ("exact", "reduced"):
            assert "Cover" in str(problem.lacks(answer))
    assert "30" in str(tsmech.Capacity(alpha=1.0, weights="binary", dimension=31).lacks("direct"))
    assert tsmech.Capacity(alpha=1.0, weights="binary", dimension=30).lacks("direct") is None
    assert "memory" in str(tsmech.Capacity(alpha=100.0, dimension=10**8).obstacle("direct"))


@pytest.mark.parametrize("given", [{"margin": -1.0}, {"alpha": 0.0}, {"weights": "ternary"}, {"dimension": 0}])
def test_bad_input_is_named(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(given))):
        tsmech.Capacity(**{"alpha": 1.0, **given})


def test_too_many_binary_weights_are_refused_in_one_line() -> None:
    words = ("run", "capacity", "--alpha", "0.5", "--weights", "binary", "--dimension", "31", "--answers", "direct")
    said = command(*words)
    assert (said.code, len(said.err.strip().splitlines())) == (2, 1)
    assert "dimension = 31 is not allowed" in said.err


def test_the_answers_agree() -> None:
    assert [verdict for verdict in tsmech.check(tsmech.Capacity, replicates=100) if not verdict.agrees] == []


def test_binary_weights_lose_their_solutions_about_the_capacity() -> None:
    """N = 18, where the transition is broad: nearly all at half of 0.833, nearly none at twice of it."""
    runs = tsmech.run(
        "capacity", alpha=[0.4, 1.7], weights="binary", dimension=18, answers="direct", replicates=40, workers=1
    )
    assert runs.separable_fraction[0] >= 0.9
    assert runs.separable_fraction[1] <= 0.1


def test_public_examples_run() -> None:
    outcome = doctest.testmod(capacity)
    assert (outcome.attempted, outcome.failed) == (3, 0)
