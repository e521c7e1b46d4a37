"""The race of pathways: closed forms of its ends, conserved numbers, and who wins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmech.errors import InputError
from tsmech.theory.deep_network import balanced_modes, unbalanced_half_times, unbalanced_modes
from tsmech.theory.multitasking import Pathways, half_times, race, typical_start

TIMES = np.linspace(0, 4, 9)


def start(*values: float, modes: int = 2) -> Pathways:
    return Pathways(*(np.full(modes, value) for value in values))


def test_separate_units_are_two_balanced_layers() -> None:
    found = race(TIMES, [2.0, 1.0], start(0, 0, 0.1, 0.1), 3)
    assert found.total == pytest.approx(balanced_modes(TIMES, [2.0, 1.0], 0.01, 2).learnt, rel=1e-7)
    assert (found.common == 0).all()


@pytest.mark.parametrize("tasks", [1, 2, 5])
def test_common_units_are_two_layers_with_faster_time(tasks: int) -> None:
    """u = ε K^(-1/4), v = δ K^(1/4), time √K t (below (4)): a closed form that the integration does not know."""
    found = race(TIMES, [2.0, 1.0], start(0.1, 0.05, 0, 0), tasks)
    u, v = 0.1 * tasks**-0.25, 0.05 * tasks**0.25
    expected = unbalanced_modes(np.sqrt(tasks) * TIMES, [2.0, 1.0], [u, u], [v, v]).learnt
    assert found.total == pytest.approx(expected, rel=1e-7)


@settings(deadline=None, max_examples=30)
@given(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0.01, 1), st.integers(1, 6))
def test_differences_of_squares_are_conserved(e: float, d: float, own_e: float, own_d: float, tasks: int) -> None:
    found = race(TIMES, [1.5], start(e, d, own_e, own_d, modes=1), tasks)
    assert found.encoder**2 - tasks * found.decoder**2 == pytest.approx(e**2 - tasks * d**2, abs=1e-6)
    assert found.own_encoder**2 - found.own_decoder**2 == pytest.approx(own_e**2 - own_d**2, abs=1e-6)
    assert found.total[-1] == pytest.approx(1.5, abs=0.3)


def test_half_times_are_where_the_race_is_half_run() -> None:
    """... by the clock (9), which the integration of (4) does not know, from 1e-9 on and with one pathway alone."""
    for begun in (start(0.1, 0.02, 0.05, 0.3), start(1e-5, 1e-4, 1e-9, 1e-3), start(0.5, 0.0, 0.0, 0.0)):
        for end, time in zip((2.0, 0.7), half_times([2.0, 0.7], begun, 3), strict=True):
            one = Pathways(*(each[:1] for each in begun))
            assert race([0.0, time], [end], one, 3).total[-1, 0] == pytest.approx(end / 2, rel=1e-7)
    alone = half_times([2.0, 0.7], start(0, 0, 0.1, 0.02), 3)
    assert alone == pytest.approx(unbalanced_half_times([2.0, 0.7], 0.1, 0.02), rel=1e-12)
    assert half_times([1.0], start(0.8, 0.8, 0, 0, modes=1), 2) == pytest.approx(np.nan, nan_ok=True)
    assert half_times([1.0], start(0, 0, 0, 0, modes=1), 2) == pytest.approx(np.nan, nan_ok=True)


def test_the_common_pathway_wins_where_it_serves_several_tasks() -> None:
    """From equal small strengths: half each for one task, more and more for more."""
    won = [float(race([0.0, 50.0], [1.0], start(0.01, 0.01, 0.01, 0.01, modes=1), k).common[-1, 0]) for k in (1, 2, 4)]
    assert won[0] == pytest.approx(0.5, abs=1e-6)
    assert won[0] < won[1] < won[2] < 1.0
    assert won[2] > 0.95


def test_small_weights_start_at_typical_strengths() -> None:
    """The mean logarithm of |p|² over draws, for common units with three tasks and for own ones."""
    rng = np.random.default_rng(0)
    width, common, own, tasks, draws = 16, 6, 10, 3, 30_000
    encoder = 0.2 / 4 * rng.standard_normal((draws, common))
    decoders = 0.2 / 4 * rng.standard_normal((draws, tasks, common))
    logs = np.log((((encoder + decoders.sum(axis=1) / np.sqrt(tasks)) / 2) ** 2).sum(axis=1))
    found = typical_start(0.2, width, common, own, tasks)
    assert 2 * np.log(found[0]) == pytest.approx(logs.mean(), abs=4 * logs.std() / np.sqrt(draws))
    assert found[1] == pytest.approx(found[0] / np.sqrt(3))
    assert found[2] == found[3] > found[0]
    assert typical_start(0.2, width, 0, 16, 3)[:2] == (0.0, 0.0)


def test_wrong_strengths_are_refused() -> None:
    with pytest.raises(InputError, match="strengths must be above 0"):
        race(TIMES, [1.0], start(-0.1, 0, 0, 0, modes=1), 2)
