"""Balanced layers of any directions: aligned modes and two layers, which have closed forms, and what is refused."""

import numpy as np
import pytest
from numpy.typing import NDArray

from tsmech.errors import ConvergenceError, InputError
from tsmech.theory.deep_network import balanced_modes, half_times, product_curve, two_layer_curve

Array = NDArray[np.float64]
TIMES = np.linspace(0.0, 6.0, 13)
STRENGTHS = np.array([2.0, 1.0])


def orthonormal(rows: int, columns: int, seed: int) -> Array:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((rows, columns)))[0]


MODES = orthonormal(5, 2, 1), STRENGTHS, orthonormal(4, 2, 2)


def turned(initial: Array, depth: int, ends: list[Array] | None = None) -> list[Array]:
    """Return balanced layers whose product has these singular values, in random or given directions."""
    between = [orthonormal(5, initial.size, 10 + layer) for layer in range(depth - 1)]
    first, last = ends or [orthonormal(4, initial.size, 8), orthonormal(5, initial.size, 9)]
    along = [first, *between, last]
    return [(along[n + 1] * initial ** (1 / depth)) @ along[n].T for n in range(depth)]


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_aligned_modes_follow_their_own_equation(depth: int) -> None:
    """Two modes in layers of rank two, of which the inputs and outputs have more directions."""
    initial = np.array([0.02, 0.1])
    start = turned(initial, depth, [MODES[2], MODES[0]])
    modes = balanced_modes(TIMES, STRENGTHS, initial, depth)
    found = product_curve(TIMES, MODES, start)
    assert found.strengths == pytest.approx(modes.learnt, abs=1e-8)
    assert found.error == pytest.approx((modes.missing**2).sum(axis=1) / 2, abs=1e-8)
    slopes = modes.missing * np.sqrt(depth) * modes.learnt ** (1 - 1 / depth)
    assert found.gradient_norm == pytest.approx(np.sqrt((slopes**2).sum(axis=1)), abs=1e-8 * depth * STRENGTHS.max())


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_half_learning_depends_on_no_report(depth: int) -> None:
    """Closed forms of aligned modes, from two late times; later than the last, or from beyond it, there is none."""
    initial = np.array([0.02, 0.1])
    known = half_times(STRENGTHS, initial, depth)
    for curve in (product_curve, two_layer_curve)[: 1 if depth > 2 else 2]:
        for times in ([5.0, 50.0], np.linspace(0.0, 50.0, 500)):
            found = curve(times, MODES, turned(initial, depth, [MODES[2], MODES[0]])).half
            assert found == pytest.approx(known, rel=1e-6)
        soon = curve([0.0, known.max() * 0.999], MODES, turned(initial, depth, [MODES[2], MODES[0]])).half
        assert soon == pytest.approx(np.where(known < known.max(), known, np.nan), rel=1e-6, nan_ok=True)
        none = curve([0.0], MODES, turned(initial, depth, [MODES[2], MODES[0]]))
        assert np.isnan(none.half).all()
        beyond = curve([0.0, 50.0], MODES, turned(np.array([1.2, 0.1]), depth, [MODES[2], MODES[0]])).half
        assert beyond == pytest.approx([np.nan, half_times([1.0], [0.1], depth)[0]], rel=1e-6, nan_ok=True)


def test_two_layers_in_any_directions_are_those_of_the_riccati_equation() -> None:
    start = [0.3 * orthonormal(4, 3, 3).T, 0.3 * orthonormal(5, 3, 4)]
    found, other = product_curve(TIMES, MODES, start), two_layer_curve(TIMES, MODES, start)
    for one, another in zip(found[:3], other[:3], strict=True):
        assert one == pytest.approx(another, abs=1e-8)


def test_weak_directions_keep_their_digits_past_saddles() -> None:
    """A thousandth and a millionth of the strongest, to times at which all is learnt, against the Riccati equation."""
    start, times = turned(np.array([1.0, 1e-3, 1e-6]), 2), np.concatenate([[0.0], np.geomspace(0.01, 300.0, 40)])
    found, other = product_curve(times, MODES, start), two_layer_curve(times, MODES, start)
    for one, another in zip(found[:3], other[:3], strict=True):
        assert one == pytest.approx(another, abs=1e-11)


@pytest.mark.parametrize("depth", [3, 6])
def test_aligned_modes_of_very_different_strengths_are_each_accurate(depth: int) -> None:
    """The strong are learnt, and taken out, long before the weak; nothing takes short steps for a long time."""
    s, initial = np.array([100.0, 1.0, 0.01]), np.array([1e-2, 1e-5, 1e-7])
    ends = [orthonormal(4, 3, 1), orthonormal(5, 3, 2)]
    half = half_times(s, initial, depth)  # increasing: the strong mode is the first
    found = product_curve([*half, 1e9], (ends[1], s, ends[0]), turned(initial, depth, ends))
    steepness = half * depth * s ** (2 - 2 / depth) / 2  # d ln a / d ln t, up to a thousand
    assert (abs(2 * np.diag(found.strengths[:3]) / s - 1) < 1e-12 * steepness).all()
    assert found.strengths[:2, 2] == pytest.approx(balanced_modes(half[:2], s[2:], initial[2:], depth).learnt[:, 0])
    assert found.strengths[3] == pytest.approx(s, rel=1e-10)


def test_a_mode_that_does_not_fit_is_not_learnt_and_what_remains_fades() -> None:
    """A width of one and a teacher of two modes: the stronger, and nothing else, for ever."""
    start = turned(np.array([0.3]), 3)
    found = product_curve([0.0, 50.0, 1e12], MODES, start)
    assert found.strengths[1:] == pytest.approx(np.array([[2.0, 0.0]] * 2), abs=1e-10)
    assert found.error[1:] == pytest.approx(0.5)
    assert (found.gradient_norm[1:] < 1e-9).all()


def test_times_may_be_few_many_or_late() -> None:
    start = turned(np.array([0.3, 0.2]), 3)
    many = product_curve(np.linspace(0.0, 4.0, 2001), MODES, start)
    assert product_curve([0.0], MODES, start).error == pytest.approx(many.error[:1], rel=1e-12)
    assert product_curve([1.0, 3.0], MODES, start).strengths == pytest.approx(many.strengths[[500, 1500]], abs=1e-11)
    assert product_curve([1.0, 3.0], MODES, start).error == pytest.approx(many.error[[500, 1500]], abs=1e-11)


def test_layers_too_large_for_floating_point_are_refused() -> None:
    start = turned(np.array([1e200, 1e200]), 3)
    with pytest.raises(ConvergenceError, match="their gradient is too large"):
        product_curve(TIMES, MODES, start)


@pytest.mark.parametrize(("depth", "scale", "end"), [(2, 0.6, 6.0), (3, 0.6, 6.0), (3, 0.02, 90.0)])
def test_what_the_teacher_does_not_reach_fades_alone(depth: int, scale: float, end: float) -> None:
    """Orthogonal layers of 9 units and a teacher of two modes, against gradient flow of all weights.

    From small layers a saddle is left late, and what is inaccurate before is much so after it.
    """
    from scipy.integrate import solve_ivp

    modes = orthonormal(9, 2, 1), STRENGTHS, orthonormal(9, 2, 2)
    target = (modes[0] * modes[1]) @ modes[2].T
    start = np.stack([scale * orthonormal(9, 9, 20 + layer) for layer in range(depth)])

    def descent(_: float, flat: Array) -> Array:
        layers = flat.reshape(start.shape)
        below, above = [np.eye(9)], [np.eye(9)]
        for layer in range(depth):
            below.append(layers[layer] @ below[-1])
            above.append(above[-1] @ layers[depth - 1 - layer])
        missing = target - below[depth]
        return np.stack([above[depth - 1 - n].T @ missing @ below[n].T for n in range(depth)]).ravel()

    times = end * np.array([0.0, 0.25, 27.5 / 90.0, 0.5, 57.5 / 90.0, 0.8, 1.0])  # in both transitions of the last
    weights = solve_ivp(descent, (0.0, end), start.ravel(), "DOP853", times, rtol=1e-13, atol=1e-16).y.T
    found = product_curve(times, modes, list(start))
    for n, flat in enumerate(weights):
        product = np.eye(9)
        for layer in flat.reshape(start.shape):
            product = layer @ product
        assert found.strengths[n] == pytest.approx(np.diag(modes[0].T @ product @ modes[2]), abs=1e-8)
        assert found.error[n] == pytest.approx(((target - product) ** 2).sum() / 2, abs=1e-8)
        assert found.gradient_norm[n] == pytest.approx(np.linalg.norm(descent(0.0, flat)), abs=1e-7)


def test_layers_that_are_not_balanced_are_refused() -> None:
    start = [orthonormal(4, 3, 3).T, orthonormal(3, 3, 4), 1.01 * orthonormal(5, 3, 5)]
    with pytest.raises(InputError, match="the layers are not balanced"):
        product_curve(TIMES, MODES, start)


def test_steps_at_the_largest_rate_approach_their_limit_of_many_layers_as_its_inverse() -> None:
    """What is held fixed is the product's strength: n(D) = n - c/D, both terms by quadrature (eq. 35)."""
    from scipy.integrate import quad

    strongest, s, initial = 2.0, 1.5, 0.2
    limit = quad(lambda a: (strongest / a) ** 2 / (s - a) / 2, initial, s / 2)[0]
    term = quad(lambda a: (strongest / a) ** 2 * np.log(strongest / a) / (s - a), initial, s / 2)[0]
    depths = np.array([200, 400])
    steps = [half_times([s], [initial], D)[0] * D * strongest ** (2 - 2 / D) / 2 for D in depths]
    left = steps - (limit - term / depths)
    assert left[0] / left[1] == pytest.approx(4.0, rel=0.05), "what is left is of second order"
