"""Tables that are drawn, and the network beside its aligned modes."""

import numpy as np
import pytest

from tsmech.sims import semantic_development as sims
from tsmech.sims.deep_network import aligned_directions, aligned_layers, teacher_of


def test_modes_say_what_the_network_says() -> None:
    """Everything that is asked, step by step, to rounding; and in flow to the accuracy of two solvers."""
    rng = np.random.default_rng(0)
    values = sims.draw_tree(2, 2, 0.2, 9, rng)
    teacher = teacher_of(values.T / 3.0)
    rank = len(teacher.strengths)
    question = sims.Question(4, 3.0, (values.T <= 0).astype(float))
    times = np.array([0.0, 1.0, 4.0])
    for depth in (1, 2, 3):
        layers = np.full((depth, rank), 0.3)
        weights = aligned_layers(aligned_directions(teacher, depth, 6, rng), layers)
        for step, tolerance in ((0.05, 1e-11), (0.0, 1e-7)):
            network = sims.learn(weights, teacher, question, times, step, tanh=False)
            modes = sims.decouple(layers, teacher, question, times, step)
            for name, one, other in zip(network._fields, network, modes, strict=True):
                assert one == pytest.approx(other, rel=tolerance, abs=tolerance), (depth, step, name)


def test_rings_and_grids_have_their_neighbours() -> None:
    assert sims.ring(5).sum(axis=0).tolist() == [2.0] * 5
    assert sims.ring(3).tolist() == (1 - np.eye(3)).tolist()
    found = sims.grid(3)
    assert found.sum(axis=0).tolist() == [2, 3, 2, 3, 4, 3, 2, 3, 2]
    assert (found == found.T).all()


def test_fields_have_the_law_of_their_signs() -> None:
    """Of two Gaussian numbers with correlation c the signs have (2/π) arcsin c: five standard errors of 40 000."""
    neighbours = sims.ring(6)
    values = sims.draw_field(neighbours, 0.3, 40_000, np.random.default_rng(1))
    covariance = np.linalg.inv(np.diag(neighbours.sum(axis=1) + 0.3) - neighbours)
    correlation = covariance / covariance[0, 0]
    expected = 2 / np.pi * np.arcsin(np.clip(correlation, -1, 1))
    assert values @ values.T / 40_000 == pytest.approx(expected, abs=5 / 200)


def test_trees_that_cut_across_each_other_reverse_their_branches() -> None:
    """Items 0 and 1 are relatives in the first tree, 0 and 4 in the second, of two branches at three levels."""
    values = sims.draw_crossing(2, 3, 0.05, 20_000, np.random.default_rng(2))
    odd, even = values[:, 1::2], values[:, ::2]
    q = 0.9**2
    for some, near, far in ((even, 1, 4), (odd, 4, 1)):
        assert (some[0] * some[near]).mean() == pytest.approx(q, abs=0.05)
        assert (some[0] * some[far]).mean() == pytest.approx(q**3, abs=0.05)
