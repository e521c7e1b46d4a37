"""Power series of layers under gradient flow: coefficients, how far they reach, what they say of error and gradient."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tsmech.theory.deep_network.series import ORDER, TOLERANCE, Series

Array = NDArray[np.float64]


def begin(depth: int, size: int = 3) -> tuple[Array, Array]:
    rng = np.random.default_rng(depth)
    return 0.6 * rng.standard_normal((depth, size, size)), rng.standard_normal((size, size))


def gradients(layers: list[list[Array]], target: Array, order: int) -> list[Array]:
    """Return the coefficient of each gradient at an order by sums over all products of coefficients, one by one."""

    def times(one: list[Array], two: list[Array]) -> list[Array]:
        return [sum((one[i] @ two[k - i] for i in range(k + 1)), np.zeros_like(target)) for k in range(order + 1)]

    one = [np.eye(len(target)), *[np.zeros_like(target)] * order]
    below, above = [one], [one]
    for layer in layers:
        below.append(times(layer, below[-1]))
    for layer in layers[::-1]:
        above.insert(0, times(above[0], layer))
    missing = [-each for each in below[-1]]
    missing[0] = missing[0] + target

    def turned(each: list[Array]) -> list[Array]:
        return [matrix.T for matrix in each]

    depth = len(layers)
    return [times(times(turned(above[n + 1]), missing), turned(below[n]))[order] for n in range(depth)]


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_coefficients_are_those_of_the_plain_sums(depth: int) -> None:
    layers, target = begin(depth)
    series, unit = Series(depth, 3), 0.1
    series.expand(layers, target, unit)
    known = [[layer] for layer in layers]
    for k in range(6):
        for layer, slope in zip(known, gradients(known, target, k), strict=True):
            layer.append(slope / (k + 1))
    times = np.array([0.0, 1e-4])
    for time in times:
        plain = np.array([sum(each * time**k for k, each in enumerate(layer)) for layer in known])
        assert series.layers(float(time)) == pytest.approx(plain, rel=1e-13)
    missing, squares = series.outcome(times)
    product = np.linalg.multi_dot(list(layers[::-1]))
    assert missing[0] == pytest.approx((target - product).ravel(), rel=1e-13)
    assert squares[0] == pytest.approx(sum((each[1] ** 2).sum() for each in known), rel=1e-13)


def test_a_series_is_as_accurate_as_it_says_as_far_as_it_reaches() -> None:
    """There and back: from its end the flow leads backwards in time to its start; twice as far it does not."""
    layers, target = begin(3)
    series = Series(3, 3)
    reach = series.expand(layers, target, 0.1)
    for far, accuracy in ((reach, 1000 * TOLERANCE), (2.0 * reach, None)):
        series.expand(layers, target, reach)
        end = series.layers(far)
        halfway = end
        for _ in range(8):  # in steps so short that they add nothing
            series.expand(halfway, target, reach)
            halfway = series.layers(-far / 8)
        off = float(np.linalg.norm(halfway - layers) / np.linalg.norm(layers))
        assert off < accuracy if accuracy else off > 2.0**ORDER * TOLERANCE / 100


def test_nothing_moves_where_there_is_no_gradient() -> None:
    series = Series(3, 2)
    assert series.expand(np.zeros((3, 2, 2)), np.eye(2), 1.0) == np.inf
    with pytest.raises(FloatingPointError):
        series.expand(np.full((3, 2, 2), np.nan), np.eye(2), 1.0)
