"""IsingPerceptron as a system."""

import doctest
from typing import Any

import numpy as np
import pytest

import tsmech
from tests.commands import command
from tsmech.errors import InputError
from tsmech.systems import ising_perceptron


def test_branches_are_a_sweep_and_the_poor_one_ends() -> None:
    frame = tsmech.run(
        "ising_perceptron", alpha=[1.0, 1.6], branch=["poor", "perfect", "stable"], answers="theory", workers=1
    )
    found = {(row.alpha, row.branch): row.R for row in frame.itertuples()}
    assert found[1.0, "poor"] == found[1.0, "stable"] < 1
    assert np.isnan(found[1.6, "poor"])
    assert found[1.6, "perfect"] == found[1.6, "stable"] == 1
    assert frame.transition.to_numpy() == pytest.approx(1.2447, abs=1e-4)


def test_an_unphysical_branch_is_marked() -> None:
    with pytest.warns(UserWarning, match="entropy is negative"):
        frame = tsmech.IsingPerceptron(alpha=1.4, branch="poor").theory()
    assert frame.physical[0] == 0
    assert frame.entropy[0] < 0
    assert tsmech.IsingPerceptron(alpha=1.0, branch="poor").theory().physical[0] == 1


def test_small_problems_are_enumerated_and_large_ones_sampled() -> None:
    small = tsmech.IsingPerceptron(alpha=0.8, temperature=1.0, dimension=10)
    assert {"free_energy", "entropy"} <= set(small.direct(rng=0))
    assert "R_random" not in small.direct(rng=0)
    forced = tsmech.IsingPerceptron(alpha=0.8, temperature=1.0, dimension=10, sampler="metropolis", sweeps=50)
    assert {"R_random", "R_teacher", "autocorrelation_time", "burn_in", "equilibrated"} <= set(forced.direct(rng=0))
    warm = tsmech.IsingPerceptron(alpha=0.8, temperature=1.0, dimension=31, sweeps=20).direct(rng=0)
    cold = tsmech.IsingPerceptron(alpha=0.8, temperature=0.2, dimension=31, sweeps=20).direct(rng=0)
    assert "equilibrated" in warm
    assert "temperatures" not in warm
    assert set(warm) | {"temperatures", "free_energy", "entropy"} == set(cold)
    poor = tsmech.IsingPerceptron(alpha=0.8, branch="poor", dimension=20, sweeps=20)
    assert poor.samples_by == "metropolis"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sampler": "enumeration", "dimension": 31}, "dimension = 31 is not allowed with sampler = enumeration"),
        ({"sampler": "enumeration", "branch": "poor"}, "branch = poor is not allowed with sampler = enumeration"),
        ({"sampler": "tempering", "branch": "perfect"}, "branch = perfect is not allowed with sampler = tempering"),
        ({"method": "high_temperature"}, "temperature = 0 is not allowed with method = high_temperature"),
        ({"branch": "rich"}, "branch = rich"),
        ({"temperature": -0.1}, "temperature = -0.1"),
        ({"alpha": 0.0}, "alpha = 0"),
        ({"alpha": 1e-13}, "alpha = 1e-13 is not allowed with temperature = 0"),
        ({"temperature": 1e13}, r"temperature = 1e\+13 is not allowed"),
    ],
)
def test_bad_input_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        tsmech.IsingPerceptron(**{"alpha": 1.0, **given})


def test_a_command_refuses_in_one_line() -> None:
    said = command("run", "ising_perceptron", "--alpha", "1", "--dimension", "31", "--sampler", "enumeration")
    assert (said.code, len(said.err.strip().splitlines())) == (2, 1)


def test_memory_is_estimated_before_it_is_taken() -> None:
    assert "memory" in str(tsmech.IsingPerceptron(alpha=1e5, dimension=30).obstacle("direct"))
    assert "memory" in str(tsmech.IsingPerceptron(alpha=100.0, dimension=10**6).obstacle("direct"))


@pytest.mark.slow
def test_the_answers_agree() -> None:
    """At three points of the poor branch away from the transition, N = 40 ... 320."""
    assert [verdict for verdict in tsmech.check(tsmech.IsingPerceptron, replicates=50) if not verdict.agrees] == []


@pytest.mark.slow
def test_enumeration_approaches_theory() -> None:
    """Free energy and entropy at N = 12 ... 20, which Metropolis' method does not know, extrapolated in 1/N.

    Statistical errors are 0.3 %, and what an extrapolation from so small N leaves of order 1/N² is below 1/150.
    """
    from tsmech.compare.statistics import extrapolate

    sizes = np.array([12, 16, 20])
    draws = [
        [tsmech.IsingPerceptron(alpha=0.75, temperature=1.0, dimension=int(n)).direct(rng=r) for r in range(150)]
        for n in sizes
    ]
    theory = tsmech.IsingPerceptron(alpha=0.75, temperature=1.0).theory()
    for name in ("free_energy", "entropy"):
        values = np.array([[float(frame[name][0]) for frame in row] for row in draws])
        limit = extrapolate(sizes, values.mean(axis=1), values.std(axis=1) / np.sqrt(150))
        assert limit.value == pytest.approx(float(theory[name][0]), abs=4 * limit.error + 1 / 150)


def test_public_examples_run() -> None:
    outcome = doctest.testmod(ising_perceptron)
    assert (outcome.attempted, outcome.failed) == (2, 0)
