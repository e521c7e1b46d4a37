"""Interpolation of smooth functions: to their own accuracy, growing, decaying and steep, at fewer places than asked."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tsmech.theory.smooth import interpolated

Array = NDArray[np.float64]


class Counted:
    """A function that knows at how many places it was computed."""

    def __init__(self, rate: float) -> None:
        self.rate, self.places = rate, 0

    def __call__(self, x: Array) -> Array:
        self.places += x.size
        return np.stack([np.exp(self.rate * x), 1 / (1 + np.exp(self.rate * (x - 4))), np.exp(-self.rate * x)], axis=1)


@pytest.mark.parametrize(("rate", "most"), [(0.1, 128), (2.0, 500), (50.0, 1700)])
@pytest.mark.parametrize("count", [1, 7, 1000])
def test_values_keep_their_relative_accuracy(rate: float, most: int, count: int) -> None:
    """... of functions over 80 decades too, and steep ones are not computed at more than some 1.7 times the places."""
    places, function = np.linspace(0.0, 10.0, count), Counted(rate)
    found = interpolated(places, function)
    assert function.places <= min(most, max(count, 128) * 1.7)
    known = Counted(rate)(places)
    large = known > 1e-20 * known.max(axis=0)
    assert found[large] == pytest.approx(known[large], rel=1e-8)


def test_places_need_not_be_even() -> None:
    places, function = np.geomspace(1e-3, 1e3, 2000), Counted(0.01)
    assert interpolated(places, function) == pytest.approx(Counted(0.01)(places), rel=1e-8)
    assert function.places < 700


def test_what_is_zero_stays_zero() -> None:
    assert (interpolated(np.linspace(0.0, 1.0, 500), lambda x: np.zeros((x.size, 2))) == 0.0).all()
