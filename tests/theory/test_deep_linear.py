"""Noisy teachers: outliers, averages over the bulk with their terms of order one, overtraining."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tsmech.theory.deep_linear import Sizes, noisy_curve, outlier, overtraining
from tsmech.theory.deep_network import balanced_modes

Array = NDArray[np.float64]


def draw(s: list[float], sizes: Sizes, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Return the singular value decomposition of one noisy draw of a teacher along the axes."""
    matrix = sizes.noise / np.sqrt(sizes.examples) * rng.standard_normal((sizes.outputs, sizes.inputs))
    matrix[np.arange(len(s)), np.arange(len(s))] += s
    return np.linalg.svd(matrix, full_matrices=False)


def test_outliers_and_their_overlaps_are_those_of_a_large_matrix() -> None:
    """Of one matrix of 600 x 900; fluctuations are of order 1/√N in the value, here 5 of them."""
    sizes = Sizes(900, 600, 1800, 0.8)
    left, x, right = draw([2.0, 0.9, 0.2], sizes, np.random.default_rng(0))
    value, overlap = outlier([2.0, 0.9, 0.2], sizes)
    assert value[:2] == pytest.approx(x[:2], abs=5 * sizes.unit / np.sqrt(900))
    assert overlap[:2] == pytest.approx([left[k, k] * right[k, k] for k in (0, 1)], abs=0.03)
    assert overlap[2] == 0.0
    assert value[2] == pytest.approx(x[2], abs=0.03)


@pytest.mark.parametrize(("shape", "initial"), [((60, 40), 1e-3), ((40, 40), 0.2), ((40, 80), 1e-3)])
def test_averages_are_those_of_draws(shape: tuple[int, int], initial: float) -> None:
    """Means over draws of learning at five times; what is left is of order 1/N, a fiftieth of the terms of order one.

    In the second case a third of the noise's modes are weaker than the start.

    The negative control leaves the terms of order one out, by taking them from a problem a thousand times as large.
    """
    sizes, s = Sizes(*shape, 2 * shape[0], 0.5), [2.0, 0.3]
    times = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    rng = np.random.default_rng(1)
    strengths, squared, missing = [], [], []
    for _ in range(300):
        left, x, right = draw(s, sizes, rng)
        a = balanced_modes(times, x, np.minimum(initial, x), 2).learnt
        strengths.append(np.stack([a @ (left[k] * right[:, k]) for k in range(2)], axis=1))
        squared.append((a**2).sum(axis=1))
        missing.append(((x - a) ** 2).sum(axis=1))
    found = noisy_curve(times, s, sizes, initial, 2)
    for draws, predicted in ((strengths, found.strengths), (squared, found.squared), (missing, found.missing)):
        mean, error = np.mean(draws, axis=0), np.std(draws, axis=0) / np.sqrt(300)
        scale = max(1.0, float(np.abs(mean).max()))
        assert mean == pytest.approx(predicted, abs=float(4 * error.max() + scale / sizes.inputs / 3))
    large = Sizes(1000 * sizes.inputs, 1000 * sizes.outputs, 1000 * sizes.examples, sizes.noise)
    bulk = noisy_curve(times, s, large, initial, 2).squared[-1] / 1000
    assert abs(np.mean(squared, axis=0)[-1] - bulk) > 3.0  # the teacher's own 2², above all


@pytest.mark.parametrize(
    ("shape", "initial", "depth", "end"),
    [((16, 12), 1e-3, 2, 40.0), ((8, 8), 0.3, 3, 40.0), ((8, 20), 1e-12, 2, 40.0), ((8, 10), 1e-6, 5, 1e4)],
)
def test_averages_at_a_thousand_times_are_those_at_each(
    shape: tuple[int, int], initial: float, depth: int, end: float
) -> None:
    """... by adaptive quadrature of the complex (22), (23) and (26) in θ, broken where modes start at their end."""
    from scipy.integrate import quad

    s, sizes, times = np.array([2.0, 0.3]), Sizes(*shape, shape[0], 0.6), np.linspace(0.0, end, 1000)
    found = noisy_curve(times, s, sizes, initial, depth)
    (low, high), c = np.array(sizes.edges) / sizes.unit, sizes.ratio
    middle, half = (low**2 + high**2) / 2, (high**2 - low**2) / 2
    value, overlap = outlier(s, sizes)

    def modes(x: Array, t: float) -> Array:
        return balanced_modes([0.0, t], x, np.minimum(initial, x), depth).learnt[1]

    for k in (0, 130, 555, 999):

        def integrand(theta: float, what: int, t: float = times[k]) -> float:
            zeta, root = middle - half * np.cos(theta), half * np.sin(theta)
            D, x = (zeta - 1 - c - 1j * root) / (2 * c), np.array([sizes.unit * np.sqrt(zeta)])
            squares, (a,) = (s / sizes.unit) ** 2, modes(x, t)
            shift = (squares * D**2 / (c * D**2 - 1) / (1 - squares * D)).imag.sum() / np.pi
            rho = min(shape) * root / (2 * np.pi * min(c, 1.0) * zeta) + shift - 1 / (2 * np.pi * root)
            along = -(np.sqrt(squares) * D / (1 - squares * D)).imag / np.pi / np.sqrt(zeta)
            return float(root * [along[0] * a, along[1] * a, rho * a**2, rho * (x[0] - a) ** 2][what])

        kink = np.arccos(np.clip((middle - (initial / sizes.unit) ** 2) / half, -1.0, 1.0))
        ends = modes(np.maximum(sizes.edges, 1e-12), times[k])
        peaks, beyond = modes(value, times[k]), overlap > 0
        known = [*(overlap * peaks), ends @ ends / 4 + (peaks**2) @ beyond]
        known.append(((sizes.edges - ends) ** 2).sum() / 4 + ((value - peaks) ** 2) @ beyond)
        for what, alone in enumerate(known):
            parts = [(a, b) for a, b in ((0.0, kink), (kink, np.pi)) if b > a]
            known[what] = alone + sum(quad(integrand, a, b, (what,), epsabs=1e-11, limit=500)[0] for a, b in parts)
        assert [*found.strengths[k], found.squared[k], found.missing[k]] == pytest.approx(known, rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("shape", [(50, 40), (40, 40), (30, 50), (1, 1), (300, 299)])
def test_in_the_end_all_of_the_correlations_are_learnt(shape: tuple[int, int]) -> None:
    """... |Σ|² + σ² N C/P, exactly: the masses of (21), (26) and (27) and their moments; at and beside a threshold too.

    The negative control: where an outlier begins half a mode is at the edge, which is not to be counted as one or none.
    """
    sizes = Sizes(*shape, 2 * shape[0], 0.5)
    edge = sizes.ratio**0.25 * sizes.unit
    for beside in (0.0, 1e-13, -1e-13, 1e-9, -1e-9, 1e-5, -1e-5, 1e-2, -1e-2):
        s = np.array([2.0, edge * (1 + beside)])
        for depth, times in ((1, [0.0, 30.0, 80.0]), (2, [0.0, 1e3, 1e7]), (5, [0.0, 1e4, 1e9])):
            found = noisy_curve(times, s, sizes, 1e-3, depth)
            assert found.squared[-1] == pytest.approx(s @ s + shape[1] * 0.5**2 / 2, rel=1e-11)
            assert found.strengths[-1] == pytest.approx(s, rel=1e-8)
        assert 0.5 * sizes.edges[1] ** 2 > 1e-3 * found.squared[-1]


def test_little_noise_is_none() -> None:
    times = np.linspace(0, 3, 7)
    found = noisy_curve(times, [2.0, 1.0], Sizes(8, 8, 16, 1e-5), 1e-4, 3)
    assert found.strengths == pytest.approx(balanced_modes(times, [2.0, 1.0], 1e-4, 3).learnt, abs=1e-6)
    value, overlap = outlier([2.0], Sizes(8, 8, 16, 0.0))
    assert (value, overlap) == ([2.0], [1.0])


def test_each_mode_has_its_own_best_time() -> None:
    """... where the strength is s times the overlap; a mode below the threshold is best not learnt at all."""
    sizes = Sizes(100, 50, 200, 0.6)
    for depth in (1, 2, 3):
        found = overtraining([2.0, 1.0, 0.1], sizes, 1e-3, depth)
        value, overlap = outlier([2.0, 1.0, 0.1], sizes)
        for k in (0, 1):
            at = balanced_modes([0.0, found.time[k]], [value[k]], [1e-3], depth).learnt[-1, 0]
            assert at == pytest.approx([2.0, 1.0][k] * overlap[k])
        assert found.time[2] == 0.0
        assert (found.least < found.final).all()
    assert np.isinf(overtraining([1.0], Sizes(8, 8, 16, 0.0), 1e-3, 2).time[0])
