"""Draws of the capacity: coins, programmes and enumeration against counts."""

import itertools

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linprog

from tsmech.sims import capacity, enumeration
from tsmech.theory.capacity import cover_fraction


@pytest.mark.parametrize(("examples", "dimension"), [(8, 5), (12, 6), (15, 6), (1, 1), (3, 1)])
def test_draws_have_cover_s_fraction(examples, dimension):
    """400 programmes and 4000 sets of coins; two-sided binomial tests at 1e-4 fail once in 1000."""
    rng = np.random.default_rng([examples, dimension])
    expected = cover_fraction(examples, dimension)
    direct = sum(capacity.draw_direct(examples, dimension, 0.0, "spherical", rng) for _ in range(400))
    reduced = sum(capacity.draw_reduced(examples, dimension, rng) for _ in range(4000))
    assert stats.binomtest(direct, 400, expected).pvalue > 1e-4
    assert stats.binomtest(reduced, 4000, expected).pvalue > 1e-4


def test_a_wrong_count_would_be_noticed():
    """The negative control: one weight more."""
    rng = np.random.default_rng(0)
    found = sum(capacity.draw_reduced(12, 6, rng) for _ in range(4000))
    assert stats.binomtest(found, 4000, cover_fraction(12, 7)).pvalue < 1e-4


def test_programmes_agree_with_linear_ones():
    rng = np.random.default_rng(1)
    for _ in range(60):
        N = int(rng.integers(2, 9))
        Z = rng.standard_normal((2 * N, N))
        linear = linprog(np.zeros(N), A_ub=-Z, b_ub=-np.ones(2 * N), bounds=[(None, None)] * N).status == 0
        state = np.random.default_rng(int(rng.integers(10**9)))
        found = capacity.maximum_stability(Z)
        assert (found is not None) == linear, state


@pytest.mark.parametrize("dimension", [1, 2, 5, 9])
def test_enumeration_finds_what_is_there(dimension):
    """Against all products of signs, with solutions and without."""
    rng = np.random.default_rng(dimension)
    everything = np.array(list(itertools.product([-1.0, 1.0], repeat=dimension)))
    seen = set()
    for examples in (1, 2, dimension, 2 * dimension + 1):
        for _ in range(12):
            Z = rng.standard_normal((examples, dimension))
            largest = (everything @ Z.T).min(axis=1).max()
            for least in (largest - 1e-9, largest + 1e-9, 0.0):
                assert enumeration.exists(Z, least, rng) == (largest >= least)
                seen.add(largest >= least)
    assert seen == {True, False}


def test_the_halves_have_all_fields():
    Z = np.random.default_rng(2).standard_normal((3, 7))
    first, second = enumeration.halves(Z)
    fields = (first[:, None] + second[None]).reshape(-1, 3)
    everything = np.array(list(itertools.product([-1.0, 1.0], repeat=7))) @ Z.T
    np.testing.assert_allclose(np.sort(fields, axis=0), np.sort(everything, axis=0), atol=1e-12)


def test_a_margin_makes_it_harder():
    """The same examples at rising margins, for both kinds of weights."""
    for weights in ("spherical", "binary"):
        found = [
            [capacity.draw_direct(8, 10, margin, weights, np.random.default_rng(seed)) for margin in (0.0, 0.5, 1.0)]
            for seed in range(40)
        ]
        assert all(row == sorted(row, reverse=True) for row in found)
        assert 0 < np.mean(found) < 1
