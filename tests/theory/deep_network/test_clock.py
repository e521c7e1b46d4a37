"""The clock of deep layers: its series against quadrature and the hypergeometric function, and its table read back."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import hyp2f1

from tsmech.theory.deep_network.clock import FAR, clock_of, elapsed_of, shown_at

DEPTHS = [3, 4, 8, 30, 100]


@pytest.mark.parametrize("depth", DEPTHS)
def test_it_shows_the_integral_from_half_learning_on(depth: int) -> None:
    places = np.array([-6.0, -1.0, -0.01, 0.0, 0.01, 1.0, 6.0, 30.0])
    rest = np.exp(-places)
    found = elapsed_of(1.0 / (1.0 + rest), rest / (1.0 + rest), clock_of(depth))
    for place, time in zip(places, found, strict=True):
        known = quad(lambda x: (1.0 + np.exp(-x)) ** (1.0 - 2.0 / depth), 0.0, place, epsabs=1e-13, epsrel=1e-13)[0]
        assert time == pytest.approx(known, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("depth", DEPTHS)
def test_early_times_do_not_cancel(depth: int) -> None:
    """(10a) is D times the closed form (9), down to shares whose times are 1e15 and more."""
    learnt, power = np.geomspace(1e-16, 0.5, 40), 2.0 / depth - 1.0
    closed = depth * learnt**power / (2 - depth) * hyp2f1(1.0, power, 2.0 / depth, learnt)
    assert elapsed_of(learnt, 1.0 - learnt, clock_of(depth)) == pytest.approx(closed - closed[-1], rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("depth", DEPTHS)
def test_what_it_shows_is_read_back(depth: int) -> None:
    """... within the table, at its ends and beyond, and where one cell ends and another begins."""
    clock = clock_of(depth)
    places = np.concatenate([np.linspace(-1.5 * FAR, 1.5 * FAR, 777), np.linspace(-3, 3, 777)])
    rest = np.exp(-places)
    times = elapsed_of(1.0 / (1.0 + rest), rest / (1.0 + rest), clock)
    assert shown_at(times[:, None], clock)[:, 0] == pytest.approx(places, abs=1e-11)
    assert shown_at(np.array([[-np.inf, 0.0, np.inf]]), clock).tolist() == [
        [-np.inf, pytest.approx(0, abs=1e-13), np.inf]
    ]
